"""Face finding: the pure parts against numbers worked out by hand, the whole on real portraits."""


import numpy as np
import pytest
import tensorflow as tf
from keras import ops
from PIL import Image
from portrait_files import portrait

from keras_uncover.faces import detection
from keras_uncover.faces.finder import FaceFinder, find_faces, letterbox_matrices, letterboxes, place_faces, rank_faces
from keras_uncover.faces.windows import MIN_SMALL_PRESENCE, fill_up, pick_small, small_windows, windows_of


@pytest.fixture(scope="module")
def finder():
    return FaceFinder()


def eyes(points):
    return np.linalg.norm(points[33, :2] - points[263, :2])


def error(points, expected):
    return np.mean(np.linalg.norm(points[:, :2] - expected[:, :2], axis=1)) / eyes(expected)


# The pure parts


def test_anchor_centres():
    centres = detection.anchor_centres()
    assert centres.shape == (896, 2)
    assert np.allclose(centres[[0, 1]], 0.5 / 16) and np.allclose(centres[2], [1.5 / 16, 0.5 / 16])
    assert np.allclose(centres[512:518], 0.5 / 8) and np.allclose(centres[895], 7.5 / 8)


def test_decode_by_hand():
    regressors = np.zeros((1, 896, 16), "float32")
    regressors[0, 0, :6] = [12.0, 28.0, 32.0, 64.0, 4.0, -4.0]
    places, scores = detection.decode(regressors, np.full((1, 896), 0.0, "float32"))
    # Anchor 0 sits at pixel (4, 4): the box's centre is (16, 32), its half sides are 16 and 32.
    assert np.allclose(np.asarray(places)[0, 0, :3] * 128, [[0, 0], [32, 64], [8, 0]])
    assert np.allclose(scores, 0.5)


def test_box_overlap_by_hand():
    box = np.array([[0, 0], [2, 2]], "float32")
    others = np.array([[[1, 1], [3, 3]], [[0, 0], [2, 2]], [[5, 5], [6, 6]], [[1, 1], [1, 1]]], "float32")
    assert np.allclose(detection.box_overlap(box, others), [1 / 7, 1, 0, 0])
    assert np.allclose(detection.box_cover(box, others), [1 / 4, 1, 0, 0])


def square(x, y, side, shift=0.0):
    return [[x, y], [x + side, y + side]] + [[x + shift, y + shift]] * 6


def test_suppress_blends_what_overlaps_and_keeps_the_rest():
    places = np.array([square(0, 0, 10), square(2, 0, 10, 3), square(50, 50, 10), square(90, 90, 5)], "float32")
    found, scores = detection.suppress(places, np.array([0.6, 0.9, 0.7, 0.49], "float32"), 4)
    assert np.allclose(scores, [0.9, 0.7, 0, 0])
    assert np.allclose(found[0], (0.6 * places[0] + 0.9 * places[1]) / 1.5, atol=1e-5)
    assert np.allclose(found[1], places[2])


def test_suppress_answers_the_best_when_there_are_more_faces_than_places():
    places = np.array([square(20 * k, 0, 10) for k in range(4)], "float32")
    found, scores = detection.suppress(places, np.array([0.6, 0.9, 0.7, 0.8], "float32"), 2)
    assert np.allclose(scores, [0.9, 0.8]) and np.allclose(np.asarray(found)[:, 0, 0], [20, 60])


def test_join_views_prefers_the_earlier_view():
    empty = square(0, 0, 0)
    views = np.array([[square(0, 0, 10), empty], [square(1, 0, 10), square(40, 0, 10)]], "float32")
    scores = np.array([[0.6, 0.0], [0.9, 0.8]], "float32")
    found, answer = detection.join_views(views, scores, 3)
    assert np.allclose(answer, [0.6, 0.8, 0]) and np.allclose(np.asarray(found)[:2, 0, 0], [0, 40])


def test_square_region_turns_with_the_eyes():
    low, high = np.array([[10.0, 20.0]], "float32"), np.array([[30.0, 30.0]], "float32")
    start, end = np.array([[0.0, 0.0]], "float32"), np.array([[0.0, 5.0]], "float32")
    # Eyes one above the other: a quarter turn. Side 1.5 * 20 about the centre (20, 25).
    region = detection.square_region(low, high, start, end)
    assert np.allclose(region, [[[0, -30, 35], [30, 0, 10]]], atol=1e-5)


def test_drop_repeats_spares_who_is_only_near_a_dropped_one():
    near = np.abs(np.arange(3)[:, None] - np.arange(3)) < 2
    assert np.array_equal(detection.drop_repeats(near, np.array([True, True, True])), [True, False, True])
    assert np.array_equal(detection.drop_repeats(near, np.array([False, True, True])), [False, True, False])


def test_letterbox_of_a_wide_photo():
    photo = np.full((40, 160, 3), 255, "uint8")
    matrices = np.asarray(letterbox_matrices(40, 160))
    assert np.allclose(matrices[0], [[160, 0, 0], [0, 160, -60]])
    assert np.allclose(matrices[2], [[320, 0, -80], [0, 320, -140]])
    views = np.asarray(letterboxes(photo, matrices))
    # A quarter of the height is photo; the view at half size shows a quarter of the area of the first.
    # Pixels at the photo's edge are half black.
    assert np.allclose(views[0, 49:79, 1:127], 1) and not views[0, :47].any() and not views[0, 81:].any()
    assert np.isclose(views[0].mean(), 1 / 4, atol=4e-3) and np.isclose(views[2].mean(), 1 / 16, atol=4e-3)


def test_rank_faces_drops_repeats_and_puts_the_largest_first():
    cloud = np.random.default_rng(0).random((1, 478, 3)).astype("float32")
    places = ((0, 10), (40, 30), (41, 30), (50, 10), (80, 90))
    points = np.concatenate([cloud * side + shift for shift, side in places])
    presence = np.array([1, 0.9, 0.9, 1, 0.4], "float32")
    scores = np.array([0.9, 0.7, 0.8, 0.6, 0.9], "float32")
    ranked = {name: np.asarray(value) for name, value in rank_faces((60, 200), points, presence, scores).items()}
    # Row 2 beats its repeat, row 1, and row 3, which lies inside of it; row 4 is no face.
    assert np.allclose(ranked["scores"], [0.8, 0.9, 0, 0, 0]) and np.allclose(ranked["points"][0], points[2])
    # The photo is 60 high, and the box of row 2 is cut off there.
    assert np.allclose(ranked["boxes"][0, :2], 41, atol=0.5) and ranked["boxes"][0, 3] == 60


def test_rows_without_a_face_are_finite():
    places, scores = place_faces(
        np.zeros((3, 896, 16), "float32"), np.full((3, 896), -9, "float32"), letterbox_matrices(64, 64), 4
    )
    assert not np.asarray(scores).any()
    assert np.all(np.isfinite(np.asarray(detection.region_of_detection(places))))


# The whole


def test_portrait(finder):
    faces = finder.find(portrait(1))
    assert len(faces) == 1
    face = faces[0]
    assert face.score > 0.5 and face.presence > 0.99
    assert face.points.shape == (478, 3) and face.points.dtype == np.float32
    x0, y0, x1, y1 = face.box
    assert np.allclose([x0, y0], face.points[:, :2].min(axis=0)) and 100 < x1 - x0 < 180 and 130 < y1 - y0 < 200
    # Upright: the forehead is above the chin, the nose's tip nearer than the ears.
    assert face.points[10, 1] < face.points[152, 1] and face.points[1, 2] < face.points[[234, 454], 2].min()


def test_several_faces_largest_first(finder):
    photo = np.full((560, 760, 3), 90, "uint8")
    for index, size, x, y in ((0, 264, 10, 150), (1, 380, 300, 20), (2, 200, 540, 340)):
        photo[y : y + size, x : x + size] = portrait(index, (size, size))
    faces = finder.find(photo)
    assert len(faces) == 3
    assert [300 < f.points[1, 0] < 680 and f.points[1, 1] < 400 for f in faces] == [True, False, False]
    areas = [(f.box[2] - f.box[0]) * (f.box[3] - f.box[1]) for f in faces]
    assert areas == sorted(areas, reverse=True)
    assert len(finder.find(photo, max_faces=1)) == 1


def test_no_face_is_an_empty_list(finder):
    noise = np.random.default_rng(1).integers(0, 255, (300, 200, 3), dtype="uint8")
    for photo in (noise, np.zeros((64, 64, 3), "uint8"), np.full((1, 1, 3), 200, "uint8")):
        assert finder.find(photo) == []


@pytest.mark.parametrize("degrees", [-35, 25])
def test_turned_face(finder, degrees):
    upright = finder.find(portrait(1))[0].points
    size = 264
    image = Image.fromarray(portrait(1))
    turned = finder.find(np.asarray(image.rotate(degrees, Image.BICUBIC, fillcolor=(90, 90, 90))))
    assert len(turned) == 1
    # PIL turns counter-clockwise about the middle, with y pointing down.
    a = np.deg2rad(degrees)
    turn = np.array([[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]])
    assert error(turned[0].points, (upright[:, :2] - size / 2) @ turn.T + size / 2) < 0.04


@pytest.mark.parametrize("wide", [True, False])
def test_very_wide_and_very_tall(finder, wide):
    alone = finder.find(portrait(2))[0].points
    photo = np.zeros((264, 1000, 3), "uint8") if wide else np.zeros((1000, 264, 3), "uint8")
    shift = (600, 0) if wide else (0, 600)
    photo[shift[1] : shift[1] + 264, shift[0] : shift[0] + 264] = portrait(2)
    faces = finder.find(photo)
    assert len(faces) == 1 and error(faces[0].points - [*shift, 0], alone) < 0.03


def test_face_that_fills_the_picture(finder):
    whole = portrait(1)
    x0, y0, x1, y1 = map(int, finder.find(whole)[0].box)
    faces = finder.find(np.ascontiguousarray(whole[y0 + 8 : y1 - 8, x0 + 8 : x1 - 8]))
    assert len(faces) == 1
    assert error(faces[0].points + [x0 + 8, y0 + 8, 0], finder.find(whole)[0].points) < 0.08


def test_size_of_the_photo_does_not_matter(finder):
    small, large = (finder.find(portrait(1, (n, n)))[0].points / n for n in (200, 1100))
    assert error(large, small) < 0.02


def test_points_in_equals_find(finder):
    photo = portrait(0)
    face = finder.find(photo)[0]
    regions = np.asarray(detection.region_of_points(face.points[None]))
    points, presence = finder.points_in(photo, np.repeat(regions, 2, axis=0))
    assert points.shape == (2, 478, 3) and presence.min() > 0.99
    assert np.allclose(points[0], points[1], atol=1e-3) and error(points[0], face.points) < 0.03


def test_whole_road_inside_a_tensorflow_function(finder):
    signature = [tf.TensorSpec((None, None, 3), "uint8")]
    compiled = tf.function(lambda p: find_faces(p, finder.detector, finder.mesh, 2), input_signature=signature)
    for photo in (portrait(0), np.pad(portrait(2), ((0, 0), (30, 200), (0, 0)))):
        expected = finder.find(photo)
        inside = {name: ops.convert_to_numpy(value) for name, value in compiled(photo).items()}
        eager = find_faces(photo, finder.detector.predict_on_batch, finder.mesh.predict_on_batch, 2)
        assert inside["boxes"].shape == (2, 4) and inside["points"].shape == (2, 478, 3)
        assert (inside["scores"] > 0).sum() == len(expected) == 1
        assert np.allclose(inside["boxes"][0], expected[0].box, atol=0.05)
        assert np.allclose(inside["points"][0], expected[0].points, atol=0.05)
        assert np.allclose(ops.convert_to_numpy(eager["points"])[0], expected[0].points, atol=0.05)


def test_refused(finder):
    for photo in (np.zeros((8, 8, 3), "float32"), np.zeros((8, 8), "uint8"), np.zeros((0, 8, 3), "uint8")):
        with pytest.raises(ValueError, match=r"must be uint8 \(height, width, 3\)"):
            finder.find(photo)
    with pytest.raises(ValueError, match="max_faces must be 1 to 16. Received: 0"):
        finder.find(np.zeros((8, 8, 3), "uint8"), max_faces=0)


# Small faces


def test_windows_cover_the_photo_and_overlap_by_half():
    large, small = small_windows(600, 1000)
    for windows, side in ((large, 500), (small, 250)):
        low = windows[:, :, 2]
        assert (windows[:, 0, 0] == side).all() and (low >= 0).all()
        assert low[:, 0].max() + side == 1000 and low[:, 1].max() + side == 600
        for axis in (0, 1):
            assert np.diff(np.unique(low[:, axis])).max() <= side / 2 + 1e-3
    assert len(large) == 3 * 2 and len(small) == 7 * 4


def test_windows_are_filled_up_to_whole_batches():
    windows = windows_of(250.0, 600, 1000)
    full = fill_up(windows[:13])
    assert len(full) == 16 and (full[:13] == windows[:13]).all() and (full[13:] == windows[12]).all()
    assert len(fill_up(windows[:8])) == 8


def test_a_window_longer_than_an_edge_is_laid_around_its_middle():
    windows = windows_of(500.0, 300, 1000)
    assert (windows[:, 1, 2] == -100).all() and len(windows) == 3


def test_candidates_of_several_windows_become_one_face():
    windows = np.array([[[100, 0, 0], [0, 100, 0]], [[100, 0, 50], [0, 100, 0]]], "float32")
    regressors, logits = np.zeros((2, 896, 16), "float32"), np.full((2, 896), -9.0, "float32")
    # One box of 20 photo pixels around (70, 50), as the two windows see it, from the anchors next to it.
    for window, anchor, centre in ((0, 2 * (8 * 16 + 11), 0.70), (1, 2 * (8 * 16 + 3), 0.20)):
        at = detection.anchor_centres()[anchor]
        regressors[window, anchor, :4] = [128 * (centre - at[0]), 128 * (0.5 - at[1]), 25.6, 25.6]
        logits[window, anchor] = 2.0
    places, scores = pick_small(regressors, logits, windows)
    assert len(scores) == 1
    assert np.allclose(places[0, :2], [[60, 40], [80, 60]], atol=1e-3)
    assert not len(pick_small(regressors, np.full((2, 896), -9.0), windows)[1])


@pytest.mark.parametrize("share", [0.08, 0.05])
def test_a_small_face_is_found_where_the_whole_view_shows_none(finder, share):
    face = portrait(0)
    width = np.ptp(finder.find(face)[0].points[:, 0])
    side = round(share * 1000 * len(face) / width)
    rng = np.random.default_rng(1)
    photo = np.clip(rng.normal(110, 25, (45, 63, 3)).repeat(16, 0).repeat(16, 1), 0, 255).astype("uint8")[:700, :1000]
    assert finder.find(photo, small=True) == []
    photo[420 : 420 + side, 610 : 610 + side] = portrait(0, (side, side))
    assert finder.find(photo) == [], "it takes the second look"
    (found,) = finder.find(photo, small=True)
    expected = finder.find(face)[0].points * side / len(face) + [610, 420, 0]
    assert np.linalg.norm(found.points[:, :2].mean(0) - expected[:, :2].mean(0)) < 0.2 * eyes(expected)
    assert found.presence >= MIN_SMALL_PRESENCE
