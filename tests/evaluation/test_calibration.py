"""Temperature, threshold and band from scores whose truth is known, and by hand."""

import numpy as np
import pytest
from scipy.optimize import minimize

from keras_uncover.evaluation import ranking
from keras_uncover.evaluation.calibration import (
    calibrate,
    choose_threshold,
    fit_scale,
    log_loss,
    logit,
    measure_rates,
    scale,
)
from keras_uncover.refusals import OptionError

MANY = 10**9  # people, so many that Platt's targets are 0 and 1


def sigmoid(x):
    return 1 / (1 + np.exp(-np.asarray(x, float)))


def known_scores(temperature=2.5, bias=-0.7, count=40000, seed=0):
    """Scores, half of them of fakes, whose true probability is ``sigmoid(logit / temperature + bias)``."""
    rng = np.random.default_rng(seed)
    true = rng.beta(0.6, 0.6, count)
    fake = rng.random(count) < true
    scores = sigmoid(np.clip((logit(true) - bias) * temperature, -15, 15))
    return scores[~fake], scores[fake]


def rows(scores, people=None, name="p"):
    people = np.arange(len(scores)) if people is None else np.asarray(people)
    names = np.array([f"{name}{k}" for k in people])
    return {"p_fake": np.asarray(scores, float), "person": names, "donor_person": names}


def test_a_known_scale_is_found():
    genuine, fake = known_scores()
    temperature, bias = fit_scale(genuine, fake, MANY)
    assert temperature == pytest.approx(2.5, rel=0.05) and bias == pytest.approx(-0.7, abs=0.05)


@pytest.mark.parametrize("n_people", [12, MANY])
@pytest.mark.parametrize("with_bias", [True, False])
def test_no_other_scale_is_likelier(n_people, with_bias):
    """Another optimiser, on the loss as it is written in the paper, with uneven numbers of either kind."""
    genuine, fake = known_scores(count=800)
    genuine = genuine[:150]

    def loss(at):
        high, low = (n_people + 1) / (n_people + 2), 1 / (n_people + 2)
        parts = []
        for scores, target in ((genuine, low), (fake, high)):
            p = np.clip(sigmoid(logit(scores) * at[0] + (at[1] if with_bias else 0)), 1e-12, 1 - 1e-12)
            parts.append(-np.mean(target * np.log(p) + (1 - target) * np.log(1 - p)))
        return np.mean(parts)

    best = minimize(loss, [0.3, 0.0], method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-12, "maxiter": 4000})
    temperature, bias = fit_scale(genuine, fake, n_people, with_bias)
    assert 1 / temperature == pytest.approx(best.x[0], rel=1e-3)
    assert bias == pytest.approx(best.x[1] if with_bias else 0.0, abs=1e-3)


def test_scores_fully_apart_get_a_finite_temperature():
    genuine, fake = np.linspace(0.01, 0.3, 50), np.linspace(0.6, 0.99, 50)
    temperature, bias = fit_scale(genuine, fake, 50)
    assert 0.05 < temperature < 5 and abs(bias) < 5
    hotter, _ = fit_scale(genuine, fake, 5)
    assert hotter > temperature, "fewer people, less trust"


@pytest.mark.parametrize("genuine, fake, words", [
    ([0.8, 0.9, 0.7], [0.1, 0.2, 0.3], "higher for fakes.*0.0 % of the pairs.*Train the network"),
    ([], [0.5], "needs genuine and fake scores; received 0 and 1"),
])
def test_scores_that_cannot_be_calibrated_are_refused(genuine, fake, words):
    with pytest.raises(ValueError, match=words):
        fit_scale(np.array(genuine), np.array(fake), MANY)


def test_scaling_by_hand_keeps_the_order_and_survives_0_and_1():
    # A score of 0.8 has the odds 4; their square root times e is 5.44, of 6.44.
    assert scale(0.8, 2.0, 1.0) == pytest.approx(2 * np.e / (2 * np.e + 1), abs=1e-9)
    ends = scale([0.0, 1e-9, 0.5, 1.0 - 1e-9, 1.0], 0.01, 0.0)
    assert np.all(np.diff(ends) >= 0) and np.all(np.isfinite(ends)) and ends[2] == 0.5


def test_log_loss_by_hand():
    assert log_loss(np.array([0.5, 0.2]), np.array([0.9])) == pytest.approx(
        (-(np.log(0.5) + np.log(0.8)) / 2 - np.log(0.9)) / 2
    )


def test_threshold_and_band_by_hand():
    genuine = np.array([0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.7, 0.9])
    fake = np.array([0.12, 0.33, 0.5, 0.6, 0.8, 0.85, 0.95, 0.96, 0.97, 0.98])
    # One in ten: only 0.9 may reach it, so it lies above 0.7, midway to 0.8. Below the band only 0.12 may lie, so it
    # begins under 0.33, midway from 0.3.
    threshold, band = choose_threshold(genuine, fake, 0.1)
    assert threshold == pytest.approx(0.75) and band == pytest.approx([0.315, 0.75])
    # Two in ten: above 0.4, midway to 0.5; the fakes 0.12 and 0.33 lie below, which is within two in ten.
    assert choose_threshold(genuine, fake, 0.2) == (pytest.approx(0.45), None)


def test_ties_are_not_let_through():
    genuine = np.array([0.1] * 8 + [0.6] * 2)
    # Both 0.6 are called fake, or none.
    threshold, _ = choose_threshold(genuine, np.array([0.9, 0.95]), 0.1)
    assert threshold == pytest.approx(0.75)
    assert choose_threshold(genuine, np.array([0.9, 0.95]), 0.2)[0] == pytest.approx(0.35)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("rate", [0.003, 0.05, 0.3])
def test_both_rates_are_kept_and_no_lower_threshold_would(seed, rate):
    rng = np.random.default_rng(seed)
    genuine, fake = np.round(rng.beta(2, 4, 400), 2 + seed % 3), np.round(rng.beta(4, 2, 300), 2 + seed % 3)
    threshold, band = choose_threshold(genuine, fake, rate)
    low = threshold if band is None else band[0]
    assert np.mean(genuine >= threshold) <= rate and np.mean(fake < low) <= rate
    lower = np.max(genuine[genuine < threshold])
    assert np.mean(genuine >= lower) > rate
    if band is not None:
        assert np.mean(fake < np.min(fake[fake >= low]) + 1e-9) > rate


def test_a_threshold_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="more genuine photos than that score 1"):
        choose_threshold(np.ones(4), np.ones(4), 0.5)
    for rate in (0.0, 1.0, 5, float("nan")):
        with pytest.raises(ValueError, match="between 0 and 1, such as 0.05; received"):
            choose_threshold(np.zeros(4), np.ones(4), rate)


def test_rates_by_hand():
    genuine, fakes = rows([0.1, 0.2, 0.5, 0.9]), rows([0.1, 0.45, 0.55, 0.8, 0.9], [0, 1, 2, 3, 4])
    found = measure_rates(genuine, fakes, 0.6, [0.4, 0.6])
    assert found["n_people"] == 5
    values = {name: (found[name]["value"], found[name]["n"]) for name in found if name != "n_people"}
    assert values == {
        "false_alarm": (0.25, 4), "miss": (0.2, 5), "uncertain_genuine": (0.25, 4), "uncertain_fake": (0.4, 5)
    }
    without = measure_rates(genuine, fakes, 0.6, None)
    assert without["miss"]["value"] == 0.6 and without["uncertain_fake"]["value"] == 0.0


def test_intervals_go_by_person_and_are_not_empty_at_zero():
    scores = np.repeat([0.9] + [0.1] * 19, 8)
    false_alarm = measure_rates(rows(scores, np.repeat(np.arange(20), 8)), rows([0.9] * 20), 0.5, None)["false_alarm"]
    alone = measure_rates(rows(scores), rows([0.9] * 160), 0.5, None)["false_alarm"]
    assert false_alarm["value"] == alone["value"] == 0.05 and false_alarm["n"] == 160
    width = [np.diff(entry["interval"])[0] for entry in (false_alarm, alone)]
    assert width[0] > 1.8 * width[1], "eight photos of one person are not eight people"
    none = measure_rates(rows([0.1] * 30), rows([0.9] * 30), 0.5, None)
    # Of 30 people none: up to 1 - 0.025^(1/30), by Clopper and Pearson.
    assert none["false_alarm"]["interval"] == pytest.approx([0, 0.1157], abs=1e-4)
    assert measure_rates(rows([0.9] * 30), rows([0.9] * 30), 0.5, None)["false_alarm"]["interval"] == pytest.approx(
        [1 - 0.1157, 1], abs=1e-4
    )


def test_a_calibration_mends_scores_and_says_where_it_is_from():
    genuine, fake = known_scores(count=4000)
    found = calibrate(rows(genuine, name="g"), rows(fake, name="f"), 0.05, split="validation", seed=1)
    numbers = found["calibration"]
    assert numbers["temperature"] == pytest.approx(2.5, rel=0.15)
    assert numbers["ece_before"] > 0.1 > 0.03 > numbers["ece_after"]
    assert numbers["log_loss_after"] < numbers["log_loss_before"]
    assert numbers["ece_before"] == ranking.calibration_error(genuine, fake)
    assert numbers["false_alarm"]["value"] <= 0.05 and numbers["miss"]["value"] <= 0.05
    assert (numbers["rate"], numbers["split"], numbers["seed"], numbers["n_people"]) == (0.05, "validation", 1, 4000)
    assert found["band"][1] == found["threshold"] and numbers["uncertain_fake"]["value"] > 0


def test_the_band_may_have_a_rate_of_its_own():
    """Ten scores each: one false alarm in ten is allowed; with two missed fakes in ten the band begins higher."""
    genuine, fake = np.arange(10) / 20 + 0.3, np.arange(10) / 20 + 0.31
    threshold, band = choose_threshold(genuine, fake, 0.1)
    assert threshold == pytest.approx((0.70 + 0.71) / 2) and band == pytest.approx([(0.36 + 0.35) / 2, threshold])
    same, narrower = choose_threshold(genuine, fake, 0.1, misses=0.2)
    assert same == threshold and narrower == pytest.approx([(0.41 + 0.40) / 2, threshold])
    with pytest.raises(OptionError, match="rate of missed fakes must be between 0 and 1"):
        choose_threshold(genuine, fake, 0.1, misses=1.0)
