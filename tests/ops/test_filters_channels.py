"""Channels taken apart and joined."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_uncover.models.face_mesh import DepthwiseConv2D
from keras_uncover.ops.filters import filter_channels, join_channels, mix_channels


def pictures(*channels):
    rng = np.random.default_rng(0)
    return [rng.random((2, 4, 5, count), "float32") for count in channels]


@pytest.mark.parametrize("channels", [(3, 3, 1), (1, 1, 1), (2,), (1, 4)])
def test_joining_is_a_concatenation(channels):
    parts = pictures(*channels)
    assert np.array_equal(ops.convert_to_numpy(join_channels(parts)), np.concatenate(parts, axis=-1))


def test_joining_keeps_the_type():
    parts = [(255 * part).astype("uint8") for part in pictures(1, 2)]
    joined = ops.convert_to_numpy(join_channels(parts))
    assert joined.dtype == np.uint8 and np.array_equal(joined, np.concatenate(parts, axis=-1))


@pytest.mark.parametrize("shape", [(3, 3), (2, 3), (4, 3)])
def test_mixing_is_a_matrix_product(shape):
    (picture,), matrix = pictures(3), np.random.default_rng(1).normal(size=shape)
    mixed = mix_channels([picture[..., k] for k in range(3)], matrix)
    assert len(mixed) == shape[0]
    assert np.allclose(np.stack(mixed, -1), picture @ matrix.T, atol=1e-6)


def test_the_same_under_xla():
    import tensorflow as tf

    parts, matrix = pictures(3, 3, 1), np.random.default_rng(1).normal(size=(3, 3))
    joined = tf.function(join_channels, jit_compile=True)(parts)
    assert np.array_equal(joined.numpy(), np.concatenate(parts, axis=-1))
    planes = [parts[0][..., k] for k in range(3)]
    mixed = tf.function(lambda planes: mix_channels(planes, matrix), jit_compile=True)(planes)
    assert np.allclose(np.stack([plane.numpy() for plane in mixed], -1), parts[0] @ matrix.T, atol=1e-6)


@pytest.mark.parametrize("size", [(3, 3), (1, 5)])
def test_filtering_is_a_depthwise_convolution(size):
    """By hand: at each place the sum over the kernel of what lies under it, 0 beyond the edges."""
    (picture,), kernel = pictures(3), np.random.default_rng(1).normal(size=(*size, 3)).astype("float32")
    above, beside = size[0] // 2, size[1] // 2
    wide = np.pad(picture, ((0, 0), (above, above), (beside, beside), (0, 0)))
    expected = np.zeros_like(picture)
    for row, column in np.ndindex(picture.shape[1:3]):
        under = wide[:, row : row + size[0], column : column + size[1]]
        expected[:, row, column] = (under * kernel).sum((1, 2))
    assert np.allclose(ops.convert_to_numpy(filter_channels(picture, kernel)), expected, atol=1e-6)


def test_the_mesh_filters_as_keras_does_on_either_backend():
    layer = DepthwiseConv2D(3, padding="same", use_bias=False)
    plain = keras.layers.DepthwiseConv2D(3, padding="same", use_bias=False)
    (picture,) = pictures(4)
    layer.build(picture.shape), plain.build(picture.shape)
    plain.set_weights(layer.get_weights())
    one, two = (ops.convert_to_numpy(each(picture)) for each in (layer, plain))
    assert np.allclose(one, two, atol=1e-6) and np.abs(two).max() > 0.1
