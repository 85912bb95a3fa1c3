"""What a run calls while it trains: event files for TensorBoard, and a grid of examples after every epoch.

The event files are written by the package ``tensorboard`` alone: Keras's own callback needs TensorFlow.
"""

import importlib.util
import io
import time
from pathlib import Path

import keras
import numpy as np
from keras import ops
from PIL import Image

from keras_uncover.training.saving import averaged

BOARD, SAMPLES = "tensorboard", "samples"  # folders of a run
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
