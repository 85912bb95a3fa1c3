"""Training: one step, a run's folder, its start from another. Needs TensorFlow."""

import contextlib
import csv
import dataclasses
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

from keras_uncover import losses, training
from keras_uncover.checkpoints import CheckpointError, save_checkpoint
from keras_uncover.config import ModelConfig
from keras_uncover.presets import RUN_MODEL, build_from_folder, build_model
from keras_uncover.safety import BrokenTraining, StopOnNaN
from keras_uncover.weights import WeightsError, save_preset
from made_up_batches import SMALLEST, for_task, make_batch

OTHER = ModelConfig("other", size=32, stem=4, widths=(8, 16), blocks=(1, 1))


def build(task, config=SMALLEST, seed=0, steps=40, learning_rate=3e-3):
    training.seed_everything(seed)
    model = build_model(task, config)
    training.compile_model(model, task, steps, learning_rate)
    return model


def run(model, images):
    return {key: ops.convert_to_numpy(value) for key, value in model(images, training=False).items()}


def save(model, folder, task, config=SMALLEST):
    save_preset(model, folder, training.run_config(task, config, "saved", {}), half=False)
    return folder


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
    plan = training.Plan(12 * epochs, 12, batch_size=6)
    arguments = {"shards": "/home/me/shards", "run": str(folder), "init": None, "steps": 12, "hosts": "secret:1"}
    config = training.run_config(task, SMALLEST, "one", arguments)
    writing = training.writing_callbacks(folder, config, training.BEGINNING, plan)
    return training.callbacks(plan, batch_at, folder, writing)


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


def test_the_schedule_warms_up_and_decays():
    optimizer = build("classify", steps=1000, learning_rate=1e-3).optimizer
    schedule = optimizer._learning_rate
    rates = [float(schedule(step)) for step in (0, 50, 100, 550, 1000)]
    # 100 steps of warm-up; then half a cosine from 1 to 0.01, whose middle is their mean.
    assert np.allclose(rates, [0, 5e-4, 1e-3, 5.05e-4, 1e-5], rtol=1e-3)
    assert optimizer.use_ema and np.isclose(optimizer.ema_momentum, 0.99)
    assert np.isclose(build("classify", steps=50000).optimizer.ema_momentum, 0.999)


def test_the_seed_fixes_the_first_weights():
    one, again, other = (build("reconstruct", seed=seed).get_weights() for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(one, again))
    assert any(not np.array_equal(a, b) for a, b in zip(one, other))


@pytest.mark.parametrize("task", ["classify", "reconstruct"])
def test_a_start_carries_encoder_and_verdict_exactly(task, detector):
    model = build(task, seed=2)
    training.start_from(model, detector.folder)
    for name in ("encoder", "verdict"):
        old, new = (network.get_layer(name).get_weights() for network in (detector.model, model))
        assert all(np.array_equal(a, b) for a, b in zip(old, new, strict=True))
    images = make_batch()[0]
    assert np.array_equal(run(detector.model, images)["p_fake"], run(model, images)["p_fake"])


def test_a_start_from_a_reconstructor_carries_everything(finished):
    model = build("reconstruct", seed=2)
    training.start_from(model, finished.folder)
    one, two = (run(network, make_batch(seed=3)[0]) for network in (finished.model, model))
    assert all(np.array_equal(one[key], two[key]) for key in one)


def test_a_start_from_another_preset_is_refused(tmp_path):
    folder = save(build("classify", OTHER), tmp_path / "old", "classify", OTHER)
    model = build("reconstruct")
    before = model.get_weights()
    with pytest.raises(ValueError, match=r"--init needs a network of the same preset; .*old holds 'other'"):
        training.start_from(model, folder)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights()))


def test_build_from_folder_refuses_what_is_no_network_of_ours(tmp_path):
    with pytest.raises(WeightsError, match="A preset is one of"):
        build_from_folder(tmp_path / "nothing")
    config = {**training.run_config("classify", SMALLEST, "poem", {}), "kind": "poem"}
    save_preset(build("classify"), tmp_path / "poem", config)
    with pytest.raises(WeightsError, match="a classifier or a reconstructor.*poem, which holds 'poem'"):
        build_from_folder(tmp_path / "poem")
    with pytest.raises(ValueError, match="task must be classify or reconstruct; received 'draw'"):
        build_model("draw", SMALLEST)


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


def test_weights_that_are_no_numbers_are_not_saved(tmp_path):
    model = build("classify")
    stop = StopOnNaN(tmp_path, lambda step: for_task(make_batch(), "classify"), per_epoch=4)
    stop.set_model(model)
    stop.on_epoch_begin(2)
    stop.on_epoch_end(2, {"loss": 0.5, "val_loss": 0.5})
    weight = model.trainable_weights[3]
    weight.assign(weight.numpy() * np.nan)
    with pytest.raises(BrokenTraining, match="by step 11 it was finite, but .* is not"):
        stop.on_epoch_end(2, {"loss": 0.5, "val_loss": 0.5})
    assert sorted(path.name for path in tmp_path.glob("nan/*.npz")) == ["step-0000000010.npz", "step-0000000011.npz"]


def test_a_plan_is_whole_epochs_of_whole_calls():
    plan = training.Plan.of(1001, None, 500, batch_size=16, per_call=4)
    assert (plan.steps, plan.per_epoch, plan.epochs) == (1500, 500, 3)
    assert training.Plan.of(3, None, 500, batch_size=16).per_epoch == 3
    assert training.Plan.of(6000, 2, 500, batch_size=16).steps == 1000
    with pytest.raises(ValueError, match="whole number of calls.*received 500 steps an epoch and 8 an execution"):
        training.Plan.of(1000, None, 500, batch_size=16, per_call=8)


def test_a_checkpoint_of_another_step_is_refused_but_for_steps_left_out_in_float16(tmp_path):
    """An optimizer that scales the loss does not count the steps whose gradients overflowed."""

    def build_at(step, seed=0):
        model = build("classify", seed=seed)
        training.prepare_state(model)
        model.optimizer.iterations.assign(step)
        return model

    words = "checkpoint of step 2 must be of that many; its optimizer made"
    policy = keras.config.dtype_policy()
    for precision, refused in (("float32", (1, 3)), ("mixed_float16", (3,))):
        keras.config.set_dtype_policy(precision)
        try:
            for made in (1, 2, 3):
                model, other = build_at(made), build_at(0, seed=1)
                save_checkpoint(model, tmp_path, {"step": 2})
                expected = pytest.raises(CheckpointError, match=words) if made in refused else contextlib.nullcontext()
                with expected:
                    training.resume_state(other, tmp_path, {"step": 2})
                assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), other.get_weights(), strict=True))
        finally:
            keras.config.set_dtype_policy(policy)
    assert isinstance(other.optimizer, keras.optimizers.LossScaleOptimizer)


def test_weights_of_losses_by_words():
    usual = losses.RECONSTRUCTOR_WEIGHTS
    assert training.read_weights([]) == usual
    assert training.read_weights(["flow=0", "target=3.5"]) == {**usual, "flow": 0.0, "target": 3.5}
    for word in ("hair=1", "flow", "flow=much"):
        with pytest.raises(ValueError, match=f"an output of p_fake, mask, target.*received '{word}'"):
            training.read_weights([word])


def test_frozen_layers_stay_and_the_others_move():
    model = build("reconstruct")
    training.freeze_layers(model, ["shape_*", "encoder/stem_conv"])
    named = training.named_layers(model)
    before = {name: layer.get_weights() for name, layer in named.items()}
    model.train_on_batch(*for_task(make_batch(), "reconstruct"))
    model.train_on_batch(*for_task(make_batch(), "reconstruct"))  # the first step of the warm-up moves nothing
    moved = {name for name, layer in named.items() if any(map(np.any, map(np.subtract, layer.get_weights(), before[name])))}
    assert not moved & {"shape_found", "shape_donor_linear", "shape_donor_more", "encoder/stem_conv"}
    assert {"flow_offsets", "texture_code", "encoder/level_1_down", "donor_residual_conv"} <= moved
    assert not {name for name in moved if name.startswith("face_mesh/")}
    with pytest.raises(ValueError, match="names of layers with weights; received 'hair', which none is called"):
        training.freeze_layers(model, ["hair"])
