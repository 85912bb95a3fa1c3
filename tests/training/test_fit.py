"""Training by ``fit``: what a run learns and leaves, and a start from it. Needs TensorFlow."""

import csv
import dataclasses
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops
from made_up_batches import SMALLEST, build, for_task, make_batch

from keras_uncover.models.build import build_from_folder
from keras_uncover.presets import RUN_MODEL
from keras_uncover.training import setup
from keras_uncover.training.callbacks import BrokenTraining


def run(model, images):
    return {key: ops.convert_to_numpy(value) for key, value in model(images, training=False).items()}


def dataset(batch, steps=1):
    import tensorflow as tf

    return tf.data.Dataset.from_tensors(batch).repeat(steps)


def fit(model, batch, steps, **options):
    """Train on one batch again and again; it is its own validation."""
    model.fit(dataset(batch, steps), validation_data=dataset(batch), shuffle=False, verbose=0, **options)


def measure(model, batch):
    """Losses and metrics of one batch by their names."""
    return model.evaluate(dataset(batch), verbose=0, return_dict=True)


class KeepRaw(keras.callbacks.Callback):
    """Keeps the weights of the last step, before the averages take their place."""

    def on_train_batch_end(self, batch, logs=None):
        self.weights = [ops.convert_to_numpy(weight) for weight in self.model.trainable_weights]


@dataclasses.dataclass
class Run:
    """What a run left: its folder, its model, and what was before."""

    folder: Path
    model: keras.Model
    first: dict
    before: list
    raw: list


def callbacks(folder, task, epochs, batch_at=None):
    """What a run of 12 steps an epoch calls."""
    plan = setup.Plan(12 * epochs, 12, batch_size=6)
    arguments = {"shards": "/home/me/shards", "run": str(folder), "init": None, "steps": 12, "hosts": "secret:1"}
    config = setup.run_config(task, SMALLEST, "one", arguments)
    writing = setup.writing_callbacks(folder, config, setup.BEGINNING, plan)
    return setup.callbacks(plan, batch_at, folder, writing)


def train(task, folder, epochs):
    folder.mkdir()
    model, batch, keep = build(task), for_task(make_batch(), task), KeepRaw()
    first, before = measure(model, batch), model.get_weights()
    fit(model, batch, 12, epochs=epochs, callbacks=[keep, *callbacks(folder, task, epochs)])
    return Run(folder, model, first, before, keep.weights)


@pytest.fixture(scope="module")
def detector(tmp_path_factory):
    """A classifier's run of one epoch."""
    return train("classify", tmp_path_factory.mktemp("runs") / "detector", epochs=1)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A reconstructor's run of two epochs."""
    return train("reconstruct", tmp_path_factory.mktemp("runs") / "one", epochs=2)


@pytest.mark.parametrize("task", ["classify", "reconstruct"])
def test_training_moves_weights_and_lowers_the_loss_on_a_repeated_batch(task, detector, finished):
    run = detector if task == "classify" else finished
    last = measure(run.model, for_task(make_batch(), task))
    assert last["loss"] < 0.8 * run.first["loss"]
    kept = [layer for layer in run.model.layers if layer.name in ("face_mesh", "mask")]  # never trained; set afterwards
    kept = {id(weight) for layer in kept for weight in layer.weights}
    for weight, before, after in zip(run.model.weights, run.before, run.model.get_weights(), strict=True):
        assert np.array_equal(before, after) == (id(weight) in kept), weight.path


def test_the_logs_name_every_loss_and_metric(finished):
    losses = {f"{output}_loss" for output in ("p_fake", "mask", "target", "donor", "flow", "seen")}
    metrics = {"p_fake_auc", "mask_iou", "target_l1", "target_ssim", "donor_l1", "donor_ssim"}
    assert set(finished.first) == {"loss", *losses, *metrics}


def test_neither_loss_nor_metrics_of_the_donor_see_examples_without_one(finished):
    image, truth, weight = make_batch()
    expected = measure(finished.model, (image, truth, weight))
    spoiled = {key: value.copy() for key, value in truth.items()}
    spoiled["donor"][4:, ..., :3] = 0.9
    spoiled["flow"][4:, ..., :2] = 0.9
    spoiled["seen"] = spoiled["donor"]
    logs = measure(finished.model, (image, spoiled, weight))
    for key in expected:
        assert np.isclose(logs[key], expected[key], atol=1e-6), key
    spoiled["donor"][:, ..., :3] = 0.9
    logs = measure(finished.model, (image, spoiled, weight))
    assert logs["donor_l1"] > expected["donor_l1"] + 0.05


@pytest.mark.parametrize("task", ["classify", "reconstruct"])
def test_a_start_carries_encoder_and_verdict_exactly(task, detector):
    model = build(task, seed=2)
    setup.start_from(model, detector.folder)
    for name in ("encoder", "verdict"):
        old, new = (network.get_layer(name).get_weights() for network in (detector.model, model))
        assert all(np.array_equal(a, b) for a, b in zip(old, new, strict=True))
    images = make_batch()[0]
    assert np.array_equal(run(detector.model, images)["p_fake"], run(model, images)["p_fake"])


def test_a_start_from_a_reconstructor_carries_everything(finished):
    model = build("reconstruct", seed=2)
    setup.start_from(model, finished.folder)
    one, two = (run(network, make_batch(seed=3)[0]) for network in (finished.model, model))
    assert all(np.array_equal(one[key], two[key]) for key in one)


def test_a_run_folder_loads_to_the_same_answers(finished):
    again, config = build_from_folder(finished.folder)
    images = make_batch(seed=1)[0]
    one, two = run(finished.model, images), run(again, images)
    assert all(np.array_equal(one[key], two[key]) for key in one)
    assert config == {
        "format": 1,
        "kind": "reconstructor",
        "name": "one",
        "arch": {"name": "smallest", "size": 32, "stem": 4, "widths": [8, 12], "blocks": [1, 1]},
        "threshold": None,
        # Of paths no more than the last part: a published preset tells nothing of its author's disk.
        "trained": {"shards": "shards", "run": "one", "init": None, "steps": 12},
    }


def test_what_is_saved_is_the_average_of_the_weights(finished):
    again, _ = build_from_folder(finished.folder)
    saved = [ops.convert_to_numpy(weight) for weight in again.trainable_weights]
    averages = [ops.convert_to_numpy(v) for v in finished.model.optimizer._model_variables_moving_average]
    assert all(np.allclose(a, b, atol=1e-6) for a, b in zip(saved, averages, strict=True))
    assert max(np.abs(a - b).max() for a, b in zip(saved, finished.raw, strict=True)) > 1e-4


def test_the_optimizer_is_not_saved(finished):
    folder, model = finished.folder, finished.model
    bytes_of_weights = 4 * sum(weight.size for weight in model.get_weights())
    size = (folder / RUN_MODEL / "model.weights.h5").stat().st_size
    # HDF5 takes a few hundred bytes a variable besides; the optimizer would take three times the weights.
    assert size < bytes_of_weights + 4000 * len(model.weights)
    import h5py

    with h5py.File(folder / RUN_MODEL / "model.weights.h5") as file:
        assert "optimizer" not in file


def test_the_history_has_a_row_an_epoch(finished):
    folder = finished.folder
    with open(folder / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["0", "1"]
    assert {"loss", "val_loss", "val_donor_l1", "val_mask_iou", "val_p_fake_auc"} <= set(rows[0])
    assert sorted(path.name for path in (folder / RUN_MODEL).iterdir()) == [
        "config.json", "manifest.json", "model.weights.h5",
    ]


def test_a_loss_that_is_no_number_ends_the_run_and_keeps_the_last_weights(detector):
    kept = [detector.folder / RUN_MODEL / "model.weights.h5", *detector.folder.glob("checkpoints/*/*")]
    before = [file.read_bytes() for file in kept]
    image, truth, weight = for_task(make_batch(), "classify")
    # Not through the picture: TensorFlow's fused ReLU turns what is no number into 0.
    nothing = {"p_fake": weight["p_fake"] * np.nan}
    asked = []

    def batch_at(step):
        asked.append(step)
        return image, truth, nothing

    calls = callbacks(detector.folder, "classify", 3, batch_at)
    with pytest.raises(BrokenTraining, match="must stay a finite number; by step 12 it was nan.*step-0000000012.npz"):
        fit(detector.model, (image, truth, nothing), 24, callbacks=calls, steps_per_epoch=12, initial_epoch=1, epochs=3)
    [logger] = [call for call in calls if isinstance(call, keras.callbacks.CSVLogger)]
    logger.csv_file.close()
    assert len(kept) == 3 and [file.read_bytes() for file in kept] == before
    # The batch before is written, too: its gradient may have done it.
    assert asked == [11, 12]
    with np.load(detector.folder / "nan" / "step-0000000012.npz") as saved:
        assert set(saved) == {"input", "truth/p_fake", "weight/p_fake"}
        assert np.array_equal(saved["input"], image) and np.isnan(saved["weight/p_fake"]).all()
