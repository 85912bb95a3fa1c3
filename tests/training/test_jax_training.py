"""Training with the JAX backend from a packed bank; what comes out is TensorFlow's, too. Needs both."""

import csv
import io
import json
import os
import socket
import subprocess
import sys
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

pytest.importorskip("jax")
pytestmark = pytest.mark.slow

from made_up_batches import make_crops  # noqa: E402

from keras_uncover.models.build import build_from_folder  # noqa: E402

DRIVER = Path(__file__).parents[1] / "support" / "jax_runs.py"
SHORT = ["--preset", "tiny", "--steps-per-epoch", "2", "--batch-size", "4", "--genuine", "0.5", "--autoencoder", "none"]


def start(answers, *arguments, **environ):
    """Start a training process under JAX."""
    answers.mkdir(exist_ok=True)
    environ = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", **environ}
    command = [sys.executable, str(DRIVER), str(answers), *map(str, arguments)]
    return subprocess.Popen(command, env=environ, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def finish(*processes):
    for process in processes:
        said, _ = process.communicate(timeout=1500)
        assert process.returncode == 0, said


def weights(run, step):
    found = {}
    with h5py.File(run / "checkpoints" / f"step-{step:010d}" / "state.weights.h5") as file:
        file.visititems(lambda name, item: found.update({name: item[()]} if isinstance(item, h5py.Dataset) else {}))
    return found


@pytest.fixture(scope="module")
def trained(bank, tmp_path_factory):
    """A classifier of four steps and the folder of its answers under JAX."""
    folder = tmp_path_factory.mktemp("jax")
    finish(start(folder / "answers", bank, folder / "run", "--task", "classify", "--epochs", 2, *SHORT))
    return folder


def test_what_jax_trained_answers_alike_under_tensorflow(trained):
    model, config = build_from_folder(trained / "run")
    crops = make_crops(64)
    answers = {key: np.asarray(value) for key, value in model(crops, training=False).items()}
    assert config["kind"] == "classifier" and config["trained"]["shards"] == "bank.npz"
    assert {path.stem for path in (trained / "answers").iterdir()} == set(answers)
    for key, value in answers.items():
        assert np.abs(value - np.load(trained / "answers" / f"{key}.npy")).max() < 1e-5
    note = json.loads((trained / "run" / "run.json").read_text())
    assert note["starts"][0]["backend"] == "jax"
    moved = [np.abs(a - weights(trained / "run", 2)[name]).max() for name, a in weights(trained / "run", 4).items()]
    assert np.mean(np.array(moved) > 0) > 0.9


def test_a_run_under_jax_goes_on_to_the_bit(trained, bank, tmp_path):
    """Its second epoch is taken away: what a process that was killed in it leaves."""
    import shutil

    run = shutil.copytree(trained / "run", tmp_path / "run")
    whole = weights(run, 4)
    shutil.rmtree(run / "checkpoints" / "step-0000000004")
    finish(start(tmp_path / "answers", bank, run, "--resume"))
    again = weights(run, 4)
    assert set(whole) == set(again) and all(np.array_equal(whole[name], again[name]) for name in whole)


def test_a_reconstructor_of_jax_is_exported_by_tensorflow(bank, tmp_path):
    from export.saved_model import main as export

    finish(start(tmp_path / "answers", bank, tmp_path / "run", "--epochs", 1, *SHORT))
    model, _ = build_from_folder(tmp_path / "run")
    crops = make_crops(64)
    answers = model(crops, training=False)
    for key in answers:
        assert np.abs(np.asarray(answers[key]) - np.load(tmp_path / "answers" / f"{key}.npy")).max() < 2e-4
    assert list((tmp_path / "run" / "samples").glob("*.png"))
    export([str(tmp_path / "run"), str(tmp_path / "served")])
    import tensorflow as tf

    [folder] = {path.parent for path in (tmp_path / "served").rglob("saved_model.pb")}
    served = tf.saved_model.load(str(folder)).signatures["crops"](crops=tf.constant(crops))
    assert np.abs(served["p_fake"].numpy() - np.load(tmp_path / "answers" / "p_fake.npy")).max() < 1e-4


def read_losses(run):
    with open(run / "history.csv", newline="") as file:
        return [[float(row["loss"]), float(row["val_loss"])] for row in csv.DictReader(file)]


def fill_validation(bank, path):
    """The bank with its test people in validation: a batch in two parts takes four."""
    with zipfile.ZipFile(bank) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "split.npy":
                split = np.load(io.BytesIO(content))
                file = io.BytesIO()
                np.save(file, np.where(split == "test", "validation", split))
                content = file.getvalue()
            new.writestr(name, content)
    return path


def test_two_hosts_train_what_one_trains(bank, tmp_path):
    """Two processes on loopback, half of every batch each, beside one process that makes both halves."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    bank = fill_validation(bank, tmp_path / "bank.npz")
    words = ["--task", "classify", "--epochs", 2, "--parts", 2, *SHORT]
    words[words.index("--batch-size") + 1] = "8"
    run, hosts = tmp_path / "two", f"127.0.0.1:{port},127.0.0.1:{port + 1}"
    finish(*(
        start(tmp_path / f"answers{host}", bank, run, "--hosts", hosts, "--host", host, *words,
              JAX_CPU_COLLECTIVES_IMPLEMENTATION="gloo")
        for host in (0, 1)
    ))
    finish(start(tmp_path / "answers", bank, tmp_path / "one", *words))
    one, two = ([weights(folder, step) for step in (2, 4)] for folder in (tmp_path / "one", run))
    assert set(one[1]) == set(two[1])
    kernels = [name for name in one[1] if name.startswith("layers/")]
    assert len(kernels) > 30
    apart, moved = (max(np.abs(a[name] - b[name]).max() for name in kernels)
                    for a, b in ((one[1], two[1]), (one[0], one[1])))
    # AdamW's first steps, at the full rate in so short a run, make more of a rounding than later ones do.
    assert apart < 1e-4 < moved
    logs = [read_losses(folder) for folder in (tmp_path / "one", run)]
    assert np.abs(np.subtract(*logs)).max() < 1e-5
    for folder in ("model", "best"):
        assert (run / folder / "model.weights.h5").is_file()
