"""The two ported face networks against the originals, run by the TFLite interpreter (see data/faces.md)."""

from pathlib import Path

import keras
import numpy as np
import pytest
from loaded_script import load_script

from keras_uncover.faces.finder import PRESETS
from keras_uncover.models.face_detector import build_face_detector
from keras_uncover.models.face_mesh import build_face_mesh
from keras_uncover.models.layers import AddShortcut
from keras_uncover.presets.weights import load_weights
from keras_uncover.refusals import DataError

DATA = Path(__file__).parents[1] / "data"


@pytest.fixture(scope="module")
def reference():
    with np.load(DATA / "face_nets_reference.npz") as stored:
        arrays = {name: stored[name] for name in stored}
    arrays["small"] = arrays["crops"].astype("float32") / 255
    arrays["large"] = arrays["small"].repeat(2, axis=1).repeat(2, axis=2)
    return arrays


@pytest.fixture(scope="module")
def detector():
    model = build_face_detector()
    load_weights(model, Path(PRESETS) / "face_detector")
    return model


@pytest.fixture(scope="module")
def mesh():
    model = build_face_mesh()
    load_weights(model, Path(PRESETS) / "face_mesh")
    return model


def test_detector_equals_tflite(detector, reference):
    answer = detector.predict_on_batch(reference["small"])
    assert answer["regressors"].shape == (3, 896, 16) and answer["logits"].shape == (3, 896)
    assert np.max(np.abs(answer["regressors"] - reference["regressors"])) / 128 < 1e-4
    assert np.max(np.abs(answer["logits"] - reference["logits"])) < 1e-3


def test_mesh_equals_tflite(mesh, reference):
    answer = mesh.predict_on_batch(reference["large"])
    assert answer["points"].shape == (3, 478, 3) and answer["presence"].shape == (3,)
    assert np.max(np.abs(answer["points"] - reference["points"] / 256)) < 1e-4
    assert np.max(np.abs(answer["presence"] - 1 / (1 + np.exp(-reference["presence_logit"])))) < 1e-4


def test_reference_tells_faces_from_a_background(reference):
    # Were the stored answers all alike, equality with them would prove little.
    assert np.all(reference["presence_logit"][:2] > 5) and reference["presence_logit"][2] < -5
    assert np.all(reference["logits"].max(axis=1)[:2] > 1) and reference["logits"][2].max() < -1


def test_one_by_one_equals_a_batch(mesh, reference):
    together = mesh.predict_on_batch(reference["large"])["points"]
    alone = np.concatenate([mesh.predict_on_batch(each[None])["points"] for each in reference["large"]])
    assert np.max(np.abs(together - alone)) < 1e-5


def test_networks_are_functional_and_every_layer_is_named():
    for model in (build_face_detector(), build_face_mesh()):
        again = keras.Model.from_config(model.get_config())
        names = [layer.name for layer in model.layers]
        assert names == [layer.name for layer in again.layers]
        # A name that Keras invents is a class's name, with a number when it is not the first.
        invented = {keras.src.utils.naming.to_snake_case(type(layer).__name__) for layer in model.layers}
        assert not [name for name in names if name.rstrip("0123456789_") in invented]


def test_add_shortcut():
    shortcut = np.arange(8, dtype="float32").reshape(1, 2, 2, 2)
    branch = np.full((1, 2, 2, 3), 10, "float32")
    total = keras.ops.convert_to_numpy(AddShortcut()([shortcut, branch]))
    assert np.array_equal(total[0, 0], [[10, 11, 10], [12, 13, 10]])
    assert np.array_equal(AddShortcut()([shortcut, branch[..., :2]]), shortcut + 10)
    with pytest.raises(ValueError, match="received 2 and 3 channels"):
        AddShortcut()([branch, shortcut])


def test_conversion_refuses_another_file(tmp_path):
    script = load_script("scripts/convert_face_landmarker.py")
    (tmp_path / "other.task").write_bytes(b"another")
    with pytest.raises(DataError, match="must have the SHA-256 64184e22.* Received: .*other.task with "):
        script.read_task(tmp_path / "other.task")
