"""What a run leaves on the disk after every epoch: its averaged weights, also the best ones, and a checkpoint.

``RUN/checkpoints/step-0000001000/`` holds ``state.weights.h5``, as Keras writes it: weights, the optimizer with its
averages, and the step; and ``checkpoint.json`` with the file's SHA-256. A checkpoint is there as a whole or not at all.
The position in the data needs no file: order and random numbers are functions of the step.
"""

import contextlib
import json
import math
import os
import shutil
from pathlib import Path

import keras
from keras import ops

from keras_uncover.files import hash_file, new_folder
from keras_uncover.models.build import save_network
from keras_uncover.presets import RUN_MODEL
from keras_uncover.process import tell
from keras_uncover.refusals import Refusal

RUN_BEST = "best"
CHECKPOINTS, STATE, NOTE = "checkpoints", "state.weights.h5", "checkpoint.json"


def save_averages(model, folders, config):
    """Write the averaged weights as preset folders, without the optimizer; each write is atomic."""
    # The same layers in a model that was never compiled: the optimizer's slots are three times the weights.
    bare = keras.Model(model.inputs, model.outputs, name=model.name)
    with averaged(model):
        for folder in folders:
            save_network(bare, folder, config, half=False)


class SaveRun(keras.callbacks.Callback):
    """After every epoch write the averaged weights, also as the best ones if they are, and then the checkpoint.

    The checkpoint comes last: what was written before it is written again if the process is killed in between.

    Args:
        folder: the run's folder.
        config: of the preset folders.
        per_epoch: steps an epoch.
        keep: newest checkpoints that stay; the best one does, too.
        best: ``{"step": ..., "value": ...}`` of the run so far, or None.
        watched: the logged value of which less is better.
    """

    def __init__(self, folder, config, per_epoch, keep=3, best=None, watched="val_loss"):
        super().__init__()
        self.folder, self.config, self.per_epoch, self.keep = Path(folder), config, per_epoch, keep
        self.best, self.watched = best or {"step": 0, "value": math.inf}, watched

    def on_epoch_end(self, epoch, logs=None):
        step, value = (epoch + 1) * self.per_epoch, logs.get(self.watched, logs["loss"])
        names = [RUN_MODEL]
        if value < self.best["value"]:
            self.best = {"step": step, "value": float(value)}
            names.append(RUN_BEST)
        save_averages(self.model, [self.folder / name for name in names], self.config)
        note = {"step": step, "epoch": epoch + 1, "per_epoch": self.per_epoch, "best": self.best}
        save_checkpoint(self.model, self.folder, {**note, "logs": {key: float(value) for key, value in logs.items()}})
        prune_checkpoints(self.folder, self.keep, self.best["step"])


def pair_averages(optimizer):
    """Pairs of a trainable weight and its average. A loss-scaling optimizer hides the one that keeps them."""
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    return list(zip(optimizer._trainable_variables, optimizer._model_variables_moving_average, strict=True))


def put_averages(model):
    """Assign the averages to the weights; returns the weights' own values, for ``put_back``."""
    raw = []
    for weight, average in pair_averages(model.optimizer):
        raw.append(ops.convert_to_numpy(weight))
        weight.assign(ops.convert_to_numpy(average))
    return raw


def put_back(model, raw):
    """Assign the values that ``put_averages`` returned: the weights are as before, to the bit."""
    for (weight, _), value in zip(pair_averages(model.optimizer), raw, strict=True):
        weight.assign(value)


@contextlib.contextmanager
def averaged(model):
    """Within the block the model's weights are their averages."""
    raw = put_averages(model)
    try:
        yield model
    finally:
        put_back(model, raw)


class ValidateAverages(keras.callbacks.Callback):
    """Validation of the averaged weights, which are what a run saves.

    ``keras.callbacks.SwapEMAWeights`` exchanges the two by adding and subtracting on TensorFlow, which rounds: a run
    that was stopped and went on would differ in the last bits from one that was not. This one puts back what was there.
    """

    def on_test_begin(self, logs=None):
        self.raw = put_averages(self.model)

    def on_test_end(self, logs=None):
        put_back(self.model, self.raw)


class CheckpointError(Refusal, RuntimeError):
    """No checkpoint that could be read, or one that could not be written."""


def save_checkpoint(model, folder, note):
    """Write a checkpoint of a compiled model.

    Args:
        model: compiled, its optimizer built.
        folder: the run's folder.
        note: dict for JSON with ``step``, an int; whatever else is to be found again.

    Raises:
        CheckpointError: the disk is full or cannot be written; the checkpoints before are as they were.
    """
    try:
        # The place is free, or holds a damaged checkpoint that was passed over.
        with new_folder(name_checkpoint(folder, note["step"]), durable=True) as fresh:
            model.save_weights(fresh / STATE)
            text = json.dumps({"format": 1, **note, "sha256": hash_file(fresh / STATE)}, indent=2) + "\n"
            (fresh / NOTE).write_text(text, "utf-8")
    except (OSError, RuntimeError) as error:  # HDF5 reports what it cannot flush as the latter.
        words = os.strerror(error.errno) if getattr(error, "errno", None) else error
        steps = [path.name for path in list_checkpoints(folder)]
        raise CheckpointError(
            f"The checkpoint of step {note['step']} could not be written: {words}. "
            f"{f'{steps[-1]} is whole' if steps else 'There is none before it'}. Make room, then go on with --resume."
        ) from error


def name_checkpoint(folder, step):
    return Path(folder) / CHECKPOINTS / f"step-{step:010d}"


def list_checkpoints(folder):
    """Paths of the checkpoints of a run, the newest last."""
    return sorted((Path(folder) / CHECKPOINTS).glob("step-*"))


def read_note(path):
    """The note of a checkpoint whose state is whole.

    Raises:
        CheckpointError: it is damaged.
    """
    try:
        note = json.loads((path / NOTE).read_text("utf-8"))
        expected, received = note["sha256"], hash_file(path / STATE)
    except (OSError, ValueError, KeyError) as error:
        raise CheckpointError(f"{path.name} cannot be read: {error}") from error
    if expected != received:
        raise CheckpointError(f"{path.name} must have the SHA-256 {expected[:12]}...; received {received[:12]}...")
    return note


def find_checkpoint(folder):
    """The newest checkpoint that is whole; those that are not are named on stderr.

    Returns: its note, or None where the run has none yet.

    Raises:
        CheckpointError: there are checkpoints, and all are damaged.
    """
    damaged = []
    for path in reversed(list_checkpoints(folder)):
        try:
            return read_note(path)
        except CheckpointError as error:
            damaged.append(path)
            tell(f"warning: a damaged checkpoint is passed over: {error}")
    if damaged:
        raise CheckpointError(
            f"One checkpoint at least must be whole; all {len(damaged)} in {Path(folder) / CHECKPOINTS} are damaged. "
            "Move the run away and start again, with --init from its model/ if that one is sound."
        )
    return None


def restore_checkpoint(model, folder, step):
    """Load the checkpoint of a step into a compiled model whose optimizer is built."""
    path = name_checkpoint(folder, step)
    try:
        model.load_weights(path / STATE)
    except (OSError, ValueError, KeyError) as error:
        raise CheckpointError(f"{path} must fit the model and its optimizer: {error}") from error


def prune_checkpoints(folder, keep, best):
    """Remove all but the newest ``keep`` and the one of step ``best``."""
    for path in list_checkpoints(folder)[:-keep]:
        if path != name_checkpoint(folder, best):
            shutil.rmtree(path)
