"""Ways of training that do not go together are refused early, with the way out."""

import keras
import pytest

from keras_uncover.training.strategy import Machine, StrategyError, check_machine, check_replicas, count_parts

HOSTS = dict(hosts="a:1,b:1", host=0)


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_usual_ways_are_accepted(backend):
    for changed in ({}, dict(strategy="one", xla="on"), dict(strategy="tpu", precision="mixed_bfloat16")):
        check_machine(Machine(**changed), backend, {})
    check_machine(Machine(strategy="mirrored"), "tensorflow", {})
    check_machine(Machine(**HOSTS), "jax", {"TF_CONFIG": "{}"})


@pytest.mark.parametrize(
    "backend, changed, words",
    [
        ("torch", {}, "TensorFlow or JAX; received KERAS_BACKEND=torch"),
        ("tensorflow", dict(strategy="tpu", precision="mixed_float16"), "no float16.*mixed_bfloat16"),
        ("tensorflow", dict(strategy="mirrored", xla="on"), "under MirroredStrategy.*Leave --xla out"),
        ("tensorflow", dict(strategy="tpu", xla="on"), "compiles every step by itself"),
        ("tensorflow", HOSTS, "keras issue 20585.; received --hosts. Set KERAS_BACKEND=jax"),
        ("jax", dict(strategy="mirrored"), "TensorFlow's; received .* With JAX, --strategy auto"),
        ("jax", dict(xla="off"), "JAX compiles every step"),
        ("jax", dict(hosts="a:1,b:1"), "belong together"),
        ("jax", dict(host=1), "belong together"),
        ("jax", dict(strategy="one", **HOSTS), "Use --strategy auto"),
    ],
)
def test_bad_pairs_are_refused(backend, changed, words):
    with pytest.raises(StrategyError, match=words):
        check_machine(Machine(**changed), backend, {})


def test_a_cluster_in_the_environment_is_refused_for_tensorflow():
    with pytest.raises(StrategyError, match="received TF_CONFIG in the environment.*or unset TF_CONFIG"):
        check_machine(Machine(), "tensorflow", {"TF_CONFIG": "{}"})


def test_replicas_must_divide_the_batch():
    check_replicas(Machine(), 4)
    with pytest.raises(StrategyError, match="received --batch-size 16 on 3 replicas. Use a multiple of 3"):
        check_replicas(Machine(), 3)
    if keras.backend.backend() == "tensorflow":
        with pytest.raises(StrategyError, match="received --xla on and 2 replicas"):
            check_replicas(Machine(xla="on"), 2)
        check_replicas(Machine(batch_size=6), 2)
        check_replicas(Machine(batch_size=6, face_losses=True), 1)
        with pytest.raises(StrategyError, match="one example of 2.*--batch-size 6 on 2 replicas. Use a multiple of 4"):
            check_replicas(Machine(batch_size=6, face_losses=True), 2)


def test_hosts_share_the_parts_of_a_batch():
    for given, parts in ((Machine(), 1), (Machine(**HOSTS), 2), (Machine(parts=4), 4), (Machine(parts=2, **HOSTS), 2)):
        assert count_parts(given) == parts
    with pytest.raises(StrategyError, match="--parts 3 and 2 hosts. Use --parts 2"):
        count_parts(Machine(parts=3, **HOSTS))
