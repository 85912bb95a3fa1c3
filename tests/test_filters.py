"""Smoothing by matrix products."""

import cv2
import numpy as np
import pytest
from keras import ops
from scipy import ndimage

from keras_uncover.filters import apply_separable, blur, gaussian_matrix


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
