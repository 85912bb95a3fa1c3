"""``match``: ranking by the judge, what is told beside it, and the command."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from stand_in import EMPTY, GENUINE, ByBrightness, photo

from keras_uncover.cli import main
from keras_uncover.cli import match as command
from keras_uncover.images.decode import ImageError, decode_image, read_bytes
from keras_uncover.inference.likeness import Reference, describe_judge, describe_recovered, rank, recovered_rates

ENTRY = {"value": 0.25, "interval": [0.1, 0.4], "n": 40}


class ByMean:
    """Describes a picture by its brightness; a black photo shows no face."""

    def read(self, path):
        level = decode_image(read_bytes(path)).mean() / 255
        if level == 0:
            raise ImageError("A reference photo shows a face", f'"{path}", in which none was found', "Take another.")
        crop = np.full((32, 32, 3), level, "float32")
        return Reference(path, crop, {"target": np.float32([level]), "donor": np.float32([1 - level])})

    def describe(self, answer):
        return {"target": np.float32([0.9]), "donor": np.float32([0.9]) if answer.names_donor else None}


@pytest.fixture(autouse=True)
def stand_in(monkeypatch, tmp_path):
    monkeypatch.setattr(command, "load_matcher", lambda preset, threshold: (ByBrightness(threshold), ByMean()))
    monkeypatch.chdir(tmp_path)
    for name, level in (("dark", 30), ("middle", 128), ("bright", 229)):
        photo(f"people/{name}.png", level)
    photo("a.png")


def run(*arguments):
    try:
        return main.main(["match", *arguments])
    except SystemExit as stop:
        return stop.code


def reference(name, value):
    return Reference(name, None, {"target": np.float32([value]), "donor": np.float32([-value])})


def test_the_nearest_come_first_with_the_judges_own_mark():
    people = [reference("far", 2.0), reference("near", 0.5), reference("middle", -0.7)]
    found = rank(np.float32([0.0]), people, "target", 2)
    assert found == [
        {"rank": 1, "file": "near", "distance": 0.5, "similarity": 0.5, "same_person": True},
        {"rank": 2, "file": "middle", "distance": 0.7, "similarity": 0.3, "same_person": False},
    ]
    assert rank(np.float32([-2.0]), people, "donor", 1)[0]["file"] == "far"
    assert rank(None, people, "donor", 5) is None


def test_the_command_ranks_both_roles(capsys):
    assert run("a.png", "--gallery", "people") == 0
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert lines[0].startswith("a.png: FAKE")
    assert "1. people/bright.png  distance 0.002, within the same-person mark" in lines[2]
    donor = lines.index("nearest to the recovered donor:")
    assert "1. people/dark.png" in lines[donor + 1]
    assert "A ranking is a lead and no identification" in err and "of another picture of the same person" in err


def test_json_is_one_object_with_the_error_rates(capsys):
    assert run("a.png", "--gallery", "people", "--top", "1", "--json") == 0
    out, err = capsys.readouterr()
    (record,) = map(json.loads, out.splitlines())
    assert err == "" and (record["verdict"], record["n_references"], record["same_person_mark"]) == ("fake", 3, 0.6)
    assert [len(record[role]) for role in ("target", "donor")] == [1, 1]
    assert record["error_rates"]["judge"]["others_within"]["n"] == 24806
    assert record["error_rates"]["recovered"] is None


def test_a_genuine_photo_has_no_donor_to_look_for(capsys):
    photo("g.png", GENUINE)
    assert run("g.png", "--gallery", "people", "--json") == 0
    record = json.loads(capsys.readouterr().out)
    assert record["donor"] is None and record["target"]
    assert run("g.png", "--gallery", "people") == 0
    assert "recovered donor: no donor: nothing was swapped in" in capsys.readouterr().err


def test_refused_references_are_told_and_the_others_ranked(capsys):
    photo("people/none.png", EMPTY)
    assert run("a.png", "--gallery", "people", "gone.png") == 3
    err = capsys.readouterr().err
    assert "people/none.png: refused. A reference photo shows a face" in err
    assert "nearest to the recovered target" in err


@pytest.mark.parametrize(
    "name, words", [("none.png", "no face was found"), ("gone.png", "refused"), ("text.png", "refused")]
)
def test_a_photo_that_has_no_answer_is_3(name, words, capsys):
    photo("none.png", EMPTY)
    Path("text.png").write_text("words")
    assert run(name, "--gallery", "people") == 3
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments, reason",
    [
        (["a.png"], "--gallery"),
        (["a.png", "--gallery", "no*"], "matches nothing"),
        (["a.png", "--gallery", "people", "--top", "0"], "from 1 to 100"),
        (["a.png", "--gallery", "people", "--figure", "x.jpg"], "End it in .png"),
        (["a.png", "--gallery", "people", "--figure", "gone/x.png"], "can be written"),
    ],
)
def test_a_wrong_command_line_is_2(arguments, reason, capsys):
    assert run(*arguments) == 2
    assert reason in capsys.readouterr().err


def test_the_figure_is_a_marked_png(capsys):
    from keras_uncover.images.provenance import read_mark

    photo("g.png", GENUINE)
    for name in ("a", "g"):
        assert run(f"{name}.png", "--gallery", "people", "--figure", f"{name}_out.png") == 0
        assert read_mark(f"{name}_out.png")["kind"] == "figure"
    with Image.open("a_out.png") as both, Image.open("g_out.png") as one:
        assert both.width == one.width and both.height > 1.5 * one.height


def test_rates_are_words_and_their_absence_is_told():
    measured = {"split": "test", "n_people": 20, "others_within": ENTRY, "own_beyond": ENTRY}
    assert "25.0 % (10.0 to 40.0) of the pairs of different people" in describe_judge(measured)
    assert "were not measured" in describe_judge(None)
    recovered = {"split": "test", "target": {"own_within": ENTRY, "others_within": ENTRY}}
    assert "on the test people, 25.0 %" in describe_recovered(recovered, "target")
    assert describe_recovered(recovered, "donor").startswith("Recovered donor: the mark's error rates were not")


def test_rates_of_other_weights_are_not_taken():
    roles = {role: {"own_within_mark": ENTRY, "others_within_mark": ENTRY} for role in ("target", "donor")}
    report = {"weights_sha256": "ab", "split": "test", "n_people": 9, **roles}
    rates = recovered_rates(report, "ab")
    assert rates["donor"] == {"own_within": ENTRY, "others_within": ENTRY} and rates["n_people"] == 9
    assert recovered_rates(report, "cd") is None
    assert recovered_rates({**report, "target": None, "donor": {"distance": ENTRY}}, "ab") is None


def test_photos_of_real_faces_are_described_and_ranked():
    """The whole with the finder and the judge that ship: a portrait is nearest to itself, mirrored."""
    from portrait_files import portrait

    from keras_uncover.faces.finder import FaceFinder
    from keras_uncover.faces.identity import Judge
    from keras_uncover.inference.likeness import Matcher

    for index in range(3):
        Image.fromarray(portrait(index)[:, ::-1]).save(f"people/{index}.png")
    matcher = Matcher(SimpleNamespace(finder=FaceFinder(), size=128), Judge.from_preset("judge"))
    references = [matcher.read(f"people/{index}.png") for index in range(3)]
    Image.fromarray(portrait(1)).save("one.png")
    crop = matcher.read("one.png").crop
    answer = SimpleNamespace(target=crop, donor=crop, names_donor=True)
    found = rank(matcher.describe(answer)["target"], references, "target", 3)
    assert found[0]["file"] == "people/1.png" and found[0]["same_person"] and not found[1]["same_person"]
    grey = SimpleNamespace(target=np.full_like(crop, 0.5), donor=None, names_donor=False)
    assert matcher.describe(grey) == {"target": None, "donor": None}
