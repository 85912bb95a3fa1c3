"""A classifier that starts from ImageNet: EfficientNet-Lite0, a map of the replaced region, one logit from both.

Two kinds of evidence are joined: texture, pooled over the face at three strides, and blending, the map that the
network is also taught. Both are seen by one dense layer.
"""

import keras
from keras import layers

from keras_uncover.models.efficientnet import build_features

MAP_STRIDE = 4  # pixels of the crop that one place of the map stands for
WIDTH = 48  # channels of the map's own feature maps


def _smooth(x, name):
    together = keras.backend.backend() == "tensorflow"
    x = layers.Conv2D(WIDTH, 3, padding="same", use_bias=False, name=f"{name}_conv")(x)
    x = layers.BatchNormalization(momentum=0.98, epsilon=1e-3, synchronized=together, name=f"{name}_norm")(x)
    return layers.ReLU(name=f"{name}_relu")(x)


def decode_map(levels):
    """From feature maps at strides 4, 8 and 16 to one logit a place of 4 pixels: ``(batch, size / 4, size / 4, 1)``."""
    x = None
    for stride, level in zip((16, 8, 4), reversed(levels)):
        y = layers.Conv2D(WIDTH, 1, name=f"map_{stride}_narrow")(level)
        if x is not None:
            x = layers.UpSampling2D(2, interpolation="nearest", name=f"map_{stride}_enlarge")(x)
            y = layers.Add(name=f"map_{stride}_add")([x, y])
        x = _smooth(y, f"map_{stride}")
    return layers.Conv2D(1, 1, dtype="float32", name="map_logits")(x)


def build_evidence_classifier(size, depthwise=layers.DepthwiseConv2D):
    """The classifier with both of its answers.

    Args:
        size: pixels of the crop's side, a multiple of 32.
        depthwise: as for ``build_efficientnet``.

    Returns: functional model ``classifier``: ``crop`` float32 ``(batch, size, size, 3)`` in [0, 1] to a dict of
    float32: ``p_fake`` ``(batch, 1)``, ``logit`` ``(batch, 1)``, ``map_logits`` ``(batch, size / 4, size / 4, 1)``.
    """
    crop = keras.Input((size, size, 3), name="crop")
    encoder = build_features(size, depthwise=depthwise)
    levels = encoder(crop)
    together = keras.backend.backend() == "tensorflow"
    head = layers.Conv2D(1280, 1, use_bias=False, name="head_conv")(levels[4])
    head = layers.BatchNormalization(epsilon=1e-3, synchronized=together, name="head_norm")(head)
    head = layers.ReLU(6.0, name="head_relu")(head)
    seen = decode_map(levels[1:4])
    region = layers.Activation("sigmoid", dtype="float32", name="map")(seen)
    pooled = [layers.GlobalAveragePooling2D(name="pool_head")(head)]
    pooled += [layers.GlobalAveragePooling2D(name=f"pool_{k}")(levels[k]) for k in (1, 2, 3)]
    pooled.append(layers.GlobalAveragePooling2D(name="map_mean")(region))
    pooled.append(layers.GlobalMaxPooling2D(name="map_peak")(region))
    feature = layers.Concatenate(dtype="float32", name="feature")(pooled)
    logit = layers.Dense(1, dtype="float32", name="logit")(feature)
    answer = layers.Activation("sigmoid", dtype="float32", name="p_fake")(logit)
    return keras.Model(crop, {"p_fake": answer, "logit": logit, "map_logits": seen}, name="classifier")
