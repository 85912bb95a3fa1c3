"""Losses through a frozen network: values by hand, gradients by finite differences, and that nothing else moves."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from keras_uncover.models.build import TASKS
from keras_uncover.models.config import ModelConfig
from keras_uncover.models.face_identity import build_face_mobilenet
from keras_uncover.models.reconstructor import build_reconstructor
from keras_uncover.presets import preset_folder
from keras_uncover.presets.weights import WeightsError, save_preset
from keras_uncover.training.face_losses import (
    FeatureLoss,
    IdentityLoss,
    PerceptualLoss,
    load_face_losses,
    load_frozen,
    normalise,
    resize_matrix,
)
from keras_uncover.training.losses import task_losses


def numpy(value):
    return ops.convert_to_numpy(value)


def small_network(seed=0, size=16):
    """A smooth stand-in, so that finite differences meet no kink: two convolutions and a mean over places."""
    keras.utils.set_random_seed(seed)
    image = keras.Input((size, size, 3), name="image")
    x = layers.Conv2D(8, 3, 2, padding="same", activation="tanh", name="first")(image)
    x = layers.Conv2D(12, 3, 2, padding="same", activation="softplus", name="second")(x)
    return keras.Model(image, layers.GlobalAveragePooling2D(name="pool")(x), name="small")


def pictures(count=3, side=24, seed=0):
    """Two different batches of crops, float32 (count, side, side, 3) in [0.1, 0.9]."""
    return np.random.default_rng(seed).uniform(0.1, 0.9, (2, count, side, side, 3)).astype("float32")


def losses(**options):
    """One loss of each kind through stand-ins."""
    return [
        IdentityLoss(small_network(), size=16, **options),
        PerceptualLoss(small_network(1), ("first", "second"), size=16, **options),
    ]


def gradient_of(loss, truth, answer):
    """Gradient of the summed loss by the answer, on the backend that runs."""
    if keras.backend.backend() == "jax":
        import jax

        return np.asarray(jax.grad(lambda x: ops.sum(loss.call(truth, x)))(answer))
    import tensorflow as tf

    answer = tf.constant(answer)
    with tf.GradientTape() as tape:
        tape.watch(answer)
        total = tf.reduce_sum(loss.call(truth, answer))
    return tape.gradient(total, answer).numpy()


KINDS = pytest.mark.parametrize("kind", [0, 1], ids=["identity", "perceptual"])


@KINDS
def test_one_value_an_example_and_none_for_equal_pictures(kind):
    loss, (truth, answer) = losses()[kind], pictures()
    assert np.abs(numpy(loss.call(truth, truth))).max() == 0
    values = numpy(loss.call(truth, answer))
    assert values.shape == (3,) and (values > 1e-5).all()
    alone = [numpy(loss.call(truth[k : k + 1], answer[k : k + 1])) for k in range(3)]
    assert np.allclose(np.concatenate(alone), values, rtol=1e-4)


def test_identity_is_one_minus_the_cosine():
    (truth, answer), network = pictures(side=16), small_network()
    a, b = (network.predict_on_batch(faces).astype("float64") for faces in (truth, answer))
    cosine = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    loss = IdentityLoss(network, size=16, box=(0, 0, 1, 1))
    assert np.allclose(numpy(loss.call(truth, answer)), 1 - cosine, atol=1e-6)


def test_identity_is_half_of_two_for_opposite_and_one_for_unrelated_descriptors():
    face = keras.Input((2, 2, 3))
    means = keras.Model(face, layers.Rescaling(1.0, -0.5)(layers.GlobalAveragePooling2D()(face)))
    loss = IdentityLoss(means, size=2, box=(0, 0, 1, 1))
    red, cyan, green = (np.broadcast_to(np.array(c, "float32"), (1, 2, 2, 3)) for c in
                        ([0.9, 0.5, 0.5], [0.1, 0.5, 0.5], [0.5, 0.9, 0.5]))
    assert np.allclose(numpy(loss.call(red, cyan)), 2, atol=1e-4)
    assert np.allclose(numpy(loss.call(red, green)), 1, atol=1e-4)


def test_perceptual_by_an_independent_sum():
    (truth, answer), network = pictures(side=16), small_network(1)
    expected = 0
    for name in ("first", "second"):
        maps = keras.Model(network.input, network.get_layer(name).output)
        a, b = (maps.predict_on_batch(x).astype("float64") for x in (truth, answer))
        a, b = (m / np.linalg.norm(m, axis=-1, keepdims=True) for m in (a, b))
        expected = expected + ((a - b) ** 2).sum(-1).mean((1, 2)) / 2
    loss = PerceptualLoss(network, ("first", "second"), size=16)
    assert np.allclose(numpy(loss.call(truth, answer)), expected, rtol=1e-4)


@KINDS
def test_gradient_flows_and_agrees_with_finite_differences(kind):
    loss, (truth, answer) = losses()[kind], pictures(seed=1)
    gradient = gradient_of(loss, truth, answer)
    assert gradient.shape == answer.shape
    # Each example's answer is moved by its own loss.
    assert (np.abs(gradient).max((1, 2, 3)) > 1e-5).all()
    step = 0.02 / np.abs(gradient).max()
    high, low = (numpy(loss.call(truth, answer + sign * step * gradient)).sum() for sign in (1, -1))
    assert np.isclose((high - low) / (2 * step), (gradient**2).sum(), rtol=0.03)
    assert numpy(loss.call(truth, answer - step * gradient)).sum() < numpy(loss.call(truth, answer)).sum()


@KINDS
def test_no_gradient_outside_of_the_box(kind):
    loss, (truth, answer) = losses(box=(0.25, 0.5, 0.75, 1.0))[kind], pictures()
    touched = np.abs(gradient_of(loss, truth, answer)).max((0, 3)) > 0
    assert touched[13:, 7:17].all()
    # A pixel beside the box takes part where a read falls between two centres.
    assert not touched[:11].any() and not touched[:, :5].any() and not touched[:, 19:].any()


@KINDS
def test_weight_channel_limits_what_is_judged(kind):
    loss, (truth, answer) = losses()[kind], pictures()
    weight = np.zeros((3, 24, 24, 1), "float32")
    weight[1], weight[2, :, :12] = 1, 1
    weighted = np.concatenate([truth, weight], -1)
    values = numpy(loss.call(weighted, answer))
    plain = numpy(loss.call(truth, answer))
    mixed = np.where(weight[2:] > 0, answer[2:], truth[2:])
    assert values[0] == 0 and np.isclose(values[1], plain[1], rtol=1e-5)
    assert np.isclose(values[2], numpy(loss.call(truth[2:], mixed))[0], rtol=1e-4) and 0 < values[2] != plain[2]
    gradient = gradient_of(loss, weighted, answer)
    assert np.isfinite(gradient).all()
    assert not gradient[0].any() and not gradient[2, :, 12:].any() and gradient[2, :, :12].any()


@KINDS
def test_one_of_so_many_is_judged_and_the_mean_is_kept(kind):
    (all_rows, second), (truth, answer) = (losses(every=k)[kind] for k in (1, 2)), pictures(count=5)
    every, some = numpy(all_rows.call(truth, answer)), numpy(second.call(truth, answer))
    assert some.shape == (5,) and not some[1::2].any()
    assert np.allclose(some[::2], every[::2] * 5 / 3, rtol=1e-5)
    assert np.isclose(some.mean(), every[::2].mean(), rtol=1e-5)
    assert not gradient_of(second, truth, answer)[1::2].any()
    assert np.allclose(numpy(second.call(truth[:1], answer[:1])), every[:1], rtol=1e-5)


@KINDS
def test_any_number_of_replicas_judges_the_same_examples(kind):
    """Each gets its share of a batch, in the batch's order; the sum over all of them is that of the whole."""
    loss, (truth, answer) = losses(every=2)[kind], pictures(count=8)
    whole = numpy(loss.call(truth, answer))
    assert (whole[::2] > 0).all()
    for replicas in (2, 4):
        shares = zip(np.split(truth, replicas), np.split(answer, replicas))
        assert np.allclose(np.concatenate([numpy(loss.call(*share)) for share in shares]), whole, rtol=1e-4)


def test_a_training_step_moves_the_model_and_not_the_network():
    network, (truth, inputs) = small_network(), pictures(count=8)
    before = [numpy(weight).copy() for weight in network.weights]
    keras.utils.set_random_seed(3)
    crop = keras.Input((24, 24, 3))
    model = keras.Model(crop, layers.Conv2D(3, 3, padding="same", activation="sigmoid", name="paint")(crop))
    start = model.get_layer("paint").get_weights()
    loss = IdentityLoss(network, size=16)
    model.compile(keras.optimizers.Adam(0.02), loss)
    first = model.evaluate(inputs, truth, verbose=0)
    model.fit(inputs, truth, batch_size=4, epochs=8, verbose=0)
    assert len(model.trainable_weights) == 2 and not network.trainable_weights
    assert all(np.array_equal(numpy(now), was) for now, was in zip(network.weights, before))
    assert np.abs(model.get_layer("paint").get_weights()[0] - start[0]).max() > 1e-3
    assert model.evaluate(inputs, truth, verbose=0) < 0.9 * first


def test_each_face_loss_alone_moves_encoder_and_its_decoder(tmp_path):
    import tensorflow as tf

    keras.utils.set_random_seed(0)
    model = build_reconstructor(ModelConfig("smallest", size=32, stem=4, widths=(8, 12), blocks=(1, 1)))
    rng = np.random.default_rng(0)
    for weight in model.trainable_weights:  # the last convolutions start as zeros, which pass no gradient on
        weight.assign_add(rng.normal(0, 0.02, weight.shape).astype("float32"))
    crop, truth = pictures(count=2, side=32)
    terms = losses()
    with tf.GradientTape(persistent=True) as tape:
        answer = model(crop, training=True)
        values = {(role, term.name): tf.reduce_sum(term.call(truth, answer[role]))
                  for role in ("target", "donor") for term in terms}
    weights = [weight.value for weight in model.trainable_weights]
    for (role, _), value in values.items():
        gradients = zip(model.trainable_weights, tape.gradient(value, weights))
        moved = {weight.path.split("/")[0] for weight, gradient in gradients
                 if gradient is not None and float(tf.reduce_max(tf.abs(gradient))) > 0}
        assert {"stem_conv", f"{role}_deep_conv_1", f"{role}_0_skip"} <= moved
        assert not [name for name in moved if name.startswith({"target": "donor", "donor": "target"}[role])]


def test_face_losses_are_loaded_from_their_folders(tmp_path):
    save_preset(build_face_mobilenet(112), tmp_path / "net", {"format": 1, "kind": "face_mobilenet"})
    (weight, loss), = load_face_losses(identity=tmp_path / "net", every=3)
    assert weight > 0 and isinstance(loss, IdentityLoss) and loss.every == 3
    assert load_face_losses() == []
    assert task_losses(TASKS["reconstruct"], [(weight, loss)])["donor"].terms[-1] == (weight, loss)


def test_resizing_by_hand():
    assert np.array_equal(resize_matrix(4, 0, 1, 4), np.eye(4))
    # Half the size: centres at 0.5 and 2.5, triangles that reach 2 pixels each way.
    half = resize_matrix(4, 0, 1, 2)
    assert np.allclose(half, np.array([[1.5, 1.5, 0.5, 0], [0, 0.5, 1.5, 1.5]]) / 3.5)
    # The second half at twice the size: places 1.75, 2.25, 2.75 and 3.25, the last held at the line's end.
    double = resize_matrix(4, 0.5, 1, 4)
    assert np.allclose(double, [[0, 0.25, 0.75, 0], [0, 0, 0.75, 0.25], [0, 0, 0.25, 0.75], [0, 0, 0, 1]])
    for side, size in ((128, 112), (256, 112), (64, 112)):
        matrix = resize_matrix(side, 0.08, 0.92, size)
        line = (np.arange(side) + 0.5) / side
        expected = 0.08 + 0.84 * (np.arange(size) + 0.5) / size
        assert np.allclose(matrix.sum(1), 1, atol=1e-5) and np.abs(matrix @ line - expected).max() < 0.2 / side


def test_any_size_of_crop_is_judged_alike():
    loss, (truth, answer) = losses()[0], pictures(side=16, seed=2)
    values = [numpy(loss.call(*(x.repeat(k, 1).repeat(k, 2) for x in (truth, answer)))) for k in (4, 8)]
    assert np.allclose(values[0], values[1], rtol=0.05)


def test_frozen_network_from_a_folder(tmp_path):
    save_preset(build_face_mobilenet(32), tmp_path / "net", {"format": 1, "kind": "face_mobilenet"})
    network = load_frozen(tmp_path / "net", size=32)
    assert network.input_shape == (None, 32, 32, 3) and not network.trainable_weights
    with pytest.raises(WeightsError, match="never through the judge. Received: .*judge.*'face_resnet'"):
        load_frozen(preset_folder("judge"))


def test_zeros_stay_zeros():
    assert numpy(normalise(np.zeros((1, 4), "float32"))).tolist() == [[0, 0, 0, 0]]
    assert np.allclose(numpy(normalise(np.array([[3.0, 4.0]], "float32"))), [[0.6, 0.8]])


def test_refusals():
    for box in ((0.5, 0, 0.5, 1), (0, 0, 1, 1.2), (-0.1, 0, 1, 1)):
        with pytest.raises(ValueError, match="left, top, right, bottom in shares of the crop"):
            IdentityLoss(small_network(), box=box)
    with pytest.raises(ValueError, match="at least 1, which judges all examples; received 0"):
        IdentityLoss(small_network(), every=0)
    with pytest.raises(TypeError, match="abstract method '?compare"):
        FeatureLoss(16, (0, 0, 1, 1), 1, "loss")


def test_a_model_that_was_compiled_with_it_is_not_saved_whole_but_its_weights_are(tmp_path):
    x = keras.Input((16, 16, 3))
    model = keras.Model(x, keras.layers.Activation("sigmoid")(x))
    model.compile("sgd", losses()[0])
    words = "holds no network; received IdentityLoss, which does. Save the model's weights"
    with pytest.raises(TypeError, match=words):
        model.save(tmp_path / "model.keras")
    model.save_weights(tmp_path / "model.weights.h5")
