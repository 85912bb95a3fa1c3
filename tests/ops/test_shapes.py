"""Shapes of faces, their fields, and the layers that lead through them."""

import keras
import numpy as np
import pytest
from keras import ops
from made_up_people import donors, exact_draws, numpy, people, swap

from keras_uncover.models.shape_layers import (
    CentrePoints,
    FaceHull,
    FieldPlaces,
    FollowField,
    Gate,
    InvertField,
    PointsReader,
    ResizeLinearly,
    ShapeField,
    SpreadTexture,
    StandardiseFace,
    face_pixels,
)
from keras_uncover.ops.geometry import pixel_grid
from keras_uncover.ops.mesh import mean_mesh
from keras_uncover.ops.shapes import describe_shapes, face_shapes, shape_fields, spline_weights
from keras_uncover.ops.texture import texture_table

SHAPES = np.random.default_rng(0).normal(0, 1, (3, 32)).astype("float32")


def points_of(shapes):
    known = face_shapes()
    return known.mean + np.einsum("nk,kpc->npc", shapes, known.directions).astype("float32")


def test_a_shape_is_found_again_in_its_own_points():
    assert np.abs(describe_shapes(points_of(SHAPES)) - SHAPES).max() < 1e-3
    assert np.abs(describe_shapes(points_of(np.zeros((1, 32))))).max() < 1e-4


def test_the_mean_shape_is_close_to_the_frame_that_textures_lie_in():
    assert np.abs(face_shapes().mean - mean_mesh().points).max() < 0.005
    assert face_shapes().directions.shape == (32, 468, 2) and face_shapes().depth.shape == (468,)


def test_a_spline_keeps_straight_lines_and_meets_its_points():
    rng = np.random.default_rng(0)
    points, places = rng.random((30, 2)), rng.uniform(-0.5, 1.5, (50, 2))
    weights = spline_weights(points, places)
    assert np.allclose(weights.sum(1), 1)  # a constant stays one, far outside too
    assert np.allclose(weights @ (points @ [2.0, -3.0] + 1), places @ [2.0, -3.0] + 1)
    values = np.sin(4 * points[:, 0])
    assert np.abs(spline_weights(points, points) @ values - values).max() < 0.02


def test_a_field_says_where_the_points_lie():
    offset, moves = shape_fields(64)
    field = offset + np.einsum("nk,khwc->nhwc", SHAPES, moves)
    # At each mesh point of the mean frame the field leads to that point of the face.
    cell = (mean_mesh().points * 64).astype(int)
    there = field[:, cell[:, 1], cell[:, 0]] + mean_mesh().points
    assert np.abs(there - points_of(SHAPES)).mean() < 0.003


def test_the_layers_field_is_the_tables():
    offset, moves = shape_fields(16)
    expected = offset + np.einsum("nk,khwc->nhwc", SHAPES, moves)
    assert np.abs(numpy(ShapeField(16)(SHAPES)) - expected).max() < 1e-5
    assert np.allclose(numpy(FieldPlaces()(expected)) - expected, numpy(pixel_grid(16)), atol=1e-6)


def test_a_constant_field_is_inverted_exactly():
    field = np.full((1, 8, 8, 2), 0.1, "float32") * np.array([1, -2], "float32")
    assert np.allclose(numpy(InvertField()(field)), numpy(pixel_grid(8)) - field, atol=1e-6)


def test_there_and_back_is_where_one_was():
    field = ShapeField(32)(SHAPES)
    errors = [
        np.abs(numpy(FollowField()([field, InvertField(steps)(field)])) - numpy(pixel_grid(32)))[:, 6:-6, 6:-6].mean()
        for steps in (1, 2, 3)
    ]
    assert errors[2] < 0.001 and errors[2] < errors[1] < errors[0]


def test_the_flow_through_true_shapes_is_close_to_the_true_flow():
    made = swap({"mesh": 1.0}, exact_draws(), plain=True)
    target, donor = (describe_shapes(who["points"]) for who in (people(), donors(people())))
    flow = FollowField()([ShapeField(16)(target), InvertField()(ShapeField(16)(donor))])
    known = made["flow"][..., 2] > 0
    away = np.linalg.norm(numpy(flow) - made["flow"][..., :2], axis=-1)[known].mean()
    still = np.linalg.norm(numpy(pixel_grid(16)) - made["flow"][..., :2], axis=-1)[known].mean()
    # The made-up faces are bent in ways that the portraits are not.
    assert away < 0.02 and away < 0.6 * still


def test_points_are_read_as_the_shape_that_is_closest():
    points = np.concatenate([points_of(SHAPES), np.random.default_rng(1).random((3, 468, 1))], -1).astype("float32")
    padded = np.concatenate([points, np.ones((3, 10, 3), "float32")], 1)  # the irises, which count nothing
    rows = numpy(CentrePoints()(padded))
    assert rows.shape == (3, 1404)
    kernel = numpy(PointsReader()((1404, 32), "float32"))
    assert np.abs(rows @ kernel - SHAPES).max() < 1e-3


def test_enlarging_by_any_factor_keeps_lines():
    ramp = np.broadcast_to(numpy(pixel_grid(24)), (1, 24, 24, 2))
    large = numpy(ResizeLinearly(64)(ramp))
    assert np.abs(large - numpy(pixel_grid(64)))[:, 2:-2, 2:-2].max() < 1e-5


def test_a_standardised_face_knows_nothing_of_light():
    faces = np.random.default_rng(0).random((2, 32, 32, 3)).astype("float32")
    inside = texture_table(32)[2][..., 0] > 0
    standard = numpy(StandardiseFace()(faces))
    assert np.abs(standard[:, inside].mean(1)).max() < 1e-4
    assert np.abs(standard[:, inside].std(1) - 1).max() < 0.01
    assert np.all(standard[:, ~inside] == 0)
    assert np.abs(numpy(StandardiseFace()(0.9 * faces + 0.05)) - standard).max() < 0.01


def test_a_texture_has_its_own_colours_inside_and_the_nearest_ones_outside():
    pixels, number = face_pixels(16)
    colours = np.random.default_rng(0).random((2, len(pixels), 3)).astype("float32")
    texture = numpy(SpreadTexture(16)(colours.reshape(2, -1))).reshape(2, 256, 3)
    assert np.array_equal(texture[:, pixels], colours)
    assert np.array_equal(texture[:, 0], colours[:, number[0]])
    rows, columns = np.divmod(pixels, 16)
    assert (rows**2 + columns**2)[number[0]] == (rows**2 + columns**2).min()


def test_the_hull_is_where_the_mean_face_is():
    grid = np.broadcast_to(numpy(pixel_grid(32)), (2, 32, 32, 2))
    assert np.allclose(numpy(FaceHull()(grid)), texture_table(32)[2] * 6 - 3, atol=1e-5)


def test_the_gate_by_hand():
    places = np.zeros((3, 1, 1, 1), "float32")
    p = np.array([[0.5], [0.9], [1.0]], "float32")
    gate = Gate()
    # Half of sigmoid(-3.3), of sigmoid(3 (ln 9 - 1.1)), and all but nothing of it.
    assert np.allclose(numpy(gate([places, p])).ravel(), [0.01779, 0.48204, 0.5], atol=1e-4)
    gate.set_weights([np.float32(0.0)])
    assert np.allclose(numpy(gate([places, p])).ravel()[0], 0.25) and not gate.trainable_weights


LAYERS = [
    (ResizeLinearly(16, name="a"), [(8, 8, 3)]),
    (ShapeField(8, name="b"), [(32,)]),
    (InvertField(2, name="c"), [(8, 8, 2)]),
    (FollowField(name="d"), [(8, 8, 2), (8, 8, 2)]),
    (SpreadTexture(8, name="e"), [(3 * len(face_pixels(8)[0]),)]),
    (Gate(name="f"), [(8, 8, 1), (1,)]),
    (FaceHull(name="g"), [(8, 8, 2)]),
    (CentrePoints(name="h"), [(478, 3)]),
    (StandardiseFace(name="i"), [(8, 8, 3)]),
    (FieldPlaces(name="j"), [(8, 8, 2)]),
]


@pytest.mark.parametrize("layer, shapes", LAYERS, ids=[type(layer).__name__ for layer, _ in LAYERS])
def test_a_layer_survives_its_configuration_and_knows_its_shape(layer, shapes):
    rng = np.random.default_rng(0)
    inputs = [rng.random((2, *shape)).astype("float32") for shape in shapes]
    symbolic = [keras.Input(shape) for shape in shapes]
    inputs, symbolic = (values if len(shapes) > 1 else values[0] for values in (inputs, symbolic))
    again = keras.layers.deserialize(keras.layers.serialize(layer), {type(layer).__name__: type(layer)})
    answer = numpy(layer(inputs))
    assert np.array_equal(numpy(again(inputs)), answer)
    assert layer(symbolic).shape == (None, *answer.shape[1:])
    assert answer.dtype == np.float32 and ops.is_tensor(layer(inputs))
