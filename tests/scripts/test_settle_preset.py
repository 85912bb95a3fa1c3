"""What is settled after training: how much of the donor's changes is taken, and from which verdict there is a mask."""

import dataclasses
import re

import keras
import numpy as np
import pytest
from loaded_script import load_script

from keras_uncover.models.build import build_from_folder, save_network
from keras_uncover.models.config import TINY
from keras_uncover.models.reconstructor import build_reconstructor
from pipelines.fixed_swaps import POSTS, genuine_photos, read_people

LAYERS = ("colour_conv", "donor_residual_conv")


class ByColour:
    """Stands in for the judge: faces are alike where their mean colours are."""

    def describe(self, images, points):
        return images.mean((1, 2))


@pytest.fixture(scope="module")
def script():
    return load_script("scripts/settle_preset.py")


@pytest.fixture(scope="module")
def people(shards):
    return read_people(str(shards), "validation")


def make_model(colour=0.0, residual=0.0):
    """A reconstructor whose donors are ``colour`` times darker before a residual is added, the same everywhere."""
    keras.utils.set_random_seed(0)
    model = build_reconstructor(TINY)
    for name, value in zip(LAYERS, (colour, residual)):
        kernel, bias = model.get_layer(name).get_weights()
        model.get_layer(name).set_weights([np.zeros_like(kernel), np.full_like(bias, value)])
    return model


def read_told(capsys):
    """Every pair of shares that was tried, with its distance and L1, and the pair that was taken."""
    said = capsys.readouterr().out
    number = r"(\d\.\d+)"
    tried = re.findall(rf"^recolouring {number}, residual {number}: distance {number}, L1 {number}$", said, re.M)
    taken = re.search(rf"^taken: recolouring {number}, residual {number}, distance {number}$", said, re.M)
    return [tuple(map(float, row)) for row in tried], tuple(map(float, taken.groups()))


def test_a_residual_that_spoils_donors_is_left_out(script, people, capsys):
    model = make_model(residual=0.9)
    script.settle_donor(model, people, ByColour(), slack=0.0)
    tried, taken = read_told(capsys)
    assert len(tried) == 25 and taken[1] == 0.0
    assert not any(np.any(values) for values in model.get_layer("donor_residual_conv").get_weights())
    by_share = {row[1]: row[3] for row in tried if row[0] == 0.0}
    assert by_share[1.0] > by_share[0.5] > by_share[0.0], "it was added, and by its share"


@pytest.mark.slow
def test_of_the_nearest_the_one_of_least_l1_is_taken_up_to_the_slack(script, people, capsys):
    for slack in (0.0, 10.0):
        model = make_model(colour=-0.2, residual=0.3)
        before = {name: model.get_layer(name).get_weights() for name in LAYERS}
        script.settle_donor(model, people, ByColour(), slack)
        tried, (*shares, apart) = read_told(capsys)
        nearest, least = min(row[2] for row in tried), min(row[3] for row in tried)
        chosen = next(row for row in tried if list(row[:2]) == shares)
        assert chosen[2] == apart
        assert chosen[2] == nearest if slack == 0.0 else chosen[3] == least
        for name, share in zip(LAYERS, shares):
            for now, then in zip(model.get_layer(name).get_weights(), before[name]):
                np.testing.assert_allclose(now, share * then, atol=1e-7)


def test_the_level_is_exceeded_by_the_rate_of_genuine_photos(script, people, capsys):
    model = make_model()
    photos = np.concatenate([batch["input"] for k in range(POSTS) for batch in genuine_photos(people, 1, k)])
    p = keras.Model(model.input, model.output["p_fake"]).predict(photos, verbose=0)[:, 0]
    verdicts = np.log(p / (1 - p))
    assert len(np.unique(verdicts)) == len(photos)
    for rate, above in ((0.25, len(photos) // 4), (0.0, 0)):
        script.settle_mask(model, people, rate)
        (level,) = model.get_layer("mask").get_weights()
        assert np.sum(verdicts > level + 1e-6) == above
        assert f"exceeded by {rate:.0%} of {len(photos)} genuine photos" in capsys.readouterr().out


@pytest.mark.slow
def test_what_was_settled_is_written_as_a_preset(script, shards, tmp_path, monkeypatch, capsys):
    config = {"format": 1, "kind": "reconstructor", "name": "run", "arch": dataclasses.asdict(TINY)}
    save_network(make_model(residual=0.9), tmp_path / "run", config, half=False)
    places = [str(place) for place in (tmp_path / "run", shards, tmp_path / "settled")]
    monkeypatch.setattr("sys.argv", ["settle_preset.py", *places])
    monkeypatch.setattr(script.Judge, "from_preset", lambda name: ByColour())
    script.main()
    assert "taken: level" in capsys.readouterr().out
    settled, config = build_from_folder(tmp_path / "settled")
    assert config["arch"]["name"] == "tiny"
    assert not any(np.any(values) for values in settled.get_layer("donor_residual_conv").get_weights())
    trained, _ = build_from_folder(tmp_path / "run")
    assert settled.get_layer("mask").get_weights() != trained.get_layer("mask").get_weights()
    first, second = (model.get_layer("flow_offsets").get_weights() for model in (settled, trained))
    assert all(np.array_equal(*pair) for pair in zip(first, second))
