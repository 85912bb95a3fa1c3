"""Ridge regression against its textbook form, and what it chooses."""

import numpy as np
import pytest

from keras_uncover.evaluation import baselines
from keras_uncover.evaluation.baselines import Ridge


def linear_world(count=60, seed=0):
    """Features in two blocks; targets follow the second block alone."""
    rng = np.random.default_rng(seed)
    first, second = rng.standard_normal((count, 5)) + 3.0, rng.standard_normal((count, 4)) * 10 - 1.0
    return first, second, second @ rng.standard_normal((4, 3)) + 0.5


def test_weights_are_those_of_the_primal_form():
    first, second, targets = linear_world()
    fitted = Ridge(first, second, targets, np.arange(60), scales=(2.0,))
    blocks = [x - x.mean(0) for x in (first, second)]
    x = np.concatenate([b / np.sqrt((b**2).sum(1).mean()) * s for b, s in zip(blocks, (1.0, 2.0))], axis=1)
    beta = np.linalg.solve(x.T @ x + fitted.penalty * np.eye(9), x.T @ (targets - targets.mean(0)))
    np.testing.assert_allclose(fitted.weigh(first, second) @ (targets - targets.mean(0)), x @ beta, atol=1e-4)


def test_the_block_that_tells_is_chosen_and_the_other_cannot():
    first, second, targets = linear_world()
    assert Ridge(first, second, targets, np.arange(60), scales=(0.0, 4.0)).scale == 4.0
    assert Ridge(first, second, targets, np.arange(60), scales=(0.0, 4.0)).error < 0.02
    assert Ridge(first, second, targets, np.arange(60)).error > 0.5


def test_noise_asks_for_the_strongest_penalty():
    rng = np.random.default_rng(3)
    noise = [rng.standard_normal((40, k)) for k in (30, 2, 6)]
    assert Ridge(*noise, np.arange(40)).penalty == max(baselines.PENALTIES)


def test_one_sixth_of_the_people_are_held_out():
    held = baselines.hold_out(12, seed=0)
    assert held.sum() == 2 and baselines.hold_out(3, seed=0).sum() == 1
    assert (held != baselines.hold_out(12, seed=1)).any()


def test_a_mirror_image_does_not_help_to_choose():
    """Second rows repeat the first: known while the first are held out, they would make no penalty look best."""
    rng = np.random.default_rng(3)
    once = [rng.standard_normal((40, k)) for k in (30, 2, 6)]
    twice = Ridge(*(np.concatenate([x, x]) for x in once), np.tile(np.arange(40), 2))
    assert twice.penalty == Ridge(*once, np.arange(40)).penalty == max(baselines.PENALTIES)


def test_two_people_are_too_few():
    with pytest.raises(ValueError, match="three people at least; received 2"):
        Ridge(np.zeros((4, 1)), np.zeros((4, 1)), np.zeros((4, 1)), [0, 1, 0, 1])
