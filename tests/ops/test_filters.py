"""Smoothing by matrix products."""

import cv2
import numpy as np
import pytest
from keras import ops
from scipy import ndimage

from keras_uncover.ops.filters import BLOCK, apply_band, apply_separable, blur, blur_all, gaussian_matrix


def numpy(value):
    return ops.convert_to_numpy(value)


def noise(size=40, count=3):
    return np.random.default_rng(0).random((count, size, size, 3), "float32")


@pytest.mark.parametrize("sigma", [0.4, 1.0, 2.5])
def test_blur_agrees_with_scipy_and_opencv_away_from_the_border(sigma):
    images = noise(count=1)
    inner = np.s_[12:-12, 12:-12]
    blurred = numpy(blur(images, np.array([sigma], "float32")))[0][inner]
    scipy = ndimage.gaussian_filter(images[0].astype("float64"), (sigma, sigma, 0), truncate=4.5)
    assert np.abs(blurred - scipy[inner]).max() < 1e-4
    opencv = cv2.GaussianBlur(images[0], (23, 23), sigma)
    assert np.abs(blurred - opencv[inner]).max() < 1e-4


def test_every_picture_has_its_own_sigma():
    images = np.repeat(noise(count=1), 3, axis=0)
    sigmas = np.array([0.0, 0.7, 2.0], "float32")
    blurred = numpy(blur(images, sigmas))
    for k, sigma in enumerate(sigmas):
        assert np.allclose(blurred[k], numpy(blur(images[:1], sigma[None]))[0], atol=1e-6)
    assert blurred[0].std() > blurred[1].std() > blurred[2].std()


def test_sigma_zero_is_the_identity():
    images = noise()
    assert np.array_equal(numpy(blur(images, np.zeros(3, "float32"))), images)
    assert np.array_equal(numpy(gaussian_matrix(5, np.zeros(1)))[0], np.eye(5))


def test_a_constant_picture_stays_constant_up_to_its_border():
    images = np.full((2, 20, 20, 3), 0.7, "float32")
    assert np.abs(numpy(blur(images, np.array([1.0, 6.0], "float32"))) - 0.7).max() < 1e-6


def test_gaussian_weights_by_hand():
    matrix = numpy(gaussian_matrix(3, np.array([1.0], "float32")))[0]
    near, far = np.exp(-0.5), np.exp(-2)
    assert np.allclose(matrix[0], np.array([1, near, far]) / (1 + near + far), atol=1e-6)
    assert np.allclose(matrix[1], np.array([near, 1, near]) / (1 + 2 * near), atol=1e-6)


def test_apply_separable_is_one_matrix_along_each_axis():
    rng = np.random.default_rng(1)
    images = rng.random((2, 4, 5, 3), "float32")
    rows, columns = rng.random((2, 6, 4), "float32"), rng.random((1, 7, 5), "float32")
    result = numpy(apply_separable(images, rows, columns))
    assert result.shape == (2, 6, 7, 3)
    assert np.allclose(result, np.einsum("byh,bhwc,xw->byxc", rows, images, columns[0]), atol=1e-5)


def banded(size, reach, count=2):
    """Random matrices that are zero away from the diagonal."""
    rng, axis = np.random.default_rng(size + reach), np.arange(size)
    return rng.random((count, size, size), "float32") * (np.abs(axis[:, None] - axis) <= reach)


@pytest.mark.parametrize("size", [8, BLOCK, BLOCK + 8, 3 * BLOCK])
@pytest.mark.parametrize("reach", [0, 5, 2 * BLOCK + 1])
@pytest.mark.parametrize("channels", [1, 6])
def test_a_banded_product_is_the_plain_one(size, reach, channels):
    images, matrix = np.random.default_rng(2).random((2, size, size, channels), "float32"), banded(size, reach)
    result = numpy(apply_band(images, matrix, reach))
    plain = np.einsum("byh,bhwc,bxw->byxc", *(each.astype("float64") for each in (matrix, images, matrix)))
    assert result.shape == images.shape and result.dtype == np.float32
    assert np.allclose(result, plain, rtol=1e-5, atol=1e-5)
    assert np.allclose(result, numpy(apply_separable(images, matrix, matrix)), rtol=1e-5, atol=1e-5)


def test_what_lies_beyond_the_reach_is_not_read_by_distant_blocks():
    matrix = np.ones((1, 4 * BLOCK, 4 * BLOCK), "float32")
    images = np.ones((1, 4 * BLOCK, 4 * BLOCK, 1), "float32")
    counts = numpy(apply_band(images, matrix, 3))[0, :, 0, 0] / (BLOCK + 3)
    assert counts[0] == BLOCK + 3 and counts[BLOCK] == BLOCK + 6


@pytest.mark.parametrize("compiled", [None, False, True], ids=["map", "graph", "xla"])
def test_a_banded_product_in_a_graph(compiled):
    import tensorflow as tf

    images, matrix = noise(64, 2), banded(64, 7)
    expected = numpy(apply_band(images, matrix, 7))
    if compiled is None:
        data = tf.data.Dataset.from_tensor_slices((images, matrix)).batch(2, drop_remainder=True)
        found = data.map(lambda i, m: apply_band(i, m, 7)).get_single_element()
    else:
        found = tf.function(lambda i, m: apply_band(i, m, 7), jit_compile=compiled)(images, matrix)
    assert np.abs(numpy(found) - expected).max() < 1e-4


@pytest.mark.parametrize("sigma", [0.8, 2.5])
def test_one_blur_for_all_is_a_blur_of_each(sigma):
    images, inner = noise(), np.s_[12:-12, 12:-12]
    found = numpy(blur_all(images, sigma))
    assert np.abs(found - numpy(blur(images, np.full(len(images), sigma, "float32")))).max() < 1e-5
    opencv = cv2.GaussianBlur(images[1], (23, 23), sigma)
    assert np.abs(found[1][inner] - opencv[inner]).max() < 1e-4
    assert np.allclose(numpy(blur_all(np.full((1, 40, 40, 1), 0.7, "float32"), sigma)), 0.7, atol=1e-6)
