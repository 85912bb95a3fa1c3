"""Functions of whole photos, compiled for few shapes."""

import keras
import numpy as np

MIN_CANVAS, MAX_SQUARE = 512, 4096


class Compiled(keras.Model):
    """A function of arrays, compiled: a model's predict step is the one compiler that all of Keras's backends share.

    network: the model that the function calls.
    """

    def __init__(self, function, network):
        super().__init__(name="compiled")
        self.function, self.network = function, network

    def call(self, inputs):
        return self.function(*inputs)

    def run(self, *inputs):
        """The function's values for arrays, as NumPy arrays."""
        return self.predict_on_batch(inputs)


def lay_on_canvas(photo):
    """Check a photo and lay it on a black square whose side is a power of two, so that few shapes are compiled.

    Outside of a photo a finder of faces reads zeros anyway. Beyond ``MAX_SQUARE`` the sides differ, as a square around a
    long photo would be too large.

    Returns: uint8 ``(1, canvas height, canvas width, 3)`` and the photo's height and width.
    """
    photo = np.asarray(photo)
    if photo.dtype != np.uint8 or photo.ndim != 3 or photo.shape[-1] != 3 or 0 in photo.shape:
        raise ValueError(
            "A photo must be uint8 (height, width, 3), RGB, with at least one pixel. "
            f"Received: {photo.dtype} {photo.shape}. Read files with keras_uncover.images.decode."
        )
    height, width = photo.shape[:2]
    sides = [max(MIN_CANVAS, 1 << (side - 1).bit_length()) for side in (height, width)]
    if max(sides) <= MAX_SQUARE:
        sides = 2 * [max(sides)]
    canvas = np.zeros((1, *sides, 3), np.uint8)
    canvas[0, :height, :width] = photo
    return canvas, (height, width)
