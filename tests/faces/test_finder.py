"""Face finding: the pure parts against numbers worked out by hand, the whole on real portraits."""

import numpy as np
import pytest
from PIL import Image
from portrait_files import portrait

from keras_uncover.faces import detection
from keras_uncover.faces.detection import rank_faces
from keras_uncover.faces.finder import FaceFinder, letterbox_matrices, letterboxes, place_faces
from keras_uncover.faces.small_faces import make_view, needs_closer_look, seek_small, shrink


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
    assert len(detection.anchor_centres(320)) == 40 * 40 * 2 + 20 * 20 * 6


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


def test_what_the_mesh_is_unsure_of_comes_after_every_face_however_large():
    cloud = np.random.default_rng(0).random((1, 478, 3)).astype("float32")
    wall, man, chair = (cloud * side + shift for shift, side in ((0, 90), (120, 40), (125, 60)))
    points, presence = np.concatenate([wall, man, chair]), np.array([0.89, 0.95, 0.7], "float32")
    scores = np.array([0.99, 0.6, 0.9], "float32")
    ranked = {name: np.asarray(value) for name, value in rank_faces((300, 300), points, presence, scores).items()}
    # The chair stands in the man's place, with the better score: it is dropped, not he.
    assert np.allclose(ranked["presence"], [0.95, 0.89, 0.7]) and np.allclose(ranked["scores"], [0.6, 0.99, 0])


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
    flat = face.points[None, :, :2]
    eyes = flat[:, detection.EYE_LEFT], flat[:, detection.EYE_RIGHT]
    regions = np.asarray(detection.square_region(flat.min(axis=1), flat.max(axis=1), *eyes))
    points, presence = finder.points_in(photo, np.repeat(regions, 2, axis=0))
    assert points.shape == (2, 478, 3) and presence.min() > 0.99
    assert np.allclose(points[0], points[1], atol=1e-3) and error(points[0], face.points) < 0.03


def test_refused(finder):
    for photo in (np.zeros((8, 8, 3), "float32"), np.zeros((8, 8), "uint8"), np.zeros((0, 8, 3), "uint8")):
        with pytest.raises(ValueError, match=r"must be uint8 \(height, width, 3\)"):
            finder.find(photo)
    with pytest.raises(ValueError, match="max_faces must be 1 to 16. Received: 0"):
        finder.find(np.zeros((8, 8, 3), "uint8"), max_faces=0)


# Small faces


def test_a_photo_is_shrunk_to_means_of_its_blocks():
    photo = np.random.default_rng(0).integers(0, 256, (9, 13, 3)).astype("uint8")
    for factor in (1, 2, 4):
        whole = photo[: 9 // factor * factor, : 13 // factor * factor].astype("float64")
        blocks = whole.reshape(9 // factor, factor, 13 // factor, factor, 3).mean((1, 3))
        assert np.allclose(shrink(photo, factor) / 16, blocks)
    # Of larger blocks, 16 pixels stand for all.
    assert np.allclose(shrink(photo[:8, :8], 8)[0, 0], photo[1:8:2, 1:8:2].sum((0, 1)))
    assert shrink(photo, 3).shape == (3, 4, 3) and shrink(photo, 20).size == 0


@pytest.mark.parametrize("shape, size, factor", [
    ((257, 100), 320, 2), ((640, 640), 320, 2), ((300, 641), 640, 2), ((1280, 960), 640, 2), ((1200, 1281), 640, 3),
])
def test_the_larger_view_holds_the_photo(shape, size, factor):
    view, side = make_view(np.full((*shape, 3), 255, "uint8"))
    assert view.shape == (1, size, size, 3) and side == size * factor
    height, width = (length // factor for length in shape)
    assert np.allclose(view[0, :height, :width], 1) and np.isclose(view.sum(), 3 * height * width)


def test_a_photo_whose_first_view_shows_every_face_that_may_be_judged_is_not_looked_at_again():
    assert not needs_closer_look(256) and needs_closer_look(257)


def test_candidates_in_the_larger_view_stand_aside_for_faces_that_were_found():
    size, side, anchors = 320, 640.0, detection.anchor_centres(320)
    answers = {"regressors": np.zeros((1, len(anchors), 16), "float32"),
               "logits": np.full((1, len(anchors)), -9.0, "float32")}
    # Boxes of 32 photo pixels around (100, 50) and (400, 300).
    for centre in ((100, 50), (400, 300)):
        anchor = np.abs(anchors - np.array(centre) / side).sum(-1).argmin()
        offset = size * (np.array(centre) / side - anchors[anchor])
        answers["regressors"][0, anchor, :4] = [*offset, 16, 16]
        answers["logits"][0, anchor] = 2.0
    view = np.zeros((1, size, size, 3), "float32")
    found = np.zeros((2, 4), "float32")
    places, scores = map(np.asarray, seek_small(view, size, side, side, found, lambda _: answers))
    assert (scores > 0).sum() == 2
    assert {tuple(map(round, low)) for low in places[:2, 0].tolist()} == {(84, 34), (384, 284)}
    # Of a photo of 150 pixels the first view shows faces of 32. Below a score of 0.65 there is no small face.
    assert not np.asarray(seek_small(view, size, side, 150.0, found, lambda _: answers)[1]).any()
    low = {**answers, "logits": answers["logits"] - 1.5}
    assert not np.asarray(seek_small(view, size, side, side, found, lambda _: low)[1]).any()
    found[0] = [300, 200, 500, 420]
    places, scores = map(np.asarray, seek_small(view, size, side, side, found, lambda _: answers))
    assert (scores > 0).sum() == 1 and np.allclose(places[0, :2], [[84, 34], [116, 66]], atol=1e-2)


def test_the_detector_finds_in_a_larger_view_what_it_finds_in_its_own(finder):
    image = np.asarray(Image.fromarray(portrait(1)).resize((128, 128), Image.BICUBIC), "float32") / 255
    large = np.zeros((1, 320, 320, 3), "float32")
    large[0, 64:192, 160:288] = image
    small = finder.detector.predict_on_batch(image[None])
    places, scores = map(np.asarray, detection.decode(small["regressors"], small["logits"]))
    answer = finder.detector.predict_on_batch(large)
    more, surer = map(np.asarray, detection.decode(answer["regressors"], answer["logits"], 320))
    box, same = 128 * places[0, scores[0].argmax(), :2], 320 * more[0, surer[0].argmax(), :2]
    assert surer.max() > 0.8 and np.abs(box + [160, 64] - same).max() < 6


def scene(width, height):
    """A picture in which nobody is."""
    blocks = np.random.default_rng(1).normal(110, 25, (height // 16 + 1, width // 16 + 1, 3))
    return np.clip(blocks.repeat(16, 0).repeat(16, 1), 0, 255).astype("uint8")[:height, :width]


@pytest.mark.parametrize("share", [0.08, 0.05])
def test_a_small_face_is_found_where_the_whole_view_shows_none(finder, share):
    face = portrait(0)
    width = np.ptp(finder.find(face)[0].points[:, 0])
    side = round(share * 1000 * len(face) / width)
    photo = scene(1000, 700)
    assert finder.find(photo, small=True) == []
    photo[420 : 420 + side, 610 : 610 + side] = portrait(0, (side, side))
    assert finder.find(photo) == [], "it takes the second look"
    (found,) = finder.find(photo, small=True)
    expected = finder.find(face)[0].points * side / len(face) + [610, 420, 0]
    assert np.linalg.norm(found.points[:, :2].mean(0) - expected[:, :2].mean(0)) < 0.2 * eyes(expected)
    assert found.sure


def test_small_faces_are_found_beside_a_large_one_and_it_stays_as_it_was(finder):
    photo = scene(1000, 700)
    photo[100:500, 80:480] = portrait(1, (400, 400))
    (alone,) = finder.find(photo, small=True)
    for x in (560, 700, 840):
        photo[420:530, x : x + 110] = portrait(0, (110, 110))
    assert len(finder.find(photo)) == 1, "it takes the second look"
    large, *small = finder.find_all(photo, small=True)
    assert np.allclose(large.points, alone.points, atol=0.5)
    assert sorted(round((face.box[0] + face.box[2]) / 2, -1) // 140 for face in small) == [4, 5, 6]
    assert len(finder.find(photo, max_faces=2, small=True)) == 2
