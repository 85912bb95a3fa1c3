"""Masks: cut, displaced, feathered."""

import numpy as np
import pytest
from made_up_people import make_draws, numpy, people

from keras_uncover.swaps.regions import (
    ELASTIC_DRAWS,
    KNOTS,
    REACH,
    displace_outline,
    draw_displacement,
    feather,
    knot_matrix,
    shape_mask,
)

SIZE = 64


def half_plane(edge, count=1):
    region = np.zeros((count, SIZE, SIZE, 1), "float32")
    region[:, :, :edge] = 1
    return region


def test_a_partial_mask_is_a_half_plane_of_the_face():
    hull, uv = people()["hull"], people()["uv"]
    still = make_draws(columns=ELASTIC_DRAWS, c0=0.9)
    draws = np.tile(np.array([[0.0, 0.5, 0.9, 0.0, 0.0]], "float32"), (3, 1))
    part = numpy(shape_mask(hull, hull, uv, draws, still))[..., 0]
    whole = numpy(shape_mask(hull, hull, uv, draws * [1, 1, 0, 1, 1], still))[..., 0]
    # The angle 0 cuts along x, 0.19 to the right of the middle of the mean face.
    beyond = uv[..., 0] > 0.69
    assert part[beyond].max() == 0 and whole[beyond].max() > 0.9
    assert part[(uv[..., 0] < 0.6) & (hull[..., 0] > 0)].mean() > 0.8


def test_a_plain_mask_is_the_covered_hull_whatever_the_draws():
    hull, uv = people()["hull"], people()["uv"]
    cover = np.array(hull)
    cover[:, :32] = 0
    draws = make_draws(columns=5, c3=0.5)
    one, two = (numpy(shape_mask(hull, cover, uv, d, None)) for d in (draws, np.where(np.arange(5) == 3, draws, 0.9)))
    assert np.allclose(one, two)
    assert one[cover == 0].max() == 0 and one[cover > 0].mean() > 0.75


@pytest.mark.parametrize("distance", [-5.0, -2.0, 0.0, 3.0, 6.0])
def test_a_straight_edge_moves_by_the_distance(distance):
    for axis in (1, 2):
        region = half_plane(32) if axis == 2 else half_plane(32).swapaxes(1, 2)
        moved = numpy(displace_outline(region, np.full_like(region, distance)))
        assert set(np.unique(moved)) == {0, 1}
        inner = moved[0, 8:-8, :, 0] if axis == 2 else moved[0, :, 8:-8, 0].T
        assert np.abs(inner.sum(1) - (32 + distance)).max() <= 1


def test_a_distance_that_differs_from_place_to_place_bends_the_edge():
    distance = np.broadcast_to(np.linspace(-5, 5, SIZE)[:, None, None], (1, SIZE, SIZE, 1)).astype("float32")
    edge = numpy(displace_outline(half_plane(32), distance))[0, :, :, 0].sum(1)
    assert np.abs(edge - (32 + distance[0, :, 0, 0]))[6:-6].max() <= 1.5


def test_displacements_are_smooth_and_bounded():
    draws = np.random.default_rng(0).random((200, ELASTIC_DRAWS), "float32")
    distance, moved = (numpy(x) for x in draw_displacement(draws, SIZE))
    assert distance.shape == (200, SIZE, SIZE, 1) and 0.4 < moved.mean() < 0.6
    assert np.array_equal(moved, draws[:, 0] < 0.5)
    assert 0.05 * SIZE < np.abs(distance).max() <= 0.09 * SIZE < 2 * REACH * SIZE
    assert np.abs(np.diff(distance, axis=1)).max() < 0.5  # of a pixel, from one to the next
    flat = numpy(draw_displacement(np.array([[0, 1, *[0.5] * KNOTS**2]], "float32"), SIZE)[0])
    assert np.allclose(flat, 0.03 * SIZE, atol=1e-5)


def test_knots_make_a_line_between_their_values():
    matrix = knot_matrix(40)
    assert np.allclose(matrix.sum(1), 1, atol=1e-6) and matrix.min() >= 0
    assert np.array_equal(matrix, matrix[::-1, ::-1])
    line = matrix @ [0, 0, 1, 0]
    assert np.argmax(line) in (26, 27) and line.max() < 1


def test_half_of_the_outlines_move_in_or_out():
    hull, uv = people(count=3)["hull"], people()["uv"]
    shape = make_draws(columns=5, c2=0.0, c3=0.0, c4=0.0)
    area = {}
    for name, elastic in (("still", [0.5, 0]), ("inwards", [0.49, 0]), ("outwards", [0.49, 1])):
        draws = np.array([[*elastic, *[0.5] * KNOTS**2]] * 3, "float32")
        mask = numpy(shape_mask(hull, np.ones_like(hull), uv, shape, draws))
        area[name] = mask.sum((1, 2, 3))
        beyond = mask[hull == 0].max()
        assert (beyond > 0.9) == (name == "outwards")
    assert (area["inwards"] < 0.92 * area["still"]).all() and (area["outwards"] > 1.04 * area["still"]).all()


def test_a_moved_mask_stays_where_the_donor_has_pixels():
    hull, uv = people()["hull"], people()["uv"]
    for seed in range(5):
        elastic = make_draws(seed=seed, columns=ELASTIC_DRAWS, c0=0.0, c1=0.99)
        mask = numpy(shape_mask(hull, hull, uv, make_draws(seed=seed, columns=5), elastic))
        assert mask[hull == 0].max() == 0 and mask.max() > 0.9


def test_a_feather_lies_inside_of_its_region():
    region = half_plane(32, 2)
    soft = numpy(feather(region, np.array([[0.0, 0.0], [1.0, 1.0]], "float32"), plain=False))
    assert soft[region == 0].max() == 0 and (soft[:, :, :16] > 0.999).all()
    width = ((soft > 0.01) & (soft < 0.99)).sum(2).max((1, 2))
    # Sigma 2.24 and half of it eroded: from .7 to .95 of the blurred edge.
    assert width[0] <= 1 < width[1] <= 5
