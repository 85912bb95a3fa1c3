"""Quantiles inside a mask and the curves between them."""

import numpy as np
import pytest
from keras import ops

from keras_uncover.ops.colour import (
    FLATTEST,
    LEVELS,
    MIDDLE,
    SHARES,
    STEEPEST,
    apply_curve,
    join_quantiles,
    masked_quantiles,
    match_quantiles,
    shares_below,
    thin_out,
)


def numpy(value):
    return ops.convert_to_numpy(value)


def pictures(seed, draw, count=2, size=32):
    """Pictures whose three channels are drawn by ``draw(rng, shape)``."""
    return draw(np.random.default_rng(seed), (count, size, size, 3)).astype("float32")


def skewed(rng, shape):
    return 0.2 + 0.15 * rng.gamma(2.0, 0.5, shape)


def two_humped(rng, shape):
    return np.where(rng.random(shape) < 0.3, rng.normal(0.4, 0.07, shape), rng.normal(0.6, 0.09, shape))


def half_mask(count=2, size=32):
    mask = np.zeros((count, size, size, 1), "float32")
    mask[:, 8:] = 1
    return mask


@pytest.mark.parametrize("draw", [skewed, two_humped])
def test_quantiles_are_those_of_the_masked_pixels(draw):
    images, mask = pictures(0, draw), half_mask()
    images[mask[..., 0] == 0] = 9.0  # not to be looked at
    found = numpy(masked_quantiles(images, mask))
    expected = np.moveaxis(np.quantile(images[:, 8:].reshape(2, -1, 3), SHARES, axis=1), 0, -1)
    deviation = images[:, 8:].std()
    assert found.shape == (2, 3, len(SHARES)) and (np.diff(found) > 0).all()
    # Half of the distance between two levels of the count.
    assert np.abs(found - expected).max() < 0.5 * (LEVELS[1] - LEVELS[0]) * deviation * 1.2


def test_shares_below_by_hand():
    values = np.array([0.05, 0.15, 0.15, 0.35], "float32").reshape(1, 4, 1)
    weights = np.array([1, 1, 1, 2], "float32").reshape(1, 4, 1)
    levels = np.array([[[0.0, 0.1, 0.2, 0.3, 0.4]]], "float32")
    # A value half a step below a level counts in full, one half a step above not at all.
    assert np.allclose(numpy(shares_below(values, weights, levels))[0, 0], [0, 0.2, 0.6, 0.6, 1.0], atol=1e-5)
    values = np.full((1, 4, 1), 0.125, "float32")
    assert np.allclose(numpy(shares_below(values, weights, levels))[0, 0], [0, 0.25, 1, 1, 1], atol=1e-5)


@pytest.mark.parametrize("draws", [(skewed, two_humped), (two_humped, skewed), (skewed, skewed)])
def test_matched_pictures_have_the_histogram_of_the_reference(draws):
    images, references = (pictures(seed, draw) for seed, draw in enumerate(draws))
    mask = half_mask()
    matched = numpy(apply_curve(images, match_quantiles(images, references, mask)))
    shares = np.linspace(0.05, 0.95, 19)
    pair = images, matched, references
    before, after, wanted = (np.quantile(x[:, 8:].reshape(-1, 3), shares, axis=0) for x in pair)
    assert np.abs(after - wanted).mean() < 0.012
    if draws[0] is not draws[1]:
        assert np.abs(after - wanted).mean() < 0.25 * np.abs(before - wanted).mean()


def test_a_curve_by_hand():
    # Quantiles a tenth apart, wanted ones twice as far below the median and equally far above it.
    start = np.arange(7, dtype="float32").reshape(1, 1, 7) / 10
    wanted = np.where(np.arange(7) < MIDDLE, 0.5 + 0.2 * (np.arange(7) - 3), 0.5 + 0.1 * (np.arange(7) - 3))
    curve = join_quantiles(start, wanted.reshape(1, 1, 7).astype("float32"))
    x = np.array([-0.1, 0.0, 0.25, 0.3, 0.45, 0.6, 0.9], "float32").reshape(1, 1, 7, 1)
    expected = [-0.3, -0.1, 0.4, 0.5, 0.65, 0.8, 1.1]
    assert np.allclose(numpy(apply_curve(x, curve))[0, 0, :, 0], expected, atol=1e-5)


def test_slopes_are_limited_and_the_medians_still_meet():
    start = np.arange(7, dtype="float32").reshape(1, 1, 7) / 10
    for width, slope in ((0.0, FLATTEST), (1.0, STEEPEST)):
        curve = join_quantiles(start, 0.5 + width * (start - 0.3) * 10)
        x = np.array([0.1, 0.3, 0.5], "float32").reshape(1, 1, 3, 1)
        low, middle, high = numpy(apply_curve(x, curve))[0, 0, :, 0]
        assert np.allclose([middle, (high - low) / 0.4], [0.5, slope], atol=1e-5)


def test_an_even_picture_and_an_empty_mask_stay_finite():
    even, references = np.full((2, 32, 32, 3), 0.4, "float32"), pictures(3, skewed)
    for mask in (half_mask(), np.zeros((2, 32, 32, 1), "float32")):
        for pair in ((even, references), (references, even)):
            matched = numpy(apply_curve(pair[0], match_quantiles(*pair, mask)))
            assert np.isfinite(matched).all() and np.abs(matched).max() < 10


@pytest.mark.parametrize("size, side", [(16, 16), (32, 32), (64, 32), (128, 32), (256, 32)])
def test_thinned_pictures_are_evenly_spread(size, side):
    x = np.broadcast_to(np.arange(size, dtype="float32")[:, None], (1, size, size, 1))
    thin = numpy(thin_out(x))[0, 0, :, 0]
    assert len(thin) == side and set(np.diff(thin)) == {size / side}
    assert abs(thin.mean() - (size - 1) / 2) <= 0.5
