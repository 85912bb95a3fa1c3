"""Which faces of a photo count, and what is refused."""

import numpy as np
import pytest
from seed_layout import PORTRAITS

from keras_uncover.faces.finder import Face
from keras_uncover.images.decode import decode_image, read_bytes
from pipelines.build.screening import SURE, leave_out_unsure, load_finder, refusal_of


@pytest.fixture(scope="module")
def face():
    """The face of a test portrait."""
    return load_finder().find(decode_image(read_bytes(PORTRAITS / "p0.jpg")))[0]


def as_large(face, factor, presence=1.0):
    """A face whose box is so many times as large; only its size and presence are looked at."""
    x0, y0, x1, y1 = face.box
    return Face((x0, y0, x0 + factor * (x1 - x0), y0 + factor * (y1 - y0)), 0.9, face.points, presence)


def test_a_sure_face_counts_and_an_unsure_one_beside_it_does_not(face):
    feathers = as_large(face, 1.3, SURE - 0.1)
    assert leave_out_unsure([feathers, face]) == [face]
    assert leave_out_unsure([face, feathers]) == [face]
    assert refusal_of(leave_out_unsure([feathers, face]), (2000, 2000), 64) is None


def test_where_no_face_is_sure_the_largest_counts(face):
    first, second = as_large(face, 1.3, 0.6), as_large(face, 1.0, 0.7)
    assert leave_out_unsure([first, second]) == [first]
    assert leave_out_unsure([]) == []


def test_two_sure_faces_of_like_size_are_refused(face):
    pair = [as_large(face, 1.3), face]
    assert leave_out_unsure(pair) == pair
    rule, reason = refusal_of(pair, (2000, 2000), 64)
    assert rule == "several_faces" and "not clear who the person is" in reason
    assert refusal_of([face, as_large(face, 0.4)], (2000, 2000), 64) is None


def test_no_face_a_small_one_and_one_that_is_cut_off_are_refused(face):
    assert refusal_of([], (448, 448), 64)[0] == "no_face"
    assert refusal_of([face], (2000, 2000), 1024)[0] == "too_small"
    edge = int(np.median(face.points[:, 0]))
    rule, reason = refusal_of([face], (2000, edge), 64)
    assert rule == "cut_off" and "outside of the photo" in reason
