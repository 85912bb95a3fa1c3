"""MirroredStrategy on two logical devices gives what one gives. Needs TensorFlow."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import train_keras
from keras_uncover.strategies import StrategyError


def test_two_replicas_agree_with_one():
    """A classifier at 32 px; two replicas take four steps an execution. docs/training.md says what larger ones do."""
    command = [sys.executable, str(Path(__file__).parent / "replicas.py"), "classify"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=1800)
    assert run.returncode == 0, run.stderr
    report = json.loads(run.stdout.splitlines()[-1])
    assert report["replicas"] == [1, 2] and report["fell"]
    # Losses of training and of the averaged weights in validation.
    assert set(report["losses"]) == {"loss", "val_loss"}
    assert report["logs_apart"] < 1e-5 and report["weights_apart"] < 1e-5, report


def choose(*words):
    return train_keras.choose_strategy(train_keras.parse_arguments(["shards", "run", *words]))


def test_choose_strategy():
    import tensorflow as tf

    scope, replicas = choose("--strategy", "one")
    with scope:
        assert replicas == 1 and not tf.distribute.has_strategy()
    scope, replicas = choose("--strategy", "mirrored")
    with scope:
        assert tf.distribute.has_strategy()
        devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
        assert replicas == tf.distribute.get_strategy().num_replicas_in_sync == len(devices)


def test_a_tpu_that_is_not_there_is_a_clear_error(monkeypatch):
    monkeypatch.setenv("TPU_NAME", "local")
    with pytest.raises(StrategyError, match="--strategy tpu needs a TPU and tensorflow-tpu; received: .*KERAS_BACKEND=jax"):
        choose("--strategy", "tpu")
