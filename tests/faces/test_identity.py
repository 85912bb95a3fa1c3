"""The judge against the original's answers, and whether it knows a person again (see data/faces.md)."""

import shutil
from pathlib import Path

import cv2
import keras
import numpy as np
import pytest

from keras_uncover.faces import identity as judging
from keras_uncover.faces.alignment import align_faces
from keras_uncover.faces.finder import FaceFinder
from keras_uncover.faces.identity import SAME_PERSON, Judge, distance
from keras_uncover.images.decode import decode_image, read_bytes
from keras_uncover.ops.mesh import mean_mesh
from keras_uncover.presets import preset_folder, preset_names
from keras_uncover.presets.weights import WeightsError, load_verified

DATA = Path(__file__).parents[1] / "data"


@pytest.fixture(scope="module")
def judge():
    return Judge.from_preset("judge")


@pytest.fixture(scope="module")
def people():
    """Crops float32 (3, 128, 128, 3) of three portraits and their points (3, 478, 3)."""
    finder = FaceFinder()
    rows = []
    for number in range(3):
        photo = decode_image(read_bytes(DATA / "portraits" / f"p{number}.jpg"))
        rows.append(align_faces(photo, finder.find(photo)[:1], 128)[:2])
    return tuple(np.concatenate(parts) for parts in zip(*rows))


def test_descriptors_equal_the_originals(judge):
    with np.load(DATA / "judge_reference.npz") as reference:
        chips, expected = reference["chips"], reference["descriptors"]
    answer = judge.network.predict_on_batch(chips.astype("float32") / 255)
    assert answer.shape == expected.shape == (2, 128)
    assert np.max(np.linalg.norm(answer - expected, axis=1) / np.linalg.norm(expected, axis=1)) < 2e-3
    # Were the two descriptors alike, equality with them would prove little.
    assert distance(expected[0], expected[1]) > SAME_PERSON


def test_network_is_functional_and_frozen(judge):
    again = keras.Model.from_config(judge.network.get_config())
    assert [layer.name for layer in again.layers] == [layer.name for layer in judge.network.layers]
    norms = [layer for layer in judge.network.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert len(norms) == 29 and not any(norm.trainable for norm in norms)


def test_a_person_is_known_again_and_others_are_told_apart(judge, people):
    crops, points = people
    mirrored = points[:, mean_mesh().mirror] * np.array([-1, 1, 1], "float32") + np.array([1, 0, 0], "float32")
    recoded = []
    for crop in crops[:, :, ::-1]:
        darker = np.round(np.clip(crop * [1.05, 0.95, 0.9] * 0.85, 0, 1) * 255).astype("uint8")
        data = cv2.imencode(".jpg", darker, [cv2.IMWRITE_JPEG_QUALITY, 60])[1]
        recoded.append(cv2.imdecode(data, cv2.IMREAD_COLOR))
    between = distance(judge.describe(crops, points)[:, None], judge.describe(np.stack(recoded), mirrored)[None])
    own, others = np.diag(between), between[~np.eye(3, dtype=bool)]
    assert own.max() < 0.36
    assert others.min() > SAME_PERSON > own.max()


def test_a_crops_size_does_not_matter(judge, people):
    crops, points = people
    larger = np.stack([cv2.resize(crop, (192, 192), interpolation=cv2.INTER_CUBIC) for crop in crops]).clip(0, 1)
    assert distance(judge.describe(crops, points), judge.describe(larger, points)).max() < 0.1


def test_batches_and_kinds_of_input_do_not_matter(judge, people, monkeypatch):
    crops, points = people
    whole = judge.describe(crops, points)
    assert whole.shape == (3, 128) and whole.dtype == np.float32
    monkeypatch.setattr(judging, "BATCH", 2)
    assert np.abs(judge.describe(crops, points) - whole).max() < 1e-4
    integers = np.round(crops * 255).astype("uint8")
    assert np.array_equal(judge.describe(integers, points[:, :468, :2]), judge.describe(integers / 255.0, points))
    assert judge.describe(crops[:0], points[:0]).shape == (0, 128)


def test_distance_by_hand():
    a, b = np.zeros((2, 3), "float32"), np.array([[0, 3, 4], [1, 2, 2]], "float32")
    assert distance(a, b).tolist() == [5.0, 3.0]
    assert distance(a[:, None], b[None]).tolist() == [[5.0, 3.0], [5.0, 3.0]]


@pytest.mark.parametrize(
    "images, points, words",
    [
        (np.zeros((1, 64, 60, 3)), np.zeros((1, 468, 2)), r"shape \(n, side, side, 3\); received \(1, 64, 60, 3\)"),
        (np.zeros((2, 64, 64, 3)), np.zeros((1, 468, 2)), r"one mesh a crop; received \(1, 468, 2\)"),
        (np.zeros((1, 64, 64, 3)), np.zeros((1, 467, 2)), r"\(1, 468 or more, 2 or 3\)"),
        (np.full((1, 64, 64, 3), 2.0), np.zeros((1, 468, 2)), "within 0 and 1; received 2.0 to 2.0"),
        (np.full((1, 64, 64, 3), np.nan), np.zeros((1, 468, 2)), "within 0 and 1; received nan"),
        (np.zeros((1, 64, 64, 3)), np.full((1, 468, 2), np.inf), "finite; received 936 numbers"),
    ],
)
def test_refusals(judge, images, points, words):
    with pytest.raises(ValueError, match=words):
        judge.describe(images, points)


def test_another_preset_is_no_judge(tmp_path):
    with pytest.raises(WeightsError, match="kind 'face_resnet'. Received: .*face_mesh.*'face_mesh'"):
        Judge.from_preset("face_mesh")
    shutil.copytree(preset_folder("judge"), tmp_path / "judge")
    with open(tmp_path / "judge" / "model.weights.h5", "r+b") as file:
        file.seek(100_000)
        file.write(b"altered")
    with pytest.raises(WeightsError, match="The file was altered"):
        Judge.from_preset(tmp_path / "judge")


def test_the_judge_answers_no_photos_and_says_where_it_is_from():
    assert "judge" not in preset_names() and preset_names(("face_resnet",)) == ["judge"]
    config = load_verified(preset_folder("judge"))
    assert config["licence"] == "CC0-1.0 and MIT" and "dlib" in config["origin"]
    card = (preset_folder("judge") / "card.md").read_text()
    assert config["source_sha256"] in card and "CC0-1.0" in card
