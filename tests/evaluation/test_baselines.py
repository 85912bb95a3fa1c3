"""Baselines on faces whose texture is known from what lies around them."""

import numpy as np
import pytest
from keras import ops

from keras_uncover.evaluation import baselines
from keras_uncover.ops.mesh import mean_mesh
from keras_uncover.ops.texture import uv_map

SIZE = 64


@pytest.fixture(scope="module")
def shape():
    """The mean face's uv map, hull and points: everybody has this shape."""
    points = np.concatenate([mean_mesh().points, np.zeros((468, 1))], axis=1).astype("float32")
    uv, hull = (ops.convert_to_numpy(x) for x in uv_map(ops.convert_to_tensor(points), SIZE))
    return uv, hull, points


def make_records(shape, levels, faces):
    """People whose surroundings have a grey level and whose face has a colour."""
    _, hull, points = shape
    crops = [hull * np.float32(face) + (1 - hull) * np.float32(level) for level, face in zip(levels, faces)]
    textures = [np.broadcast_to(np.float32(face), (SIZE, SIZE, 3)) for face in faces]
    return {
        "crop": np.round(np.stack(crops) * 255).astype("uint8"),
        "texture": np.round(np.stack(textures) * 255).astype("uint8"),
        "hull": np.repeat((hull * 255).astype("uint8")[None], len(levels), axis=0),
        "points": np.repeat(points[None], len(levels), axis=0),
    }


def colours(levels):
    """A face's colour follows its surroundings."""
    return np.stack([0.2 + 0.5 * levels, 0.6 - 0.4 * levels, 0.5 + 0.0 * levels], axis=-1)


@pytest.fixture(scope="module")
def faces(shape):
    levels = np.random.default_rng(0).uniform(0.1, 0.9, 40)
    return baselines.TrainFaces(make_records(shape, levels, colours(levels)))


@pytest.fixture(scope="module")
def swap(shape):
    """Two people, a face of pure blue over theirs."""
    uv, hull, points = shape
    levels = np.array([0.3, 0.7])
    records = make_records(shape, levels, colours(levels))
    target = records["crop"] / np.float32(255)
    mask = np.repeat(hull[None], 2, axis=0)
    return {
        "target": target, "mask": mask, "hull": mask, "input": target * (1 - mask) + np.float32([0, 0, 1]) * mask,
        "uv": np.repeat(uv[None], 2, axis=0), "points": records["points"],
    }


def face_of(picture, swap):
    """Mean colour inside the mask."""
    return (picture * swap["mask"]).sum((1, 2)) / swap["mask"].sum((1, 2))


def test_regressions_read_the_surroundings_and_not_the_face(faces, swap):
    pictures = baselines.target_baselines(swap, faces)
    truth = colours(np.array([0.3, 0.7]))
    for name in ("ridge", "ridge_landmarks"):
        np.testing.assert_allclose(face_of(pictures[name], swap), truth, atol=0.02)
    mean = faces.texture.mean((0, 1))
    np.testing.assert_allclose(face_of(pictures["mean_texture"], swap), [mean, mean], atol=1e-3)
    assert np.abs(mean - truth).max() > 0.05


def test_all_but_copy_and_inpainting_leave_the_surroundings_as_they_are(faces, swap):
    outside = 1 - swap["mask"]
    for name, picture in baselines.target_baselines(swap, faces).items():
        np.testing.assert_allclose(picture * outside, swap["input"] * outside, atol=2 / 255, err_msg=name)


def test_the_nearest_face_is_that_of_the_nearest_surroundings(faces, swap, shape):
    levels = np.random.default_rng(0).uniform(0.1, 0.9, 40)
    nearest = [levels[np.abs(levels - level).argmin()] for level in (0.3, 0.7)]
    picture = baselines.target_baselines(swap, faces)["nearest_face"]
    np.testing.assert_allclose(face_of(picture, swap), colours(np.array(nearest)), atol=0.02)


def test_inpainting_continues_the_surroundings(swap):
    picture = baselines.target_baselines(swap)["inpainting"]
    np.testing.assert_allclose(face_of(picture, swap), [[0.3] * 3, [0.7] * 3], atol=0.02)


def test_without_training_people_what_needs_them_is_none(swap):
    pictures = baselines.target_baselines(swap) | {f"donor {k}": v for k, v in baselines.donor_baselines(swap).items()}
    missing = {name for name, picture in pictures.items() if picture is None}
    assert missing == {*baselines.TRAINED, "donor mean_face"}
    np.testing.assert_array_equal(pictures["copy"], swap["input"])


def test_donor_baselines_show_the_face_on_grey(faces, swap):
    pictures = baselines.donor_baselines(swap, faces)
    assert set(pictures) == set(baselines.DONOR)
    corner = np.s_[:, :4, :4]
    for picture in pictures.values():
        np.testing.assert_allclose(picture[corner], 0.5, atol=1e-3)
    np.testing.assert_allclose(face_of(pictures["masked_copy"], swap), [[0, 0, 1]] * 2, atol=1e-5)


def test_unwarping_undoes_the_shape(swap):
    """A face squeezed to four fifths, painted by its place in the mean frame, comes back to that place."""
    points = np.concatenate([(mean_mesh().points - 0.5) * 0.8 + 0.5, np.zeros((468, 1))], axis=1).astype("float32")
    uv, hull = (ops.convert_to_numpy(x) for x in uv_map(ops.convert_to_tensor(points), SIZE))
    painted = np.concatenate([uv, np.zeros_like(uv[..., :1])], axis=-1)
    one = {"input": painted[None], "mask": hull[None], "points": points[None]}
    found = baselines.donor_baselines(one)["unwarped_copy"][0]
    places = (np.stack(np.meshgrid(np.arange(SIZE), np.arange(SIZE)), axis=-1) + 0.5) / SIZE
    inside = np.s_[24:44, 24:40]
    np.testing.assert_allclose(found[inside][..., :2], places[inside], atol=0.01)


def test_fits_are_told(faces):
    told = faces.fits()
    assert set(told) == {"ridge", "ridge_landmarks"}
    assert told["ridge"]["error_over_mean"] < 0.05 and told["ridge"]["landmark_scale"] == 0.0
