"""Training on one accelerator: what is drawn and told, what is saved, and a short training as a whole."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from drawn_faces import faces, numpy
from loaded_script import load_script

from pipelines.packs import chances, write_pack

ROOT = Path(__file__).parents[2]
jax = pytest.importorskip("jax", reason="jax is an extra: pip install keras-uncover[jax]")


@pytest.fixture(scope="module")
def script():
    return load_script("scripts/train_on_one_gpu.py")


def test_families_come_one_after_the_other(script):
    def at(progress):
        return [float(share) for share in script.shares_at(np.float32(progress), 0.3)]

    assert np.allclose(at(0.0), [0.75, 0.2, 0.05]) and np.allclose(at(0.15), [0.525, 0.21, 0.265])
    assert np.allclose(at(0.3), [0.3, 0.22, 0.48]) and at(1.0) == at(0.3)


def test_the_rate_rises_and_falls(script):
    rates = [script.rate_at(2e-3, progress) for progress in (0, 0.025, 0.05, 0.5, 1)]
    assert rates[0] == 0 and rates[1] == pytest.approx(1e-3, rel=0.01) and max(rates) == rates[2]
    assert rates[3] == pytest.approx(2e-3 * 0.505) and rates[4] == pytest.approx(2e-5)


def test_a_clock_follows_steps_or_time(script, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(script.time, "time", lambda: now[0])
    assert script.Clock(SimpleNamespace(minutes=1.0, steps=8), 100.0).progress(2) == 0.25
    clock = script.Clock(SimpleNamespace(minutes=1.0, steps=None), 100.0)
    now[0] = 120.0
    assert clock.progress(0) == 0  # it is compiling
    clock.keep_pace([0])
    now[0] = 130.0
    assert clock.progress(1) == 0.25 and clock.lap() == 10  # 10 of the 40 seconds that were left
    assert clock.summary(5, 640) == {
        "steps": 5, "pictures": 640, "seconds": 30, "images_per_s": 64, "waiting_for_device_share": 0,
    }


def test_a_donor_is_nobody_himself_and_turned_alike(script):
    points = np.repeat(faces(1)["points"], 12, 0)
    points += np.float32(np.arange(12) // 4 * 20)[:, None, None]  # three places, four people at each
    data = np.zeros((12, 8, 8, 3), "uint8"), points, chances(np.arange(12) % 2 == 0)
    data[0][:] = np.arange(12, dtype="uint8")[:, None, None, None]
    target, donor = script.draw_batch(jax.random.key(3), *map(jax.numpy.asarray, data), 64)
    who, other = (np.round(np.asarray(row["crop"])[:, 0, 0, 0] * 255).astype(int) for row in (target, donor))
    assert (who != other).all() and len(set(who)) == 12
    # Six are asked, and one of the same place is among them about nine times in ten.
    assert (who // 4 == other // 4).mean() > 0.7
    assert np.array_equal(np.asarray(target["points"]), points[who])


def test_a_loss_by_hand(script):
    logits, truth = np.float32([0, 2, -3]), np.float32([1, 1, 0])
    expected = -np.log([0.5, 1 / (1 + np.exp(-2)), 1 - 1 / (1 + np.exp(3))])
    assert np.allclose(script.binary_loss(logits, truth), expected, atol=1e-6)


def test_a_line_of_the_log_by_hand(script, capsys):
    logits, family = np.float32([0.0, 1.0, 2.0, 0.5, 0.5, 3.0]), np.array([0, 0, 2])
    told = [(0.5, 0.25, np.float32([0.1, 0.2]), logits, family)]
    line = script.tell(50, 300, 0.5, told, 12.0, 99.0)
    assert json.loads(capsys.readouterr().out) == line
    assert (line["step"], line["pictures"], line["loss"], line["map"]) == (50, 300, 0.5, 0.25)
    # Fakes of the same photo at .5 are above one of three, and so are 3.0 above all; two of three pairs in order.
    assert line["self"] == pytest.approx(1 / 3, abs=1e-4) and line["neural"] == 1 and "cross" not in line
    assert line["pairs"] == pytest.approx(2 / 3, abs=1e-4)


def test_the_weights_that_are_saved_are_the_classifiers_alone(script, tmp_path):
    """What paints faces is left behind with the process."""
    def small(name, units):
        return keras.Sequential([keras.Input((4,)), keras.layers.Dense(units, name=f"{name}_dense")], name=name)

    networks = {"classifier": small("classifier", 2), "fine": small("fine_painter", 3)}
    held = {name: [[numpy(v) + 1 for v in n.trainable_variables], []] for name, n in networks.items()}
    values = {**held, "averaged": held["classifier"]}
    script.save(SimpleNamespace(networks=networks), values, tmp_path / "weights.npz")
    with np.load(tmp_path / "weights.npz") as stored:
        assert set(stored) == {v.path for v in networks["classifier"].variables}
        assert all(np.allclose(stored[v.path], numpy(v) + 1, atol=1e-2) for v in networks["classifier"].variables)


@pytest.mark.parametrize("kernel, stride, side", [(3, 1, 8), (3, 2, 8), (5, 2, 9), (5, 1, 6)])
def test_shifted_sums_filter_as_keras_does(script, kernel, stride, side):
    images = np.random.default_rng(0).random((2, side, side, 3), "float32")
    kinds = keras.layers.DepthwiseConv2D, script.ShiftedSums
    layers = [kind(kernel, stride, padding="same", use_bias=False) for kind in kinds]
    expected, _ = (layer(images) for layer in layers)
    layers[1].set_weights(layers[0].get_weights())
    found = layers[1](images)
    assert tuple(found.shape) == tuple(expected.shape) and np.abs(numpy(found) - numpy(expected)).max() < 1e-5


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    """Eight drawn faces at 48 px."""
    drawn = faces(8, 48)
    crops = np.round(drawn["crop"] * 255).astype("uint8")
    path = tmp_path_factory.mktemp("packs") / "train.npz"
    write_pack(path, list(zip(crops, drawn["points"] / 48, [True, False] * 4, "abcdefgh")), 90)
    return path


def train(pack, out, *arguments):
    command = [sys.executable, "-m", "scripts.train_on_one_gpu", pack, out, "--pairs", "2", "--size", "32", "--full"]
    # A rate that moves averaged weights by more than float16 rounds off.
    command += ["--rate", "0.05"]
    # Compiled quickly rather than well, and once for both trainings.
    environment = {
        **os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu",
        "JAX_COMPILATION_CACHE_DIR": str(pack.parent / "compiled"),
        "XLA_FLAGS": "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true",
    }
    run = subprocess.run(
        [*map(str, command), "--depthwise", "keras", *map(str, arguments)], cwd=ROOT, env=environment,
        capture_output=True, text=True,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout, json.loads((out / "log.json").read_text("utf-8"))


@pytest.mark.slow
def test_a_short_training_is_saved_told_and_taken_up_again(pack, tmp_path):
    from keras_uncover.models.classifier import build_classifier
    from keras_uncover.models.config import EvidenceConfig

    one, two = tmp_path / "one", tmp_path / "two"
    said, log = train(pack, one, "--steps", 3, "--save-at", 0.5, 1.0)
    assert log["summary"]["steps"] == 3 and log["summary"]["pictures"] == 12 and "compiled learn" in said
    assert [line["step"] for line in log["lines"]] == [3] and np.isfinite(log["lines"][0]["loss"])
    assert {path.name for path in one.iterdir()} == {"weights_0.50.npz", "weights_1.00.npz", "log.json"}
    with np.load(one / "weights_1.00.npz") as stored:
        first = dict(stored)
    model = build_classifier(EvidenceConfig(size=32))
    # The weights of a classifier, all of them, and nothing that paints.
    assert set(first) == {variable.path for variable in model.trainable_variables + model.non_trainable_variables}
    said, _ = train(pack, two, "--steps", 2, "--start", one / "weights_1.00.npz", "--save-at", 1.0)
    assert f"{len(first)} arrays taken from" in said
    with np.load(two / "weights_1.00.npz") as stored:
        moved = [name for name, array in stored.items() if not np.array_equal(array, first[name])]
    assert len(moved) > 0.5 * len(first)
    assert all(any(name.startswith(part) for name in moved) for part in ("stem_conv", "map_4_conv", "logit"))
