"""The encoder that classifier and reconstructor share."""

import keras
from keras import layers

from keras_uncover.models.layers import SpaceToDepth


def normalise(x, name):
    """Batch normalisation over all replicas: TensorFlow must be asked for it, JAX always sees the whole batch."""
    together = keras.backend.backend() == "tensorflow"
    return layers.BatchNormalization(momentum=0.98, epsilon=1e-3, synchronized=together, name=name)(x)


def convolve(x, width, name, kernel=3, strides=1):
    return layers.Conv2D(
        width, kernel, strides, padding="same", use_bias=False, kernel_initializer="he_normal", name=name
    )(x)


def residual_block(x, name):
    """Two 3x3 convolutions around a shortcut, normalised before each (He et al., "Identity Mappings", 2016)."""
    width = x.shape[-1]
    y = layers.ReLU(name=f"{name}_relu_1")(normalise(x, f"{name}_norm_1"))
    y = convolve(y, width, f"{name}_conv_1")
    y = layers.ReLU(name=f"{name}_relu_2")(normalise(y, f"{name}_norm_2"))
    y = convolve(y, width, f"{name}_conv_2")
    return layers.Add(name=f"{name}_add")([x, y])


def build_encoder(config):
    """The shared encoder.

    Args:
        config: a ``ModelConfig``.

    Returns: functional model ``encoder``: float32 ``(batch, size, size, 3)`` in [0, 1] to a list of feature maps,
    finest first, ``(batch, size / stem / 2^k, size / stem / 2^k, widths[k])``.
    """
    crop = keras.Input((config.size, config.size, 3), name="crop")
    x = layers.Rescaling(4.0, -2.0, name="rescale")(crop)
    x = SpaceToDepth(config.stem, name="stem_patches")(x)
    x = convolve(x, config.widths[0], "stem_conv")
    levels = []
    for level, (width, count) in enumerate(zip(config.widths, config.blocks)):
        if level:
            x = layers.ReLU(name=f"level_{level}_relu")(normalise(x, f"level_{level}_norm"))
            x = convolve(x, width, f"level_{level}_down", strides=2)
        for block in range(count):
            x = residual_block(x, f"level_{level}_block_{block}")
        levels.append(x)
    return keras.Model(crop, levels, name="encoder")
