"""Presets that ship with the package, one folder each, and how a name becomes a folder."""

import json
from pathlib import Path

from keras_uncover.config import ModelConfig
from keras_uncover.models.classifier import build_classifier
from keras_uncover.models.reconstructor import build_reconstructor
from keras_uncover.weights import CONFIG, MANIFEST, WeightsError, load_verified, load_weights

BUILDERS = {"classify": build_classifier, "reconstruct": build_reconstructor}
KINDS = {"classify": "classifier", "reconstruct": "reconstructor"}
RUN_MODEL = "model"  # where a training run keeps its network


def preset_names(kinds=tuple(KINDS.values())):
    """Names of the presets of some kinds that ship, sorted."""
    folders = [path.parent for path in Path(__file__).parent.glob(f"*/{MANIFEST}")]
    return sorted(folder.name for folder in folders if json.loads((folder / CONFIG).read_text())["kind"] in kinds)


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


def build_model(task, config):
    """The network of a task, ``classify`` or ``reconstruct``, with new weights."""
    if task not in BUILDERS:
        raise ValueError(f"task must be classify or reconstruct; received {task!r}.")
    return BUILDERS[task](config)


def build_from_folder(name_or_folder):
    """The network that a preset or run holds, with its weights.

    Returns: model, and the dict of its ``config.json``.

    Raises:
        WeightsError: there is no such preset, it was altered, or it answers no photos.
    """
    folder = preset_folder(name_or_folder)
    config = load_verified(folder)
    tasks = {kind: task for task, kind in KINDS.items()}
    if config.get("kind") not in tasks:
        raise WeightsError(
            "Photos are answered by a classifier or a reconstructor.",
            f"{folder}, which holds {config.get('kind')!r}",
            f"The presets that answer are {', '.join(preset_names())}.",
        )
    model = build_model(tasks[config["kind"]], ModelConfig.from_dict(config["arch"]))
    load_weights(model, folder)
    return model, config
