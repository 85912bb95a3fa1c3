"""Event files for TensorBoard, written by the package ``tensorboard`` alone: Keras's own callback needs TensorFlow."""

import importlib.util
import io
import time
from pathlib import Path

import keras
from PIL import Image

BOARD = "tensorboard"


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
