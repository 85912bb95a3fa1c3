"""Presets that ship with the package, one folder each, and how a name becomes a folder."""

import json
from pathlib import Path

from keras_uncover.presets.weights import CONFIG, MANIFEST, WeightsError

# Task to the kind of network that a configuration names; what a task is says ``keras_uncover.models.build``.
KINDS = {"classify": "classifier", "reconstruct": "reconstructor"}
RUN_MODEL = "model"  # where a training run keeps its network


def preset_names(kinds=tuple(KINDS.values())):
    """Names of the presets of some kinds that ship, those that answer photos unless told otherwise, sorted."""
    return [name for name, config in shipped_configs().items() if config["kind"] in kinds]


def shipped_configs():
    """The configuration of every preset that ships, by its name, sorted."""
    folders = sorted(path.parent for path in Path(__file__).parent.glob(f"*/{MANIFEST}"))
    return {folder.name: json.loads((folder / CONFIG).read_text("utf-8")) for folder in folders}


def preset_folder(name_or_folder):
    """The folder that holds a preset: a shipped one by its name, a preset folder, or a training run's.

    Args:
        name_or_folder: str or path. What contains a path separator, or exists as a folder with a manifest, is a folder.

    Returns: ``pathlib.Path``.

    Raises:
        WeightsError: there is no such preset.
    """
    folder = Path(name_or_folder)
    for candidate in (folder, folder / RUN_MODEL):
        if (candidate / MANIFEST).is_file():
            return candidate
    shipped = Path(__file__).parent / folder.name
    if str(name_or_folder) == folder.name and (shipped / MANIFEST).is_file():
        return shipped
    raise WeightsError(
        f"A preset is one of {', '.join(preset_names())}, or a folder with {MANIFEST} in it or in its {RUN_MODEL}/.",
        repr(str(name_or_folder)),
        "Choose a name, or give the folder that train_keras.py wrote.",
    )
