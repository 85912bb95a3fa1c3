"""The whole script, with the options that change its data and its numbers. Needs TensorFlow."""

import csv
import functools
import json
import os
import shutil
import subprocess

import keras
import numpy as np
import pytest
from made_up_batches import SMALLEST_64

import train_keras
from keras_uncover.models.build import build_from_folder, build_model
from keras_uncover.training.run_folder import RunError
from pipelines import load as loading

SHORT = ["--preset", "tiny", "--steps-per-epoch", "2", "--batch-size", "4", "--genuine", "0.5", "--autoencoder", "none"]


@pytest.fixture(autouse=True, scope="module")
def quick():
    """A small network, and swaps that are not compiled for XLA, which would take longer than all the rest."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loading, "load", functools.partial(loading.load, compiled=False))
        patch.setattr(train_keras.config, "model_config", lambda name: SMALLEST_64)
        yield
    keras.config.set_dtype_policy("float32")


def train(*arguments):
    train_keras.main([str(argument) for argument in arguments])


def read_history(run):
    with open(run / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert all(np.isfinite(float(value)) for row in rows for value in row.values())
    return rows


def check(run, kind, size=64):
    """The run's network answers; returns its configuration."""
    model, config = build_from_folder(run)
    answers = model(np.random.default_rng(0).random((2, size, size, 3), "float32"), training=False)
    assert all(np.isfinite(np.asarray(value)).all() for value in answers.values())
    assert (config["kind"], config["arch"]["size"]) == (kind, size)
    return config


@pytest.fixture(scope="module")
def detector(shards, tmp_path_factory):
    """A classifier of four steps in float16, whose records were unpacked into files."""
    folder = tmp_path_factory.mktemp("runs")
    train(shards, folder / "detector", "--task", "classify", "--steps", 4, "--precision", "mixed_float16",
          "--cache", folder / "unpacked", *SHORT)
    return folder / "detector"


def test_a_classifier_in_float16_from_unpacked_records(detector):
    config = check(detector, "classifier")
    # A folder of the author's disk is no part of a network that may be published.
    assert config["trained"]["steps"] == 4 and config["trained"]["cache"] == "unpacked"
    assert len(read_history(detector)) == 2 and list(detector.parent.glob("unpacked-train-*.tfrecord"))
    assert json.loads((detector / "run.json").read_text())["starts"][0]["precision"] == "mixed_float16"


@pytest.mark.slow
def test_a_reconstructor_from_it_in_bfloat16_with_ready_made_fakes_goes_on(detector, shards, swap_shards, tmp_path):
    """Records decoded each time. After --resume the second epoch is made again, and not begun from --init anew."""
    run = tmp_path / "both"
    train(shards, run, "--init", detector, "--steps", 4, "--precision", "mixed_bfloat16", "--cache", "none",
          "--swap-pairs", swap_shards[0], "--mix", 0.3, *SHORT, "--genuine", 0.25)
    config = check(run, "reconstructor")
    assert config["trained"]["swap_pairs"] == swap_shards[0].name and config["trained"]["mix"] == 0.3
    assert len(json.loads((run / "run.json").read_text())["data"]) == 2 and len(read_history(run)) == 2
    # Four small steps after the start, its encoder is still nearer to the first's than a new one is.
    encoders = [build_from_folder(folder)[0].get_layer("encoder") for folder in (detector, run)]
    new = build_model("classify", SMALLEST_64).get_layer("encoder")
    kernels = [encoder.get_layer("stem_conv").get_weights()[0] for encoder in (*encoders, new)]
    assert np.abs(kernels[0] - kernels[1]).mean() < 0.1 * np.abs(kernels[0] - kernels[2]).mean()

    shutil.rmtree(run / "checkpoints" / "step-0000000004")
    train(shards, run, "--resume")
    first, again = json.loads((run / "run.json").read_text())["starts"]
    assert first["precision"] == again["precision"] == "mixed_bfloat16"
    assert [row["epoch"] for row in read_history(run)] == ["0", "1"]
    assert (run / "checkpoints" / "step-0000000004").is_dir()
    with pytest.raises(RunError, match="of .*both, mix was 0.3 and is 0.25. Leave the option out"):
        train(shards, run, "--resume", "--mix", 0.25)
    with pytest.raises(RunError, match="holds a run already. Go on with it by --resume"):
        train(shards, run, *SHORT)


def test_a_start_that_fails_leaves_no_folder(shards, tmp_path):
    with pytest.raises(ValueError, match="Split train of .* holds 4 records"):
        train(shards, tmp_path / "run", "--preset", "tiny", "--batch-size", "64")
    assert not (tmp_path / "run").exists()


@pytest.mark.root
def test_a_file_system_that_cannot_be_written_is_a_clear_error_before_the_first_step(shards, tmp_path):
    folder = tmp_path / "mounted"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(folder)], check=True)
    try:
        assert os.statvfs(folder).f_flag & os.ST_RDONLY
        with pytest.raises(RunError, match="must be one that can be written; .*run: Read-only file system. Choose"):
            train(shards, folder / "run", "--task", "classify", "--steps", 4, *SHORT)
        assert not list(folder.iterdir())
    finally:
        subprocess.run(["umount", str(folder)], check=True)
