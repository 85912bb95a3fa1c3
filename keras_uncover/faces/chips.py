"""The chip: the one picture of a face that the judge sees, whatever crop it is cut from.

A chip is cut by the mesh points of the photo that is asked about. Truth, answer and every baseline are cut by the same
points, so what is compared is who is there, never how well somebody was found.
"""

import functools

import keras
import numpy as np
from keras import ops

from keras_uncover.ops.geometry import ANCHORS, fit_similarity, pixel_grid, sample, transform_points
from keras_uncover.ops.mesh import VERTICES, mean_mesh

SIZE = 150
# Where the mean face lies in a chip, in shares of its side: as in the chips that dlib's network was trained on, whose
# published places of eye corners and nose put the mean face's hull at 0.77 of the width and its outer eye corners at
# 0.308 of the height. Of twelve framings around it, this one keeps mirrored and badly aligned crops nearest to their
# person on the validation people.
HULL_WIDTH = 0.77
EYE_LINE = 0.308
EYE_CORNERS = (33, 263)


@functools.cache
def chip_template():
    """Mesh points of the mean face in unit coordinates of a chip, numpy float32 ``(468, 2)``."""
    points = mean_mesh().points.astype("float64")
    scaled = points * HULL_WIDTH / np.ptp(points[:, 0])
    middle = (scaled[:, 0].min() + scaled[:, 0].max()) / 2
    eyes = scaled[list(EYE_CORNERS), 1].mean()
    return (scaled + [0.5 - middle, EYE_LINE - eyes]).astype("float32")


def chip_transform(points):
    """The similarity transform that puts a face's eyes and mouth where the mean face has them in a chip.

    Args:
        points: float32 ``(batch, 468 or more, 2 or 3)``, in any coordinates, x first.

    Returns: float32 ``(batch, 2, 3)``, unit chip to those coordinates.
    """
    anchors = ops.stack([points[:, index, :2] for index in ANCHORS], axis=1)
    template = ops.broadcast_to(ops.convert_to_tensor(chip_template()[list(ANCHORS)]), ops.shape(anchors))
    return fit_similarity(template, anchors)


def reads_per_pixel(crop_size, size):
    """How many reads each way a chip's pixel is the mean of: pixels of the crop that it spans, rounded up.

    It rests on the mean face alone, to which crops are aligned: a chip must not depend on others in its batch.
    """
    span = np.ptp(mean_mesh().points[:, 0]) * crop_size / (HULL_WIDTH * size)
    return max(1, int(np.ceil(span - 1e-3)))


def cut_chips(images, points, size=SIZE):
    """Cut one chip of each crop, without aliasing; a crop's size changes its chip's sharpness, never its framing.

    Args:
        images: float32 ``(batch, side, side, 3)``, crops; values are not rescaled.
        points: float32 ``(batch, 468 or more, 2 or 3)``, their mesh points in unit coordinates.
        size: pixels of a chip's side.

    Returns: float32 ``(batch, size, size, 3)`` in the range of ``images``. What lies outside of a crop is mirrored.

    Raises:
        ValueError: a crop is not square, or there are too few points.
    """
    if images.shape[1] != images.shape[2]:
        raise ValueError(f"Chips are cut from square crops, (batch, side, side, 3); received {tuple(images.shape)}.")
    if points.shape[1] < VERTICES:
        raise ValueError(f"Chips are cut by {VERTICES} mesh points or more; received {tuple(points.shape)}.")
    side = images.shape[1]
    taps = reads_per_pixel(side, size)
    matrices = chip_transform(points)
    shape = (ops.shape(points)[0], size * size, 2)
    grid = ops.reshape(pixel_grid(size), (1, size * size, 2))
    total = 0.0
    for tap in range(taps * taps):
        shift = (np.array([tap % taps, tap // taps], "float32") + 0.5) / taps - 0.5
        places = transform_points(matrices, ops.broadcast_to(grid + shift / size, shape))
        total = total + sample(images, ops.reshape(places * side, (-1, size, size, 2)))
    return total / taps**2


class CutChips(keras.layers.Layer):
    """``cut_chips`` as a layer: ``[crops, points]`` to chips."""

    def __init__(self, size=SIZE, **kwargs):
        super().__init__(**kwargs, dtype="float32")
        self.size = size

    def call(self, inputs):
        return cut_chips(*inputs, size=self.size)

    def compute_output_shape(self, input_shape):
        return (input_shape[0][0], self.size, self.size, 3)

    def get_config(self):
        config = super().get_config()
        del config["dtype"]
        return {**config, "size": self.size}
