"""Distances between sets of pictures, against NumPy and SciPy in float64."""

import keras
import numpy as np
import pytest
import scipy.linalg
from keras import ops

from keras_uncover.evaluation.set_distances import FrechetDistance, KernelDistance

DIMENSION = 12
CAN_DOUBLE = keras.backend.backend() == "tensorflow"  # JAX has float64 only when it is told so at its start
METRICS = [FrechetDistance, KernelDistance]


def features(images):
    """A fixed nonlinear projection of pictures to 12 numbers, none negative."""
    weights = np.random.default_rng(9).normal(size=(48, DIMENSION)).astype("float32")
    return ops.relu(ops.matmul(ops.reshape(images, (-1, 48)) - 0.5, weights) + 0.3)


def pictures(seed, count, scale=1.0, shift=0.0):
    return (np.random.default_rng(seed).random((count, 4, 4, 3)) * scale + shift).astype("float32")


def two_sets(count=90):
    return pictures(0, count), pictures(1, count, 0.8, 0.15)


def build(metric, **options):
    return metric(features, "projection", DIMENSION, **options)


def measure(metric, *batches):
    for batch in batches:
        metric.update_state(*batch)
    return float(metric.result())


def describe(images):
    return ops.convert_to_numpy(features(images)).astype(float)


def frechet(x, y):
    root = scipy.linalg.sqrtm(np.cov(x, rowvar=False) @ np.cov(y, rowvar=False))
    spread = np.trace(np.cov(x, rowvar=False)) + np.trace(np.cov(y, rowvar=False)) - 2 * np.trace(root).real
    return np.sum((x.mean(0) - y.mean(0)) ** 2) + spread


def kernel(x, y):
    def k(a, b):
        return (sum(u * v for u, v in zip(a, b)) / len(a) + 1) ** 3

    n = len(x)
    within = sum(k(s[i], s[j]) for s in (x, y) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    return within - 2 * sum(k(a, b) for a in x for b in y) / (n * n)


def test_frechet_distance_by_hand():
    # One feature: means 1 and 4, variances 1 and 4, so (1 - 4)^2 + (1 - 2)^2.
    metric = FrechetDistance(lambda x: x, "itself", 1)
    first, second = np.array([[0.0], [1.0], [2.0]], "float32"), np.array([[2.0], [4.0], [6.0]], "float32")
    assert np.isclose(measure(metric, (first, second)), 10, atol=1e-4)


def test_kernel_distance_by_hand():
    # One feature, kernel (x y + 1)^3: 1 between 0 and 1, 27 between 1 and 2; across 1, 1, 8, 27, their mean 9.25.
    metric = KernelDistance(lambda x: x, "itself", 1, capacity=5)
    first, second = np.array([[0.0], [1.0]], "float32"), np.array([[1.0], [2.0]], "float32")
    assert np.isclose(measure(metric, (first, second)), 1 + 27 - 2 * 9.25, atol=1e-4)


@pytest.mark.parametrize("metric, reference", [(FrechetDistance, frechet), (KernelDistance, kernel)])
def test_distances_are_those_of_an_independent_implementation(metric, reference):
    first, second = two_sets()
    expected = reference(describe(first), describe(second))
    assert expected > 0.05
    assert np.isclose(measure(build(metric), (first, second)), expected, rtol=1e-3)
    if CAN_DOUBLE:
        assert np.isclose(measure(build(metric, dtype="float64"), (first, second)), expected, rtol=1e-5)


def test_frechet_distance_with_fewer_pictures_than_features():
    def wide(images):
        weights = np.random.default_rng(3).normal(size=(48, 200)) * np.exp(-np.arange(200) / 40)
        return ops.matmul(ops.reshape(images, (-1, 48)), weights.astype("float32")) + 2.0

    first, second = two_sets(40)
    # From the pictures and not the covariances: the singular values of one set's deviations times the other's.
    x, y = (ops.convert_to_numpy(wide(images)).astype(float) for images in (first, second))
    a, b = ((z - z.mean(0)) / np.sqrt(39) for z in (x, y))
    root = np.linalg.svd(a @ b.T, compute_uv=False).sum()
    expected = np.sum((x.mean(0) - y.mean(0)) ** 2) + np.sum(a**2) + np.sum(b**2) - 2 * root
    metric = FrechetDistance(wide, "wide", 200)
    assert np.isclose(measure(metric, (first, second)), expected, rtol=1e-3)


def test_sets_of_the_same_are_at_no_distance():
    first, _ = two_sets()
    assert abs(measure(build(FrechetDistance), (first, first))) < 1e-4
    # Unbiased: over many pairs of samples of the same its mean is 0 within its error, though that of the squared
    # distance of the means of the kernel would not be.
    pairs = [(pictures(k, 20), pictures(99 - k, 20)) for k in range(40)]
    values = np.array([measure(build(KernelDistance, capacity=20), pair) for pair in pairs])
    assert abs(values.mean()) < 3 * values.std() / np.sqrt(40) and (values < 0).any()


@pytest.mark.parametrize("metric", METRICS)
def test_the_division_of_the_data_does_not_matter(metric):
    first, second = two_sets()
    whole = measure(build(metric), (first, second))
    parts = [(first[k : k + 7], second[k : k + 7]) for k in range(0, 90, 7)]
    assert np.isclose(measure(build(metric), *parts), whole, rtol=1e-4)
    assert np.isclose(measure(build(metric), *parts[::-1]), whole, rtol=1e-4)


@pytest.mark.parametrize("metric", METRICS)
def test_a_compiled_model_measures_the_same(metric):
    first, second = two_sets()
    model = keras.Sequential([keras.Input((4, 4, 3)), keras.layers.Identity()])
    model.compile(loss="mse", metrics=[build(metric)])
    found = model.evaluate(second, first, batch_size=16, return_dict=True, verbose=0)
    assert np.isclose(found[build(metric).name], measure(build(metric), (first, second)), rtol=1e-3)


def test_the_states_of_two_replicas_add_up():
    first, second = two_sets()
    left, right = build(FrechetDistance), build(FrechetDistance)
    measure(left, (first[:30], second[:30]))
    measure(right, (first[30:], second[30:]))
    for mine, other in zip(left.variables, right.variables):
        mine.assign_add(other)
    assert np.isclose(float(left.result()), measure(build(FrechetDistance), (first, second)), rtol=1e-4)


@pytest.mark.parametrize("metric", METRICS)
def test_examples_of_no_weight_do_not_count_and_a_reset_forgets(metric):
    first, second = two_sets()
    weights = (np.arange(90) % 3 > 0).astype("float32")
    expected = measure(build(metric), (first[weights > 0], second[weights > 0]))
    one = build(metric)
    assert np.isclose(measure(one, (first, second, weights)), expected, rtol=1e-4)
    one.reset_state()
    assert np.isclose(measure(one, (first, second, weights[:, None])), expected, rtol=1e-4)
    assert not np.isclose(measure(build(metric), (first, second)), expected, rtol=1e-3)


def test_more_pictures_than_there_is_room_for_give_no_number():
    first, second = two_sets(8)
    full = build(KernelDistance, capacity=8)
    assert np.isfinite(measure(full, (first, second)))
    assert np.isnan(measure(full, (first[:1], second[:1])))
    assert np.isnan(measure(build(KernelDistance, capacity=8), (first[:1], second[:1]))), "one has no pair"


def test_the_feature_network_is_named_and_may_be_a_model():
    network = keras.Sequential([keras.Input((4, 4, 3)), keras.layers.GlobalAveragePooling2D()])
    first, second = two_sets()
    metric = FrechetDistance(network, "means", 3)
    assert metric.name == "fid_means" and KernelDistance(network, "means", 3).name == "kid_means"
    expected = frechet(first.mean((1, 2)).astype(float), second.mean((1, 2)).astype(float))
    assert np.isclose(measure(metric, (first, second)), expected, rtol=1e-3)


def test_features_of_another_form_are_refused():
    with pytest.raises(ValueError, match=r"must give \(batch, 5\); projection gave \(2, 12\). Pool"):
        FrechetDistance(features, "projection", 5).update_state(*two_sets(2))
    with pytest.raises(ValueError, match=r"itself gave \(2, 4, 4, 3\)"):
        KernelDistance(lambda x: x, "itself", 3).update_state(*two_sets(2))
