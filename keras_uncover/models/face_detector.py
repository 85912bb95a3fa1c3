"""BlazeFace, short range: boxes and key points of the faces in a picture.

Source: V. Bazarevsky et al., "BlazeFace: Sub-millisecond Neural Face Detection on Mobile GPUs", 2019
(https://arxiv.org/abs/1907.05047), as published in MediaPipe's ``face_landmarker.task``.
"""

import keras
from keras import layers

from keras_uncover.backend import own_settings
from keras_uncover.models.layers import AddShortcut

SIZE = 128

# (channels, stride) of the blocks after the stem, and the number of anchors at each cell of the two grids that the
# heads look at.
FINE_BLOCKS = ((24, 1), (28, 1), (32, 2), (36, 1), (42, 1), (48, 2), (56, 1), (64, 1), (72, 1), (80, 1), (88, 1))
COARSE_BLOCKS = ((96, 2), (96, 1), (96, 1), (96, 1), (96, 1))
FINE_ANCHORS, COARSE_ANCHORS = 2, 6


def _block(x, channels, stride, name):
    """Separable convolution with a shortcut, which shrinks by max pooling."""
    y = layers.DepthwiseConv2D(3, stride, padding="same", use_bias=False, name=f"{name}_depthwise")(x)
    y = layers.Conv2D(channels, 1, name=f"{name}_pointwise")(y)
    if stride > 1:
        x = layers.MaxPooling2D(stride, name=f"{name}_shortcut_pool")(x)
    return layers.ReLU(name=f"{name}_relu")(AddShortcut(name=f"{name}_add")([x, y]))


def _head(x, anchors, values, name):
    """``values`` numbers for every anchor of a grid, anchors in row order: ``(batch, cells * anchors, values)``."""
    x = layers.Conv2D(anchors * values, 1, name=f"{name}_conv")(x)
    return layers.Reshape((-1, values), name=f"{name}_rows")(x)


@own_settings()
def build_face_detector():
    """Build the detector, with random weights.

    Input: float32 ``(batch, size, size, 3)`` in ``[0, 1]``. It was trained on a size of 128. In a larger one, a
    multiple of 16, it finds the faces that take up as many pixels as those it was trained on.

    Outputs, a dict, ``n`` anchors, 896 for 128 pixels:
        regressors: float32 ``(batch, n, 16)``, pixels of the input relative to the anchor's centre: x and y of the
            box's centre, its width and height, then x and y of six key points (the eye on the left of the picture,
            the eye on the right, nose tip, mouth, the two ears).
        logits: float32 ``(batch, n)``; a sigmoid makes it the score of a face.

    Anchors run over the grid of cells of 8 pixels (two a cell), then over that of 16 pixels (six a cell).
    """
    image = keras.Input((None, None, 3), name="image")
    x = layers.Rescaling(2.0, -1.0, name="to_signed")(image)
    x = layers.Conv2D(24, 5, 2, padding="same", name="stem_conv")(x)
    x = layers.ReLU(name="stem_relu")(x)
    for index, (channels, stride) in enumerate(FINE_BLOCKS):
        x = _block(x, channels, stride, f"fine_{index}")
    fine = x
    for index, (channels, stride) in enumerate(COARSE_BLOCKS):
        x = _block(x, channels, stride, f"coarse_{index}")
    logits = [_head(fine, FINE_ANCHORS, 1, "fine_logits"), _head(x, COARSE_ANCHORS, 1, "coarse_logits")]
    boxes = [_head(fine, FINE_ANCHORS, 16, "fine_regressors"), _head(x, COARSE_ANCHORS, 16, "coarse_regressors")]
    logits = layers.Reshape((-1,), name="logits")(layers.Concatenate(axis=1, name="logits_rows")(logits))
    regressors = layers.Concatenate(axis=1, name="regressors")(boxes)
    return keras.Model(image, {"regressors": regressors, "logits": logits}, name="face_detector")
