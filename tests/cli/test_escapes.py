"""Characters that command a terminal: none reaches one raw, from whatever name of a file it comes."""

import ast
import io
import json
import sys
from pathlib import Path

import pytest
from stand_in import ByBrightness, photo

from keras_uncover.cli import main as cli
from keras_uncover.cli import predict
from keras_uncover.escapes import Parser, escape, escape_lines, for_stdout, to_json

ROOT = Path(__file__).parents[2]
NASTY = "a\x1b[31m\r\n\x9b2J\x7f\u202egpj.png"


def test_control_characters_line_breaks_and_turns_of_writing_become_escapes():
    assert escape(NASTY) == "a\\x1b[31m\\r\\n\\x9b2J\\x7f\\u202egpj.png"
    assert escape("한국어 é 𝕬 'x' \\n") == "한국어 é 𝕬 'x' \\n"
    assert escape("\udcff") == "\\udcff"
    assert escape_lines("two\nlines\t") == "two\nlines\\t"


def test_json_keeps_the_name_and_shows_no_control_character():
    line = to_json({"file": NASTY, "also": "한 𝕬 \U000e0001 \udcff"})
    assert line.isprintable() and "한 𝕬" in line
    assert json.loads(line) == {"file": NASTY, "also": "한 𝕬 \U000e0001 \udcff"}


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_stdout_is_escaped_for_a_terminal_alone(monkeypatch):
    assert for_stdout(NASTY) == NASTY
    monkeypatch.setattr(sys, "stdout", Terminal())
    assert for_stdout(NASTY) == escape(NASTY)


@pytest.mark.parametrize("options", [[], ["--json"], ["--csv", "-"], ["--out", "answers"]])
def test_no_answer_or_refusal_shows_a_raw_name(options, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(predict, "load_uncoverer", lambda preset, threshold: ByBrightness(threshold))
    monkeypatch.chdir(tmp_path)
    photo(f"in/{NASTY}")
    (tmp_path / "in" / f"b{NASTY}").write_bytes(b"no photo")
    terminal = Terminal()
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", terminal)
        assert cli.main(["predict", "in", "gone\x1b]0;x\x07.png", *options]) == 3
    said = capsys.readouterr().err
    assert "a\\x1b[31m" in said + terminal.getvalue()
    # The bar of a terminal is our own.
    shown = (said + terminal.getvalue()).replace("\r\x1b[K", "").replace("\n", "")
    assert not [mark for mark in shown if not mark.isprintable()]


def test_a_wrong_command_line_is_repeated_in_escapes(capsys):
    for arguments in (["predict", "a.png", f"--{NASTY}"], ["predict", "a.png", "--jobs", NASTY], [NASTY]):
        with pytest.raises(SystemExit):
            cli.main(arguments)
        assert "\x1b" not in capsys.readouterr().err
    with pytest.raises(SystemExit):
        Parser().parse_args([NASTY])
    assert "\x1b" not in capsys.readouterr().err


ENTRIES = ("keras_uncover", "pipelines", "export", "train_keras.py", "evaluate_keras.py")


def test_every_parser_of_the_entry_points_escapes_what_it_repeats():
    found = []
    for place in ENTRIES:
        for path in [ROOT / place] if place.endswith(".py") else sorted((ROOT / place).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("ArgumentParser"):
                    found.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert found == []
