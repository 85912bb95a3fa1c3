"""The same steps on one replica and on two: how far losses and weights are apart, as JSON on stdout.

    python tests/support/replicas.py TASK PRESET DTYPE BATCH [START]

PRESET: ``smallest`` (32 px) or one that ships. DTYPE: float32, or float64, in which no rounding is large enough to
matter. START: ``moved`` moves the weights of the second run by one unit in their last place before the first step, and
lets it take one replica, too: what rounding alone does. Two logical CPU devices must be asked for before TensorFlow
starts, hence a process of its own.
"""

import json
import os
import sys
from pathlib import Path
from typing import NamedTuple

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
sys.path[:0] = [str(Path(__file__).resolve().parents[2]), str(Path(__file__).resolve().parent)]

import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
from made_up_batches import SMALLEST, for_task, make_batch  # noqa: E402
from wide_floats import widen  # noqa: E402

import train_keras  # noqa: E402
from keras_uncover.models import config  # noqa: E402
from keras_uncover.training import setup  # noqa: E402
from keras_uncover.training import strategy as strategies
from keras_uncover.training.saving import pair_averages  # noqa: E402

STEPS, PER_EPOCH, RUN = 12, 4, 6000  # the first steps of a run of the usual length


def move(model):
    """Every weight to one of its two neighbours among the numbers of its type."""
    rng = np.random.default_rng(1)
    for weight in model.trainable_weights:
        old = weight.numpy()
        weight.assign(np.nextafter(old, rng.choice([-9, 9], old.shape).astype(old.dtype)))


def fit(task, sizes, dtype, batch, strategy, per_call, moved=False):
    """A few steps as the script makes them, with a plan of the usual length; returns a ``Result``."""
    options = train_keras.parse_arguments(
        ["shards", "run", "--task", task, "--strategy", strategy, "--batch-size", str(batch), "--steps", str(RUN),
         "--steps-per-epoch", str(PER_EPOCH), "--steps-per-execution", str(per_call), "--deterministic",
         "--preset", "small"]
    )
    options.precision = dtype
    plan = setup.Plan.of(RUN, None, PER_EPOCH, batch_size=batch, per_call=per_call)
    scope, replicas = train_keras.choose_strategy(options)
    strategies.check_replicas(train_keras.describe_machine(options), replicas)
    with scope:
        one = for_task(make_batch(sizes, 1), task) if strategy == "one" and dtype == "float32" else None
        model = train_keras.build(options, plan, one)
        if moved:
            move(model)
    batches = [for_task(make_batch(sizes, batch, seed), task) for seed in range(STEPS)]
    stacked = tf.nest.map_structure(lambda *values: np.stack(values).astype(dtype), *batches)
    keep = Keep([weight.numpy() for weight in model.trainable_weights])
    history = model.fit(tf.data.Dataset.from_tensor_slices(stacked).repeat(), epochs=STEPS // PER_EPOCH, verbose=0,
                        shuffle=False, steps_per_epoch=PER_EPOCH, callbacks=[keep])
    return Result(replicas, history.history, keep.first, keep.weights, keep.averages, keep.statistics)


class Keep(keras.callbacks.Callback):
    """The weights of the last step: when ``fit`` ends, Keras puts the averages in their place."""

    def __init__(self, first):
        super().__init__()
        self.first = first

    def on_epoch_end(self, epoch, logs=None):
        self.weights, self.statistics = (
            [weight.numpy() for weight in some]
            for some in (self.model.trainable_weights, self.model.non_trainable_weights)
        )
        self.averages = [average.numpy() for _, average in pair_averages(self.model.optimizer)]


class Result(NamedTuple):
    """What a run left: number of replicas, losses an epoch, arrays: weights before and after, their averages, and the
    moving means and variances of the normalisations.
    """

    replicas: int
    logs: dict
    first: list
    weights: list
    averages: list
    statistics: list

    def list_losses(self):
        return sorted(key for key in self.logs if key.endswith("loss"))


def compare(some, others):
    """The largest difference, its root mean square over all numbers, and the share of them beyond 1e-5."""
    apart = np.concatenate([np.abs(a - b).ravel() for a, b in zip(some, others, strict=True)])
    rms, beyond = float(np.sqrt((apart**2).mean())), float((apart > 1e-5).mean())
    return {"most": float(apart.max()), "rms": rms, "beyond": beyond}


def main(task, preset, dtype, batch, start="same"):
    sizes = SMALLEST if preset == "smallest" else config.model_config(preset)
    train_keras.config.model_config = lambda name: sizes
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    if dtype == "float64":
        widen()
    one = fit(task, sizes, dtype, int(batch), "one", 1)
    second = ("one", 1, True) if start == "moved" else ("mirrored", 2)
    two = fit(task, sizes, dtype, int(batch), *second)
    print(json.dumps({
        "replicas": [one.replicas, two.replicas],
        "dtype": one.weights[0].dtype.name,
        "losses": {key: [one.logs[key], two.logs[key]] for key in one.list_losses()},
        "losses_apart": max(np.abs(np.subtract(one.logs[key], two.logs[key])).max() for key in one.list_losses()),
        "weights_apart": compare(one.weights, two.weights),
        "statistics_apart": compare(one.statistics, two.statistics),
        "averages_apart": compare(one.averages, two.averages),
        "moved": compare(one.weights, one.first),
    }))


if __name__ == "__main__":
    main(*sys.argv[1:])
