"""The check of an installation: what it finds, and with which exit code."""

import json
import shutil

import pytest

from keras_uncover.cli import doctor, main
from keras_uncover.cli.doctor import FAIL, NOTE, OK, Check
from keras_uncover.inference import self_test
from keras_uncover.presets import preset_folder, weights
from keras_uncover.presets.weights import WeightsError


def run(*arguments):
    return main.main(["doctor", *arguments])


def test_this_installation_is_sound_and_the_quick_check_loads_no_backend(capsys):
    assert run("--quick") == 0
    err = capsys.readouterr().err
    assert "ok    weights small: SHA-256" in err and err.endswith("sound\n")
    assert "self-test" not in err and "ok    backend" not in err


def test_json_is_one_object_a_check(capsys):
    assert run("--quick", "--json") == 0
    out, err = capsys.readouterr()
    found = [json.loads(line) for line in out.splitlines()]
    assert err == "" and {"python", "package keras", "memory", "weights judge"} <= {check["name"] for check in found}
    assert all(set(check) == {"name", "state", "words"} for check in found)


def test_the_bundled_photo_is_answered_as_recorded(monkeypatch):
    found = doctor.check_answer("classifier")
    assert found.state == OK, found.words
    recorded = self_test.read_recorded(preset_folder("classifier"))
    monkeypatch.setattr(self_test, "answer_sample", lambda folder: {**recorded, "p_fake": recorded["p_fake"] - 0.1})
    wrong = doctor.check_answer("classifier")
    assert wrong.state == FAIL and "not as recorded: p_fake" in wrong.words


def test_weights_without_a_recorded_answer_are_noted(tmp_path, monkeypatch):
    folder = shutil.copytree(preset_folder("classifier"), tmp_path / "mine")
    recorded = self_test.read_recorded(folder)
    (folder / self_test.SELF_TEST).write_text(json.dumps({**recorded, "weights_sha256": "00" * 32}))
    monkeypatch.setattr(self_test, "answer_sample", lambda folder: recorded)
    found = doctor.check_answer(folder)
    assert found.state == NOTE and "no answer is recorded for these weights" in found.words
    (folder / self_test.SELF_TEST).unlink()
    assert doctor.check_answer(folder).state == NOTE


def test_differences_are_said_number_by_number():
    recorded = {"p_fake": 0.5, "mask_area": None, "box": [1.0, 2.0, 3.0, 4.0]}
    assert self_test.differences({"p_fake": 0.51, "mask_area": None, "box": [1.5, 2.0, 3.0, 4.0]}, recorded) == []
    apart = self_test.differences({"p_fake": 0.6, "mask_area": 0.1, "box": None}, recorded)
    assert [words.split(" ")[0] for words in apart] == ["p_fake", "mask_area", "box"]


@pytest.mark.parametrize(
    "failed, code", [("package numpy", 1), ("weights small", 4), ("self-test", 1), (None, 0)]
)
def test_exit_codes(failed, code, monkeypatch, capsys):
    names = ("package numpy", "weights small", "self-test")
    states = [Check(name, FAIL if name == failed else OK, "words") for name in names]
    monkeypatch.setattr(doctor, "checks", lambda preset, quick: iter([*states, Check("extras", NOTE, "none")]))
    assert run() == code
    assert capsys.readouterr().err.splitlines()[-1] == (f"failed: {failed}" if failed else "sound")


def test_altered_weights_and_missing_packages_fail_and_say_the_way_out(monkeypatch):
    def load(folder):
        raise WeightsError("A rule.", "altered", "Copy it again.")

    monkeypatch.setattr(weights, "load_verified", load)
    found = doctor.check_weights("small")
    assert (found.state, found.words) == (FAIL, "A rule. Received: altered. Copy it again.")
    missing = doctor.check_package("no_such_package_at_all")
    assert missing.state == FAIL and "python -m pip install" in missing.words


def test_without_sound_weights_the_self_test_is_not_made(monkeypatch):
    monkeypatch.setattr(doctor, "check_weights", lambda name: Check(f"weights {name}", FAIL, "altered"))
    monkeypatch.setattr(doctor, "check_devices", lambda: Check("backend", OK, "there"))
    last = list(doctor.checks("small"))[-1]
    assert (last.name, last.state) == ("self-test", FAIL)
