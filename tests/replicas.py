"""The same steps on one replica and on two: how far losses and weights are apart, as JSON on stdout.

    python tests/replicas.py TASK

Two logical CPU devices must be asked for before TensorFlow starts, hence a process of its own.
"""

import json
import os
import sys
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parent)]

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402
from made_up_batches import SMALLEST, for_task, make_batch  # noqa: E402

import train_keras  # noqa: E402
from keras_uncover import strategies, training  # noqa: E402

STEPS, PER_EPOCH = 12, 4


def fit(task, strategy, per_call):
    """Losses of every epoch, and the weights after all."""
    options = train_keras.parse_arguments(
        ["shards", "run", "--task", task, "--strategy", strategy, "--batch-size", "6", "--steps", str(STEPS),
         "--steps-per-epoch", str(PER_EPOCH), "--steps-per-execution", str(per_call), "--deterministic"]
    )
    plan = training.Plan.of(STEPS, None, PER_EPOCH, batch_size=6, per_call=per_call)
    scope, replicas = train_keras.choose_strategy(options)
    strategies.check_replicas(options, replicas)
    with scope:
        model = train_keras.build(options, plan)
    batches = [for_task(make_batch(SMALLEST, 6, seed), task) for seed in range(STEPS)]
    stacked = tf.nest.map_structure(lambda *values: np.stack(values), *batches)
    data = tf.data.Dataset.from_tensor_slices(stacked)
    calls = [training.ValidateAverages()]
    history = model.fit(data.repeat(), validation_data=data.take(2), epochs=STEPS // PER_EPOCH, verbose=0, shuffle=False,
                        steps_per_epoch=PER_EPOCH, callbacks=calls)
    return replicas, history.history, model.get_weights()


def main(task):
    train_keras.config.model_config = lambda name: SMALLEST
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    ones, logs, weights = fit(task, "one", 1)
    twos, other_logs, other_weights = fit(task, "mirrored", 4)
    losses = [key for key in logs if key.endswith("loss")]
    print(json.dumps({
        "replicas": [ones, twos],
        "losses": sorted(losses),
        "logs_apart": max(np.abs(np.subtract(logs[key], other_logs[key])).max() for key in losses),
        "weights_apart": max(float(np.abs(a - b).max()) for a, b in zip(weights, other_weights, strict=True)),
        "fell": logs["loss"][-1] < logs["loss"][0],
    }))


if __name__ == "__main__":
    main(*sys.argv[1:])
