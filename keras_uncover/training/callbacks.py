"""What a run calls while it trains: its speed, event files for TensorBoard, a grid of examples, a stop at a loss that
is not finite.

Event files are written by the package ``tensorboard`` alone: Keras's own callback needs TensorFlow.
"""

import importlib.util
import io
import json
import math
import time
from pathlib import Path

import keras
import numpy as np
from keras import ops
from PIL import Image

from keras_uncover.files import new_file, write_whole
from keras_uncover.process import tell
from keras_uncover.refusals import Refusal
from keras_uncover.terminal import describe_seconds
from keras_uncover.training.saving import averaged

BOARD, SAMPLES, BAD = "tensorboard", "samples", "nan"  # folders of a run; the last has batches at which training broke
COLUMNS = ("input", "mask", "true mask", "target", "true target", "donor", "true donor")  # of the grid of examples
ROWS = 8


def has_tensorboard():
    """Whether the package is installed."""
    return importlib.util.find_spec("tensorboard") is not None


class Board(keras.callbacks.Callback):
    """Scalars of every loss term, metric and rate after every epoch, and pictures that others hand in.

    Training and validation are two lines of one chart. A run that goes on tells TensorBoard to forget what an earlier
    process wrote beyond its start.

    Args:
        folder: the run's folder.
        start: epochs that are done.
    """

    def __init__(self, folder, start=0):
        super().__init__()
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        self.writers = {name: EventFileWriter(str(Path(folder) / BOARD / name)) for name in ("train", "validation")}
        for name in self.writers:
            self.add(name, start + 1, session_log={"status": "START"})

    def add(self, name, epoch, **what):
        """Write one event."""
        from tensorboard.compat.proto.event_pb2 import Event

        self.writers[name].add_event(Event(wall_time=time.time(), step=epoch, **what))

    def add_image(self, tag, image, epoch):
        """A picture, uint8 ``(height, width, 3)``."""
        file = io.BytesIO()
        Image.fromarray(image).save(file, "PNG")
        height, width = image.shape[:2]
        picture = {"height": height, "width": width, "colorspace": 3, "encoded_image_string": file.getvalue()}
        self.add("validation", epoch, summary={"value": [{"tag": tag, "image": picture}]})

    def on_epoch_end(self, epoch, logs=None):
        for key, value in logs.items():
            name = "validation" if key.startswith("val_") else "train"
            scalar = {"tag": key.removeprefix("val_"), "simple_value": float(value)}
            self.add(name, epoch + 1, summary={"value": [scalar]})
        for writer in self.writers.values():
            writer.flush()

    def on_train_end(self, logs=None):
        for writer in self.writers.values():
            writer.close()


def draw_grid(image, truth, answer):
    """Input, mask, target and donor of each example in a row, each answer left of its truth.

    Args:
        image: float32 ``(n, size, size, 3)`` in [0, 1].
        truth: dict as ``fit`` takes it. answer: dict of the network's outputs.

    Returns: uint8 ``(n * size, 7 * size, 3)``, the columns ``COLUMNS``.
    """

    def in_colour(picture):
        return np.repeat(picture, 3, axis=-1) if picture.shape[-1] == 1 else picture[..., :3]

    pairs = [(answer[key], truth[key]) for key in ("mask", "target", "donor")]
    cells = [image, *(in_colour(np.asarray(picture)) for pair in pairs for picture in pair)]
    grid = np.concatenate([np.concatenate(list(column), axis=0) for column in cells], axis=1)
    return np.round(np.clip(grid, 0.0, 1.0) * 255.0).astype("uint8")


class DrawSamples(keras.callbacks.Callback):
    """Write ``samples/epoch-0001.png`` of fixed examples with the averaged weights, and hand it to a board.

    Args:
        folder: the run's folder.
        batch: ``(input, truths, weights)``; its first rows and its last ones, which are genuine, are drawn.
        board: ``Board`` or None.
    """

    def __init__(self, folder, batch, board=None):
        super().__init__()
        self.folder, self.board = Path(folder) / SAMPLES, board
        count = len(batch[0])
        rows = np.unique(np.linspace(0, count - 1, min(ROWS, count)).round().astype(int))
        self.image = np.asarray(batch[0])[rows]
        self.truth = {key: np.asarray(value)[rows] for key, value in batch[1].items()}

    def on_epoch_end(self, epoch, logs=None):
        with averaged(self.model):
            answer = self.model(self.image, training=False)
        grid = draw_grid(self.image, self.truth, {key: ops.convert_to_numpy(value) for key, value in answer.items()})
        self.folder.mkdir(exist_ok=True)
        Image.fromarray(grid).save(self.folder / f"epoch-{epoch + 1:04d}.png")
        if self.board is not None:
            self.board.add_image("samples", grid, epoch + 1)


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
    with new_file(path) as file:
        np.savez_compressed(file, **arrays)
    write_whole(folder / f"step-{step:010d}.json", json.dumps({"step": step, "loss": str(loss)}) + "\n")
    return path


class StopOnNaN(keras.callbacks.Callback):
    """End training at a loss that is not finite, and before weights that are not finite are saved.

    The weights and checkpoints of the run stay those of the last good epoch. The batch with this loss is written, and
    the one before it, whose gradient may be the cause. Both are made again: a batch is a function of its step.

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
