"""Softening, pasting by a mask, and blending band by band."""

import numpy as np
import pytest
from made_up_people import make_draws, numpy, swap

from keras_uncover.ops.filters import blur
from keras_uncover.swaps.blending import SOFTEST, blur_axis, draw_strength, low_pass, paste, paste_bands, soften

SIZE = 64


def noise(seed=0, count=2, channels=3, size=SIZE):
    return np.random.default_rng(seed).random((count, size, size, channels), "float32")


def disc(radius=24):
    y, x = np.mgrid[:SIZE, :SIZE] - (SIZE - 1) / 2
    return np.repeat((x**2 + y**2 < radius**2).astype("float32")[None, ..., None], 2, axis=0)


@pytest.mark.parametrize("size", [32, 128, 256])
def test_few_taps_blur_like_the_whole_matrix(size):
    images, draws = noise(size=size, count=3), np.array([0.2, 0.8, 1.0], "float32")
    sigma = np.maximum(2 * draws - 1, 0) * SOFTEST * size / 128
    assert np.abs(numpy(soften(images, draws)) - numpy(blur(images, sigma))).max() < 1e-4


def test_a_border_is_not_darkened_and_one_axis_is_left_alone():
    ones = np.ones((1, 16, 16, 1), "float32")
    for axis in (1, 2):
        assert np.allclose(numpy(blur_axis(ones, np.array([2.0], "float32"), 5, axis)), 1, atol=1e-6)
    rows = np.broadcast_to(np.arange(16, dtype="float32")[:, None, None], (1, 16, 16, 1))
    assert np.allclose(numpy(blur_axis(rows, np.array([2.0], "float32"), 5, 2)), rows, atol=1e-5)
    assert np.allclose(numpy(blur_axis(rows, np.array([0.0], "float32"), 5, 1)), rows)


def test_half_of_the_swaps_are_softer():
    sharp, still, soft = (swap({"mesh": 1.0}, make_draws(c14=c14))["input"] for c14 in (0.0, 0.49, 0.99))
    assert np.array_equal(sharp, still)
    assert not np.allclose(sharp, soft, atol=1e-4)


def test_strengths():
    draws = np.array([[0.0, 0.9], [0.69, 0.0], [0.7, 0.0], [0.9, 0.5]], "float32")
    assert np.allclose(numpy(draw_strength(draws)), [1, 1, 0.5, 0.75])


def test_paste_by_hand():
    below, above = np.full((1, 1, 2, 3), 0.2, "float32"), np.full((1, 1, 2, 3), 0.6, "float32")
    mask = np.array([1.0, 0.5], "float32").reshape(1, 1, 2, 1)
    assert np.allclose(numpy(paste(below, above, mask, np.array([0.5], "float32")))[0, 0, :, 0], [0.4, 0.3])


def test_a_level_keeps_what_is_coarse_and_loses_what_is_fine():
    line = np.arange(SIZE) + 0.5
    for factor in (2, 4, 8):
        for wavelength, least, most in ((16 * factor, 0.85, 1.0), (1.5 * factor, -0.05, 0.05)):
            wave = np.cos(2 * np.pi * line / wavelength)
            planes = np.broadcast_to(wave, (1, SIZE, SIZE)).astype("float32")
            kept = numpy(low_pass(planes, factor))[0, SIZE // 2]
            inner = slice(2 * factor, -2 * factor)
            share = (kept * wave)[inner].sum() / (wave * wave)[inner].sum()
            assert least <= share <= most, (factor, wavelength, share)
    assert np.allclose(numpy(low_pass(np.full((1, SIZE, SIZE), 0.3, "float32"), 4)), 0.3, atol=1e-6)


def blend(target, pixels, mask, strength=1.0, cover=None):
    cover = np.ones_like(mask) if cover is None else cover
    return numpy(paste_bands(target, pixels, mask, np.full(len(mask), strength, "float32"), cover))


def test_bands_change_nothing_outside_of_the_mask_and_take_the_middle_from_the_donor():
    target, pixels, mask = noise(0), noise(1), disc()
    made = blend(target, pixels, mask)
    outside = mask[..., 0] == 0
    assert np.allclose(made[outside], target[outside], atol=1e-6)
    assert np.abs(made - pixels)[:, 28:36, 28:36].max() < 0.02
    assert made.min() >= 0 and made.max() <= 1


def test_bands_leave_no_step_at_the_outline_where_the_mask_alone_does():
    # A donor of another brightness in front of an even ground: only light is different.
    target, mask = np.full((2, SIZE, SIZE, 3), 0.4, "float32"), disc()
    pixels = target + np.float32(0.3)
    pair = blend(target, pixels, mask), pixels * mask + target * (1 - mask)
    steps = [np.abs(np.diff(made[0, 32, :, 0])).max() for made in pair]
    assert steps[0] < 0.35 * steps[1]
    middle = blend(target, pixels, mask)[:, 30:34, 30:34]
    assert middle.min() > 0.65


def test_fine_detail_changes_over_faster_than_light():
    coarse = np.full((2, SIZE, SIZE, 3), 0.2, "float32")
    fine = np.where(np.indices((SIZE, SIZE)).sum(0) % 2, 0.1, -0.1).astype("float32")[None, ..., None]
    target, mask = np.full((2, SIZE, SIZE, 3), 0.4, "float32"), disc()
    edge = np.flatnonzero(mask[0, 32, :, 0])[0]
    light, detail = (
        np.abs(blend(target, target + what, mask) - target)[0, 32, edge + 1, 0] / np.abs(what).max()
        for what in (coarse, fine)
    )
    assert detail > 0.8 and light < 0.5


def test_a_donor_counts_only_where_it_has_pixels():
    target, mask = noise(2), disc(16)
    cover = disc(18)
    pixels = noise(3)
    elsewhere = np.where(cover > 0, pixels, 5.0).astype("float32")
    assert np.allclose(blend(target, pixels, mask, 1.0, cover), blend(target, elsewhere, mask, 1.0, cover))


def test_strength_scales_the_difference():
    target, pixels, mask = 0.3 + 0.4 * noise(4), 0.3 + 0.4 * noise(5), disc()
    full, weak = (blend(target, pixels, mask, strength) for strength in (1.0, 0.5))
    assert np.abs(weak - target - 0.5 * (full - target)).max() < 1e-6
