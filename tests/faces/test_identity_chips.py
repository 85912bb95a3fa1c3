"""Chips: framing by hand, pixels against OpenCV, and that a crop's size and company change nothing."""

import cv2
import numpy as np
import pytest
from keras import ops

from keras_uncover.faces.identity import CutChips, chip_template, chip_transform, cut_chips, reads_per_pixel
from keras_uncover.ops.mesh import mean_mesh


def mean_points(count=1):
    """The mean face's points, as on a perfectly aligned crop."""
    return np.repeat(mean_mesh().points[None].astype("float32"), count, axis=0)


def moved(points, angle, scale, shift):
    """Points turned about the crop's middle, scaled and shifted."""
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    return ((points - 0.5) @ np.array([[cos, sin], [-sin, cos]]) + 0.5 + shift).astype("float32")


def smooth_crop(side, seed=0):
    """A picture of slow waves, the same picture at every side: float32 (side, side, 3)."""
    axis = (np.arange(side) + 0.5) / side
    phase = np.random.default_rng(seed).random((3, 2)) * 6
    waves = [np.sin(5 * axis[None] + a) * np.cos(4 * axis[:, None] + b) for a, b in phase]
    return (0.5 + 0.5 * np.stack(waves, -1)).astype("float32")


def test_mean_face_fills_the_chip_as_stated():
    template = chip_template()
    assert np.isclose(np.ptp(template[:, 0]), 0.77, atol=1e-5)
    assert np.isclose(template[:, 0].min() + template[:, 0].max(), 1.0, atol=1e-5)
    assert np.allclose(template[[33, 263], 1], 0.308, atol=2e-3)
    # Symmetrical: a mirrored face gets the mirrored chip.
    mirrored = template[mean_mesh().mirror] * [-1, 1] + [1, 0]
    assert np.abs(mirrored - template).max() < 0.01


def test_published_places_of_the_eyes_are_met():
    # dlib's chips with a padding of 0.25: outer corners of the eyes and the base of the nose.
    places = (np.array([[0.1205750, 0.2137274], [0.8595674, 0.2134981], [0.4901123, 0.6277975]]) + 0.25) / 1.5
    assert np.abs(chip_template()[[33, 263, 2]] - places).max() < 0.012  # their two eyes are not quite symmetrical


@pytest.mark.parametrize("angle, scale, shift", [(0.0, 1.0, 0.0), (0.2, 0.8, 0.05), (-0.4, 1.1, -0.03)])
def test_a_moved_face_gets_the_chip_of_the_face_itself(angle, scale, shift):
    points = moved(mean_points(), angle, scale, shift)
    matrix = ops.convert_to_numpy(chip_transform(points))[0]
    back = chip_template() @ matrix[:, :2].T + matrix[:, 2]
    assert np.abs(back - points[0]).max() < 1e-5


def test_pixels_equal_opencv():
    crop = (np.random.default_rng(1).random((1, 100, 100, 3))).astype("float32")
    points = moved(mean_points(), 0.1, 0.9, 0.02)
    matrix = ops.convert_to_numpy(chip_transform(points))[0].astype("float64")
    # From the chip's pixel numbers to the crop's: centres are at halves here, at whole numbers there.
    linear = matrix[:, :2] * 100 / 150
    offset = matrix[:, 2] * 100 + linear @ [0.5, 0.5] - 0.5
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    theirs = cv2.warpAffine(crop[0], np.c_[linear, offset], (150, 150), flags=flags, borderMode=cv2.BORDER_REFLECT)
    ours = ops.convert_to_numpy(cut_chips(crop, points))[0]
    # OpenCV rounds places to 1/32 pixel.
    assert ours.shape == (150, 150, 3)
    assert np.abs(ours - theirs).mean() < 0.005 and np.abs(ours - theirs).max() < 0.07


def test_any_size_of_crop_gives_the_same_chip():
    points = moved(mean_points(), 0.05, 1.02, 0.01)
    chips = [ops.convert_to_numpy(cut_chips(smooth_crop(side)[None], points)) for side in (64, 128, 256, 512)]
    assert [reads_per_pixel(side, 150) for side in (64, 128, 256, 512)] == [1, 1, 2, 3]
    for chip in chips[1:]:
        assert np.abs(chip - chips[0])[:, 5:-5, 5:-5].max() < 0.004
    assert np.ptp(chips[0]) > 0.5


def test_a_finer_crop_is_averaged_not_picked():
    # Stripes of one pixel at 600 px are grey in a chip whose pixels span 3.4 of them; single reads would show moire.
    stripes = np.tile((np.arange(600) % 2).astype("float32")[None, None, :, None], (1, 600, 1, 3))
    chip = ops.convert_to_numpy(cut_chips(stripes, mean_points()))
    assert np.abs(chip - 0.5).max() < 0.26 and chip.std() < 0.12


def test_companions_in_a_batch_change_nothing():
    points = np.concatenate([mean_points(), moved(mean_points(), 0.3, 0.5, 0.1)])
    crops = np.stack([smooth_crop(128, 1), smooth_crop(128, 2)])
    together = ops.convert_to_numpy(cut_chips(crops, points))
    alone = [ops.convert_to_numpy(cut_chips(crops[k : k + 1], points[k : k + 1])) for k in (0, 1)]
    assert np.abs(together - np.concatenate(alone)).max() < 1e-6


def test_layer_is_the_function():
    points, crops = mean_points(2), np.stack([smooth_crop(64, 3), smooth_crop(64, 4)])
    layer = CutChips.from_config(CutChips(size=40, name="cut").get_config())
    assert layer.compute_output_shape([(2, 64, 64, 3), (2, 468, 2)]) == (2, 40, 40, 3)
    chips = ops.convert_to_numpy(layer([crops, points]))
    assert np.array_equal(chips, ops.convert_to_numpy(cut_chips(crops, points, size=40)))


def test_refusals():
    with pytest.raises(ValueError, match=r"square crops.*received \(1, 60, 64, 3\)"):
        cut_chips(np.zeros((1, 60, 64, 3), "float32"), mean_points())
    with pytest.raises(ValueError, match=r"468 mesh points or more; received \(1, 100, 2\)"):
        cut_chips(np.zeros((1, 64, 64, 3), "float32"), mean_points()[:, :100])
