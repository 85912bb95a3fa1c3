"""The tutorial page: every command on it runs, on eight portraits, as it stands there."""

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "tutorial.md"
ROOMS = ("keras_uncover", "pipelines", "export", "examples", "LICENSE", "train_keras.py", "evaluate_keras.py")
SMALL = {"SIZE": "64", "PRESET": "tiny", "STEPS": "60", "BATCH": "2"}


def blocks():
    """The page's commands, a block each."""
    return re.findall(r"^```sh\n(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)


def test_the_page_names_what_is_set_here():
    (setting,) = [block for block in blocks() if block.startswith("export PHOTOS=")]
    assert re.findall(r"(\w+)=", setting) == ["PHOTOS", *SMALL]


@pytest.mark.slow
def test_every_command_runs(tmp_path, portraits):
    for name in ROOMS:
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "bin").mkdir()
    for name, words in (("python", '"$@"'), ("keras-uncover", '-m keras_uncover "$@"')):
        command = tmp_path / "bin" / name
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}" {words}\n')
        command.chmod(0o755)
    environment = {**os.environ, **SMALL, "PHOTOS": str(portraits / "list.csv"), "TF_CPP_MIN_LOG_LEVEL": "3"}
    environment["PATH"] = f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"
    done, calibrated = 0, True
    for block in blocks():
        if block.startswith("export PHOTOS="):
            continue
        if block.startswith("keras-uncover predict"):
            environment["PHOTOS"] = str(portraits)  # photos themselves; a list is for the shards
        shell = ["bash", "-e", "-u", "-c", block]
        run = subprocess.run(shell, cwd=tmp_path, env=environment, capture_output=True, text=True)
        if "--calibrate" in block and run.returncode:
            # So short a training may rank two people's photos the wrong way round; then the command must say so.
            assert "Train the network first" in run.stderr
            calibrated = False
        else:
            assert run.returncode == 0, f"{block}\n{run.stdout[-2000:]}\n{run.stderr[-4000:]}"
        done += 1
    assert done == 7
    assert json.loads((tmp_path / "numbers.json").read_text())["n_people"] == 2
    assert {path.stem for path in (tmp_path / "figures").glob("*.png")} >= {"roc", "families", "examples"}
    with open(tmp_path / "answers.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    split = "test" if calibrated else ""
    assert len(rows) >= 6 and all(row["error_rates_split"] == split for row in rows if row["verdict"] != "no_face")
    assert (tmp_path / "served" / "1" / "saved_model.pb").is_file()
