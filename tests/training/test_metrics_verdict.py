"""Metrics of verdicts by hand, beside the exact rates, and however the data are divided."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_uncover.evaluation import ranking
from keras_uncover.training.verdict_metrics import CalibrationError, EqualErrorRate

METRICS = [EqualErrorRate, CalibrationError]


def measure(metric, *batches):
    for batch in batches:
        metric.update_state(*batch)
    return float(metric.result())


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def scores(seed=0, count=4000, fakes=0.5, apart=3.0, steep=1.0):
    """Labels and ``p_fake`` whose logits are normal around 0 and ``apart``."""
    rng = np.random.default_rng(seed)
    label = (rng.random(count) < fakes).astype("float32")
    return label, sigmoid(steep * (rng.normal(size=count) + apart * label - apart / 2)).astype("float32")


def test_equal_error_rate_by_hand():
    label = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    p_fake = np.array([0.1, 0.2, 0.3, 0.7, 0.4, 0.8, 0.9, 0.95])
    # Between 0.4 and 0.7 one genuine photo of four is called fake and one fake of four is missed.
    assert np.isclose(measure(EqualErrorRate(), (label, p_fake)), 0.25)
    assert np.isclose(measure(EqualErrorRate(), (label[:, None], p_fake[:, None])), 0.25)


def test_equal_error_rate_where_no_threshold_makes_the_rates_equal():
    label = np.array([0, 0, 1, 1, 1])
    # At 0.3 the rates are (1/2, 0), above it (1/2, 1/3), above 0.6 (0, 1/3). From a gap of 1/6 to one of -1/3 the
    # lines cross after a third of the way, where a third of the half false alarms is gone.
    assert np.isclose(measure(EqualErrorRate(), (label, [0.2, 0.6, 0.3, 0.8, 0.9])), 1 / 3)


@pytest.mark.parametrize("p_fake, expected", [([0.1, 0.2, 0.8, 0.9], 0), ([0.8, 0.9, 0.1, 0.2], 1), ([0.5] * 4, 0.5)])
def test_equal_error_rate_of_the_best_the_worst_and_the_mute(p_fake, expected):
    assert np.isclose(measure(EqualErrorRate(), (np.array([0, 0, 1, 1]), np.array(p_fake))), expected)


@pytest.mark.parametrize("steep", [0.3, 1.0, 4.0])
def test_equal_error_rate_is_the_exact_one_within_its_resolution(steep):
    label, p_fake = scores(seed=1, steep=steep)
    exact = ranking.equal_error_rate(p_fake[label == 0], p_fake[label == 1])
    # Normal logits, 3 standard deviations apart: the normal distribution's tail beyond 1.5, with 2,000 of a kind.
    assert np.isclose(exact, 0.0668, atol=0.012)
    densest = 0.05 / steep * 0.13  # a bin's width times the density of either kind where the rates meet
    assert np.isclose(measure(EqualErrorRate(), (label, p_fake)), exact, atol=densest + 0.003)
    assert not np.isclose(measure(EqualErrorRate(bins=6), (label, p_fake)), exact, atol=1e-3)


def test_equal_error_rate_of_one_kind_is_no_number():
    assert np.isnan(measure(EqualErrorRate(), (np.ones(3), np.full(3, 0.4))))
    assert np.isnan(float(EqualErrorRate().result()))


def test_calibration_error_by_hand():
    label = np.array([0, 1, 1, 0, 1])
    p_fake = np.array([0.30, 0.32, 0.9, 0.05, 1.0])
    # Bins of 1/15: {0.30, 0.32} is off by |0.31 - 1/2|, {0.9} by 0.1, {0.05} by 0.05, {1.0} by 0.
    assert np.isclose(measure(CalibrationError(), (label, p_fake)), (2 * 0.19 + 0.1 + 0.05) / 5, atol=1e-6)
    # In a single bin the means 0.514 and 3/5 meet.
    assert np.isclose(measure(CalibrationError(bins=1), (label, p_fake)), 0.6 - 0.514, atol=1e-6)


def test_calibration_error_knows_calibrated_from_sharpened_scores():
    rng = np.random.default_rng(0)
    p_fake = rng.random(20000).astype("float32")
    label = (rng.random(20000) < p_fake).astype("float32")
    assert measure(CalibrationError(), (label, p_fake)) < 0.02
    sharp = sigmoid(3 * np.log(p_fake / (1 - p_fake))).astype("float32")
    # Its bins' exact values: the mean over p of |sharp(p) - p|, which is symmetric about 1/2.
    p = (np.arange(100000) + 0.5) / 100000
    expected = np.abs(p**3 / (p**3 + (1 - p) ** 3) - p).mean()
    assert np.isclose(measure(CalibrationError(), (label, sharp)), expected, atol=0.02)


@pytest.mark.parametrize("metric", METRICS)
def test_the_division_of_the_data_does_not_matter(metric):
    data = scores(count=901)
    whole = measure(metric(), data)
    parts = [tuple(x[start : start + 7] for x in data) for start in range(0, 901, 7)]
    assert np.isclose(measure(metric(), *parts), whole, atol=1e-6)
    # Two replicas: a strategy adds up their states.
    left, right = metric(), metric()
    measure(left, *parts[::2])
    measure(right, *parts[1::2])
    left.sums.assign_add(right.sums)
    assert np.isclose(float(left.result()), whole, atol=1e-6)


def test_a_compiled_model_measures_the_same():
    label, p_fake = scores(count=100)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Identity()])
    model.compile(loss="mse", metrics=[metric() for metric in METRICS])
    found = model.evaluate(p_fake[:, None], label[:, None], batch_size=16, return_dict=True, verbose=0)
    for metric in METRICS:
        assert np.isclose(found[metric().name], measure(metric(), (label, p_fake)), atol=1e-6)


@pytest.mark.parametrize("metric", METRICS)
def test_sample_weights_count_an_example_so_often(metric):
    label, p_fake = scores(count=60)
    times = np.arange(60) % 4
    repeated = np.repeat(label, times), np.repeat(p_fake, times)
    expected = measure(metric(), repeated)
    assert np.isclose(measure(metric(), (label, p_fake, times[:, None])), expected, atol=1e-6)
    assert not np.isclose(measure(metric(), (label, p_fake)), expected, atol=1e-4)


@pytest.mark.parametrize("metric", METRICS)
def test_a_reset_forgets_and_a_config_rebuilds(metric):
    one = metric.from_config(metric(bins=33).get_config())
    measure(one, scores(seed=1))
    one.reset_state()
    assert one.bins == 33 and float(ops.sum(ops.abs(one.sums))) == 0
    assert np.isclose(measure(one, scores(seed=2)), measure(metric(bins=33), scores(seed=2)), atol=1e-6)
