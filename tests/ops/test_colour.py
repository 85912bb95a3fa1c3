"""Oklab and colour matching."""

import numpy as np
import pytest
from keras import ops

from keras_uncover.ops.colour import masked_moments, match_colours, oklab_to_rgb, rgb_to_oklab


def numpy(value):
    return ops.convert_to_numpy(value)


def pictures(seed, count=2, size=24):
    """Random pictures (count, size, size, 3) of different tints, away from 0 and 1."""
    rng = np.random.default_rng(seed)
    tint = rng.uniform(0.3, 0.7, (count, 1, 1, 3))
    return (tint + rng.uniform(-0.15, 0.15, (count, size, size, 3))).astype("float32")


@pytest.mark.parametrize(
    "rgb, lab",
    [
        ((1, 1, 1), (1, 0, 0)),
        ((1, 0, 0), (0.62796, 0.22486, 0.12585)),
        ((0, 1, 0), (0.86644, -0.23389, 0.17950)),
        ((0, 0, 1), (0.45201, -0.03246, -0.31153)),
        ((0.5, 0.5, 0.5), (0.59818, 0, 0)),
    ],
)
def test_oklab_against_published_values(rgb, lab):
    assert np.abs(numpy(rgb_to_oklab(np.array([rgb], "float32")))[0] - lab).max() < 1e-4


def test_black_is_dark_but_not_singular():
    # The cube root's slope at 0 is infinite; a floor under it costs a hundredth of lightness there.
    lab = numpy(rgb_to_oklab(np.zeros((1, 3), "float32")))[0]
    assert np.abs(lab).max() < 0.011
    assert numpy(oklab_to_rgb(lab[None])).max() < 1e-4


def test_oklab_and_back():
    levels = np.linspace(0, 1, 9, dtype="float32")
    rgb = np.stack(np.meshgrid(levels, levels, levels), -1)
    assert np.abs(numpy(oklab_to_rgb(rgb_to_oklab(rgb))) - rgb).max() < 2e-4


def test_colours_that_no_screen_has_are_clipped():
    lab = np.array([[1.2, 0.1, 0.1], [-0.5, 0.0, 0.0], [0.5, 0.4, -0.4]], "float32")
    rgb = numpy(oklab_to_rgb(lab))
    assert np.isfinite(rgb).all() and rgb.min() >= 0 and rgb.max() <= 1
    outside = np.array([[1.5, -0.5, 2.0]], "float32")
    assert np.allclose(numpy(rgb_to_oklab(outside)), numpy(rgb_to_oklab(np.array([[1, 0, 1]], "float32"))))


def test_moments_are_those_of_the_masked_pixels():
    images = pictures(0)
    mask = (np.random.default_rng(1).random((2, 24, 24, 1)) < 0.3).astype("float32")
    mean, deviation = (numpy(value) for value in masked_moments(images, mask))
    assert mean.shape == deviation.shape == (2, 1, 1, 3)
    for image, inside, m, d in zip(images, mask[..., 0] > 0, mean, deviation):
        assert np.allclose(m[0, 0], image[inside].mean(0), atol=1e-5)
        assert np.allclose(d[0, 0], image[inside].std(0), atol=1e-4)


def test_moments_weigh_a_soft_mask():
    images = np.array([0.2, 0.6], "float32").reshape(1, 1, 2, 1)
    mean, deviation = masked_moments(images, np.array([0.25, 0.75], "float32").reshape(1, 1, 2, 1))
    assert np.allclose(numpy(mean), 0.5, atol=1e-5)
    assert np.allclose(numpy(deviation), np.sqrt(0.25 * 0.09 + 0.75 * 0.01), atol=1e-4)


def test_match_colours_gives_the_moments_of_the_reference_inside_the_mask():
    images, references = pictures(2), pictures(3)
    mask = np.zeros((2, 24, 24, 1), "float32")
    mask[:, 4:16, 6:20] = 1
    matched = match_colours(images, references, mask)
    for one, other in zip(masked_moments(rgb_to_oklab(matched), mask), masked_moments(rgb_to_oklab(references), mask)):
        assert np.abs(numpy(one) - numpy(other)).max() < 1e-3
    before = masked_moments(rgb_to_oklab(images), mask)[0]
    after = masked_moments(rgb_to_oklab(references), mask)[0]
    assert np.abs(numpy(before) - numpy(after)).max() > 0.03


def test_match_colours_reads_only_the_mask():
    images, references = pictures(4), pictures(5)
    mask = np.zeros((2, 24, 24, 1), "float32")
    mask[:, :12] = 1
    other = references.copy()
    other[:, 12:] = 1 - other[:, 12:]
    assert np.array_equal(numpy(match_colours(images, references, mask)), numpy(match_colours(images, other, mask)))


def test_match_colours_does_not_wash_a_face_out():
    images = pictures(6)
    flat = np.full_like(images, 0.5)
    whole = np.ones((2, 24, 24, 1), "float32")
    deviation = numpy(masked_moments(rgb_to_oklab(images), whole)[1])
    kept = numpy(masked_moments(rgb_to_oklab(match_colours(images, flat, whole)), whole)[1])
    assert np.allclose(kept / deviation, 0.4, atol=0.01)


def test_match_colours_without_a_mask_changes_nothing():
    images, references = pictures(7), pictures(8)
    nothing = np.zeros((2, 24, 24, 1), "float32")
    assert np.abs(numpy(match_colours(images, references, nothing)) - images).max() < 1e-3
