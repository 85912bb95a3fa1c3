"""Two small autoencoders that learn beside the classifier: what they paint again looks as if a generator made it.

One works at the crop's own detail, one at half of it through a much narrower code, about as a tool that makes faces of
128 pixels. They are never good at first and rather good at the end, so a classifier sees many qualities of painting.
"""

import keras
from keras import layers, ops

from keras_uncover.models.layers import DepthToSpace, EnlargeLinearly, SpaceToDepth
from keras_uncover.ops.filters import blur_all


def _convolve(x, width, name, strides=1, kernel=3):
    return layers.Conv2D(width, kernel, strides, padding="same", activation="relu", name=name)(x)


def build_fine_painter(size):
    """Crops through a code of 24 numbers for 8 x 8 pixels. float32 ``(batch, size, size, 3)`` in and out."""
    crop = keras.Input((size, size, 3), name="crop")
    x = SpaceToDepth(4, name="patches")(crop)
    x = _convolve(x, 64, "wide")
    x = _convolve(x, 96, "down", strides=2)
    x = layers.Conv2D(24, 1, name="code")(x)
    x = _convolve(x, 128, "up")
    x = _convolve(x, 4 * 48, "up_again")
    x = _convolve(DepthToSpace(2, name="enlarge")(x), 64, "fine")
    x = layers.Conv2D(48, 3, padding="same", dtype="float32", name="pixels")(x)
    return keras.Model(crop, DepthToSpace(4, dtype="float32", name="painted")(x), name="fine_painter")


def build_coarse_painter(size):
    """Crops at half their detail through a code of 32 numbers for 16 x 16 pixels, enlarged linearly."""
    crop = keras.Input((size, size, 3), name="crop")
    x = layers.AveragePooling2D(2, name="halve")(crop)
    x = SpaceToDepth(4, name="patches")(x)
    x = _convolve(x, 96, "wide")
    x = _convolve(x, 128, "down", strides=2)
    x = layers.Conv2D(32, 1, name="code")(x)
    x = _convolve(x, 160, "up")
    x = EnlargeLinearly(2, name="enlarge")(x)
    x = _convolve(x, 96, "middle")
    x = EnlargeLinearly(2, name="enlarge_again")(x)
    x = _convolve(x, 48, "fine")
    x = layers.Conv2D(12, 3, padding="same", dtype="float32", name="pixels")(x)
    x = DepthToSpace(2, dtype="float32", name="patches_back")(x)
    return keras.Model(crop, EnlargeLinearly(2, dtype="float32", name="painted")(x), name="coarse_painter")


def painting_loss(painted, crop):
    """Difference of pixels and, as much again, of fine detail: one number."""
    detail = crop - blur_all(crop, 2.0) - painted + blur_all(painted, 2.0)
    return ops.mean(ops.abs(crop - painted)) + ops.mean(ops.abs(detail))
