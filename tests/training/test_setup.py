"""What a training is set up from: schedule, seed, start, plan, checkpoint, weights of losses, layers that stay."""

import contextlib

import keras
import numpy as np
import pytest
from made_up_batches import SMALLEST, build, for_task, make_batch

from keras_uncover.models.build import TASKS, build_from_folder, build_model, save_network
from keras_uncover.models.config import ModelConfig
from keras_uncover.presets.weights import WeightsError
from keras_uncover.refusals import OptionError
from keras_uncover.training import compiling, setup
from keras_uncover.training.callbacks import BrokenTraining, StopOnNaN
from keras_uncover.training.saving import CheckpointError, save_checkpoint

OTHER = ModelConfig("other", size=32, stem=4, widths=(8, 16), blocks=(1, 1))


def save(model, folder, task, config=SMALLEST):
    save_network(model, folder, setup.run_config(task, config, "saved", {}), half=False)
    return folder


def test_the_schedule_warms_up_and_decays():
    optimizer = build("classify", steps=1000, learning_rate=1e-3).optimizer
    schedule = optimizer._learning_rate
    rates = [float(schedule(step)) for step in (0, 50, 100, 550, 1000)]
    # 100 steps of warm-up; then half a cosine from 1 to 0.01, whose middle is their mean.
    assert np.allclose(rates, [0, 5e-4, 1e-3, 5.05e-4, 1e-5], rtol=1e-3)
    assert optimizer.use_ema and np.isclose(optimizer.ema_momentum, 0.99)
    assert np.isclose(build("classify", steps=50000).optimizer.ema_momentum, 0.999)


@pytest.mark.parametrize("warmup", [0, 40])
def test_the_schedule_is_the_one_of_keras_without_its_branch(warmup):
    ours = compiling.WarmCosine(2e-3, 400, warmup)
    theirs = keras.optimizers.schedules.CosineDecay(
        0.0 if warmup else 2e-3, 400 - warmup, alpha=0.01, warmup_target=2e-3 if warmup else None, warmup_steps=warmup
    )
    for step in (0, 1, 39, 40, 41, 217, 399, 400, 1000):
        assert float(ours(step)) == pytest.approx(float(theirs(step)), rel=1e-5, abs=1e-10)
    assert compiling.WarmCosine.from_config(ours.get_config()).get_config() == ours.get_config()
    with pytest.raises(ValueError, match="shorter than the training; received 400 of 400 steps"):
        compiling.WarmCosine(1e-3, 400, 400)


def test_a_prepared_step_is_traced_once_and_gives_the_same():
    """Of several outputs Keras averages each loss in a variable of its own. A first trace that makes variables is made
    anew by TensorFlow.
    """
    truth = {"one": np.ones((4, 1), "float32"), "two": np.zeros((4, 1), "float32")}
    batch = np.random.default_rng(0).random((4, 3), "float32"), truth, {name: np.ones(4, "float32") for name in truth}
    logs, traces = [], []
    for prepared in (True, False):
        setup.seed_everything(0)
        x = keras.Input((3,))
        model = keras.Model(x, {name: keras.layers.Dense(1, name=name)(x) for name in truth})
        model.compile(keras.optimizers.AdamW(0.1), {name: "mse" for name in truth}, weighted_metrics={"one": ["mae"]})
        compiling.prepare_state(model, batch if prepared else None)
        step, count = model.train_step, []
        model.train_step = lambda data: count.append(1) or step(data)
        model.make_train_function(force=True)
        logs.append(model.train_on_batch(*batch, return_dict=True))
        traces.append(len(count))
    assert traces == [1, 2] and logs[0] == pytest.approx(logs[1], rel=1e-6)


def test_the_seed_fixes_the_first_weights():
    one, again, other = (build("reconstruct", seed=seed).get_weights() for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(one, again))
    assert any(not np.array_equal(a, b) for a, b in zip(one, other))


def test_a_start_from_another_preset_is_refused(tmp_path):
    folder = save(build("classify", OTHER), tmp_path / "old", "classify", OTHER)
    model = build("reconstruct")
    before = model.get_weights()
    with pytest.raises(ValueError, match=r"--init needs a network of the same preset; .*old holds 'other'"):
        setup.start_from(model, folder)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights()))


def test_build_from_folder_refuses_what_is_no_network_of_ours(tmp_path):
    with pytest.raises(WeightsError, match="A preset is one of"):
        build_from_folder(tmp_path / "nothing")
    config = {**setup.run_config("classify", SMALLEST, "poem", {}), "kind": "poem"}
    save_network(build("classify"), tmp_path / "poem", config)
    with pytest.raises(WeightsError, match="a classifier or a reconstructor.*poem, which holds 'poem'"):
        build_from_folder(tmp_path / "poem")
    with pytest.raises(ValueError, match="task must be classify or reconstruct; received 'draw'"):
        build_model("draw", SMALLEST)


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
    plan = setup.Plan.of(1001, None, 500, batch_size=16, per_call=4)
    assert (plan.steps, plan.per_epoch, plan.epochs) == (1500, 500, 3)
    assert setup.Plan.of(3, None, 500, batch_size=16).per_epoch == 3
    assert setup.Plan.of(6000, 2, 500, batch_size=16).steps == 1000
    with pytest.raises(ValueError, match="whole number of calls.*received 500 steps an epoch and 8 an execution"):
        setup.Plan.of(1000, None, 500, batch_size=16, per_call=8)


def test_a_checkpoint_of_another_step_is_refused_but_for_steps_left_out_in_float16(tmp_path):
    """An optimizer that scales the loss does not count the steps whose gradients overflowed."""

    def build_at(step, seed=0):
        model = build("classify", seed=seed)
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
                    setup.resume_state(other, tmp_path, {"step": 2})
                assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), other.get_weights(), strict=True))
        finally:
            keras.config.set_dtype_policy(policy)
    assert isinstance(other.optimizer, keras.optimizers.LossScaleOptimizer)


def test_weights_of_losses_by_words():
    usual = TASKS["reconstruct"].weights
    assert compiling.read_weights([], "reconstruct") == usual
    assert compiling.read_weights(["flow=0", "target=3.5"], "reconstruct") == {**usual, "flow": 0.0, "target": 3.5}
    for word in ("hair=1", "flow", "flow=much"):
        with pytest.raises(OptionError, match=f"an output of p_fake, mask, target.*received '{word}'"):
            compiling.read_weights([word], "reconstruct")
    with pytest.raises(OptionError, match="for tasks of several losses; received .* for classify, which has one"):
        compiling.read_weights(["p_fake=2"], "classify")


def test_frozen_layers_stay_and_the_others_move():
    model = build("reconstruct")
    setup.freeze_layers(model, ["shape_*", "encoder/stem_conv"])
    named = setup.named_layers(model)
    before = {name: layer.get_weights() for name, layer in named.items()}
    model.train_on_batch(*for_task(make_batch(), "reconstruct"))
    model.train_on_batch(*for_task(make_batch(), "reconstruct"))  # the first step of the warm-up moves nothing
    changes = {name: map(np.subtract, layer.get_weights(), before[name]) for name, layer in named.items()}
    moved = {name for name, change in changes.items() if any(map(np.any, change))}
    assert not moved & {"shape_found", "shape_donor_linear", "shape_donor_more", "encoder/stem_conv"}
    assert {"flow_offsets", "texture_code", "encoder/level_1_down", "donor_residual_conv"} <= moved
    assert not {name for name in moved if name.startswith("face_mesh/")}
    with pytest.raises(OptionError, match="names of layers with weights; received 'hair', which none is called"):
        setup.freeze_layers(model, ["hair"])
