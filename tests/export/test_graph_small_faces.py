"""Faces in parts of a photo: the graph looks where the library does, and finds the same."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import tensorflow as tf

from export.graph import faces
from export.graph.answers import warn_of_small
from export.graph.faces import find_faces
from keras_uncover.faces.finder import FaceFinder
from keras_uncover.faces.small_faces import make_view
from keras_uncover.images.decode import decode_image, read_bytes
from keras_uncover.inference.wording import SMALL_FACE

FACE = Path(__file__).parents[1] / "data" / "face_0.jpg"


@pytest.mark.parametrize("height, width", [(300, 500), (512, 512), (1000, 333), (97, 1400), (30, 3000)])
def test_the_larger_view_is_that_of_the_library_to_the_bit(height, width):
    photo = np.random.default_rng(1).integers(0, 256, (height, width, 3)).astype("uint8")
    expected, side = make_view(photo)
    size = expected.shape[1]
    # Traced for any size of photo, as in the SavedModel.
    traced = tf.function(lambda photo: faces.make_view(photo, size))
    view, covered = traced.get_concrete_function(tf.TensorSpec([None, None, 3], "uint8"))(tf.constant(photo))
    assert np.array_equal(view, expected) and covered == side


@pytest.fixture(scope="module")
def finder():
    return FaceFinder()


@pytest.fixture(scope="module")
def find_in_graph(finder):
    """The graph's finding, traced once for photos of any size."""
    photo = tf.TensorSpec([None, None, 3], "uint8")
    return tf.function(lambda photo: find_faces(photo, finder.detector, finder.mesh), input_signature=[photo])


@pytest.mark.slow
@pytest.mark.parametrize("beside", [False, True])
def test_small_faces_are_found_where_the_library_finds_them(finder, find_in_graph, beside):
    face = decode_image(read_bytes(FACE))
    photo = np.full((560, 800, 3), 90, "uint8")
    for x, y, side in ((500, 300, 96), (640, 60, 110), *([(30, 40, 400)] if beside else [])):
        photo[y : y + side, x : x + side] = cv2.resize(face, (side, side), interpolation=cv2.INTER_AREA)
    expected = finder.find(photo, small=True)
    boxes, points, unsure = find_in_graph(tf.constant(photo))
    assert len(expected) == len(boxes) == 2 + beside and unsure == 0
    assert np.abs(boxes.numpy() - [face.box for face in expected]).max() < 1e-2
    assert np.abs(points.numpy() - [face.points for face in expected]).max() < 1e-2


def test_what_the_mesh_is_unsure_of_is_counted_and_gets_no_verdict(finder):
    def doubtful(crops, training):
        return {**finder.mesh(crops), "presence": 0.89 * finder.mesh(crops)["presence"]}

    photo = tf.constant(decode_image(read_bytes(FACE)))
    boxes, points, unsure = find_faces(photo, finder.detector, doubtful)
    assert boxes.shape == (0, 4) and points.shape == (0, 478, 3) and unsure == 1


def test_an_enlarged_face_is_warned_of_as_the_library_does():
    sides = tf.constant([[40.4, 300.0], [50.5, 0.0]])
    found = tf.constant([[True, True], [True, False]])
    said = warn_of_small(tf.fill((2, 2), "first"), found, sides, 128).numpy()
    assert said[0, 0].decode() == "first\n" + SMALL_FACE.format(side=40.4, size=128)
    assert said[1, 0].decode() == "first\n" + SMALL_FACE.format(side=50.5, size=128)
    assert said[0, 1] == said[1, 1] == b"first"


def test_a_photo_of_nobody_has_no_face_in_its_parts_either(finder, find_in_graph):
    photo = np.tile(np.linspace(0, 255, 640).astype("uint8")[None, :, None], (480, 1, 3))
    boxes, points, unsure = find_in_graph(tf.constant(photo))
    assert finder.find(photo, small=True) == [] and boxes.shape[0] == points.shape[0] == unsure == 0
