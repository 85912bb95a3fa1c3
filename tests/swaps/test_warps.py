"""Warps between faces: where points come to lie, and what of a donor's shape is kept."""

import numpy as np
import pytest
from drawn_faces import Decided, faces, mean_points, numpy, uniforms
from keras import ops

from keras_uncover.ops.geometry import pixel_grid, sample
from keras_uncover.swaps.draws import Uniforms
from keras_uncover.swaps.warps import (
    CONTROL,
    INNER,
    OUTLINE,
    aim_donor,
    enlarge_grid,
    eye_distance,
    jitter_field,
    pick_points,
    warp_field,
)

SIZE = 64
CONTROLS = np.array(CONTROL)
JITTER_DRAWS = 55


def read(field, points):
    """The field at points, ``(n, 2)``."""
    return numpy(sample(field, np.asarray(points, "float32"), border="edge"))[0]


def test_points_are_picked_in_the_given_order():
    points = np.arange(2 * 478 * 3, dtype="float32").reshape(2, 478, 3)
    assert np.array_equal(numpy(pick_points(points, (10, 3))), points[:, [10, 3], :2])
    assert len(set(OUTLINE)) == 36 and not set(OUTLINE) & set(INNER)


def test_the_distance_of_the_eyes_by_hand():
    points = np.zeros((1, 478, 2), "float32")
    points[0, [33, 133]], points[0, [362, 263]] = [[10, 20], [14, 20]], [[18, 26], [22, 26]]
    # Eyes at (12, 20) and (20, 26): 8 apart along x, 6 along y.
    distance, middle = eye_distance(points)
    assert numpy(distance)[0] == pytest.approx(10, abs=1e-4)
    assert np.allclose(numpy(middle), [[16, 23]])


def test_a_grid_is_enlarged_linearly():
    grid = np.zeros((1, 2, 2, 2), "float32")
    grid[0, :, 1, 0], grid[0, 1, :, 1] = 1, 4
    enlarged = numpy(enlarge_grid(grid, 4))[0]
    # Centres of two cells lie at a quarter and three quarters of the side; beyond them nothing changes.
    assert np.allclose(enlarged[..., 0], [[0, 0.25, 0.75, 1]] * 4)
    assert np.allclose(enlarged[..., 1], np.transpose([[0, 1, 3, 4]] * 4))


def test_points_that_stay_move_nothing():
    points = mean_points(SIZE)[None, CONTROLS]
    assert np.abs(numpy(warp_field(points, points, SIZE))).max() == 0


def test_points_that_move_alike_move_everything_alike():
    points = mean_points(SIZE)[None, CONTROLS]
    field = numpy(warp_field(points, points + np.float32([3, -2]), SIZE))
    assert field.shape == (1, SIZE, SIZE, 2) and np.allclose(field, [3, -2], atol=1e-4)


def test_a_pixel_at_a_shown_point_reads_the_source():
    shown = np.float32([[[14, 14], [50, 50]]])
    source = shown + np.float32([[[4, 0], [-3, 2]]])
    field = warp_field(shown, source, SIZE)
    assert np.abs(shown[0] + read(field, shown) - source[0]).max() < 0.1
    # A dot at each source is seen at its shown point.
    grid = numpy(pixel_grid(SIZE)) * SIZE
    dots = np.exp(-0.5 * ((grid[None] - source[0, :, None, None]) ** 2).sum(-1) / 1.5**2)[..., None].sum(0)
    seen = numpy(sample(dots[None].astype("float32"), grid[None] + field))[0, ..., 0]
    for x, y in shown[0].astype(int):
        near = seen[y - 6 : y + 6, x - 6 : x + 6]
        place = [(near * axis).sum() / near.sum() for axis in np.mgrid[-5.5:6.5, -5.5:6.5]]
        assert np.hypot(*place) < 1


def test_a_target_of_the_donors_own_shape_is_met_by_a_similarity_whatever_is_kept():
    donor = faces(2, SIZE)["points"]
    turn = np.array([[0.9, -0.2], [0.2, 0.9]], "float32")
    target = donor @ turn + np.float32([8, 2])
    fields = [numpy(aim_donor(target, donor, np.float32([keep] * 2), SIZE)) for keep in (0, 1)]
    assert np.abs(fields[0] - fields[1]).max() < 1e-3
    assert np.abs(fields[0]).max() > 2


def test_a_donor_gets_the_targets_shape_or_keeps_its_own():
    donor = mean_points(SIZE)[None]
    target = donor * np.float32([1.2, 1.0]) + np.float32([-6, 3])  # a wider face
    given, kept = (aim_donor(target, donor, np.float32([keep]), SIZE) for keep in (0, 1))
    chosen = target[:, CONTROLS]
    met = chosen[0] + read(given, chosen) - donor[0, CONTROLS]
    assert np.hypot(*met.T).max() < 1
    # The best similarity makes a face wider by a tenth and taller by a tenth: both eyes are read too far inside.
    left, right = (target[:, [number]] for number in (33, 263))
    width = [np.diff([(p[0] + read(field, p))[0, 0] for p in (left, right)])[0] for field in (given, kept)]
    assert width[1] > width[0] * 1.03


def test_a_jitter_by_hand():
    points = mean_points(SIZE)[None]
    distance, middle = (numpy(value)[0] for value in eye_distance(points))
    draws = uniforms(1, JITTER_DRAWS)
    draws[0, :4] = [0.5, 1.0, 0.5, 0.0]  # not turned; larger, and moved up, by three deviations
    draws[0, 4:54] = 0.5
    field = jitter_field(points, Uniforms(draws), SIZE)
    place = np.float32([[30, 20]])
    expected = 3 * 0.025 * (place - middle) + [0, -3 * 0.04 * distance]
    assert np.allclose(read(field, place[None]), expected, atol=1e-2)
    still = Decided(draws, still=True)
    assert np.abs(numpy(jitter_field(points, still, SIZE))).max() == 0 and still.used == JITTER_DRAWS


def test_elastic_jitter_grows_with_its_draw():
    points, draws = mean_points(SIZE)[None], uniforms(1, JITTER_DRAWS)
    draws[0, :4] = 0.5
    reach = []
    for share in (0.0, 0.5, 1.0):
        draws[0, 54] = share
        reach.append(numpy(ops.max(ops.abs(jitter_field(points, Uniforms(draws), SIZE)))))
    assert reach[0] < 1e-6 and reach[2] == pytest.approx(2 * reach[1], rel=1e-4)
    assert reach[2] <= 3 * 0.03 * numpy(eye_distance(points)[0])[0] * 1.01
