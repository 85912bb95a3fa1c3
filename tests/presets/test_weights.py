"""Preset folders: what is written is read, and what was altered is refused."""

import hashlib
import json

import h5py
import keras
import numpy as np
import pytest

from keras_uncover.presets import weights
from keras_uncover.presets.weights import WeightsError, load_verified, load_weights, save_config, save_preset


def tiny(units=3):
    keras.utils.set_random_seed(5)
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(units, name="dense")], name="tiny")


@pytest.fixture
def folder(tmp_path):
    save_preset(tiny(), tmp_path / "tiny", {"format": 1, "kind": "tiny"})
    return tmp_path / "tiny"


def test_round_trip_in_half_and_in_full(tmp_path):
    model = tiny()
    kernel = model.get_layer("dense").get_weights()[0]
    for half, expected in ((True, kernel.astype("float16").astype("float32")), (False, kernel)):
        save_preset(model, tmp_path / "out" / "tiny", {"format": 1}, half=half)
        other = tiny()
        other.get_layer("dense").set_weights([np.zeros((4, 3)), np.ones(3)])
        assert load_weights(other, tmp_path / "out" / "tiny") == {"format": 1}
        assert np.array_equal(other.get_layer("dense").get_weights()[0], expected)
        assert other.dtype_policy.name == "float32"
    assert not np.array_equal(kernel, kernel.astype("float16").astype("float32"))


def test_half_is_float16_on_disk(folder):
    kinds = []
    with h5py.File(folder / "model.weights.h5") as file:
        file.visititems(lambda name, item: kinds.append(item.dtype) if isinstance(item, h5py.Dataset) else None)
    assert kinds == [np.float16, np.float16]


def test_packed_weights_are_the_same_in_less_room(tmp_path):
    model = keras.Sequential([keras.Input((128,)), keras.layers.Dense(256, name="dense")], name="coarse")
    kernel = np.round(np.random.default_rng(0).normal(0, 3, (128, 256)))  # few values, as after quantisation
    model.set_weights([kernel, np.arange(256)])
    for packed in (False, True):
        save_preset(model, tmp_path / f"packed_{packed}", {"format": 1}, packed=packed)
        other = keras.models.clone_model(model)
        load_weights(other, tmp_path / f"packed_{packed}")
        assert all(np.array_equal(a, b) for a, b in zip(other.get_weights(), model.get_weights()))
    loose, dense = ((tmp_path / f"packed_{packed}" / weights.WEIGHTS).stat().st_size for packed in (False, True))
    assert dense < loose - 0.5 * 2 * kernel.size  # half of what two bytes a value take


def test_writing_twice_gives_the_same_bytes_and_keeps_the_card(folder):
    (folder / "card.md").write_text("a card")
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    save_preset(tiny(), folder, {"format": 1, "kind": "tiny"})
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before
    assert set(before) == {"card.md", "config.json", "manifest.json", "model.weights.h5"}
    assert [p.name for p in folder.parent.iterdir()] == ["tiny"]


def test_failed_writing_leaves_the_old_preset(folder):
    before = (folder / "manifest.json").read_bytes()
    model = tiny()
    model.get_layer("dense").set_weights([np.full((4, 3), np.inf), np.zeros(3)])
    with pytest.raises(WeightsError, match="Weights must be finite"):
        save_preset(model, folder, {"format": 2})
    assert (folder / "manifest.json").read_bytes() == before and load_verified(folder)["format"] == 1
    assert [p.name for p in folder.parent.iterdir()] == ["tiny"]


def test_a_config_is_rewritten_alone(folder):
    (folder / "card.md").write_text("a card")
    kept = {name: (folder / name).read_bytes() for name in ("card.md", "model.weights.h5")}
    listed = json.loads((folder / "manifest.json").read_text())
    save_config(folder, {"format": 1, "threshold": 0.25})
    assert load_verified(folder) == {"format": 1, "threshold": 0.25}
    assert {name: (folder / name).read_bytes() for name in kept} == kept
    now = json.loads((folder / "manifest.json").read_text())
    assert now["model.weights.h5"] == listed["model.weights.h5"] and now["config.json"] != listed["config.json"]
    assert [p.name for p in folder.parent.iterdir()] == ["tiny"]


@pytest.mark.parametrize("value", [float("nan"), object()])
def test_a_config_that_json_cannot_hold_changes_nothing(folder, value):
    before = {p.name: p.read_bytes() for p in folder.iterdir()}
    with pytest.raises((ValueError, TypeError)):
        save_config(folder, {"format": 1, "threshold": value})
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before
    assert [p.name for p in folder.parent.iterdir()] == ["tiny"]


@pytest.mark.parametrize("name", ["config.json", "model.weights.h5"])
def test_a_new_config_does_not_make_an_altered_folder_sound(folder, name):
    with open(folder / name, "ab") as file:
        file.write(b" ")
    with pytest.raises(WeightsError, match=f"{name} must have the SHA-256"):
        save_config(folder, {"format": 1})
    assert load_or_none(folder) is None


def load_or_none(folder):
    try:
        return load_verified(folder)
    except WeightsError:
        return None


def test_what_half_cannot_hold_stays_as_it_is(folder):
    model = tiny()
    model.get_layer("dense").set_weights([np.full((4, 3), 72460.5), np.ones(3)])
    save_preset(model, folder, {"format": 2})
    copy = tiny()
    load_weights(copy, folder)
    np.testing.assert_array_equal(copy.get_layer("dense").get_weights()[0], np.float32(72460.5))


def test_manifest_gives_the_real_digests(folder):
    listed = json.loads((folder / "manifest.json").read_text())
    assert set(listed) == {"config.json", "model.weights.h5"}
    for name, digest in listed.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest


@pytest.mark.parametrize("name", ["config.json", "model.weights.h5"])
def test_altered_file_is_refused(folder, name):
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(data)
    with pytest.raises(WeightsError, match=f"{name} must have the SHA-256 .* The file was altered"):
        load_verified(folder)


@pytest.mark.parametrize("name", ["config.json", "model.weights.h5", "manifest.json"])
def test_missing_file_is_refused(folder, name):
    (folder / name).unlink()
    with pytest.raises(WeightsError, match=f"must hold {name}. Received: no such file") as caught:
        load_verified(folder)
    assert caught.value.rule == f"A preset folder must hold {name}."
    assert "no such file" in caught.value.received and "again" in caught.value.hint


def test_missing_folder_is_refused(tmp_path):
    with pytest.raises(WeightsError, match="must be a folder. Received: no such folder"):
        load_verified(tmp_path / "nowhere")


@pytest.mark.parametrize(
    "text, words",
    [
        ("{", "JSON file must be readable"),
        ("[]", "must hold an object"),
        ('{"config.json": "00"}', "must list model.weights.h5"),
        ('{"config.json": "00", "model.weights.h5": 1}', "must give SHA-256 in hex"),
        ('{"config.json": "00", "model.weights.h5": "00", "../x": "00"}', "files of its own folder"),
    ],
)
def test_malformed_manifest_is_refused(folder, text, words):
    (folder / "manifest.json").write_text(text.replace('"00"', f'"{"0" * 64}"'))
    with pytest.raises(WeightsError, match=words):
        load_verified(folder)


def test_oversize_file_is_refused_before_it_is_read(folder, monkeypatch):
    monkeypatch.setattr(weights, "MAX_BYTES", 1000)
    with pytest.raises(WeightsError, match="must not exceed 1000 bytes"):
        load_verified(folder)
    with open(folder / "model.weights.h5", "r+b") as file:
        file.truncate(64 * 1024 * 1024 + 1)
    monkeypatch.undo()
    with pytest.raises(WeightsError, match="must not exceed 67108864 bytes"):
        load_verified(folder)


def test_weights_of_another_shape_are_refused(folder):
    with pytest.raises(WeightsError, match="must fit the model 'tiny'"):
        load_weights(tiny(units=4), folder)


def test_weights_of_another_network_are_refused(folder):
    other = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(3, name="first"), keras.layers.Dense(3, name="second")], name="other"
    )
    with pytest.raises(WeightsError, match="must fit the model 'other'"):
        load_weights(other, folder)
