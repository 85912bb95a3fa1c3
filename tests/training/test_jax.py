"""Augmentation, swaps of all families and morphs on the JAX backend, as they are and compiled, beside TensorFlow."""

import functools
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from keras import ops
from keras.backend import backend
from made_up_people import darken, donors, make_draws, people
from post_processing import OPS, pictures, run_op

from keras_uncover.swaps import augment, morphs, synthesis

ROOT = Path(__file__).resolve().parents[2]
EVERY = dict.fromkeys(synthesis.FAMILIES, 1.0)
WAYS = ("eager", "jitted")
ROUNDED = ("jpeg/", "augment/input", "augment/target")  # what JPEG's rounding is part of


def synthesise(target, donor, draws):
    """Swaps of all families."""
    return synthesis.make_swaps(target, donor, draws, EVERY, resynthesise=darken)


def mix_donors(donor, partner, draws):
    return morphs.morph_records(donor, partner, draws, 1.0)


def make_swap():
    """A made-up swap."""
    rng = np.random.default_rng(7)
    channels = {"input": 3, "target": 3, "donor": 3, "mask": 1, "donor_hull": 1}
    swap = {key: rng.random((3, 64, 64, count), "float32") for key, count in channels.items()}
    return {**swap, "flow": rng.random((3, 16, 16, 3), "float32")}


def list_calls(records):
    """What is run: name to function and arguments. records: of made-up people, one a family."""
    calls = {}
    for name, (_, _, columns) in OPS.items():
        run = functools.partial(run_op, name)
        calls[name] = run, pictures(), make_draws(3, 6, columns)
    calls["swap"] = synthesise, records, donors(records), make_draws(len(EVERY))
    calls["morph"] = mix_donors, records, donors(records)["texture"], make_draws(len(EVERY), 3, morphs.DRAWS)
    noise = np.random.default_rng(9).standard_normal((3, 64, 64, 3)).astype("float32")
    calls["augment"] = augment.augment, make_swap(), make_draws(3, 8, augment.DRAWS), noise
    return calls


def run_all(records, way):
    """Results of every call, flat. way: one of ``WAYS``; ``jitted`` by JAX."""
    results = {}
    for name, (function, *arguments) in list_calls(records).items():
        if way == "jitted":
            import jax

            function = jax.jit(function)
        found = function(*arguments)
        for key, value in found.items() if isinstance(found, dict) else [("", found)]:
            results[f"{name}/{key}"] = ops.convert_to_numpy(value)
    return results


@pytest.fixture(scope="module")
def records():
    return people(len(EVERY))


@pytest.fixture(scope="module")
def on_tensorflow(records):
    pytest.importorskip("jax", reason="jax is an extra: pip install keras-uncover[jax]")
    if backend() != "tensorflow":
        pytest.skip("JAX beside TensorFlow is tested in a process of its own")
    return run_all(records, "eager")


@pytest.fixture(scope="module")
def on_jax(on_tensorflow, records, tmp_path_factory):
    """The results of both ways by JAX, in a process of its own, with the people that this one made."""
    folder = tmp_path_factory.mktemp("jax")
    np.savez(folder / "people.npz", **records)
    code = (
        "import sys; sys.path[:0] = ['tests/training', 'tests/support', '.']; import numpy as np, test_jax as t;"
        "records = dict(np.load(sys.argv[1]));"
        "np.savez(sys.argv[2], **{f'{w}/{k}': v for w in t.WAYS for k, v in t.run_all(records, w).items()})"
    )
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-c", code, folder / "people.npz", folder / "results.npz"]
    run = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    with np.load(folder / "results.npz") as stored:
        return dict(stored)


@pytest.mark.parametrize("way", WAYS)
def test_the_same_on_jax(on_tensorflow, on_jax, way):
    found = {key.removeprefix(f"{way}/"): value for key, value in on_jax.items() if key.startswith(way)}
    assert found.keys() == on_tensorflow.keys() and len(found) > 25
    for key, expected in on_tensorflow.items():
        assert found[key].shape == expected.shape and found[key].dtype == expected.dtype, key
        difference = np.abs(found[key] - expected)
        if key in ROUNDED:
            # A value that lies between two steps of JPEG falls to either side, and may take its block along.
            assert (difference < 1e-4).mean() > 0.95 and difference.mean() < 1e-3, key
        else:
            assert difference.max() < 1e-4, key
