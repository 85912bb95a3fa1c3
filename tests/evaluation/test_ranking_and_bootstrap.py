"""Ranking measures, calibration and intervals against numbers worked out by hand."""

import numpy as np
import pytest

from keras_uncover.evaluation import bootstrap, ranking


def test_auc_counts_pairs_and_halves_ties():
    # Pairs (genuine, fake): .1<.4 .1<.8 | .4=.4 (half) .4<.8 | .6>.4 .6<.8: 4.5 of 6 are ranked right.
    assert ranking.auc([0.1, 0.4, 0.6], [0.4, 0.8]) == pytest.approx(4.5 / 6)
    assert ranking.auc([0.9], [0.1]) == 0.0
    assert ranking.auc([0.5, 0.5], [0.5]) == 0.5


def test_auc_needs_both_kinds():
    with pytest.raises(ValueError, match="received 0 and 2"):
        ranking.auc([], [0.1, 0.2])


def test_tpr_at_fpr_lets_only_so_many_genuine_scores_pass():
    genuine = np.arange(100) / 100  # the highest is 0.99, the second 0.98
    fake = [0.5, 0.985, 0.99, 1.0]
    assert ranking.tpr_at_fpr(genuine, fake, 0.0) == 0.25
    assert ranking.tpr_at_fpr(genuine, fake, 0.01) == 0.75
    assert ranking.tpr_at_fpr(genuine, fake, 1.0) == 1.0


def test_equal_error_rate_by_hand():
    # At a cut between 0.4 and 0.6, one of four genuine photos (0.7) and one of four fakes (0.3) are wrong.
    assert ranking.equal_error_rate([0.1, 0.2, 0.4, 0.7], [0.3, 0.6, 0.8, 0.9]) == pytest.approx(0.25)
    assert ranking.equal_error_rate([0.1, 0.2], [0.8, 0.9]) == 0.0
    assert ranking.equal_error_rate([0.8, 0.9], [0.1, 0.2]) == 1.0


def test_reliability_and_calibration_error_by_hand():
    """Two bins. Genuine .1 .3 .8 weigh 1/6 each, fakes .2 .9 .6 .7 weigh 1/8 each.

    Low bin: .1 .3 .2, weight 1/6 + 1/6 + 1/8 = 11/24, promised (.4/6 + .2/8) / (11/24) = .2, true (1/8) / (11/24) =
    3/11. High bin: weight 13/24, promised (.8/6 + 2.2/8) / (13/24) = .753846, true (3/8) / (13/24) = 9/13.
    """
    scores = [0.1, 0.3, 0.8], [0.2, 0.9, 0.6, 0.7]
    promised, true, weight = ranking.reliability(*scores, bins=2)
    assert weight == pytest.approx([11 / 24, 13 / 24])
    assert promised == pytest.approx([0.2, 0.7538462])
    assert true == pytest.approx([3 / 11, 9 / 13])
    by_hand = 11 / 24 * (3 / 11 - 0.2) + 13 / 24 * (0.7538462 - 9 / 13)
    assert ranking.calibration_error(*scores, bins=2) == pytest.approx(by_hand)


def test_calibration_error_does_not_depend_on_how_many_fakes_were_measured():
    rng = np.random.default_rng(0)
    genuine, fake = rng.random(50), rng.random(70)
    once = ranking.calibration_error(genuine, fake)
    assert ranking.calibration_error(genuine, np.tile(fake, 5)) == pytest.approx(once)
    assert ranking.calibration_error([0.0, 0.0], [1.0]) == 0.0
    assert ranking.calibration_error([1.0], [0.0]) == 1.0


def test_error_rates_are_those_of_every_cut():
    genuine, fake = [0.2, 0.4, 0.4], [0.4, 0.9]
    false_alarm, miss = ranking.error_rates(genuine, fake)
    cuts = [-np.inf, 0.2, 0.4, 0.9, np.inf]
    assert false_alarm == pytest.approx([np.mean(np.array(genuine) >= cut) for cut in cuts])
    assert miss == pytest.approx([np.mean(np.array(fake) < cut) for cut in cuts])


def test_people_are_drawn_and_bring_all_of_their_examples():
    """Two people of 50 examples each: in a draw all examples of a person count alike, and both together twice."""
    counts = bootstrap.draw_people(["a"] * 50 + ["b"] * 50, draws=100)
    assert counts.shape == (100, 100)
    assert (counts[:, :50] == counts[:, :1]).all() and (counts[:, 50:] == counts[:, 50:51]).all()
    assert (counts[:, 0] + counts[:, 50] == 2).all() and set(counts[:, 0]) == {0, 1, 2}


def test_a_swap_counts_as_often_as_both_of_its_people():
    people, donors = ["a", "b", "c", "a", "b"], ["b", "c", "a", "a", ""]
    counts = bootstrap.draw_people(people, donors, draws=200)
    # The last two tell how often a and b themselves were drawn; three were drawn in all.
    a, b = counts[:, 3], counts[:, 4]
    c = 3 - a - b
    np.testing.assert_array_equal(counts[:, :3], np.stack([a * b, b * c, c * a], axis=1))
    assert a.max() > 1


def test_a_draw_without_one_kind_is_drawn_again():
    people, kinds = ["a", "b"], [0, 1]
    assert (bootstrap.draw_people(people, kinds=kinds, draws=50) == 1).all()
    assert (bootstrap.draw_people(people, draws=50) != 1).any()


def test_intervals_hold_the_normal_one():
    values = np.random.default_rng(0).standard_normal(400)
    counts = bootstrap.draw_people(np.arange(400), draws=2000)
    half = 1.96 * values.std() / 20
    for found in (
        bootstrap.mean_with_interval(values, counts),
        bootstrap.measure_with_interval(lambda rows: values[rows].mean(), counts),
    ):
        assert found["value"] == pytest.approx(values.mean()) and found["n"] == 400
        assert found["interval"] == pytest.approx([values.mean() - half, values.mean() + half], abs=0.02)


def test_both_roles_make_an_interval_wider():
    """Everybody is target and donor once, and pairs have nothing to do with people: the interval is root 3 wider."""
    rng = np.random.default_rng(1)
    values, names = rng.standard_normal(500), np.arange(500)
    one, two = bootstrap.draw_people(names), bootstrap.draw_people(names, np.roll(names, 1))
    widths = [np.ptp(bootstrap.mean_with_interval(values, counts)["interval"]) for counts in (one, two)]
    assert widths[1] / widths[0] == pytest.approx(np.sqrt(3), rel=0.1)


def test_ratio_and_missing_values():
    counts = np.array([[1, 1, 1], [3, 0, 0], [0, 3, 0]])
    found = bootstrap.ratio_with_interval([1.0, 2.0, 3.0], [2.0, 2.0, 8.0], counts)
    assert found["value"] == 0.5
    assert found["interval"] == pytest.approx(list(np.percentile([0.5, 0.5, 1.0], [2.5, 97.5])))
    assert bootstrap.ratio_with_interval([1.0, 2.0, 3.0], [0.0, 1.0, 1.0], counts) is None
    mean = bootstrap.mean_with_interval([np.nan, 2.0, 4.0], counts)
    assert mean["value"] == 3.0 and mean["n"] == 2
    assert mean["interval"] == pytest.approx(list(np.percentile([3.0, 2.0], [2.5, 97.5])))
    assert bootstrap.mean_with_interval([np.nan] * 3, counts) is None
