"""A run that is killed with SIGKILL goes on as if nothing had been. Needs TensorFlow and TensorFlow Datasets."""

import csv
import json
import random
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

DRIVER = Path(__file__).parents[1] / "support" / "killed_runs.py"


@pytest.fixture(scope="module")
def runs(shards, tmp_path_factory):
    """A run of 12 steps that nothing disturbed, one that was killed three times, and what was said."""
    folder, step = tmp_path_factory.mktemp("runs"), random.randint(1, 5)
    command = [sys.executable, str(DRIVER), str(shards), str(folder), str(step)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=900)
    assert run.returncode == 0, run.stderr
    ended = dict(line.split() for line in run.stdout.splitlines())
    # Killed at a random step, within the write of a checkpoint, and while the network was evaluated.
    assert ended == {"whole": "0", "step": "-9", "checkpoint": "-9", "evaluation": "-9", "end": "0"}, (step, run.stderr)
    return folder / "whole", folder / "broken", run.stderr


def arrays(path):
    """Every array of an HDF5 file by its name."""
    found = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, item: found.update({name: item[()]} if isinstance(item, h5py.Dataset) else {}))
    return found


@pytest.mark.parametrize("file", ["checkpoints/step-0000000012/state.weights.h5", "model/model.weights.h5",
                                  "best/model.weights.h5"])
def test_it_ends_with_the_same_weights_to_the_bit(runs, file):
    whole, broken = (arrays(folder / file) for folder in runs[:2])
    assert set(whole) == set(broken) and len(whole) > 20
    assert all(np.array_equal(whole[name], broken[name]) for name in whole)
    # Optimizer and averages are among them, but not in what answers photos.
    assert any("optimizer" in name for name in whole) == file.startswith("checkpoints")


def test_the_weights_moved(runs):
    kept = sorted((runs[0] / "checkpoints").glob("step-*"))
    first, last = (arrays(folder / "state.weights.h5") for folder in (kept[0], kept[-1]))
    assert sum(not np.array_equal(first[name], last[name]) for name in first) > 0.9 * len(first)


def test_the_history_has_every_epoch_once(runs):
    rows = []
    for folder in runs[:2]:
        with open(folder / "history.csv", newline="") as file:
            rows.append([{k: v for k, v in row.items() if k != "images_per_second"} for row in csv.DictReader(file)])
    assert [row["epoch"] for row in rows[0]] == ["0", "1", "2", "3"]
    assert rows[0] == rows[1]


def test_a_damaged_checkpoint_is_named_and_nothing_half_written_stays(runs):
    _, broken, said = runs
    assert "a damaged checkpoint is passed over: step-0000000006 must have the SHA-256" in said
    assert not list(broken.glob("**/*.partial*"))
    # The last three, and the best one.
    whole, steps = (sorted(path.name for path in folder.glob("checkpoints/*")) for folder in runs[:2])
    assert steps == whole and {"step-0000000006", "step-0000000009", "step-0000000012"} <= set(steps)


def test_every_start_is_noted(runs):
    whole, broken = (json.loads((folder / "run.json").read_text()) for folder in runs[:2])
    assert len(whole["starts"]) == 1 and len(broken["starts"]) == 4
    start = whole["starts"][0]
    assert {"time", "backend", "precision", "python", "versions", "git", "machine"} == set(start)
    assert start["backend"] == "tensorflow" and "numpy" in start["versions"] and start["machine"]["devices"]
    differing = {key for key in whole["settings"] if whole["settings"][key] != broken["settings"][key]}
    assert differing == {"run"} and whole["settings"]["seed"] == 0
    assert whole["data"] == broken["data"] and len(whole["data"]["shards"]) == 64
