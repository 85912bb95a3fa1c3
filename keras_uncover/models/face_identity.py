"""Two networks that describe whose face a picture shows: one measures, one is for losses.

The ResNet measures and is never part of a loss; the MobileNet is for losses. So a network is never measured by the one
that it was trained against.

Sources: the ResNet is dlib's ``dlib_face_recognition_resnet_model_v1`` (D. King, "High Quality Face Recognition with
Deep Metric Learning", 2017), after K. He et al., "Deep Residual Learning for Image Recognition", 2015. The MobileNet
is A. Savchenko's (HSE face recognition), trained on VGGFace2, after A. Howard et al., "MobileNets", 2017.
"""

import keras
from keras import layers

from keras_uncover.backend import own_settings
from keras_uncover.models.layers import AddShortcut

RESNET_SIZE = 150
RESNET_MEANS = (122.782, 117.001, 104.298)  # RGB, 0 .. 255
# (channels, halves) of the blocks after the stem.
RESNET_BLOCKS = (
    *((32, False),) * 3,
    (64, True), *((64, False),) * 3,
    (128, True), *((128, False),) * 2,
    (256, True), *((256, False),) * 2,
    (256, True),
)

MOBILENET_SIZE = 224
MOBILENET_MEANS = (123.68, 116.779, 103.939)  # RGB, 0 .. 255
# (channels, stride) of the separable convolutions after the stem.
MOBILENET_BLOCKS = (
    (64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *((512, 1),) * 5, (1024, 2), (1024, 1)
)


def _convolve(x, channels, kernel, step, padding, name):
    """A convolution, then a scale and a shift a channel: apart, as in the original, whose few values compress well."""
    x = layers.Conv2D(channels, kernel, step, padding=padding, use_bias=False, name=f"{name}_conv")(x)
    return layers.BatchNormalization(epsilon=0.0, trainable=False, name=f"{name}_norm")(x)


def _residual(x, channels, halve, name):
    """Two convolutions around a shortcut; where it halves, the shortcut is a mean pool without the new channels."""
    step, padding = (2, "valid") if halve else (1, "same")
    y = _convolve(x, channels, 3, step, padding, f"{name}_1")
    y = layers.ReLU(name=f"{name}_1_relu")(y)
    y = _convolve(y, channels, 3, 1, "same", f"{name}_2")
    if halve:
        x = layers.AveragePooling2D(2, name=f"{name}_shortcut_pool")(x)
        # An unpadded stride leaves the branch one pixel short on a picture of even sides.
        missing = [(0, side - got) for side, got in zip(x.shape[1:3], y.shape[1:3])]
        if missing != [(0, 0), (0, 0)]:
            y = layers.ZeroPadding2D(missing, name=f"{name}_pad")(y)
    return layers.ReLU(name=f"{name}_relu")(AddShortcut(name=f"{name}_add")([x, y]))


@own_settings()
def build_face_resnet():
    """Build the judging network, with random weights.

    Input: float32 ``(batch, 150, 150, 3)`` in [0, 1], RGB, a chip cut by ``keras_uncover.faces.identity``.

    Output: float32 ``(batch, 128)``. Its Euclidean distance tells faces apart; the origin calls two faces closer than
    0.6 the same person's.
    """
    chip = keras.Input((RESNET_SIZE, RESNET_SIZE, 3), name="chip")
    x = layers.Rescaling(1.0, [-mean / 255 for mean in RESNET_MEANS], name="rescale")(chip)
    x = _convolve(x, 32, 7, 2, "valid", "stem")
    x = layers.MaxPooling2D(3, 2, name="stem_pool")(layers.ReLU(name="stem_relu")(x))
    for number, (channels, halve) in enumerate(RESNET_BLOCKS):
        x = _residual(x, channels, halve, f"block_{number}")
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    descriptor = layers.Dense(128, use_bias=False, name="descriptor")(x)
    return keras.Model(chip, descriptor, name="face_resnet")


@own_settings()
def build_face_mobilenet(size=MOBILENET_SIZE):
    """Build the network for identity losses, with random weights, which fit any ``size``.

    The origin's batch normalisation is folded into the convolutions, its BGR order into the first of them.

    Args:
        size: pixels of the input's side; the weights were trained at 224. None leaves height and width open.

    Input: float32 ``(batch, size, size, 3)`` in [0, 1], RGB.

    Output: float32 ``(batch, 1024)``, none negative, to be compared by the cosine.
    """
    face = keras.Input((size, size, 3), name="face")
    x = layers.Rescaling(255.0, [-mean for mean in MOBILENET_MEANS], name="rescale")(face)
    x = layers.Conv2D(32, 3, 2, padding="same", activation="relu6", name="stem_conv")(x)
    for number, (channels, stride) in enumerate(MOBILENET_BLOCKS, start=1):
        x = layers.DepthwiseConv2D(3, stride, padding="same", activation="relu6", name=f"depthwise_{number}")(x)
        x = layers.Conv2D(channels, 1, activation="relu6", name=f"pointwise_{number}")(x)
    return keras.Model(face, layers.GlobalAveragePooling2D(name="descriptor")(x), name="face_mobilenet")
