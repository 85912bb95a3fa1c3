"""The gallery with a judge whose descriptors can be read."""

import numpy as np
import pytest

from keras_uncover.evaluation.gallery import Gallery, reference_photos
from keras_uncover.ops.mesh import mean_mesh


class Reader:
    """Describes a crop by its mean colour on either half, and where its first point lies."""

    def describe(self, images, points):
        halves = [images[:, :, :16].mean((1, 2)), images[:, :, 16:].mean((1, 2))]
        return np.concatenate([*halves, points[:, :1, 0]], axis=1)


@pytest.fixture
def people():
    """Three people of 32 px: black, grey and white on the left, black on the right."""
    crops = np.zeros((3, 32, 32, 3), "uint8")
    crops[1, :, :16], crops[2, :, :16] = 128, 255
    points = np.repeat(np.concatenate([mean_mesh().points, np.zeros((468, 1))], axis=1)[None], 3, axis=0)
    hulls = np.full((3, 32, 32, 1), 255, "uint8")
    hulls[:, :8] = 0
    return {"crop": crops, "hull": hulls, "points": points.astype("float32"), "person": np.array(["x", "y", "z"])}


def test_references_are_mirrored_recoloured_and_encoded(people):
    crops, hulls, points = reference_photos(people, seed=0)
    assert crops[2, :, 16:].mean() > 0.7 and crops[2, :, :16].mean() < 0.3
    assert np.abs(crops - people["crop"][:, :, ::-1] / 255).mean((1, 2, 3)).min() > 1e-3
    np.testing.assert_array_equal(hulls[..., 0], people["hull"][..., ::-1, 0] / 255)
    # The left eye's outer corner is the right one's of the mirror image.
    left, right = people["points"][0, 33], people["points"][0, 263]
    np.testing.assert_allclose(points[0, 263, 0], 1 - left[0], atol=1e-6)
    np.testing.assert_allclose(points[0, 33], [1 - right[0], right[1], 0], atol=1e-6)


def test_references_are_the_same_for_a_seed(people):
    first, second, other = (reference_photos(people, seed)[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, second)
    assert np.abs(first - other).max() > 0.01


def test_ranks_and_distances_by_hand(people):
    gallery = Gallery(people, Reader())
    gallery.features["target"] = np.array([[0.0, 0.0], [3.0, 4.0], [9.0, 0.0]])
    asked = np.array([[0.0, 1.0], [0.0, 1.0], [8.0, 0.0]])
    np.testing.assert_array_equal(gallery.rank_first("target", asked, ["x", "y", "z"]), [True, False, True])
    np.testing.assert_allclose(gallery.distance_to("target", asked, ["x", "y", "x"]), [1.0, np.sqrt(18), 8.0])


def test_donors_are_looked_for_among_faces_on_grey(people):
    gallery = Gallery(people, Reader())
    whole, faces = gallery.features["target"], gallery.features["donor"]
    # Black person: a quarter of each half is grey.
    np.testing.assert_allclose(faces[0, :3] - 0.75 * whole[0, :3], 0.125, atol=0.02)
