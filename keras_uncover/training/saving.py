"""What a run leaves on the disk after every epoch: its network, its best one, its history, and the checkpoint."""

import contextlib
import math
import time
from pathlib import Path

import keras
from keras import ops

from keras_uncover.presets import RUN_MODEL
from keras_uncover.presets.weights import save_preset
from keras_uncover.process import tell
from keras_uncover.terminal import describe_seconds
from keras_uncover.training.checkpoints import prune_checkpoints, save_checkpoint

RUN_BEST = "best"


def save_averages(model, folders, config):
    """Write the averaged weights as preset folders, without the optimizer; each write is atomic."""
    # The same layers in a model that was never compiled: the optimizer's slots are three times the weights.
    bare = keras.Model(model.inputs, model.outputs, name=model.name)
    with averaged(model):
        for folder in folders:
            save_preset(bare, folder, config, half=False)


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


class TellRate(keras.callbacks.Callback):
    """Log learning rate and images a second, and tell after every epoch how long the run will take from there.

    Args:
        batch_size: examples a step. steps: of the whole run.
    """

    def __init__(self, batch_size, steps, per_epoch, tells=True):
        super().__init__()
        self.batch_size, self.steps, self.per_epoch, self.tells = batch_size, steps, per_epoch, tells
        self.spent, self.epochs = 0.0, 0

    def on_epoch_begin(self, epoch, logs=None):
        self.started = self.trained = time.monotonic()

    def on_train_batch_end(self, batch, logs=None):
        self.trained = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        logs["learning_rate"] = float(self.model.optimizer.learning_rate)
        logs["images_per_second"] = self.batch_size * self.per_epoch / (self.trained - self.started)
        self.spent, self.epochs = self.spent + time.monotonic() - self.started, self.epochs + 1
        step = (epoch + 1) * self.per_epoch
        left = self.spent / self.epochs * (self.steps - step) / self.per_epoch
        if self.tells:
            speed = f"{logs['images_per_second']:,.1f} images/s"
            tell(f"step {step:,} of {self.steps:,}: {speed}, {describe_seconds(left)} left")



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
