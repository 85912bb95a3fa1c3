"""The layers that Keras does not have."""

import cv2
import keras
import numpy as np
import pytest
from keras import ops

from keras_uncover.models.layers import (
    Blend,
    DepthToSpace,
    EnlargeLinearly,
    Grey,
    OffsetsToPlaces,
    Recolour,
    SoftClip,
    SpaceToDepth,
    Warp,
    linear_matrix,
)
from keras_uncover.ops.geometry import pixel_grid


def numpy(value):
    return ops.convert_to_numpy(value)


def noise(*shape, seed=0):
    return np.random.default_rng(seed).random(shape, "float32")


def test_space_to_depth_by_hand():
    images = np.arange(16, dtype="float32").reshape(1, 4, 4, 1)
    patches = numpy(SpaceToDepth(2)(images))
    assert patches.shape == (1, 2, 2, 4)
    assert patches[0, 0, 1].tolist() == [2, 3, 6, 7]
    assert patches[0, 1, 0].tolist() == [8, 9, 12, 13]


@pytest.mark.parametrize("factor", [2, 4])
def test_depth_to_space_is_the_inverse(factor):
    images = noise(2, 8, 12, 3)
    assert np.array_equal(numpy(DepthToSpace(factor)(SpaceToDepth(factor)(images))), images)
    deep = noise(2, 3, 2, 5 * factor**2)
    assert np.array_equal(numpy(SpaceToDepth(factor)(DepthToSpace(factor)(deep))), deep)


@pytest.mark.parametrize("factor", [2, 4])
def test_enlarge_linearly_agrees_with_opencv(factor):
    images = noise(2, 6, 9, 3)
    enlarged = numpy(EnlargeLinearly(factor)(images))
    for one, ours in zip(images, enlarged):
        theirs = cv2.resize(one, (9 * factor, 6 * factor), interpolation=cv2.INTER_LINEAR)
        assert np.abs(ours - theirs).max() < 1e-5


def test_linear_matrix_by_hand():
    expected = [[1, 0], [0.75, 0.25], [0.25, 0.75], [0, 1]]
    assert np.allclose(linear_matrix(2, 2), expected)
    assert np.allclose(linear_matrix(5, 3).sum(1), 1)


def test_offsets_move_places_within_their_reach():
    layer, places = OffsetsToPlaces(reach=0.35), noise(2, 8, 8, 2)
    assert np.allclose(numpy(layer([places, np.zeros((2, 8, 8, 2), "float32")])), places)
    far = numpy(layer([places, np.full((2, 8, 8, 2), 50, "float32")]))
    assert np.allclose(far, places + 0.35)


def test_warp_through_the_grid_changes_nothing_and_through_a_shift_shifts():
    image = noise(2, 16, 16, 3)
    grid = np.broadcast_to(numpy(pixel_grid(16)), (2, 16, 16, 2))
    assert np.abs(numpy(Warp()([image, grid])) - image).max() < 1e-5
    shifted = numpy(Warp()([image, grid + np.array([2 / 16, 0], "float32")]))
    assert np.abs(shifted[:, :, :-2] - image[:, :, 2:]).max() < 1e-5
    assert np.abs(shifted[:, :, -2:] - image[:, :, -1:]).max() < 1e-5  # beyond the border: its last pixel


def test_blend_by_hand():
    below, above = np.full((1, 1, 3, 1), 0.2, "float32"), np.full((1, 1, 3, 1), 0.6, "float32")
    mask = np.array([0, 0.25, 1], "float32").reshape(1, 1, 3, 1)
    assert np.allclose(numpy(Blend()([below, above, mask])).reshape(3), [0.2, 0.3, 0.6])


def test_blend_with_an_empty_mask_is_exact():
    image = noise(1, 8, 8, 3)
    assert np.array_equal(numpy(Blend()([image, noise(1, 8, 8, 3, seed=1), np.zeros((1, 8, 8, 1))])), image)


def test_recolour_by_hand():
    image = np.array([0.2, 0.5, 0.9], "float32").reshape(1, 1, 1, 3)
    nothing = np.zeros((1, 1, 1, 6), "float32")
    assert np.allclose(numpy(Recolour()([image, nothing])), image)
    # Gain exp(tanh(0.5)) and bias tanh(-0.3) in red only.
    colour = np.array([0.5, 0, 0, -0.3, 0, 0], "float32").reshape(1, 1, 1, 6)
    red = 0.2 * np.exp(np.tanh(0.5)) + np.tanh(-0.3)
    assert np.allclose(numpy(Recolour()([image, colour])).reshape(3), [red, 0.5, 0.9], atol=1e-5)


def test_soft_clip_by_hand():
    values = np.array([-0.8, 0.0, 0.5, 1.0, 1.2], "float32")
    # The range ends at 0 and 1, and a hundredth of the rest leaks.
    assert np.allclose(numpy(SoftClip()(values)), [-0.008, 0, 0.5, 1, 1.002], atol=1e-6)


def test_grey_is_grey():
    grey = numpy(Grey()(noise(2, 4, 4, 3)))
    assert grey.shape == (2, 4, 4, 3) and (grey == 0.5).all()
    assert (numpy(Grey(level=0.25)(noise(1, 2, 2, 3))) == 0.25).all()


LAYERS = [
    (SpaceToDepth(2, name="a"), [(8, 8, 3)]),
    (DepthToSpace(2, dtype="float32", name="b"), [(4, 4, 12)]),
    (EnlargeLinearly(4, name="c"), [(4, 4, 3)]),
    (OffsetsToPlaces(reach=0.2, name="d"), [(8, 8, 2), (8, 8, 2)]),
    (Warp(name="e"), [(8, 8, 3), (8, 8, 2)]),
    (Blend(name="f"), [(8, 8, 3), (8, 8, 3), (8, 8, 1)]),
    (Recolour(name="g"), [(8, 8, 3), (8, 8, 6)]),
    (SoftClip(name="i"), [(8, 8, 3)]),
    (Grey(level=0.25, name="h"), [(8, 8, 3)]),
]


@pytest.mark.parametrize("layer, shapes", LAYERS, ids=[layer.name for layer, _ in LAYERS])
def test_a_layer_survives_its_configuration(layer, shapes):
    inputs = [noise(2, *shape, seed=k) for k, shape in enumerate(shapes)]
    inputs = inputs if len(inputs) > 1 else inputs[0]
    scope = {type(layer).__name__: type(layer)}
    again = keras.layers.deserialize(keras.layers.serialize(layer), scope)
    assert again.name == layer.name
    assert np.array_equal(numpy(again(inputs)), numpy(layer(inputs)))


@pytest.mark.parametrize("layer, shapes", LAYERS, ids=[layer.name for layer, _ in LAYERS])
def test_a_layer_knows_the_shape_of_its_answer(layer, shapes):
    symbolic = [keras.Input(shape) for shape in shapes]
    result = layer(symbolic if len(symbolic) > 1 else symbolic[0])
    inputs = [noise(3, *shape) for shape in shapes]
    assert result.shape == (None, *numpy(layer(inputs if len(inputs) > 1 else inputs[0])).shape[1:])


def test_the_gradient_of_an_enlarged_bfloat16_map_compiles_for_xla():
    import tensorflow as tf

    layer = EnlargeLinearly(2, dtype="bfloat16")

    @tf.function(jit_compile=True)
    def gradient(images):
        with tf.GradientTape() as tape:
            tape.watch(images)
            total = tf.reduce_sum(tf.cast(layer(images), tf.float32) ** 2)
        return tape.gradient(total, images)

    images = tf.constant(noise(1, 4, 4, 2), tf.bfloat16)
    assert np.isfinite(tf.cast(gradient(images), tf.float32).numpy()).all()


def test_soft_clip_leads_a_gradient_back_into_the_range():
    import tensorflow as tf

    image = tf.Variable(np.array([0.5, 1.5], "float32").reshape(1, 1, 2, 1) * np.ones(3, "float32"))
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(SoftClip()(image))
    gradient = tape.gradient(total, image).numpy()[0, 0, :, 0]
    assert np.allclose(gradient, [1, 0.01], atol=1e-6)
