"""The closed-form start of a reconstructor's geometry."""

import keras
import numpy as np
import pytest
from loaded_script import load_script

from keras_uncover.models.build import build_from_folder
from keras_uncover.models.config import TINY
from keras_uncover.models.reconstructor import build_reconstructor
from keras_uncover.models.shape_layers import face_pixels


@pytest.fixture(scope="module")
def script():
    return load_script("scripts/fit_geometry.py")


def test_a_ridge_finds_a_linear_map_again(script):
    rng = np.random.default_rng(0)
    x, held = rng.normal(2, 1, (300, 6)), rng.normal(2, 1, (50, 6))
    kernel, bias = rng.normal(0, 1, (6, 3)), np.array([1.0, -2.0, 0.5])
    fitted, shift, told = script.fit_ridge(x, x @ kernel + bias, held, held @ kernel + bias)
    assert np.abs(fitted - kernel).max() < 0.01 and np.abs(shift - bias).max() < 0.05
    assert told["penalty"] == script.PENALTIES[0] and told["error_over_mean"] < 1e-4


def test_a_ridge_of_noise_takes_the_largest_penalty(script):
    rng = np.random.default_rng(0)
    _, _, told = script.fit_ridge(*(rng.normal(0, 1, (40, width)) for width in (30, 3, 30, 3)))
    assert told["penalty"] == script.PENALTIES[-1]


def test_examples_are_mirrored_with_what_is_known_of_them(script, shards):
    made = script.make_examples(str(shards), "train", 64, seeds=(1,))
    count = 2 * 4  # four people, two families
    assert made["input"].shape == (count, 64, 64, 3) and 0 <= made["input"].min() and made["input"].max() <= 1
    assert made["shape"].shape == made["donor_shape"].shape == (count, 32)
    assert made["texture"].shape == (count, 3 * len(face_pixels(64)[0])) and made["texture"].max() <= 1
    assert np.abs(made["shape"]).max() < 12  # standard deviations, of four very different people


@pytest.mark.slow
def test_the_start_answers_for_its_own_people(script, shards, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["fit_geometry.py", str(shards), str(tmp_path / "start"), "--preset", "tiny"])
    script.main()
    told = capsys.readouterr().out
    assert all(name in told for name in ("shape_found", "shape_donor_linear", "texture"))
    fitted, config = build_from_folder(tmp_path / "start")
    assert config["arch"]["name"] == "tiny"
    made = script.make_examples(str(shards), "train", 64, seeds=(1, 2))
    names = ("shape_input", "shape_donor", "texture_colours")
    keras.utils.set_random_seed(0)
    first, then = (
        keras.Model(model.input, [model.get_layer(name).output for name in names]).predict(made["input"], verbose=0)
        for model in (build_reconstructor(TINY), fitted)
    )
    for name, answer in zip(("shape", "donor_shape", "texture"), range(3)):
        errors = [np.mean((answers[answer] - made[name]) ** 2) for answers in (first, then)]
        assert errors[1] < 0.8 * errors[0], name
