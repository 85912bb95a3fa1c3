"""Turning weights into the preset that ships: who is a donor, how crops are scored, what is told of families."""

import numpy as np
import pytest
from loaded_script import load_script

pytest.importorskip("jax", reason="jax is an extra: pip install keras-uncover[jax]")


@pytest.fixture(scope="module")
def script():
    return load_script("scripts/ship_detector.py")


class ByBrightness:
    """Answers with the mean of each crop, in batches of one size alone."""

    sizes = []

    def predict_on_batch(self, crops):
        self.sizes.append(len(crops))
        return {"p_fake": crops.mean((1, 2, 3))[:, None]}


def test_donors_are_other_people_turned_alike(script):
    # Twelve photos of six people in a row; the nearest photo is always one's own other.
    points = np.repeat((np.arange(12) // 2 * 10.0 + np.arange(12) % 2)[:, None, None], 3, 1) * np.ones(2)
    people = np.array([f"p{k // 2}" for k in range(12)])
    for seed in range(5):
        donors = script.choose_donors(points, people, np.random.default_rng(seed))
        assert (people[donors] != people).all()
        # Five nearest of ten others: nobody beyond the third neighbour.
        assert np.abs(points[donors] - points).max() <= 31
    assert len({tuple(script.choose_donors(points, people, np.random.default_rng(s))) for s in range(3)}) == 3


@pytest.mark.parametrize("count", [3, 8, 19])
def test_every_crop_is_scored_in_batches_of_one_size(script, count):
    crops = np.linspace(0, 1, count, dtype="float32")[:, None, None, None] * np.ones((1, 4, 4, 3), "float32")
    model = ByBrightness()
    assert np.allclose(script.score(model, crops), np.linspace(0, 1, count), atol=1e-6)
    assert set(model.sizes) == {script.BATCH}


def test_families_are_told_apart_by_hand(script):
    rows = {"p_fake": np.array([0.2, 0.4, 0.3, 0.9, 0.1]), "family": np.array([-1, -1, 0, 2, 2])}
    # .3 is above one of two genuine photos, .9 above both and .1 above none.
    assert script.tell_families(rows) == {"self": 0.5, "neural": 0.5}
