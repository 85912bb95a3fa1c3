"""Channels taken apart and joined."""

import numpy as np
import pytest
from keras import ops

from keras_uncover.channels import join_channels, mix_channels


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
