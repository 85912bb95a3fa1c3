"""A fixed grid of examples, drawn after every epoch: what the network makes of them, beside the truth."""

from pathlib import Path

import keras
import numpy as np
from keras import ops
from PIL import Image

from keras_uncover.training.averages import averaged

SAMPLES = "samples"
COLUMNS = ("input", "mask", "true mask", "target", "true target", "donor", "true donor")
ROWS = 8


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
