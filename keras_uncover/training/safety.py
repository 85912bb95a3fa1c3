"""Stop where going on would spoil a run: a loss or a weight that is no number."""

import json
import math
from pathlib import Path

import keras
import numpy as np
from keras import ops

from keras_uncover.refusals import Refusal

BAD = "nan"  # folder of the batches at which training broke


class BrokenTraining(Refusal, RuntimeError):
    """Training met a loss or a weight that is no finite number."""


def save_batch(folder, step, batch, loss):
    """Write a batch as ``step-N.npz`` with the keys ``input``, ``truth/...`` and ``weight/...``; returns its path."""
    folder = Path(folder) / BAD
    folder.mkdir(exist_ok=True)
    image, truth, weight = batch
    arrays = {"input": image}
    for name, values in (("truth", truth), ("weight", weight)):
        arrays.update({f"{name}/{key}": ops.convert_to_numpy(value) for key, value in values.items()})
    path = folder / f"step-{step:010d}.npz"
    np.savez_compressed(path, **arrays)
    (folder / f"step-{step:010d}.json").write_text(json.dumps({"step": step, "loss": str(loss)}) + "\n")
    return path


class StopOnNaN(keras.callbacks.Callback):
    """End training at a loss that is not finite, and before weights that are not finite are saved.

    The weights and checkpoints of the run stay those of the last good epoch. The batch that did it is written, and the
    one before, whose gradient may have done it; both are made again, being functions of the step.

    Args:
        folder: the run's folder; None writes nothing.
        batch_at: function of a step to its batch, ``(input, truths, weights)``.
        per_epoch: steps an epoch. per_call: steps between two looks at the loss.
    """

    def __init__(self, folder, batch_at, per_epoch, per_call=1):
        super().__init__()
        self.folder, self.batch_at, self.per_epoch, self.per_call = folder, batch_at, per_epoch, per_call

    def on_epoch_begin(self, epoch, logs=None):
        self.first = epoch * self.per_epoch

    def on_train_batch_end(self, batch, logs=None):
        if not math.isfinite(float(logs["loss"])):
            self.stop(self.first + batch, logs["loss"])

    def on_epoch_end(self, epoch, logs=None):
        last = self.first + self.per_epoch - 1
        broken = {key: value for key, value in logs.items() if key.endswith("loss") and not math.isfinite(value)}
        if broken:
            self.stop(last, broken)
        for weight in self.model.weights:
            if not np.all(np.isfinite(ops.convert_to_numpy(weight))):
                self.stop(last, f"finite, but {weight.path} is not")

    def stop(self, step, loss):
        written = ""
        if self.folder is not None:
            steps = range(max(step - self.per_call, 0), step + 1)
            paths = [str(save_batch(self.folder, number, self.batch_at(number), loss)) for number in steps]
            written = f" The batches of the last steps are in {', '.join(paths)}."
        raise BrokenTraining(
            f"The loss must stay a finite number; by step {step} it was {loss}.{written} The run keeps the weights of "
            "its last whole epoch: start another one from them with --init and a lower --learning-rate."
        )
