"""Augmentation: register, ranges, and the same treatment for a genuine photo and its fake."""

import numpy as np
import pytest
from keras import ops
from scipy import ndimage

from keras_uncover.ops.geometry import invert_transform, pixel_grid, sample, transform_points
from keras_uncover.ops.jpeg import jpeg
from keras_uncover.swaps.augment import (
    DRAWS,
    apply_affine,
    apply_colour,
    apply_flip,
    apply_jpeg,
    apply_noise,
    augment,
    draw_affine,
    draw_blur,
    draw_colour,
    draw_flip,
    draw_noise,
    draw_quality,
    move_flow,
    post_process,
)

SIZE = 64
# A donor's place in unit coordinates to where the fake shows it.
DONOR_TO_FAKE = np.array([[0.9, 0.1, 0.02], [-0.05, 1.05, -0.01]], "float32")
# Post-processing that leaves a picture as it is: no blur, no colour change, no noise, no JPEG.
CLEAN = {"c5": 0, "c7": 0.5, "c8": 0.5, "c9": 0.5, "c10": 0.5, "c11": 0.5, "c12": 0, "c14": 0, "c16": 0, "c18": 0.5}


def numpy(value):
    return ops.convert_to_numpy(value)


def make_draws(count=4, seed=0, **columns):
    """Uniform draws (count, DRAWS); ``c5=0.5`` sets column 5."""
    draws = np.random.default_rng(seed).random((count, DRAWS), "float32")
    for name, value in columns.items():
        draws[:, int(name[1:])] = value
    return draws


def draw_noise_picture(count=4, seed=0):
    return np.random.default_rng(seed).standard_normal((count, SIZE, SIZE, 3)).astype("float32")


def paint(places):
    """A smooth coloured scene read at unit coordinates (..., 2): float32 (..., 3) in 0.1 .. 0.9."""
    x, y = places[..., 0], places[..., 1]
    waves = [np.sin(5 * x + 2 * y), np.sin(-4 * x + 7 * y), np.cos(6 * x + 5 * y)]
    return (0.5 + 0.4 * np.stack(waves, -1)).astype("float32")


def move(matrix, places):
    return places @ matrix[:, :2].T + matrix[:, 2]


def make_swap(count=4):
    """What ``make_swaps`` returns, of a fake that is the donor's scene moved by a known transform."""
    grid, coarse = numpy(pixel_grid(SIZE)), numpy(pixel_grid(SIZE // 4))
    back = numpy(invert_transform(DONOR_TO_FAKE))
    mask = (np.hypot(*np.moveaxis(grid - 0.5, -1, 0)) < 0.3).astype("float32")[..., None]
    known = np.ones((SIZE // 4, SIZE // 4, 1))
    pictures = {
        "input": paint(move(back, grid)),
        "target": paint(move(back, grid)) * (1 - mask) + 0.4 * mask,
        "donor": paint(grid),
        "mask": mask,
        "donor_hull": mask,
        "flow": np.concatenate([move(DONOR_TO_FAKE, coarse), known], -1),
    }
    swap = {key: np.stack([value.astype("float32")] * count) for key, value in pictures.items()}
    ones = np.ones(count, "float32")
    return {**swap, "has_donor": ones, "strength": ones, "family": np.zeros(count, "int32")}


def run(swap, draws, noise=None):
    noise = draw_noise_picture(len(draws)) if noise is None else noise
    return {key: numpy(value) for key, value in augment(swap, draws, noise).items()}


def test_half_of_the_pictures_are_mirrored():
    flip = numpy(draw_flip(np.array([[0.0], [0.499], [0.5], [0.999]], "float32")))
    assert flip.tolist() == [True, True, False, False]
    images = np.arange(2 * 2 * 3, dtype="float32").reshape(2, 2, 3, 1)
    flipped = numpy(apply_flip(images, np.array([True, False])))
    assert np.array_equal(flipped[0], images[0, :, ::-1])
    assert np.array_equal(flipped[1], images[1])


def test_the_affine_draw_stays_small():
    still = numpy(draw_affine(np.full((1, 4), 0.5, "float32")))
    assert np.allclose(still, [[[1, 0, 0], [0, 1, 0]]], atol=1e-6)
    extreme = np.stack(np.meshgrid(*[[0.0, 1.0]] * 4), -1).reshape(-1, 4).astype("float32")
    matrices = numpy(draw_affine(extreme))
    scale = np.sqrt(np.linalg.det(matrices[:, :, :2]))
    assert np.allclose(sorted(set(scale.round(5))), [0.96, 1.04])
    angle = np.degrees(np.arctan2(matrices[:, 1, 0], matrices[:, 0, 0]))
    assert 2.5 < np.abs(angle).max() <= 3.0
    middle = matrices @ [0.5, 0.5, 1.0]
    assert np.allclose(np.abs(middle - 0.5), 0.02, atol=1e-6)


def test_apply_affine_agrees_with_scipy():
    images = np.stack([paint(numpy(pixel_grid(SIZE)))] * 2)
    matrices = numpy(draw_affine(np.random.default_rng(1).random((2, 4), "float32")))
    moved = numpy(apply_affine(images, matrices))
    for image, matrix, ours in zip(images, matrices, moved):
        # SciPy's places are rows and columns counted from the first pixel's centre.
        swapped = matrix[::-1, [1, 0]]
        offset = matrix[::-1, 2] * SIZE + 0.5 * swapped.sum(1) - 0.5
        for channel in range(3):
            theirs = ndimage.affine_transform(image[..., channel], swapped, offset, order=1, mode="reflect")
            assert np.abs(ours[..., channel] - theirs).max() < 1e-4


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("flip", [0.0, 0.9])
def test_after_augmentation_the_flow_still_leads_to_the_donor(flip, seed):
    result = run(make_swap(), make_draws(seed=seed, c0=flip, **CLEAN))
    places, coarse = result["flow"][..., :2], np.broadcast_to(numpy(pixel_grid(SIZE // 4)), (4, 16, 16, 2))
    seen = numpy(sample(result["input"], places * SIZE))
    truth = numpy(sample(result["donor"], coarse * SIZE))
    inside = ((places > 0.08) & (places < 0.92)).all(-1)  # nearer to the border it may be a reflection
    assert inside.mean() > 0.5
    assert np.abs(seen - truth)[inside].max() < 0.01
    # The same flow does not lead there in the picture before it was moved.
    assert np.abs(numpy(sample(make_swap()["input"], places * SIZE)) - truth)[inside].max() > 0.03


@pytest.mark.parametrize("flip", [0.0, 0.9])
def test_input_target_and_mask_move_together(flip):
    swap = make_swap()
    draws = make_draws(c0=flip, **CLEAN)
    result = run(swap, draws)
    matrices = draw_affine(draws[:, 1:5])
    grid = np.broadcast_to(numpy(pixel_grid(SIZE)).reshape(1, -1, 2), (4, SIZE * SIZE, 2))
    places = numpy(transform_points(matrices, grid)).reshape(4, SIZE, SIZE, 2)
    if flip < 0.5:
        places = places * [-1, 1] + [1, 0]
    places = (places * SIZE).astype("float32")
    for key in ("input", "target", "mask"):
        assert np.abs(result[key] - numpy(sample(swap[key], places))).max() < 1e-4, key
    outside = result["mask"][..., 0] == 0
    assert np.array_equal(result["input"][outside], result["target"][outside])
    assert np.abs(result["input"] - result["target"])[~outside].mean() > 0.1


def test_the_donors_truth_is_mirrored_and_otherwise_clean():
    swap, draws = make_swap(), make_draws()
    draws[:, 0] = [0.1, 0.1, 0.9, 0.9]
    result = run(swap, draws)
    for key in ("donor", "donor_hull"):
        assert np.array_equal(result[key][:2], swap[key][:2, :, ::-1])
        assert np.array_equal(result[key][2:], swap[key][2:])
    assert np.array_equal(result["flow"][2:, ..., 2], swap["flow"][2:, ..., 2])
    assert set(result) == set(swap)


def test_move_flow_by_hand():
    flow = np.array([[[[0.25, 0.5, 1.0]]], [[[0.25, 0.5, 0.0]]]], "float32")
    # From new to old places: half as large, shifted; so an old place x is the new place 2 (x - 0.1).
    transform = np.array([[[0.5, 0, 0.1], [0, 0.5, 0.0]]] * 2, "float32")
    moved = numpy(move_flow(flow, np.array([False, True]), transform))
    assert np.allclose(moved[0], [0.3, 1.0, 1.0], atol=1e-6)
    assert np.allclose(moved[1], [1.3, 1.0, 0.0], atol=1e-6)


@pytest.mark.parametrize("value", [0.0, 0.999, 0.25, 0.75])
def test_everything_stays_in_range_at_extreme_draws(value):
    swap = make_swap(2)
    swap["input"] = np.stack([np.zeros_like(swap["input"][0]), np.ones_like(swap["input"][0])])
    draws = np.full((2, DRAWS), value, "float32")
    result = run(swap, draws, 3 * draw_noise_picture(2))
    for key in ("input", "target", "mask", "donor"):
        assert np.isfinite(result[key]).all()
        # A weighted mean of ones may exceed 1 by a rounding.
        assert result[key].min() >= 0 and result[key].max() <= 1 + 1e-6, key
        assert result[key].dtype == np.float32


def test_blur_noise_and_jpeg_leave_their_share_alone():
    draws = ((np.arange(1000) + 0.5) / 1000).astype("float32")
    pair = np.stack([draws, np.full_like(draws, 0.5)], -1)
    assert (numpy(draw_blur(pair, 64)) == 0).mean() == 0.4
    assert numpy(draw_blur(pair, 64)).max() == 0.25
    assert (numpy(draw_noise(pair)) == 0).mean() == 0.5
    assert np.isclose(numpy(draw_noise(pair)).max(), 0.015)
    quality = numpy(draw_quality(pair))
    assert (quality == 0).mean() == 0.25
    assert set(quality) == {0, 70}
    limits = numpy(draw_quality(np.array([[0.9, 0.0], [0.9, 0.9999]], "float32")))
    assert limits[0] == 40 and 99.9 < limits[1] <= 100


def test_colour_by_hand():
    assert np.allclose(numpy(draw_colour(np.full((1, 5), 0.5, "float32"))), [[1, 1, 1, 1, 0]], atol=1e-6)
    image = np.array([0.2, 0.5, 0.8], "float32").reshape(1, 1, 1, 3)
    colour = np.array([[1.0, 1.1, 0.5, 2.0, 0.1]], "float32")
    # 0.2: (0.2 - 0.5) 2 + 0.5 + 0.1 = 0; 0.5: (0.55 - 0.5) 2 + 0.6 = 0.7; 0.8: (0.4 - 0.5) 2 + 0.6 = 0.4.
    assert np.allclose(numpy(apply_colour(image, colour)).reshape(3), [0.0, 0.7, 0.4], atol=1e-6)


def test_noise_is_stronger_in_the_light():
    noise = draw_noise_picture(2)
    images = np.stack([np.full((SIZE, SIZE, 3), level, "float32") for level in (0.1, 0.6)])
    noisy = numpy(apply_noise(images, np.array([0.02, 0.02], "float32"), noise))
    deviation = (noisy - images).std((1, 2, 3)) / noise.std((1, 2, 3))
    assert np.allclose(deviation, 0.02 * np.sqrt(0.25 + 0.75 * np.array([0.1, 0.6])), rtol=1e-3)
    assert np.array_equal(numpy(apply_noise(images, np.zeros(2, "float32"), noise)), images)


def test_jpeg_where_the_quality_is_not_zero():
    images = make_swap(2)["input"]
    result = numpy(apply_jpeg(images, np.array([0.0, 55.0], "float32")))
    assert np.array_equal(result[0], images[0])
    assert np.array_equal(result[1], numpy(jpeg(images, np.array([55.0, 55.0], "float32")))[1])


def test_a_genuine_photo_and_its_fake_get_the_same_treatment():
    swap = make_swap(8)
    result = run(swap, make_draws(8, seed=2, c0=0.9, c1=0.5, c2=0.5, c3=0.5, c4=0.5, c5=0.1))
    # JPEG spreads a difference over the blocks of 16 pixels that it touches, and one pixel further; nothing else does.
    touched = result["mask"][..., 0].reshape(8, 4, 16, 4, 16).max((2, 4)).repeat(16, 1).repeat(16, 2)
    touched = np.stack([ndimage.binary_dilation(one > 0, np.ones((3, 3))) for one in touched])
    assert 0.05 < 1 - touched.mean() < 0.9
    assert np.array_equal(result["input"][~touched], result["target"][~touched])
    assert np.abs(result["input"] - swap["input"])[~touched].mean() > 0.01


def test_blur_carries_a_difference_no_farther_than_its_kernel():
    swap = make_swap(2)
    draws = make_draws(2, c0=0.9, c1=0.5, c2=0.5, c3=0.5, c4=0.5, **{**CLEAN, "c5": 0.9, "c6": 0.999})
    result = run(swap, draws)
    near = np.stack([ndimage.binary_dilation(one > 0, iterations=5) for one in swap["mask"][..., 0]])
    assert np.abs(result["input"] - result["target"])[~near].max() < 1e-6
    assert np.abs(result["input"] - swap["input"]).max() > 1e-3


def test_post_processing_that_is_drawn_as_nothing_changes_nothing():
    images = make_swap(2)["input"]
    draws = make_draws(2, **CLEAN)[:, 5:]
    assert np.abs(numpy(post_process(images, draws, draw_noise_picture(2))) - images).max() < 1e-6


def test_the_same_in_a_graph():
    import tensorflow as tf

    swap, draws, noise = make_swap(), make_draws(seed=5), draw_noise_picture()
    eager, traced = run(swap, draws, noise), tf.function(augment)(swap, draws, noise)
    for key in eager:
        assert np.abs(eager[key] - traced[key].numpy()).mean() < 1e-5, key
