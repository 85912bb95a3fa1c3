"""Faces in parts of a photo: the graph looks where the library does, and finds the same."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import tensorflow as tf

from export.graph.answers import warn_of_small
from export.graph.faces import find_faces
from export.graph.small import windows_of
from keras_uncover.faces.finder import FaceFinder
from keras_uncover.faces.windows import SHARES, small_windows
from keras_uncover.images.decode import decode_image, read_bytes
from keras_uncover.inference.uncoverer import SMALL_FACE

FACE = Path(__file__).parents[1] / "data" / "face_0.jpg"


@pytest.mark.parametrize("height, width", [(300, 500), (512, 512), (1000, 333), (97, 640)])
def test_windows_are_those_of_the_library(height, width):
    for share, expected in zip(SHARES, small_windows(height, width)):
        assert np.array_equal(windows_of(share, tf.constant(height), tf.constant(width)), expected)


@pytest.fixture(scope="module")
def finder():
    return FaceFinder()


@pytest.fixture(scope="module")
def find_in_graph(finder):
    """The graph's finding, traced once for photos of any size."""
    photo = tf.TensorSpec([None, None, 3], "uint8")
    return tf.function(lambda photo: find_faces(photo, finder.detector, finder.mesh), input_signature=[photo])


@pytest.mark.slow
def test_a_small_face_is_found_where_the_library_finds_it(finder, find_in_graph):
    face = decode_image(read_bytes(FACE))
    photo = np.full((560, 800, 3), 90, "uint8")
    side = 96
    photo[300 : 300 + side, 500 : 500 + side] = cv2.resize(face, (side, side), interpolation=cv2.INTER_AREA)
    expected = finder.find(photo, small=True)
    boxes, points = find_in_graph(tf.constant(photo))
    assert len(expected) == len(boxes) == 1
    assert np.abs(boxes.numpy()[0] - expected[0].box).max() < 1e-2
    assert np.abs(points.numpy()[0] - expected[0].points).max() < 1e-2


def test_an_enlarged_face_is_warned_of_as_the_library_does():
    sides = tf.constant([[40.4, 300.0], [50.5, 0.0]])
    found = tf.constant([[True, True], [True, False]])
    said = warn_of_small(tf.fill((2, 2), "first"), found, sides, 128).numpy()
    assert said[0, 0].decode() == "first\n" + SMALL_FACE.format(side=40.4, size=128)
    assert said[1, 0].decode() == "first\n" + SMALL_FACE.format(side=50.5, size=128)
    assert said[0, 1] == said[1, 1] == b"first"


def test_a_photo_of_nobody_has_no_face_in_its_parts_either(finder, find_in_graph):
    photo = np.tile(np.linspace(0, 255, 640).astype("uint8")[None, :, None], (480, 1, 3))
    boxes, points = find_in_graph(tf.constant(photo))
    assert finder.find(photo, small=True) == [] and boxes.shape[0] == 0 and points.shape[0] == 0
