"""Face mesh: 478 points on a face, the irises included, and whether there is a face at all.

Source: Y. Kartynnik et al., "Real-time Facial Surface Geometry from Monocular Video on Mobile GPUs", 2019
(https://arxiv.org/abs/1907.06724); this is the later network of MediaPipe's ``face_landmarker.task``.
"""

import keras
from keras import layers, ops

from keras_uncover.backend import own_settings
from keras_uncover.models.layers import AddShortcut
from keras_uncover.ops.filters import filter_channels

SIZE = 256
POINTS = 478

# (channels, bottleneck channels, blocks) of the stages; each stage begins with a block that halves the picture,
# except the first, where the stem does it.
STAGES = ((16, 8, 4), (32, 16, 5), (64, 32, 5), (128, 64, 5), (128, 64, 5), (128, 64, 5), (128, 64, 5))


@keras.saving.register_keras_serializable("keras_uncover")
class DepthwiseConv2D(layers.DepthwiseConv2D):
    """Keras's layer of stride 1, padded, without bias, in the backend's fastest form; weights are stored by its name.

    JAX compiles everything by XLA, which on a CPU would spend half of a training step in convolutions of this kind.
    """

    def call(self, inputs):
        if keras.backend.backend() == "jax":
            return filter_channels(inputs, ops.convert_to_tensor(self.kernel)[..., 0])
        return super().call(inputs)


def _prelu(x, name):
    return layers.PReLU(shared_axes=(1, 2), dtype="float32", name=name)(x)


def _convolve(x, channels, kernel, name, **how):
    return layers.Conv2D(channels, kernel, dtype="float32", name=name, **how)(x)


def _block(x, channels, bottleneck, halve, name):
    """Bottleneck with a depthwise convolution and a shortcut, which shrinks by max pooling where the block halves."""
    step = 2 if halve else 1
    y = _convolve(x, bottleneck, step, f"{name}_reduce", strides=step)
    y = _prelu(y, f"{name}_reduce_prelu")
    y = DepthwiseConv2D(3, padding="same", use_bias=False, dtype="float32", name=f"{name}_depthwise")(y)
    y = _convolve(y, channels, 1, f"{name}_expand")
    if halve:
        x = layers.MaxPooling2D(2, dtype="float32", name=f"{name}_shortcut_pool")(x)
    return _prelu(AddShortcut(dtype="float32", name=f"{name}_add")([x, y]), f"{name}_prelu")


@own_settings()
def build_face_mesh():
    """Build the mesh network, with random weights, in float32 whatever the policy: half precision is too coarse.

    Input: float32 ``(batch, 256, 256, 3)`` in ``[0, 1]``, a square cut around one upright face.

    Outputs, a dict:
        points: float32 ``(batch, 478, 3)`` in unit coordinates of the input. z has the unit of x and y, is smaller
            nearer to the camera, and its zero has no meaning across faces.
        presence: float32 ``(batch,)``, probability that the picture shows a face where it is expected.
    """
    image = keras.Input((SIZE, SIZE, 3), dtype="float32", name="image")
    x = _convolve(image, 16, 3, "stem_conv", strides=2, padding="same")
    x = _prelu(x, "stem_prelu")
    for stage, (channels, bottleneck, blocks) in enumerate(STAGES):
        for block in range(blocks):
            x = _block(x, channels, bottleneck, stage > 0 and block == 0, f"stage_{stage}_block_{block}")
    points = _convolve(x, POINTS * 3, 2, "points_conv")
    points = layers.Reshape((POINTS, 3), dtype="float32", name="points_rows")(points)
    points = layers.Rescaling(1 / SIZE, dtype="float32", name="points")(points)
    presence = _convolve(x, 1, 2, "presence_conv", activation="sigmoid")
    presence = layers.Reshape((), dtype="float32", name="presence")(presence)
    return keras.Model(image, {"points": points, "presence": presence}, name="face_mesh")
