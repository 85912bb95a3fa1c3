"""MirroredStrategy on two logical devices gives what one gives. Needs TensorFlow."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import train_keras
from keras_uncover.training.strategy import StrategyError


def compare(*arguments):
    """What ``replicas.py`` tells of 12 steps of AdamW on one replica and of the same, two an execution, on two."""
    command = [sys.executable, str(Path(__file__).parents[1] / "support" / "replicas.py"), *map(str, arguments)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=3600)
    assert run.returncode == 0, run.stderr
    report = json.loads(run.stdout.splitlines()[-1])
    outputs = {"donor_loss", "flow_loss", "mask_loss", "p_fake_loss", "seen_loss", "target_loss"}
    assert set(report["losses"]) == {"loss"} | (outputs if arguments[0] == "reconstruct" else set())
    # Weights moved by more than what is asked of the agreement. Layers behind heads that start at 0 wait for those.
    assert report["moved"]["most"] > 1e-4 and report["moved"]["beyond"] > 0.4, report
    return report


@pytest.mark.parametrize("task", ["classify", pytest.param("reconstruct", marks=pytest.mark.slow)])
def test_two_replicas_agree_with_one(task):
    """A network of 32 px with all its losses. The larger ones: the slow tests below."""
    report = compare(task, "smallest", "float32", 6)
    assert report["replicas"] == [1, 2] and report["dtype"] == "float32"
    assert report["losses_apart"] < 1e-5, report
    for kind in ("weights", "averages", "statistics"):
        assert report[f"{kind}_apart"]["most"] < 1e-5, report


@pytest.mark.slow
def test_two_replicas_of_tiny_agree_with_one_where_no_rounding_matters():
    """What is added up is the same: in float64 nothing of the preset's training differs by more than 1e-12."""
    report = compare("reconstruct", "tiny", "float64", 6)
    assert report["replicas"] == [1, 2] and report["dtype"] == "float64"
    assert report["losses_apart"] < 1e-12, report
    for kind in ("weights", "averages", "statistics"):
        assert report[f"{kind}_apart"]["most"] < 1e-12, report


@pytest.mark.slow
def test_two_replicas_of_small_agree_with_one_as_far_as_float32_goes():
    """A rounding moves some of millions of activations over the kink of a ReLU, and AdamW makes a step of what that
    changes in a gradient near 0: a few weights in 100,000 differ by more than 1e-5, as they do on one replica whose
    first weights are moved by their last place.
    """
    two, moved = compare("reconstruct", "small", "float32", 6), compare("reconstruct", "small", "float32", 6, "moved")
    assert two["replicas"] == [1, 2] and moved["replicas"] == [1, 1]
    for report in (two, moved):
        assert report["losses_apart"] < 1e-4, report
        assert report["weights_apart"]["rms"] < 5e-6 and report["weights_apart"]["beyond"] < 5e-3, report
    assert two["weights_apart"]["rms"] < 10 * moved["weights_apart"]["rms"], (two, moved)


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
    with pytest.raises(StrategyError, match="needs a TPU and tensorflow-tpu; received: .*KERAS_BACKEND=jax"):
        choose("--strategy", "tpu")
