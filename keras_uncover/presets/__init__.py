"""Presets that ship with the package, one folder each, and how a name becomes a folder."""

from pathlib import Path

from keras_uncover.weights import MANIFEST, WeightsError

RUN_MODEL = "model"  # where a training run keeps its network


def preset_names():
    """Names of the presets that ship."""
    return sorted(path.parent.name for path in Path(__file__).parent.glob(f"*/{MANIFEST}"))


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
