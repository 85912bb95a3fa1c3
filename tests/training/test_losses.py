"""Losses: by hand, against an independent SSIM, and whether every one moves its weights."""

import dataclasses

import keras
import numpy as np
import pytest
from keras import ops

from keras_uncover.models.build import TASKS
from keras_uncover.models.config import ModelConfig
from keras_uncover.models.reconstructor import build_reconstructor
from keras_uncover.ops.ssim import ssim_map, weigh_windows, window_matrix
from keras_uncover.presets import KINDS
from keras_uncover.training import losses
from keras_uncover.training.compiling import compile_model
from keras_uncover.training.losses import (
    MaskLoss,
    RegionL1,
    RegionSSIM,
    WeightedSum,
    split_weight,
    task_losses,
)

SMALLEST = ModelConfig("smallest", size=32, stem=4, widths=(8, 12), blocks=(1, 1))


def numpy(value):
    return ops.convert_to_numpy(value)


def pictures(seed=0, size=20, channels=2, count=2):
    """A picture and a worse copy of it, (count, size, size, channels)."""
    rng = np.random.default_rng(seed)
    image = rng.random((count, size, size, channels))
    return image.astype("float32"), np.clip(image + rng.normal(0, 0.1, image.shape), 0, 1).astype("float32")


def slow_ssim(a, b):
    """SSIM of one channel, window after window, straight from the paper."""
    offset = np.arange(11) - 5
    weight = np.exp(-(offset[:, None] ** 2 + offset[None] ** 2) / (2 * 1.5**2))
    weight /= weight.sum()
    result = np.zeros((a.shape[0] - 10, a.shape[1] - 10))
    for y, x in np.ndindex(result.shape):
        p, q = a[y : y + 11, x : x + 11].astype("float64"), b[y : y + 11, x : x + 11].astype("float64")
        mp, mq = (weight * p).sum(), (weight * q).sum()
        vp, vq = (weight * (p - mp) ** 2).sum(), (weight * (q - mq) ** 2).sum()
        cov = (weight * (p - mp) * (q - mq)).sum()
        luminance = (2 * mp * mq + 1e-4) / (mp**2 + mq**2 + 1e-4)
        result[y, x] = luminance * (2 * cov + 9e-4) / (vp + vq + 9e-4)
    return result


def with_weight(values, weight):
    return np.concatenate([values, np.broadcast_to(weight, (*values.shape[:-1], 1))], -1).astype("float32")


def test_ssim_is_the_papers():
    image, worse = pictures()
    ours = numpy(ssim_map(image, worse))
    assert ours.shape == (2, 10, 10, 2)
    for n, channel in np.ndindex(2, 2):
        theirs = slow_ssim(image[n, ..., channel], worse[n, ..., channel])
        assert np.abs(ours[n, ..., channel] - theirs).max() < 1e-4
    assert 0.5 < ours.mean() < 0.99


def test_ssim_with_a_stride_is_every_nth_window():
    image, worse = pictures(1, size=24)
    assert np.allclose(numpy(ssim_map(image, worse, 4)), numpy(ssim_map(image, worse))[:, ::4, ::4], atol=1e-5)


def test_ssim_of_a_picture_with_itself_is_one():
    image, _ = pictures(2)
    assert np.abs(numpy(ssim_map(image, image)) - 1).max() < 1e-5
    flat = np.full((1, 16, 16, 1), 0.3, "float32")
    assert np.abs(numpy(ssim_map(flat, flat)) - 1).max() < 1e-4


def test_window_matrix_by_hand():
    matrix = window_matrix(16, 2)
    assert matrix.shape == (3, 16)
    assert np.allclose(matrix.sum(1), 1)
    # The second row's middle is pixel 2 + 5; a pixel beside it weighs exp(-1 / (2 x 1.5 x 1.5)) as much.
    assert matrix[1].argmax() == 7
    assert np.isclose(matrix[1, 6] / matrix[1, 7], np.exp(-1 / 4.5))
    assert (matrix[1, :2] == 0).all() and (matrix[1, 13:] == 0).all()
    weight = np.zeros((1, 16, 16, 1), "float32")
    weight[:, :8] = 1
    assert np.allclose(numpy(weigh_windows(weight, 1))[0, :, 0, 0], window_matrix(16, 1)[:, :8].sum(1))


def test_region_l1_by_hand():
    truth = with_weight(np.array([[[[0.2], [0.4]], [[0.6], [0.8]]]]), np.array([[[[1.0], [0.0]], [[0.5], [0.0]]]]))
    answer = np.array([[[[0.3], [0.0]], [[0.2], [0.8]]]], "float32")
    # Differences 0.1, 0.4, 0.4, 0: inside alone (0.1 + 0.5 x 0.4) / (1.5 + 0.001).
    assert np.allclose(numpy(RegionL1().call(truth, answer)), [0.3 / 1.501])
    # Weights 5, 1, 3, 1.
    assert np.allclose(numpy(RegionL1(inside=4, outside=1).call(truth, answer)), [(0.5 + 0.4 + 1.2) / 10.001])


def test_region_l1_means_over_channels_and_ignores_an_empty_region():
    truth = with_weight(np.zeros((2, 2, 2, 3)), np.array([0.0, 1.0]).reshape(2, 1, 1, 1))
    answer = np.full((2, 2, 2, 3), 0.5, "float32") * np.array([1, 0, 1], "float32")
    assert np.allclose(numpy(RegionL1().call(truth, answer)), [0, 4 / 4.001 / 3])


def test_region_ssim_reads_only_the_region():
    image, worse = pictures(3, size=32)
    left = np.zeros((2, 32, 32, 1))
    left[:, :, :16] = 1
    half = worse.copy()
    half[:, :, 16:] = image[:, :, 16:]
    loss = RegionSSIM(stride=1)
    whole = numpy(loss.call(with_weight(image, np.ones_like(left)), worse))
    assert np.allclose(whole, 1 - numpy(ssim_map(worse, image)).mean((1, 2, 3)), atol=1e-4)
    inside = numpy(loss.call(with_weight(image, left), half))
    outside = numpy(loss.call(with_weight(image, 1 - left), half))
    assert (inside > 5 * outside).all() and (outside > 0).all()
    assert np.abs(numpy(loss.call(with_weight(image, np.zeros_like(left)), worse))).max() == 0


def test_mask_loss_by_hand():
    truth = np.array([1, 0, 1, 0], "float32").reshape(1, 2, 2, 1)
    answer = np.array([0.9, 0.2, 0.6, 0.5], "float32").reshape(1, 2, 2, 1)
    entropy = -np.log([0.9, 0.8, 0.6, 0.5]).mean()
    dice = 1 - (2 * 1.5 + 10) / (2 + 2.2 + 10)
    assert np.allclose(numpy(MaskLoss().call(truth, answer)), entropy + 0.5 * dice, atol=1e-5)
    assert np.allclose(numpy(MaskLoss(dice=0).call(truth, answer)), entropy, atol=1e-5)


def test_mask_loss_of_an_empty_mask():
    nothing = np.zeros((1, 8, 8, 1), "float32")
    assert numpy(MaskLoss().call(nothing, nothing))[0] < 1e-4
    assert numpy(MaskLoss().call(nothing, nothing + 0.1))[0] > 0.2
    assert np.isfinite(numpy(MaskLoss().call(nothing, nothing + 1))).all()


def truths_and_answers(seed=0, size=32):
    """Truths of the reconstructor by output, and perfect answers to them."""
    rng = np.random.default_rng(seed)
    mask = (rng.random((3, size, size, 1)) < 0.4).astype("float32")
    target, donor = rng.random((2, 3, size, size, 3)).astype("float32")
    flow = rng.random((3, size // 4, size // 4, 2)).astype("float32")
    truth = {
        "p_fake": np.array([[1.0], [0.0], [1.0]], "float32"),
        "mask": mask,
        "target": with_weight(target, mask),
        "donor": with_weight(donor, 1 - mask),
        "flow": with_weight(flow, 1.0),
        "seen": with_weight(donor, 1 - mask),
    }
    answer = {"p_fake": truth["p_fake"], "mask": mask, "target": target, "donor": donor, "flow": flow, "seen": donor}
    return truth, answer


@pytest.mark.parametrize("output", ["mask", "target", "donor", "flow", "seen"])
def test_a_loss_is_one_value_an_example_and_none_for_a_perfect_answer(output):
    truth, answer = truths_and_answers()
    loss = task_losses(TASKS["reconstruct"])[output]
    perfect = numpy(loss.call(truth[output], answer[output]))
    assert perfect.shape == (3,)
    assert np.abs(perfect).max() < 1e-4
    worse = np.clip(answer[output] + 0.2, 0, 1)
    wrong = numpy(loss.call(truth[output], worse))
    assert wrong.shape == (3,) and (wrong > 0.01).all()
    # Examples do not mix: each alone has the value that it has in the batch.
    alone = [numpy(loss.call(truth[output][k : k + 1], worse[k : k + 1])) for k in range(3)]
    assert np.allclose(np.concatenate(alone), wrong, atol=1e-5)


def test_sample_weight_silences_an_example():
    truth, answer = truths_and_answers()
    loss = task_losses(TASKS["reconstruct"])["donor"]
    wrong = answer["donor"] * np.array([1, 0, 1], "float32").reshape(3, 1, 1, 1)
    assert float(loss(truth["donor"], wrong, sample_weight=np.array([1.0, 0.0, 1.0], "float32"))) < 1e-4
    assert float(loss(truth["donor"], wrong)) > 0.1


def test_losses_and_their_weights_name_the_same_outputs():
    for name, task in TASKS.items():
        assert set(task_losses(task)) == set(task.losses) == set(task.weights) and set(task.metrics) <= set(task.losses)
    assert set(TASKS["reconstruct"].losses) == set(truths_and_answers()[0])
    assert TASKS.keys() == KINDS.keys(), "each task has a kind of network"


def test_a_loss_is_added_by_a_class_and_a_name(monkeypatch):
    """As the docstring of ``losses.py`` says."""

    class Squares(keras.losses.Loss):
        def call(self, y_true, y_pred):
            return keras.ops.mean((y_true - y_pred) ** 2, axis=-1)

    monkeypatch.setitem(losses.LOSSES, "squares", lambda name, faces: Squares(name=name))
    task = dataclasses.replace(TASKS["classify"], losses={"p_fake": "squares"}, weights={"p_fake": 3.0})
    monkeypatch.setitem(TASKS, "classify", task)
    inputs = keras.Input((2,))
    model = keras.Model(inputs, {"p_fake": keras.layers.Dense(1, kernel_initializer="zeros")(inputs)})
    compile_model(model, "classify", 10, 1e-3, jit_compile=False)
    found = model.test_on_batch(np.ones((4, 2)), {"p_fake": np.full((4, 1), 0.5)}, return_dict=True)
    assert np.isclose(found["loss"], 3 * 0.5**2)


def test_weighted_sum_adds_its_terms():
    truth, answer = truths_and_answers()
    answer = answer["donor"] * 0.5
    one, two = RegionL1(inside=4.0, outside=1.0), RegionSSIM(stride=2)
    total = WeightedSum([(2.0, one), (0.5, two)]).call(truth["donor"], answer)
    expected = 2 * numpy(one.call(truth["donor"], answer)) + 0.5 * numpy(two.call(truth["donor"], answer))
    assert np.allclose(numpy(total), expected)


@pytest.mark.parametrize("output", ["mask", "target", "donor", "flow", "seen"])
def test_a_loss_survives_its_configuration(output):
    loss = task_losses(TASKS["reconstruct"])[output]
    scope = {cls.__name__: cls for cls in (MaskLoss, RegionL1, RegionSSIM, WeightedSum)}
    config = keras.losses.serialize(loss)
    again = keras.losses.deserialize(config, scope)
    assert type(again) is type(loss)
    assert again.get_config() == loss.get_config()
    truth, answer = truths_and_answers()
    answer = np.clip(answer[output] * 0.7 + 0.1, 0, 1)
    assert np.array_equal(numpy(again.call(truth[output], answer)), numpy(loss.call(truth[output], answer)))


def test_configuration_carries_what_was_chosen():
    total = WeightedSum([(3.0, RegionL1(inside=2.0, outside=0.5)), (0.25, RegionSSIM(stride=7))], name="both")
    again = WeightedSum.from_config(total.get_config())
    (first, l1), (second, ssim) = again.terms
    assert (again.name, first, l1.inside, l1.outside, second, ssim.stride) == ("both", 3.0, 2.0, 0.5, 0.25, 7)
    assert MaskLoss.from_config(MaskLoss(dice=0.125).get_config()).dice == 0.125


def test_split_weight_takes_the_last_channel():
    values, weight = split_weight(np.arange(8.0).reshape(1, 1, 2, 4))
    assert values.shape == (1, 1, 2, 3)
    assert weight.reshape(-1).tolist() == [3, 7]


@pytest.mark.parametrize("loss", [RegionL1(inside=4.0, outside=1.0), RegionSSIM(), MaskLoss()])
def test_gradient_agrees_with_finite_differences(loss):
    import tensorflow as tf

    image, worse = pictures(4, size=24, channels=1)
    truth = image if isinstance(loss, MaskLoss) else with_weight(image, 0.5)
    answer = tf.Variable(np.clip(worse, 0.1, 0.9))
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(loss.call(truth, answer))
    gradient = tape.gradient(total, answer).numpy()
    direction = np.sign(gradient)
    step = 5e-4
    high, low = (numpy(loss.call(truth, answer + sign * step * direction)).sum() for sign in (1, -1))
    assert np.abs(gradient).sum() > 0.1
    assert np.isclose((high - low) / (2 * step), np.abs(gradient).sum(), rtol=0.02)


@pytest.fixture(scope="module")
def gradients():
    """Each loss alone: by output, the names of the model's layers whose weights it moves, after one common step.

    The step is needed because the last convolutions of flow and colour start as zeros, which pass no gradient on.
    """
    import tensorflow as tf

    keras.utils.set_random_seed(0)
    model = build_reconstructor(SMALLEST)
    truth, answer = truths_and_answers(size=SMALLEST.size)
    named = task_losses(TASKS["reconstruct"])
    crop = answer["target"]
    with tf.GradientTape(persistent=True) as tape:
        outputs = model(crop, training=True)
        total = sum(named[name](truth[name], outputs[name]) for name in named)
    owner = {id(weight): layer.name for layer in model.layers for weight in layer.weights}
    weights = [w.value for w in model.trainable_weights]
    for weight, gradient in zip(model.trainable_weights, tape.gradient(total, weights)):
        weight.assign(weight - 0.1 * gradient)
    with tf.GradientTape(persistent=True) as tape:
        outputs = model(crop, training=True)
        values = {name: named[name](truth[name], outputs[name]) for name in named}
    moved = {}
    for name in named:
        moved[name] = set()
        for weight, gradient in zip(model.trainable_weights, tape.gradient(values[name], weights)):
            if gradient is not None and float(tf.reduce_max(tf.abs(gradient))) > 1e-9:
                moved[name].add(owner[id(weight)])
    return moved


@pytest.mark.parametrize(
    "output, layers",
    [
        ("p_fake", {"encoder", "verdict"}),
        ("mask", {"encoder", "target_deep_conv_1", "target_0_skip", "mask_conv"}),
        ("target", {"encoder", "target_deep_conv_1", "target_0_skip", "mask_conv", "target_residual_conv"}),
        ("target", {"shape_found", "shape_found_more", "texture_code", "texture_colours",
                    "target_again_block_0_conv_1"}),
        ("donor", {"encoder", "donor_deep_conv_1", "donor_0_skip", "flow_offsets", "colour_conv",
                   "donor_residual_conv"}),
        ("donor", {"shape_found", "shape_donor_linear", "shape_donor_more", "donor_again_block_1_conv_2"}),
        ("donor", {"donor_hull_conv"}),
        ("flow", {"encoder", "donor_deep_conv_1", "donor_0_skip", "flow_offsets", "shape_found", "shape_donor_hidden"}),
        ("seen", {"encoder", "donor_deep_conv_1", "donor_0_skip", "flow_offsets", "colour_conv"}),
    ],
)
def test_each_loss_alone_moves_encoder_and_decoder(gradients, output, layers):
    assert layers <= gradients[output]


def test_a_loss_leaves_the_other_decoder_alone(gradients):
    for output, other in (("p_fake", ("target", "donor")), ("mask", ("donor",)), ("target", ("donor",))):
        assert not [name for name in gradients[output] if name.startswith(other)]
    for output in ("donor", "flow", "seen"):
        assert not [name for name in gradients[output] if name.startswith(("target", "mask", "verdict"))]
