"""What is recorded beside published weights, and that it is not told of other weights."""

import json
import shutil

import pytest

from keras_uncover.inference import self_test
from keras_uncover.presets import preset_folder
from keras_uncover.presets.weights import WEIGHTS, load_verified, read_manifest

ENTRY = {"value": 0.25, "interval": [0.1, 0.4], "n": 40}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    folder = shutil.copytree(preset_folder("classifier"), tmp_path / "mine")
    answer = {"weights_sha256": read_manifest(folder)[WEIGHTS], "box": None, "p_fake": 0.5, "mask_area": None}
    monkeypatch.setattr(self_test, "answer_sample", lambda folder: answer)
    return folder


def make_report(folder, **changes):
    roles = {role: {"own_within_mark": ENTRY, "others_within_mark": ENTRY} for role in ("target", "donor")}
    return {"weights_sha256": read_manifest(folder)[WEIGHTS], "split": "test", "n_people": 9, **roles, **changes}


def test_answer_and_rates_are_written_and_the_rest_stays(folder):
    before = load_verified(folder)
    answer, rates = self_test.record_answers(folder, make_report(folder))
    assert json.loads((folder / self_test.SELF_TEST).read_text()) == answer == self_test.read_recorded(folder)
    after = load_verified(folder)
    assert after.pop("recovered") == rates and rates["target"]["own_within"] == ENTRY
    assert after == before


def test_rates_of_other_weights_are_taken_out(folder):
    self_test.record_answers(folder, make_report(folder))
    for report in (make_report(folder, weights_sha256="00" * 32), None):
        assert self_test.record_answers(folder, report)[1] is None
        assert "recovered" not in load_verified(folder)
