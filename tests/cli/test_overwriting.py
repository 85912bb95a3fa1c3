"""No command overwrites a file that it did not write itself or that it reads, unless it is told to."""

import os
from pathlib import Path

import pytest
from PIL import Image
from stand_in import ByBrightness, photo

from keras_uncover import overwriting
from keras_uncover.cli import main as cli
from keras_uncover.cli import match, predict
from keras_uncover.overwriting import OverwriteError, check_output, is_ours, mark_png


@pytest.fixture(autouse=True)
def stand_in(monkeypatch, tmp_path):
    monkeypatch.setattr(predict, "load_uncoverer", lambda preset, threshold: ByBrightness(threshold))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")


def run(*arguments):
    try:
        return cli.main([*map(str, arguments)])
    except SystemExit as stop:
        return stop.code


def contents():
    return {path: path.read_bytes() for path in Path(".").rglob("*") if path.is_file()}


def test_a_picture_of_somebody_else_stays_and_no_work_is_done(monkeypatch, capsys):
    photo("alice.png")
    photo("alice_mask.png")
    before = contents()
    monkeypatch.setattr(predict, "load_uncoverer", None)
    assert run("predict", "alice.png", "--out", ".") == 2
    assert "alice_mask.png" in capsys.readouterr().err and contents() == before


def test_what_a_run_wrote_itself_is_written_again_and_overwrite_allows_the_rest():
    photo("alice.png")
    assert run("predict", "alice.png", "--out", "answers") == 0
    assert run("predict", "alice.png", "--out", "answers") == 0
    photo("answers/alice_face0_target.png")
    assert run("predict", "alice.png", "--out", "answers") == 2
    photo("answers/alice_target.png")
    assert run("predict", "alice.png", "--out", "answers", "--overwrite") == 0
    assert is_ours("answers/alice_target.png") and is_ours("answers/alice_mask.png")


@pytest.mark.parametrize("link", [os.link, os.symlink])
def test_an_input_stays_whatever_link_leads_to_it(link, capsys):
    """Even one of our own pictures, which could be replaced if it were not read."""
    photo("alice.png")
    assert run("predict", "alice.png", "--out", ".") == 0
    link("alice_mask.png", "other.png")
    assert run("predict", "alice.png", "other.png", "--out", ".") == 2
    assert "is read, too" in capsys.readouterr().err
    assert run("predict", "alice.png", "other.png", "--csv", "other.png") == 2
    link("alice.png", "words.csv")
    before = contents()
    assert run("predict", "alice.png", "--csv", "words.csv") == 2 and contents() == before


def test_a_table_of_somebody_else_stays(capsys):
    photo("a.png")
    Path("mine.csv").write_text("my,own\n1,2\n")
    assert run("predict", "a.png", "--csv", "mine.csv") == 2
    assert Path("mine.csv").read_text() == "my,own\n1,2\n"
    os.symlink("mine.csv", "link.csv")
    assert run("predict", "a.png", "--csv", "link.csv") == 2
    Path("empty.csv").touch()
    for _ in range(2):
        assert run("predict", "a.png", "--csv", "empty.csv") == 0
    assert run("predict", "a.png", "--csv", "/dev/null") == 0
    assert run("predict", "a.png", "--csv", "mine.csv", "--overwrite") == 0


@pytest.mark.parametrize("figure", ["photo.png", "people/bob.png", "hard.png", "soft.png", "else.png"])
def test_a_figure_takes_the_place_of_no_photo(figure, monkeypatch):
    photo("photo.png")
    photo("people/bob.png")
    photo("else.png")
    os.link("people/bob.png", "hard.png")
    os.symlink("photo.png", "soft.png")
    before = contents()
    monkeypatch.setattr(match, "load_matcher", None)
    assert run("match", "photo.png", "--gallery", "people", "--figure", figure) == 2
    assert contents() == before


def test_curves_take_the_place_of_curves_alone(tmp_path):
    Path("history.csv").write_text("epoch,loss\n0,3.5\n1,2.5\n")
    for name in ("curves.png", "curves.pdf", "curves.svg"):
        for _ in range(2):
            assert run("plot", ".", "--out", name) == 0, name
    photo("curves.png")
    before = contents()
    assert run("plot", ".") == 2 and contents() == before
    assert run("plot", ".", "--out", "history.csv") == 2 and contents() == before
    assert run("plot", ".", "--overwrite") == 0 and is_ours("curves.png")


def test_our_marks_are_told_from_others(tmp_path):
    Image.new("RGB", (16, 16)).save("plain.png")
    Path("marked.png").write_bytes(mark_png(Path("plain.png").read_bytes()))
    Path("ours.json").write_text('{\n "written_by": "keras_uncover",\n "a": 1}')
    Path("theirs.json").write_text('{"a": "keras_uncover"}')
    Path("sheet.jpg").write_bytes(b"\xff\xd8keras_uncover")
    found = {path.name for path in Path(".").iterdir() if is_ours(path)}
    assert found == {"marked.png", "ours.json"}
    with Image.open("marked.png") as picture:
        picture.load()
        assert picture.info["Software"] == overwriting.MARK
    with pytest.raises(OverwriteError, match="something else wrote"):
        check_output("theirs.json")
    check_output("nothing.json")


def test_a_preset_takes_the_place_of_a_preset_alone():
    from keras_uncover.presets.weights import save_preset

    Path("mine").mkdir()
    Path("mine/config.json").write_text("my own")
    with pytest.raises(OverwriteError, match="Choose another folder"):
        save_preset(None, "mine", {})
    assert Path("mine/config.json").read_text() == "my own"


def test_numbers_and_figures_of_an_evaluation_replace_only_their_own(capsys):
    import evaluate_keras

    Path("numbers.json").write_text("[1, 2]")
    Path("figures").mkdir()
    photo("figures/roc.png")
    for option in (["--json", "numbers.json"], ["--figures", "figures"]):
        with pytest.raises(SystemExit) as stop:
            evaluate_keras.parse_arguments(["small", "shards", *option])
        assert stop.value.code == 2
        assert evaluate_keras.parse_arguments(["small", "shards", *option, "--overwrite"]).overwrite
