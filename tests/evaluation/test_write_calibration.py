"""Calibrating a preset: what is fitted on whom, what is written, and that nothing half done is left behind."""

import json
from types import SimpleNamespace

import keras
import numpy as np
import pytest

import evaluate_keras
from keras_uncover.evaluation import calibration
from keras_uncover.evaluation.calibration import describe_calibration, write_calibration
from keras_uncover.models.build import build_from_folder, build_model
from keras_uncover.models.config import TINY
from keras_uncover.presets.weights import WeightsError, load_verified, read_manifest, save_preset
from keras_uncover.training.setup import run_config

SAID = {"shards": "faces", "seed": 1, "families": ["mesh"]}


@pytest.fixture
def run(tmp_path):
    """A run folder with a tiny classifier, never calibrated; ``run/model`` is the preset."""
    keras.utils.set_random_seed(3)
    config = run_config("classify", TINY, "tiny", {})
    save_preset(build_model("classify", TINY), tmp_path / "run" / "model", config)
    return tmp_path / "run"


def rows(seed, people=60, shift=0.0):
    """Two genuine photos and one fake a person, whose logits are normal, twice as steep as they should be."""
    rng = np.random.default_rng(seed)
    names = np.array([f"{seed}-{k}" for k in range(people)])
    genuine, fake = rng.normal(-2 + shift, 2, 2 * people), rng.normal(2 + shift, 2, people)
    return {
        "p_fake": calibration.sigmoid(2 * np.concatenate([genuine, fake])).astype("float32"),
        "person": np.concatenate([names, names, names]),
        "donor_person": np.concatenate([np.full(2 * people, ""), np.roll(names, 1)]),
    }


def test_the_first_split_is_fitted_and_the_last_one_measured(run):
    before = (run / "model" / "model.weights.h5").read_bytes()
    fitted, others = rows(0), rows(1, 40, shift=2.0)
    entries = write_calibration(run, 0.1, {"validation": fitted, "test": others}, **SAID)
    config = load_verified(run / "model")
    assert {key: config[key] for key in entries} == json.loads(json.dumps(entries))
    assert config["trained"] == {} and config["name"] == "tiny", "what training wrote is kept"
    assert (run / "model" / "model.weights.h5").read_bytes() == before
    found, measured, threshold = entries["calibration"], entries["measured"], entries["threshold"]
    digest = read_manifest(run / "model")["model.weights.h5"]
    for entry, split, people in ((found, "validation", 60), (measured, "test", 40)):
        assert (entry["split"], entry["n_people"], entry["weights_sha256"]) == (split, people, digest)
        assert (entry["shards"], entry["seed"], entry["families"]) == ("faces", 1, ["mesh"])
    assert found["false_alarm"]["value"] <= 0.1 and found["false_alarm"]["n"] == 120
    scaled = calibration.scale(others["p_fake"], found["temperature"], found["bias"])
    assert measured["false_alarm"]["value"] == np.mean(scaled[:80] >= threshold)
    assert measured["false_alarm"]["value"] > 0.2, "shifted people, more alarms"
    assert measured["miss"]["value"] == np.mean(scaled[80:] < (entries["band"] or [threshold])[0])
    assert found["temperature"] == pytest.approx(2, rel=0.5)
    build_from_folder(run)


def test_with_one_split_nothing_is_measured_on_others_and_an_older_measurement_goes(run):
    write_calibration(run, 0.1, {"validation": rows(0), "test": rows(1)}, **SAID)
    first = load_verified(run / "model")
    write_calibration(run, 0.3, {"validation": rows(2)}, **SAID)
    second = load_verified(run / "model")
    assert "measured" in first and "measured" not in second
    assert second["calibration"]["rate"] == 0.3 and second["threshold"] < first["threshold"]
    build_from_folder(run)


def test_a_calibration_of_other_weights_can_be_made_anew(run):
    write_calibration(run, 0.1, {"validation": rows(0)}, **SAID)
    stale = load_verified(run / "model")
    save_preset(build_model("classify", TINY), run / "model", stale)
    with pytest.raises(WeightsError, match="of the weights beside it"):
        build_from_folder(run)
    _, config = build_from_folder(run, calibrated=False)
    assert config["threshold"] is None and not {"calibration", "band", "measured"} & set(config)
    write_calibration(run, 0.1, {"validation": rows(0)}, **SAID)
    build_from_folder(run)


@pytest.mark.parametrize("rate, change, words", [
    (0.1, lambda p: 1 - p, "higher for fakes than for genuine photos"),
    (0.0, lambda p: p, "between 0 and 1"),
])
def test_what_cannot_be_calibrated_leaves_the_preset_as_it_was(run, rate, change, words):
    before = {path.name: path.read_bytes() for path in (run / "model").iterdir()}
    bad = rows(0)
    bad["p_fake"] = change(bad["p_fake"])
    with pytest.raises(ValueError, match=words):
        write_calibration(run, rate, {"validation": bad}, **SAID)
    assert {path.name: path.read_bytes() for path in (run / "model").iterdir()} == before


@pytest.fixture
def script(run, monkeypatch):
    """``evaluate_keras.py`` where scores are known by their split; returns what was asked for."""
    asked = []

    def prepare(model, shards, split, pairs, seed, calibrated=True):
        asked.append((model, split, pairs, seed, calibrated))
        return SimpleNamespace(people=split, uncoverer=SimpleNamespace(size=64), mixed=["mesh"])

    scores = {"validation": rows(0), "test": rows(1, 40), "train": rows(2, 50)}
    monkeypatch.setattr(evaluate_keras, "prepare", prepare)
    monkeypatch.setattr(evaluate_keras, "read_people", lambda shards, split, size: split)
    monkeypatch.setattr(evaluate_keras, "detection_rows", lambda setting: scores[setting.people])
    return asked


def test_the_script_fits_on_validation_and_measures_on_test(run, script, tmp_path, capsys):
    numbers = tmp_path / "numbers.json"
    evaluate_keras.main([str(run), "somewhere/faces/", "--calibrate", "0.1", "--json", str(numbers)])
    assert script == [(str(run), "validation", None, 1, False)], "on the network's own scores"
    config = load_verified(run / "model")
    assert config["calibration"]["split"] == "validation" and config["measured"]["split"] == "test"
    assert config["calibration"]["n_people"] == 60 and config["measured"]["n_people"] == 40
    assert config["calibration"]["shards"] == "faces" and config["calibration"]["rate"] == 0.1
    entries = json.loads(numbers.read_text())
    assert entries.pop("written_by") == "keras_uncover"
    assert {key: config[key] for key in entries} == entries
    out = capsys.readouterr().out
    assert out == describe_calibration(entries) + "\n"
    assert "of 120 genuine validation photos" in out and "of 80 genuine test photos" in out
    assert f"threshold {config['threshold']:.4f}" in out


def test_the_script_measures_nothing_on_those_it_was_fitted_to(run, script):
    evaluate_keras.main([str(run), "faces", "--calibrate", "0.1", "--split", "validation", "--seed", "5"])
    config = load_verified(run / "model")
    assert "measured" not in config and config["calibration"]["seed"] == 5
    evaluate_keras.main([str(run), "faces", "--calibrate", "0.1", "--split", "train"])
    assert load_verified(run / "model")["measured"]["split"] == "train"
