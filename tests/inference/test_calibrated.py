"""A calibration at work: in the answers, and refused where it is not of the weights beside it."""

import copy
import json
import shutil
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from keras import ops

from keras_uncover.evaluation import calibration
from keras_uncover.inference import uncoverer
from keras_uncover.inference.answers import Result
from keras_uncover.inference.calibration import ScaleScore, error_rates
from keras_uncover.inference.records import to_records
from keras_uncover.inference.uncoverer import SWAPS_ONLY, Uncoverer
from keras_uncover.inference.wording import OTHER_THRESHOLD, UNCALIBRATED
from keras_uncover.models.build import build_from_folder, build_model, save_network
from keras_uncover.models.config import TINY
from keras_uncover.presets.schema import check_calibration, uncalibrated
from keras_uncover.presets.weights import WeightsError, load_verified, read_manifest, save_config
from keras_uncover.training.setup import run_config

SCALE = {"temperature": 2.5, "bias": -0.75}


@pytest.fixture(autouse=True)
def no_finder(monkeypatch):
    """Crops are given here; a finder that finds nothing, and no re-swap, spare their building."""
    finder = SimpleNamespace(points_in_crop=lambda crop: None)
    monkeypatch.setattr(uncoverer, "FaceFinder", lambda mesh: finder)
    monkeypatch.setattr(uncoverer, "build_reswap", lambda size: None)


def rate(value):
    return {"value": value, "interval": [0.0, 2 * value], "n": 40}


def rates(shift=0.0):
    values = {"false_alarm": 0.05, "miss": 0.03, "uncertain_genuine": 0.02, "uncertain_fake": 0.01}
    return {"n_people": 20, "shards": "faces", **{name: rate(value + shift) for name, value in values.items()}}


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A tiny reconstructor without calibration."""
    keras.utils.set_random_seed(3)
    folder = tmp_path_factory.mktemp("plain") / "tiny"
    save_network(build_model("reconstruct", TINY), folder, run_config("reconstruct", TINY, "tiny", {}))
    return folder


@pytest.fixture
def calibrated(plain, tmp_path):
    """The same with one, on the validation people alone: folder and configuration."""
    folder = shutil.copytree(plain, tmp_path / "tiny")
    config, digest = load_verified(folder), read_manifest(folder)["model.weights.h5"]
    config |= {"threshold": 0.5, "band": [0.3, 0.5]}
    config["calibration"] = {**SCALE, "rate": 0.05, **rates(), "split": "validation", "weights_sha256": digest}
    save_config(folder, config)
    return folder, config


def measured(config):
    return {
        **rates(0.01), "split": "test", "weights_sha256": config["calibration"]["weights_sha256"],
        "threshold": config["threshold"], "band": config["band"],
    }


def crops(count=4):
    return np.random.default_rng(0).random((count, 64, 64, 3), "float32")


def test_the_layer_is_the_formula_of_the_fit():
    p = np.concatenate([np.linspace(0, 1, 101), [1e-6, 1 - 1e-6]]).astype("float32")[:, None]
    layer = ScaleScore(**SCALE)
    answer = ops.convert_to_numpy(layer(p))
    np.testing.assert_allclose(answer, calibration.scale(p, **SCALE), atol=2e-6)
    again = ScaleScore.from_config(layer.get_config())
    np.testing.assert_array_equal(ops.convert_to_numpy(again(p)), answer)


def test_predict_gives_the_calibrated_score_and_changes_nothing_else(plain, calibrated):
    before, after = (Uncoverer.from_preset(folder).predict(crops()) for folder in (plain, calibrated[0]))
    np.testing.assert_allclose(after["p_fake"], calibration.scale(before["p_fake"], **SCALE), atol=1e-5)
    assert np.abs(after["p_fake"] - before["p_fake"]).min() > 0.05
    for name in set(before) - {"p_fake"}:
        np.testing.assert_allclose(after[name], before[name], atol=1e-6, err_msg=name)


def test_threshold_band_and_rates_are_the_presets_own(calibrated):
    folder, config = calibrated
    answers = Uncoverer.from_preset(folder)
    assert (answers.threshold, answers.band) == (0.5, [0.3, 0.5])
    assert answers.error_rates == {**rates(), "split": "validation"}
    first, second = answers.warnings
    assert first == SWAPS_ONLY
    assert "of 20 people, the validation split of faces," in second and "camera's" in second
    save_config(folder, {**config, "measured": measured(config)})
    assert Uncoverer.from_preset(folder).error_rates == {**rates(0.01), "split": "test"}


def test_another_threshold_has_no_rates_and_no_band(calibrated):
    answers = Uncoverer.from_preset(calibrated[0], threshold=0.6)
    assert (answers.threshold, answers.band, answers.error_rates) == (0.6, None, None)
    assert answers.warnings == [OTHER_THRESHOLD, SWAPS_ONLY]
    assert Uncoverer.from_preset(calibrated[0], threshold=0.5).band == [0.3, 0.5], "its own, given by hand"


def test_without_calibration_nothing_is_claimed(plain):
    answers = Uncoverer.from_preset(plain)
    assert (answers.threshold, answers.band, answers.error_rates) == (0.5, None, None)
    assert answers.warnings == [UNCALIBRATED, SWAPS_ONLY] and error_rates(answers.config) is None


def test_an_answer_carries_the_rates_and_is_uncertain_inside_the_band(calibrated):
    answers = Uncoverer.from_preset(calibrated[0])
    points, place = np.zeros((478, 3), "float32"), np.float32([[500, 0, 0], [0, 500, 0]])
    face = SimpleNamespace(box=(0.0, 0.0, 9.0, 9.0), points=points)

    def answer(low, high):
        answers.threshold, answers.band = score + high, [score + low, score + high]
        return answers.answer_face(0, face, crops()[0], points, place)

    score = 0.0
    score = answer(0.1, 0.1).p_fake
    assert 0.1 < score < 0.9
    assert [answer(*ends).verdict for ends in ((-0.02, -0.01), (-0.01, 0.01), (0.01, 0.02))] == [
        "fake", "uncertain", "genuine"
    ]
    record = to_records(Result("a", "b", [answer(-0.01, 0.01)]))[0]
    assert record["error_rates"] == {**rates(), "split": "validation"}
    assert answers.answer_nothing().error_rates is None


@pytest.mark.parametrize("name", ["calibration", "measured"])
def test_what_belongs_to_other_weights_is_refused(calibrated, name):
    folder, config = calibrated
    config["measured"] = measured(config)
    save_config(folder, config)
    build_from_folder(folder)
    config[name]["weights_sha256"] = "ab" * 32
    save_config(folder, config)
    with pytest.raises(WeightsError, match=r"of the weights beside it \([0-9a-f]{12}...\).*one of abababababab"):
        build_from_folder(folder)


def test_new_weights_under_an_old_calibration_are_refused(calibrated):
    folder, config = calibrated
    save_network(build_model("reconstruct", TINY), folder, config)
    with pytest.raises(WeightsError, match="The calibration must be of the weights.*--calibrate on this preset again"):
        Uncoverer.from_preset(folder)
    save_network(build_model("reconstruct", TINY), folder, uncalibrated(config))
    assert Uncoverer.from_preset(folder).threshold == 0.5
    assert set(load_verified(folder)) == {"format", "kind", "name", "arch", "threshold", "trained"}


@pytest.mark.parametrize(
    "change, words",
    [
        ({"threshold": 0.6}, "received|ends at it"),
        ({"band": [0.6, 0.5]}, "ends at it"),
        ({"threshold": 1.5, "band": None}, r"in \[0, 1\]"),
        ({"threshold": None}, "threshold"),
        ({"calibration": None}, "A threshold must come with its calibration"),
        ({"calibration": None, "threshold": None}, "A band must come with its calibration"),
        ({"temperature": 0.0}, "temperature above 0"),
        ({"temperature": "2"}, "temperature above 0"),
        ({"bias": float("inf")}, "a bias"),
        ({"measured": {"threshold": 0.4}}, r"of the preset's threshold and band, 0.5 and \[0.3, 0.5\].*0.4"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(calibrated, change, words):
    _, config = calibrated
    digest = config["calibration"]["weights_sha256"]
    check_calibration(config, digest)
    config = copy.deepcopy(config)
    for key, value in change.items():
        if key in SCALE:
            config["calibration"][key] = value
        elif key == "measured":
            config["measured"] = {**measured(config), **value}
        else:
            config[key] = value
    with pytest.raises(WeightsError, match=words):
        check_calibration(config, digest)


def test_rates_are_plain_data(calibrated):
    _, config = calibrated
    config["measured"] = json.loads(json.dumps(measured(config)))
    assert json.loads(json.dumps(error_rates(config), allow_nan=False)) == error_rates(config)
