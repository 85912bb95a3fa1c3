"""Masks and boxes laid over pictures."""

import numpy as np
import pytest
from keras import ops
from made_up_answers import make_answer

from keras_uncover.images.overlays import STRENGTH, TINT, draw_box, lay_over, place_mask, tint_mask
from keras_uncover.ops.geometry import invert_transform, transform_points


def test_where_the_mask_is_zero_the_picture_is_grey_and_where_it_is_one_it_is_tinted():
    image = np.tile(np.float32([1.0, 0.5, 0.0]), (2, 2, 1))
    tinted = tint_mask(image, np.float32([[0, 1], [0.5, 2]]))
    grey = 0.299 + 0.587 / 2
    np.testing.assert_allclose(tinted[0, 0], [grey] * 3, atol=1e-6)
    np.testing.assert_allclose(tinted[0, 1], (1 - STRENGTH) * grey + STRENGTH * TINT, atol=1e-6)
    np.testing.assert_allclose(tinted[1, 1], tinted[0, 1], atol=1e-6)


def test_a_mask_lies_where_its_crop_was_cut():
    """A turned crop: each photo pixel shows the mask at the place that the inverse transform gives."""
    across, down = 40 * np.cos(0.3), 40 * np.sin(0.3)
    place = np.float32([[across, -down, 30], [down, across, 12]])
    size = 64
    xs, ys = np.meshgrid(np.arange(size) + 0.5, np.arange(size) + 0.5)
    mask = ((xs - 40) ** 2 + (ys - 24) ** 2 < 15**2).astype("float32")
    placed = place_mask(mask, place, 70, 90)
    px, py = np.meshgrid(np.arange(90) + 0.5, np.arange(70) + 0.5)
    points = np.stack([px, py], -1).reshape(1, -1, 2).astype("float32")
    unit = ops.convert_to_numpy(transform_points(invert_transform(place[None]), points)).reshape(70, 90, 2) * size
    expected = (unit[..., 0] - 40) ** 2 + (unit[..., 1] - 24) ** 2 < 15**2
    assert placed.shape == (70, 90) and expected.sum() > 200
    assert np.mean((placed > 0.5) != expected) < 0.004


def test_an_answer_without_mask_or_face_has_no_heatmap():
    photo = np.full((100, 100, 3), 250, "uint8")
    assert lay_over(photo, make_answer("no_face")) is None
    assert lay_over(photo, make_answer(mask=None)) is None
    heatmap = lay_over(photo, make_answer(place=np.float32([[40, 0, 10], [0, 40, 20]])))
    assert heatmap.shape == photo.shape and heatmap[40, 30, 2] < 0.6 and heatmap[5, 5, 2] == pytest.approx(250 / 255)


@pytest.mark.parametrize("box", [(20.0, 30.0, 60.0, 80.0), (-5.0, 90.0, 20.0, 140.0), (50.0, 50.0, 50.5, 50.5)])
def test_a_box_is_drawn_at_its_place_in_a_small_picture(box):
    photo = np.full((1000, 500, 3), 200, "uint8")
    drawn = draw_box(photo, [10 * value for value in box], side=100)
    assert drawn.shape == (100, 50, 3)
    changed = (drawn != 200).any(-1)
    assert changed.any()
    assert (draw_box(photo, None, side=100) == 200).all()


def test_the_box_shows_on_dark_and_bright():
    for level in (0, 255):
        drawn = draw_box(np.full((200, 200, 3), level, "uint8"), (50, 50, 150, 150)).astype(int)
        assert np.abs(drawn - level).sum(-1).max() > 200
        assert (drawn[100, 100] == level).all()
