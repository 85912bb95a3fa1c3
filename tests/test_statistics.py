"""Ranking measures and intervals against numbers worked out by hand."""

import numpy as np
import pytest

from keras_uncover import statistics


def test_auc_counts_pairs_and_halves_ties():
    # Pairs (genuine, fake): .1<.4 .1<.8 | .4=.4 (half) .4<.8 | .6>.4 .6<.8: 4.5 of 6 are ranked right.
    assert statistics.auc([0.1, 0.4, 0.6], [0.4, 0.8]) == pytest.approx(4.5 / 6)
    assert statistics.auc([0.9], [0.1]) == 0.0
    assert statistics.auc([0.5, 0.5], [0.5]) == 0.5


def test_auc_needs_both_kinds():
    with pytest.raises(ValueError, match="received 0 and 2"):
        statistics.auc([], [0.1, 0.2])


def test_tpr_at_fpr_lets_only_so_many_genuine_scores_pass():
    genuine = np.arange(100) / 100  # the highest is 0.99, the second 0.98
    fake = [0.5, 0.985, 0.99, 1.0]
    assert statistics.tpr_at_fpr(genuine, fake, 0.0) == 0.25
    assert statistics.tpr_at_fpr(genuine, fake, 0.01) == 0.75
    assert statistics.tpr_at_fpr(genuine, fake, 1.0) == 1.0


def test_equal_error_rate_by_hand():
    # At a cut between 0.4 and 0.6, one of four genuine photos (0.7) and one of four fakes (0.3) are wrong.
    assert statistics.equal_error_rate([0.1, 0.2, 0.4, 0.7], [0.3, 0.6, 0.8, 0.9]) == pytest.approx(0.25)
    assert statistics.equal_error_rate([0.1, 0.2], [0.8, 0.9]) == 0.0
    assert statistics.equal_error_rate([0.8, 0.9], [0.1, 0.2]) == 1.0


def test_bootstrap_draws_people_and_not_examples():
    """Two people of 50 equal examples each: a draw's mean can only be 0, a half or 1."""
    people = ["a"] * 50 + ["b"] * 50
    values = np.repeat([0.0, 1.0], 50)
    seen = set()
    statistics.bootstrap(people, lambda rows: seen.add(values[rows].mean()) or values[rows].mean(), draws=100)
    assert seen == {0.0, 0.5, 1.0}


def test_bootstrap_interval_holds_the_normal_one():
    values = np.random.default_rng(0).standard_normal(400)
    low, high = statistics.bootstrap(np.arange(400), lambda rows: values[rows].mean(), draws=2000)
    half = 1.96 * values.std() / 20
    assert low == pytest.approx(values.mean() - half, abs=0.02)
    assert high == pytest.approx(values.mean() + half, abs=0.02)


def test_mean_with_interval_is_reproducible():
    first = statistics.mean_with_interval(["a", "b", "c"], [1.0, 2.0, 6.0])
    assert first == statistics.mean_with_interval(["a", "b", "c"], [1.0, 2.0, 6.0])
    assert first["value"] == 3.0 and first["n"] == 3 and first["interval"][0] < 3.0 < first["interval"][1]
