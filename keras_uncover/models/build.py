"""What a task is, in one table, and the networks of the tasks, new or from a preset folder.

How to add a task:

1. name it, and the kind of network that solves it, in ``keras_uncover.presets.KINDS``;
2. write the network, a function of a ``ModelConfig`` to a ``keras.Model`` whose outputs are a dict, one of them
   ``p_fake``;
3. add a row to ``TASKS``: the network and, by output, the loss, its weight and the metrics. Losses and metrics are
   named as in ``LOSSES`` of ``training/losses.py`` and ``METRICS`` of ``training/metrics.py``;
4. a batch must hold a truth for each of these outputs: see ``to_example`` of ``pipelines/batches``.
"""

import collections.abc
import dataclasses

from keras_uncover.models.classifier import build_classifier
from keras_uncover.models.config import read_config
from keras_uncover.models.face_geometry import own_part
from keras_uncover.models.reconstructor import build_reconstructor
from keras_uncover.presets import KINDS, preset_folder, preset_names
from keras_uncover.presets.schema import check_calibration, check_config, uncalibrated
from keras_uncover.presets.weights import WEIGHTS, WeightsError, load_verified, load_weights, read_manifest, save_preset
from keras_uncover.process import claim_process


@dataclasses.dataclass(frozen=True)
class Task:
    """What a network learns.

    Attributes:
        build: function of a ``ModelConfig`` to the network.
        losses: output to the name of its loss. These are the outputs that a batch holds truths of.
        weights: output to the weight of its loss, for all of ``losses``.
        metrics: output to the names of its metrics.
    """

    build: collections.abc.Callable
    losses: dict
    weights: dict
    metrics: dict


TASKS = {
    "classify": Task(
        build=build_classifier, losses={"p_fake": "verdict"}, weights={"p_fake": 1.0}, metrics={"p_fake": ("auc",)}
    ),
    "reconstruct": Task(
        build=build_reconstructor,
        losses={"p_fake": "verdict", "mask": "mask", "target": "face", "donor": "face", "flow": "flow", "seen": "seen"},
        weights={"p_fake": 0.5, "mask": 1.0, "target": 2.0, "donor": 2.0, "flow": 10.0, "seen": 2.0},
        metrics={"p_fake": ("auc",), "mask": ("iou",), "target": ("l1", "ssim"), "donor": ("l1", "ssim")},
    ),
}


def build_model(task, config):
    """The network of a task with new weights.

    Args:
        task: a name of ``TASKS``, ``"classify"`` or ``"reconstruct"``.
        config: ``ModelConfig``, or for a classifier ``EvidenceConfig``.

    Raises:
        ValueError: there is no such task.
    """
    if task not in TASKS:
        raise ValueError(f"task must be {' or '.join(TASKS)}; received {task!r}.")
    return TASKS[task].build(config)


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
    load_weights(own_part(model), folder, config)
    check_calibration(config, read_manifest(folder)[WEIGHTS])
    return model, config


def save_network(model, folder, config, half=True):
    """Write a network of a task as a preset folder, which ``build_from_folder`` reads.

    Args:
        model: as ``build_model`` makes it.
        folder, config, half: as ``save_preset`` takes them.

    Raises:
        OverwriteError: the folder holds files with the names of a preset and is none.
    """
    save_preset(own_part(model), folder, config, half=half)
