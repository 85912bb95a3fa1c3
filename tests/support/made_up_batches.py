"""Batches as ``load`` gives them, drawn by sines, and small compiled networks: for tests that need no pictures."""

from dataclasses import replace

import numpy as np

from keras_uncover.models.config import ModelConfig
from keras_uncover.training import compiling, setup

SMALLEST = ModelConfig("smallest", size=32, stem=4, widths=(8, 12), blocks=(1, 1))
# For the shards of the tests. It goes by the name of the preset tiny, which takes twice as long to build.
SMALLEST_64 = ModelConfig("tiny", size=64, stem=4, widths=(8, 12), blocks=(1, 1))


def make_batch(config=SMALLEST, count=6, seed=0):
    """One batch as ``load`` gives it: (input, truths, weights), the last third genuine."""
    rng = np.random.default_rng(seed)
    side, genuine = config.size, count // 3
    x, y = np.meshgrid(*[(np.arange(side) + 0.5) / side] * 2)
    a, b, phase = rng.uniform(-5, 5, (3, 2, count, 1, 1, 3))
    target, donor = (0.5 + 0.4 * np.sin(a * x[..., None] + b * y[..., None] + phase)).astype("float32")
    hull = np.broadcast_to((np.hypot(x - 0.5, y - 0.5) < 0.35).astype("float32")[..., None], (count, side, side, 1))
    fake = np.repeat([1.0, 0.0], [count - genuine, genuine]).astype("float32")
    mask = hull * fake[:, None, None, None]
    grid = np.stack([x, y], -1)[2::4, 2::4].astype("float32")
    flow = np.concatenate([np.broadcast_to(grid, (count, *grid.shape)), hull[:, 2::4, 2::4]], -1)
    truth = {
        "p_fake": fake[:, None],
        "mask": mask,
        "target": np.concatenate([target, mask], -1),
        "donor": np.concatenate([donor * hull + 0.5 * (1 - hull), hull], -1),
        "flow": flow,
    }
    truth["seen"] = truth["donor"]
    weight = {key: np.ones(count, "float32") for key in truth}
    weight["donor"] = weight["flow"] = weight["seen"] = fake
    return target * (1 - mask) + donor * mask, truth, weight


def make_crops(size, count=3):
    """Smooth crops, float32 ``(count, size, size, 3)``. In noise, rounding a flow changes the colour read."""
    return make_batch(replace(SMALLEST, size=size), count)[0].astype("float32")


def for_task(batch, task):
    image, truth, weight = batch
    keys = ["p_fake"] if task == "classify" else list(truth)
    return image, {key: truth[key] for key in keys}, {key: weight[key] for key in keys}


def build(task, config=SMALLEST, seed=0, steps=40, learning_rate=3e-3):
    setup.seed_everything(seed)
    model = setup.build_model(task, config)
    compiling.compile_model(model, task, steps, learning_rate)
    compiling.prepare_state(model, for_task(make_batch(config, 1), task))
    return model
