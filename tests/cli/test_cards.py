"""``keras-uncover card``: the presets' cards, and what is said where there is none."""

import io
import subprocess
import sys
from pathlib import Path

import pytest

from keras_uncover import presets
from keras_uncover.cli import main

PRESETS = Path(presets.__file__).parent
ROOT = PRESETS.parents[1]
SHIPPED = sorted(path.parent.name for path in PRESETS.glob("*/manifest.json"))


def run(*arguments):
    try:
        return main.main(["card", *map(str, arguments)])
    except SystemExit as stop:
        return stop.code


def test_without_a_name_every_preset_is_listed_with_its_kind(capsys):
    assert {"classifier", "face_detector", "face_mesh", "small"} <= set(SHIPPED)
    assert run() == 0
    out, err = capsys.readouterr()
    rows = [line.split() for line in out.splitlines()]
    assert [row[0] for row in rows] == SHIPPED and err == ""
    kinds = {row[0]: row[1:] for row in rows}
    assert kinds["small"] == ["reconstructor", "128", "px"] and kinds["face_mesh"] == ["face_mesh"]


@pytest.mark.parametrize("name", [name for name in SHIPPED if (PRESETS / name / "card.md").exists()])
def test_a_card_is_printed_as_it_is(name, capsys):
    assert run(name) == 0
    out, err = capsys.readouterr()
    assert out == (PRESETS / name / "card.md").read_text("utf-8").rstrip("\n") + "\n" and err == ""
    assert run(PRESETS / name) == 0
    assert capsys.readouterr().out == out, "by its folder as by its name"


def test_an_unknown_name_is_4_and_names_those_there_are(capsys):
    assert run("larger") == 4
    out, err = capsys.readouterr()
    assert out == "" and all(name in err for name in SHIPPED)
    assert "Received: 'larger'. keras-uncover card, without a name, lists the presets." in err


def test_a_folder_without_a_card_is_4_and_says_why(tmp_path, capsys):
    (tmp_path / "manifest.json").write_text("{}")
    assert run(tmp_path) == 4
    assert f"has a card.md. Received: {tmp_path}, which has none." in capsys.readouterr().err


def test_a_terminal_that_is_not_utf8_gets_an_escape(tmp_path, monkeypatch):
    (tmp_path / "manifest.json").write_text("{}")
    (tmp_path / "card.md").write_text("# café\n", "utf-8")
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    assert run(tmp_path) == 0
    assert raw.getvalue() == b"# caf\\xe9\n"


def test_help_has_an_example(capsys):
    assert run("--help") == 0
    assert "keras-uncover card small" in capsys.readouterr().out


def test_a_card_loads_no_keras():
    report = "import atexit, sys; atexit.register(lambda: print('LOADED', *sys.modules)); "
    command = [sys.executable, "-c", report + "from keras_uncover.cli import main; main.main(['card', 'small'])"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and done.stdout.startswith("# small"), done.stderr
    assert not {"keras", "tensorflow", "jax"} & set(done.stdout.split("LOADED")[-1].split())
