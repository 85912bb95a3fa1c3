"""Presets that ship with the package, one folder each, and how a name becomes a folder."""

import json
from pathlib import Path

from keras_uncover.models.config import read_config
from keras_uncover.presets.weights import (
    CONFIG,
    MANIFEST,
    WEIGHTS,
    WeightsError,
    load_verified,
    load_weights,
    read_manifest,
)
from keras_uncover.process import claim_process

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


def build_model(task, config):
    """The network of a task, ``classify`` or ``reconstruct``, with new weights."""
    if task not in KINDS:
        raise ValueError(f"task must be classify or reconstruct; received {task!r}.")
    # Only here, so that names and cards are told without loading Keras.
    from keras_uncover.models.classifier import build_classifier
    from keras_uncover.models.reconstructor import build_reconstructor

    return {"classify": build_classifier, "reconstruct": build_reconstructor}[task](config)


def build_from_folder(name_or_folder, calibrated=True):
    """The network that a preset or run holds, with its weights.

    Args:
        name_or_folder: as ``preset_folder`` takes it.
        calibrated: False leaves the preset's calibration aside, whatever it is worth.

    Returns: model, and the dict of its ``config.json``. The model's ``p_fake`` is the network's own: a calibration is
    applied by ``keras_uncover.inference.calibration.calibrate_model``.

    Raises:
        WeightsError: there is no such preset, it was altered, it answers no photos, or its calibration is not of these
            weights.
    """
    from keras_uncover.inference.calibration import check_calibration, uncalibrated
    from keras_uncover.presets.schema import check_config

    claim_process()
    folder = preset_folder(name_or_folder)
    config = load_verified(folder)
    config = config if calibrated else uncalibrated(config)
    tasks = {kind: task for task, kind in KINDS.items()}
    if config.get("kind") not in tasks:
        raise WeightsError(
            "Photos are answered by a classifier or a reconstructor.",
            f"{folder}, which holds {config.get('kind')!r}",
            f"The presets that answer are {', '.join(preset_names())}.",
        )
    check_config(config, folder)
    try:
        model = build_model(tasks[config["kind"]], read_config(config["arch"]))
    except (ValueError, TypeError, ArithmeticError) as error:
        raise WeightsError("A preset's arch must be that of a network.", f"{folder}: {error}",
                           "Build it with train_keras.py, or copy the preset folder again.") from error
    load_weights(model, folder)
    check_calibration(config, read_manifest(folder)[WEIGHTS])
    return model, config
