"""Regions that real tools replace: sides, edges and extents by hand."""

import numpy as np
import pytest
from drawn_faces import Decided, mean_points, numpy, uniforms

from keras_uncover.swaps.tool_masks import (
    HARMONICS,
    TEMPLATES,
    box_mask,
    cut_part,
    ellipse_mask,
    outline_mask,
    soft_step,
    template_square,
)
from keras_uncover.swaps.warps import OUTLINE, eye_distance

SIZE = 64
EVEN = np.zeros((1, 2 * HARMONICS), "float32")


def row(*values):
    return np.array([values], "float32")


def outline(top=1.0, grow=0.0, bend=EVEN, sigma=1.0):
    """A mask of the mean face, ``(SIZE, SIZE)``."""
    points = mean_points(SIZE)[None]
    one = [np.float32([value]) for value in (top, grow)]
    return numpy(outline_mask(points, *one, np.float32(bend), np.float32([sigma]), SIZE))[0, ..., 0]


def at(mask, points):
    """Values of the pixels that points lie in."""
    x, y = np.floor(np.asarray(points)).astype(int).T
    return mask[y, x]


def test_an_edge_is_the_integral_of_a_normal_distribution():
    distance = np.array([-9, -2, 0, 2, 9], "float32")
    assert np.allclose(numpy(soft_step(distance, np.float32(2.0))), [0, 0.1587, 0.5, 0.8413, 1], atol=1e-4)
    # No edge is sharper than .3 px.
    assert np.allclose(numpy(soft_step(distance * 0.15, np.float32(0.0))), [0, 0.1587, 0.5, 0.8413, 1], atol=1e-4)


def test_squares_of_templates_by_hand():
    points = np.zeros((1, 478, 2), "float32")
    points[0, [33, 133]], points[0, [362, 263]] = [[10, 20], [14, 20]], [[18, 26], [22, 26]]
    # 10 px between the eyes, (16, 23) between them.
    squares = {side: numpy(template_square(points, np.float32([side])))[0] for side in (3.0, 1.9, 2.0)}
    assert np.allclose(squares[3.0], [1, 23 - 13.2, 31, 23 + 16.8], atol=1e-3)
    assert np.allclose(squares[1.9], [6.5, 23 - 0.42 * 19, 25.5, 23 + 0.58 * 19], atol=1e-3)
    assert np.allclose(squares[2.0], [6, 14, 26, 34], atol=1e-3)  # no tool's: .45 above the eyes
    assert len(TEMPLATES) == 8 and all(0.4 <= above <= 0.47 for above in TEMPLATES.values())


def test_a_box_is_half_at_its_edge():
    box = numpy(box_mask(row(8.5, 4.5, 40.5, 50.5), row(0, 4, 2, 0), np.float32([2.0]), SIZE))[0, ..., 0]
    # Pixel k's centre is k + .5, so the edges are at x = 8 and 38, y = 8 and 50.
    assert np.allclose(box[30, [8, 38]], 0.5, atol=1e-4) and np.allclose(box[[8, 50], 24], 0.5, atol=1e-4)
    assert np.allclose(box[30, [6, 10]], [0.1587, 0.8413], atol=1e-3)
    assert np.allclose(box[20:40, 20:28], 1, atol=1e-4) and box[:, 50:].max() < 1e-4 and box[:1].max() < 1e-3
    assert box[8, 8] == pytest.approx(0.25, abs=1e-3)


def test_an_ellipse_has_half_axes_of_44_hundredths_of_the_sides():
    # The middle is pixel (24, 24); sides of 16 and 12 over .44 give half-axes of 16 and 12.
    square = row(24.5 - 8 / 0.44, 24.5 - 6 / 0.44, 24.5 + 8 / 0.44, 24.5 + 6 / 0.44)
    mask = numpy(ellipse_mask(square, np.float32([1.0]), SIZE))[0, ..., 0]
    assert np.allclose(mask[24, [8, 40]], 0.5, atol=0.02) and np.allclose(mask[[12, 36], 24], 0.5, atol=0.02)
    assert mask[24, 24] > 0.999 and mask[[14, 34], [11, 37]].max() < 0.05 and mask[41:].max() < 1e-3


def test_an_outline_holds_the_face_and_not_the_corners():
    mask, points = outline(), mean_points(SIZE)
    assert at(mask, points[[33, 133, 362, 263, 1, 61, 291, 13, 14]]).min() > 0.95
    assert mask[[0, 0, -1, -1], [0, -1, 0, -1]].max() < 1e-3
    assert at(mask, points[list(OUTLINE)]).mean() == pytest.approx(0.5, abs=0.15)


def test_an_outline_grows_by_pixels():
    area = [outline(grow=grow).sum() for grow in (0.0, 2.0)]
    radius = np.sqrt(area[0] / np.pi)
    assert area[1] - area[0] == pytest.approx(np.pi * ((radius + 2) ** 2 - radius**2), rel=0.1)


def test_a_hull_that_ends_at_the_brows_leaves_the_forehead():
    whole, low, points = outline(), outline(top=0.35), mean_points(SIZE)
    forehead, chin = points[[151]], points[[199]]
    assert at(whole, forehead) > 0.9 and at(low, forehead) < 0.2
    assert at(low, chin) > 0.9 and at(low, points[[33, 263]]).min() > 0.8


def test_a_wave_bends_the_outline_to_one_side():
    bend = EVEN.copy()
    bend[0, 0] = 0.2  # the cosine of one turn: larger to the right, smaller to the left
    change = outline(bend=bend) - outline()
    half = SIZE // 2
    assert change[:, half + 4 :].min() > -0.01 and change[:, half:].max() > 0.5
    assert change[:, : half - 4].max() < 0.01 and change[:, :half].min() < -0.5


@pytest.mark.parametrize("kind, place, below", [(0.9, 0.0, 0.15), (0.9, 1.0, 0.4), (0.1, 0.0, -0.5), (0.1, 1.0, -0.15)])
def test_a_part_begins_below_the_eyes_or_the_brows(kind, place, below):
    points = mean_points(SIZE)[None]
    distance, middle = (numpy(value)[0] for value in eye_distance(points))
    part = numpy(cut_part(points, Decided(uniforms(1, 2), one={0: kind, 1: place}), SIZE))[0, ..., 0]
    edge = middle[1] + below * distance
    rows = np.arange(SIZE) + 0.5
    assert (part == part[:, :1]).all()
    assert part[rows < edge - 3].max() < 1e-3 and part[rows > edge + 3].min() > 0.999
    assert np.interp(edge, rows, part[:, 0]) == pytest.approx(0.5, abs=0.05)
