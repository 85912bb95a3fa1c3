"""Checkpoints: weights, optimizer with its averages, and the step. A checkpoint is there as a whole or not at all.

``RUN/checkpoints/step-0000001000/`` holds ``state.weights.h5``, as Keras writes it, and ``checkpoint.json`` with the
file's SHA-256. It is written under another name, forced to the disk and then renamed. The position in the data needs
no file: order and chance are functions of the step.
"""

import json
import os
import shutil
from pathlib import Path

from keras_uncover.files import hash_file, new_folder
from keras_uncover.process import tell
from keras_uncover.refusals import Refusal

CHECKPOINTS, STATE, NOTE = "checkpoints", "state.weights.h5", "checkpoint.json"


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
