"""The few layers that Keras does not have; all compile for XLA and none draws random numbers."""

import keras
from keras import ops

from keras_uncover.ops.filters import apply_separable, resize_matrix
from keras_uncover.ops.geometry import sample


def space_to_depth(images, factor):
    """Patches of ``factor x factor`` pixels to channels: ``(b, h, w, c)`` to ``(b, h / f, w / f, f * f * c)``."""
    _, height, width, channels = images.shape
    x = ops.reshape(images, (-1, height // factor, factor, width // factor, factor, channels))
    x = ops.transpose(x, (0, 1, 3, 2, 4, 5))
    return ops.reshape(x, (-1, height // factor, width // factor, factor * factor * channels))


def depth_to_space(x, factor):
    """The inverse of ``space_to_depth``."""
    _, height, width, channels = x.shape
    x = ops.reshape(x, (-1, height, width, factor, factor, channels // factor**2))
    x = ops.transpose(x, (0, 1, 3, 2, 4, 5))
    return ops.reshape(x, (-1, height * factor, width * factor, channels // factor**2))


class SpaceToDepth(keras.layers.Layer):
    """``space_to_depth`` as a layer."""

    def __init__(self, factor, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, images):
        return space_to_depth(images, self.factor)

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}


class DepthToSpace(SpaceToDepth):
    """``depth_to_space`` as a layer."""

    def call(self, images):
        return depth_to_space(images, self.factor)


def linear_matrix(size, factor):
    """Weights that enlarge a line of pixels linearly, half-pixel centres: float32 ``(size * factor, size)``."""
    return resize_matrix(size, 0.0, 1.0, size * factor)


class EnlargeLinearly(keras.layers.Layer):
    """Bilinear enlargement as two matrix products: unlike ``UpSampling2D`` its bfloat16 gradient compiles for XLA."""

    def __init__(self, factor, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, images):
        rows, columns = (linear_matrix(side, self.factor)[None] for side in images.shape[1:3])
        rows, columns = (ops.convert_to_tensor(m, images.dtype) for m in (rows, columns))
        return apply_separable(images, rows, columns)

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}


class Float32Layer(keras.layers.Layer):
    """A layer that computes in float32 whatever the policy: half precision is too coarse for places and pixels."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs, dtype="float32")

    def get_config(self):
        config = super().get_config()
        del config["dtype"]
        return config


class OffsetsToPlaces(Float32Layer):
    """Places moved by offsets: ``[places (b, s, s, 2), offsets (b, s, s, 2)]``, both in unit coordinates.

    Offsets are squashed to ``-reach .. reach``.
    """

    def __init__(self, reach=0.1, **kwargs):
        super().__init__(**kwargs)
        self.reach = reach

    def call(self, inputs):
        places, offsets = inputs
        return places + self.reach * ops.tanh(offsets)

    def get_config(self):
        return {**super().get_config(), "reach": self.reach}


class Warp(Float32Layer):
    """Read an image at the places of a flow: ``[image (b, s, s, c), flow (b, s, s, 2) in unit coordinates]``."""

    def call(self, inputs):
        image, flow = inputs
        return sample(image, flow * image.shape[1], border="edge")


class Blend(Float32Layer):
    """Compose by a mask: ``[below, above, mask]`` gives ``below * (1 - mask) + above * mask``."""

    def call(self, inputs):
        below, above, mask = inputs
        return below * (1.0 - mask) + above * mask


class Recolour(Float32Layer):
    """Apply a colour map: ``[image (b, s, s, 3), colour (b, s, s, 6): gain and bias before squashing]``.

    Gains are between 1/e and e, biases between -1 and 1. The result is not clipped.
    """

    def call(self, inputs):
        image, colour = inputs
        gain, bias = ops.exp(ops.tanh(colour[..., :3])), ops.tanh(colour[..., 3:])
        return image * gain + bias


class SoftClip(Float32Layer):
    """Clip to [0, 1], but keep a hundredth of the excess.

    A hard clip has no gradient outside of the range, so such a pixel would never be corrected.
    """

    def call(self, values):
        inside = ops.clip(values, 0.0, 1.0)
        return inside + 0.01 * (values - inside)


class Grey(Float32Layer):
    """A neutral picture of the shape of its input."""

    def __init__(self, level=0.5, **kwargs):
        super().__init__(**kwargs)
        self.level = level

    def call(self, images):
        return ops.full_like(images, self.level)

    def get_config(self):
        return {**super().get_config(), "level": self.level}


@keras.saving.register_keras_serializable("keras_uncover")
class AddShortcut(keras.layers.Layer):
    """Add a shortcut to the first channels of a wider branch; the other channels pass through.

    Input: ``[shortcut, branch]``, ``(batch, h, w, c)`` and ``(batch, h, w, at least c)``; output like the branch.

    The original pads the shortcut with zeros. The padding is left out because two compilers fail on it: on a CPU,
    TensorFlow 2.21 crashes where oneDNN fuses it with a convolution, and XLA in jax 0.10 gives wrong numbers where it
    meets a max pooling.
    """

    def build(self, input_shape):
        shortcut, branch = (shape[-1] for shape in input_shape)
        if shortcut > branch:
            raise ValueError(f"The branch must be as wide as the shortcut; received {branch} and {shortcut} channels.")

    def call(self, inputs):
        shortcut, branch = inputs
        width = shortcut.shape[-1]
        if width == branch.shape[-1]:
            return shortcut + branch
        return ops.concatenate([shortcut + branch[..., :width], branch[..., width:]], axis=-1)

    def compute_output_shape(self, input_shape):
        return input_shape[1]
