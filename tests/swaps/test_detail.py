"""Detail of a face: resampled, smoothed, sharpened."""

import cv2
import numpy as np
import pytest
from drawn_faces import numpy

from keras_uncover.swaps.detail import coarsen, sharpen, smooth_skin

SIZE = 48


def levels(*values):
    return np.array(values, "float32")


def noise(count=2, low=0.0, high=1.0):
    return np.random.default_rng(0).uniform(low, high, (count, SIZE, SIZE, 3)).astype("float32")


@pytest.mark.parametrize("change", [
    lambda images: coarsen(images, levels(1, 1)),
    lambda images: smooth_skin(images, levels(0, 0)),
    lambda images: sharpen(images, levels(0, 0), levels(0, 1)),
], ids=["coarsen", "smooth", "sharpen"])
def test_nothing_asked_nothing_changed(change):
    assert np.abs(numpy(change(noise())) - noise()).max() < 1e-5


def test_half_of_the_pixels_cannot_hold_a_chequerboard():
    board = np.broadcast_to(np.indices((SIZE, SIZE)).sum(0)[None, ..., None] % 2, (2, SIZE, SIZE, 3)).astype("float32")
    coarse, same = numpy(coarsen(board, levels(0.5, 1.0)))
    assert np.abs(coarse - 0.5).max() < 1e-5 and np.abs(same - board[1]).max() < 1e-5


def test_no_picture_is_reduced_below_eight_pixels():
    least, eight = numpy(coarsen(noise(), levels(0.01, 8 / SIZE)))
    alike = numpy(coarsen(noise()[:1], levels(8 / SIZE)))[0]
    assert np.array_equal(least, alike) and eight.std() > 0.01


def test_flat_skin_becomes_smoother_and_an_edge_stays():
    images = 0.3 + 0.02 * (noise(1) - 0.5)
    images[:, :, SIZE // 2 :] += 0.5
    smooth = numpy(smooth_skin(images, levels(0.05)))
    flat = np.s_[0, 8:-8, 4:12]
    assert smooth[flat].std() < 0.25 * images[flat].std()
    step = np.diff(smooth[0, 8:-8, SIZE // 2 - 1 : SIZE // 2 + 1], axis=1)
    assert 0.4 < step.mean() < 0.52
    assert numpy(smooth_skin(images, levels(0.2)))[flat].std() <= smooth[flat].std()


@pytest.mark.parametrize("broad, sigma", [(0.0, 0.8), (1.0, 2.0)])
def test_sharpening_adds_the_difference_to_a_blur(broad, sigma):
    images = noise(1, 0.4, 0.6)
    inner = np.s_[10:-10, 10:-10]
    blurred = cv2.GaussianBlur(images[0], (21, 21), sigma)[inner]
    for amount in (0.5, -0.5):
        found = numpy(sharpen(images, levels(amount), levels(broad)))[0][inner]
        assert np.abs(found - (images[0][inner] + amount * (images[0][inner] - blurred))).max() < 1e-4


def test_sharpening_stays_in_range():
    found = numpy(sharpen(noise(), levels(2.2, 2.2), levels(0, 1)))
    assert found.min() == 0 and found.max() == 1
