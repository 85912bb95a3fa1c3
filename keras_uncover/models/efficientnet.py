"""EfficientNet-Lite0: features of pictures in general, for perceptual losses and as a start for an encoder.

Source: M. Tan and Q. Le, "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks", 2019, in the lite
variant published with its TPU models: relu6 throughout, no squeeze-and-excitation, stem and head not scaled.
"""

import keras
from keras import layers

from keras_uncover.backend import own_settings
from keras_uncover.presets.weights import load_weights

SIZE = 224
CLASSES = 1000
# (kernel, stride of the first block, widening inside of a block, channels, blocks) of the stages.
STAGES = (
    (3, 1, 1, 16, 1), (3, 2, 6, 24, 2), (5, 2, 6, 40, 2), (3, 2, 6, 80, 3), (5, 1, 6, 112, 3), (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
# The last layer at each stride.
FEATURES = {
    2: "block_0_project_norm", 4: "block_2_add", 8: "block_4_add", 16: "block_10_add", 32: "block_15_project_norm"
}


def _normalise(x, name, active=True):
    # TensorFlow's must be told to agree between replicas, where the network is trained on.
    together = keras.backend.backend() == "tensorflow"
    x = layers.BatchNormalization(epsilon=1e-3, synchronized=together, name=f"{name}norm")(x)
    return layers.ReLU(6.0, name=f"{name}relu")(x) if active else x


def _block(x, kernel, stride, widening, channels, name, depthwise=layers.DepthwiseConv2D):
    """Widen, filter each channel, project: an inverted residual, with a shortcut where the shape stays."""
    y = x
    if widening > 1:
        y = layers.Conv2D(x.shape[-1] * widening, 1, use_bias=False, name=f"{name}_expand_conv")(y)
        y = _normalise(y, f"{name}_expand_")
    y = depthwise(kernel, stride, padding="same", use_bias=False, name=f"{name}_depthwise_conv")(y)
    y = _normalise(y, f"{name}_depthwise_")
    y = layers.Conv2D(channels, 1, use_bias=False, name=f"{name}_project_conv")(y)
    y = _normalise(y, f"{name}_project_", active=False)
    if stride > 1 or channels != x.shape[-1]:
        return y
    return layers.Add(name=f"{name}_add")([x, y])


@own_settings()
def build_efficientnet(size=SIZE, depthwise=layers.DepthwiseConv2D):
    """Build the network, with random weights, which fit any ``size``.

    Args:
        size: pixels of the input's side; the weights were trained at 224. None leaves height and width open.
        depthwise: the layer that filters each channel, for a device that has a faster one than Keras's own.

    Input: float32 ``(batch, size, size, 3)`` in [0, 1], RGB.

    Outputs, a dict:
        pooled: float32 ``(batch, 1280)``, each 0 .. 6.
        logits: float32 ``(batch, 1000)``, of the classes of ImageNet.

    Maps of features are the outputs of the layers that ``FEATURES`` names by stride; see ``build_features``.
    """
    image = keras.Input((size, size, 3), name="image")
    x = layers.Rescaling(255 / 128, -127 / 128, name="rescale")(image)
    x = layers.Conv2D(32, 3, 2, padding="same", use_bias=False, name="stem_conv")(x)
    x = _normalise(x, "stem_")
    number = 0
    for kernel, stride, widening, channels, count in STAGES:
        for block in range(count):
            x = _block(x, kernel, 1 if block else stride, widening, channels, f"block_{number}", depthwise)
            number += 1
    x = layers.Conv2D(1280, 1, use_bias=False, name="head_conv")(x)
    x = layers.GlobalAveragePooling2D(name="pooled")(_normalise(x, "head_"))
    logits = layers.Dense(CLASSES, name="logits")(x)
    return keras.Model(image, {"pooled": x, "logits": logits}, name="efficientnet")


@own_settings()
def build_features(size, folder=None, depthwise=layers.DepthwiseConv2D):
    """The network without its head, as an encoder that can be trained on.

    Args:
        size: pixels of a crop's side.
        folder: where ``scripts/convert_embedders.py`` wrote the published weights; None starts at random.
        depthwise: as for ``build_efficientnet``.

    Returns: functional model ``encoder``: float32 ``(batch, size, size, 3)`` in [0, 1] to a list of feature maps,
    finest first, at the strides that ``FEATURES`` names, 16, 24, 40, 112 and 320 channels; odd sides are rounded up.

    Raises:
        WeightsError: the folder was altered or holds another network.
    """
    network = build_efficientnet(size, depthwise)
    if folder is not None:
        load_weights(network, folder)
    return keras.Model(network.input, [network.get_layer(name).output for name in FEATURES.values()], name="encoder")
