"""The re-swap check: make the swap again from the two recovered sources and compare it with the photo.

Everything happens here, by the same texture, uv map and colour matching that training swaps are made of; nothing is
sent anywhere. What remains between re-swap and photo is evidence about the answer, not proof of it.
"""

import keras
from keras import layers, ops

from keras_uncover.backend import own_settings
from keras_uncover.ops.colour import match_colours
from keras_uncover.ops.geometry import sample
from keras_uncover.ops.ssim import ssim_map, weigh_windows
from keras_uncover.ops.texture import unwrap_texture, uv_map


class SwapAgain(layers.Layer):
    """``[target, donor, mask, points, donor_points]`` to the re-swap; shapes as in ``build_reswap``."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs, dtype="float32")

    def call(self, inputs):
        target, donor, mask, points, donor_points = inputs
        size = target.shape[1]
        uv = ops.map(lambda face: ops.concatenate(uv_map(face, size), axis=-1), points)
        uv, hull = ops.reshape(uv[..., :2], (-1, size, size, 2)), ops.reshape(uv[..., 2:], (-1, size, size, 1))
        texture = unwrap_texture(donor, donor_points[..., :2] * size, size)
        pixels = sample(texture, uv * size)
        weight = mask * hull
        pixels = match_colours(pixels, target, weight)
        return target * (1.0 - weight) + pixels * weight

    def compute_output_shape(self, input_shape):
        """Said here, or Keras would trace all of the above once more to find it out, which takes seconds."""
        return input_shape[0]


class Compare(layers.Layer):
    """``[crop, reswap, mask]`` to mean SSIM and mean absolute difference inside the mask, ``(batch, 2)``."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs, dtype="float32")

    def call(self, inputs):
        crop, reswap, mask = inputs
        windows = weigh_windows(mask, 1)
        similarity = ops.mean(ssim_map(reswap, crop), axis=-1, keepdims=True)
        similarity = ops.sum(similarity * windows, axis=(1, 2, 3)) / (ops.sum(windows, axis=(1, 2, 3)) + 1e-6)
        difference = ops.mean(ops.abs(reswap - crop), axis=-1, keepdims=True)
        difference = ops.sum(difference * mask, axis=(1, 2, 3)) / (ops.sum(mask, axis=(1, 2, 3)) + 1e-6)
        return ops.stack([similarity, difference], axis=-1)

    def compute_output_shape(self, input_shape):
        return (input_shape[0][0], 2)


@own_settings()
def build_reswap(size):
    """The check as a model, so that it is compiled once and can be exported.

    Inputs, a dict: ``crop``, ``target``, ``donor`` float32 ``(batch, size, size, 3)`` in [0, 1]; ``mask``
    ``(batch, size, size, 1)``; ``points`` and ``donor_points`` ``(batch, 468 or more, 3)``, mesh points of the photo's
    face and of the recovered donor's, in unit coordinates of their crops.

    Returns: functional model; outputs ``reswap`` ``(batch, size, size, 3)`` and ``scores`` ``(batch, 2)``, the mean
    SSIM and the mean absolute difference inside the mask.
    """
    images = {name: keras.Input((size, size, 3), name=name) for name in ("crop", "target", "donor")}
    mask = keras.Input((size, size, 1), name="mask")
    points = {name: keras.Input((None, 3), name=name) for name in ("points", "donor_points")}
    inputs = [images["target"], images["donor"], mask, points["points"], points["donor_points"]]
    again = SwapAgain(name="reswap")(inputs)
    scores = Compare(name="scores")([images["crop"], again, mask])
    return keras.Model({**images, "mask": mask, **points}, {"reswap": again, "scores": scores}, name="reswap_check")
