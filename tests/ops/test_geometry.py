"""Points, transforms, sampling and crops."""

import cv2
import numpy as np
import pytest
from keras import ops

from keras_uncover.ops.geometry import (
    MAX_TAPS,
    cut_crops,
    fit_affine,
    fit_similarity,
    invert_transform,
    pixel_grid,
    reflect_index,
    sample,
    transform_points,
)

# 0 1
# 2 3
TWO_BY_TWO = np.array([[[[0.0], [1.0]], [[2.0], [3.0]]]], "float32")


def numpy(value):
    return ops.convert_to_numpy(value)


def read(points, border="reflect"):
    return numpy(sample(TWO_BY_TWO, np.array([points], "float32"), border))[0, :, 0]


def turn(degrees, scale, shift):
    """The (2, 3) matrix of a rotation, scale and shift."""
    cos, sin = scale * np.cos(np.radians(degrees)), scale * np.sin(np.radians(degrees))
    return np.array([[cos, -sin, shift[0]], [sin, cos, shift[1]]], "float32")


def test_pixel_grid_holds_the_centres_of_pixels():
    grid = numpy(pixel_grid(4))
    assert grid.shape == (4, 4, 2)
    assert np.allclose(grid[0, :, 0], [0.125, 0.375, 0.625, 0.875])
    assert np.allclose(grid[:, 0, 1], [0.125, 0.375, 0.625, 0.875])
    assert np.ptp(grid[:, 2, 0]) == 0


def test_sample_by_hand():
    # The centre of the picture lies between all four pixels; (1, 0.5) between the upper two.
    points = [(0.5, 0.5), (1.5, 0.5), (0.5, 1.5), (1.5, 1.5), (1.0, 1.0), (1.0, 0.5), (0.5, 1.0), (0.75, 0.5)]
    assert np.allclose(read(points), [0, 1, 2, 3, 1.5, 0.5, 1.0, 0.25])


def test_sample_beyond_the_border_by_hand():
    points = [(0.0, 0.5), (-0.5, 0.5), (-1.5, 0.5), (2.0, 1.5), (2.5, 1.5), (5.0, 5.0)]
    # Reflected, the row reads ... 1 0 | 0 1 | 1 0 ...: the edge pixel twice; (5, 5) lies between 0 1 and 2 3 again.
    assert np.allclose(read(points), [0, 0, 1, 3, 3, 1.5])
    assert np.allclose(read(points, "edge"), [0, 0, 0, 3, 3, 3])
    # Half of what is read at x = 2 lies outside, all of what is read at x = 2.5.
    assert np.allclose(read(points, "zero"), [0, 0, 0, 1.5, 0, 0])


def test_sample_reads_any_shape_of_points_and_any_dtype():
    photo = np.arange(2 * 3 * 4 * 2, dtype="uint8").reshape(2, 3, 4, 2)
    points = np.full((2, 5, 6, 2), 1.5, "float32")
    result = numpy(sample(photo, points))
    assert result.shape == (2, 5, 6, 2)
    assert result.dtype == np.float32
    assert np.allclose(result, photo[:, None, 1:2, 1])


@pytest.mark.parametrize(
    "border, flag",
    [("reflect", cv2.BORDER_REFLECT), ("edge", cv2.BORDER_REPLICATE), ("zero", cv2.BORDER_CONSTANT)],
)
def test_sample_agrees_with_opencv(border, flag):
    rng = np.random.default_rng(0)
    photo = rng.random((9, 13, 3), "float32")
    # OpenCV reads between pixels in steps of 1/32; its pixel centres are whole numbers.
    points = (rng.integers(-8 * 32, 20 * 32, (1, 40, 50, 2)) / 32).astype("float32")
    expected = cv2.remap(photo, points[0] - 0.5, None, cv2.INTER_LINEAR, borderMode=flag, borderValue=(0, 0, 0))
    assert np.abs(numpy(sample(photo[None], points, border))[0] - expected).max() < 1e-5


def test_sample_survives_points_that_are_no_places():
    points = [(np.nan, 0.5), (np.inf, np.nan), (-np.inf, 1e30), (3e9, -3e9)]
    for border in ("reflect", "edge", "zero"):
        values = read(points, border)
        assert np.isfinite(values).all()
        assert (values >= 0).all() and (values <= 3).all()


def test_sample_refuses_an_unknown_border():
    with pytest.raises(ValueError, match="border must be .*reflect.*received 'wrap'"):
        sample(TWO_BY_TWO, np.zeros((1, 1, 2), "float32"), "wrap")


def test_reflect_index_folds_as_numpy_pads():
    for length in (1, 2, 5):
        expected = np.pad(np.arange(length), 3 * length, mode="symmetric")
        assert np.array_equal(numpy(reflect_index(np.arange(-3 * length, 4 * length), length)), expected)


def test_transform_points_by_hand():
    matrix = np.array([[2.0, 1.0, 10.0], [0.0, 3.0, 20.0]], "float32")
    points = np.array([[1.0, 2.0], [0.0, 0.0]], "float32")
    assert np.array_equal(numpy(transform_points(matrix, points)), [[14.0, 26.0], [10.0, 20.0]])
    both = numpy(transform_points(np.stack([matrix, 2 * matrix]), np.stack([points, points])))
    assert np.array_equal(both[1], 2 * both[0])


def test_invert_transform_goes_there_and_back():
    rng = np.random.default_rng(1)
    matrices = rng.normal(size=(2, 5, 2, 3)).astype("float32") + 2 * np.eye(2, 3, dtype="float32")
    inverse = numpy(invert_transform(matrices))
    square = np.concatenate([matrices, np.broadcast_to([[[[0, 0, 1]]]], (2, 5, 1, 3))], axis=-2)
    assert np.allclose(inverse, np.linalg.inv(square)[..., :2, :], atol=1e-4)
    points = rng.random((2, 5, 7, 2), "float32")
    assert np.allclose(numpy(transform_points(inverse, transform_points(matrices, points))), points, atol=1e-4)


@pytest.mark.parametrize("degrees, scale, shift", [(0, 1, (0, 0)), (30, 250, (900, 1200)), (-170, 0.01, (-3, 5))])
def test_fit_similarity_recovers_a_known_one(degrees, scale, shift):
    matrix = turn(degrees, scale, shift)
    points = np.random.default_rng(2).random((6, 2), "float32")
    found = numpy(fit_similarity(points, transform_points(matrix, points)))
    assert np.allclose(found, matrix, atol=1e-5 * max(1, abs(matrix).max()))


def test_fit_similarity_is_the_least_squares_answer():
    rng = np.random.default_rng(3)
    source, destination = rng.normal(size=(2, 4, 9, 2)).astype("float32")
    found = numpy(fit_similarity(source, destination))
    for s, d, matrix in zip(source, destination, found):
        # x' = a x - b y + tx, y' = b x + a y + ty, as one linear system in a, b, tx, ty.
        one, nil = np.ones(9), np.zeros(9)
        system = np.concatenate([np.stack([s[:, 0], -s[:, 1], one, nil], 1), np.stack([s[:, 1], s[:, 0], nil, one], 1)])
        a, b, tx, ty = np.linalg.lstsq(system, d.T.reshape(-1), rcond=None)[0]
        assert np.allclose(matrix, [[a, -b, tx], [b, a, ty]], atol=1e-5)


def test_fit_similarity_never_mirrors():
    points = np.random.default_rng(4).random((6, 2), "float32")
    (a, b, _), (c, d, _) = numpy(fit_similarity(points, points * np.array([-1, 1], "float32")))
    assert np.allclose([a, c], [d, -b], atol=1e-6)
    assert np.linalg.det([[a, b], [c, d]]) > 0.01


def test_fit_affine_is_the_least_squares_answer():
    rng = np.random.default_rng(5)
    source, destination = rng.normal(size=(2, 4, 9, 2)).astype("float32")
    found = numpy(fit_affine(source, destination))
    for s, d, matrix in zip(source, destination, found):
        answer = np.linalg.lstsq(np.column_stack([s, np.ones(9)]), d, rcond=None)[0]
        assert np.allclose(matrix, answer.T, atol=1e-4)
    exact = np.array([[0.9, 0.2, 5.0], [-0.3, 1.4, -7.0]], "float32")
    assert np.allclose(numpy(fit_affine(source[0], transform_points(exact, source[0]))), exact, atol=1e-4)


def test_a_crop_of_unit_scale_is_a_slice():
    photo = np.random.default_rng(6).integers(0, 256, (40, 50, 3), "uint8")
    matrices = np.array([[[16, 0, 7], [0, 16, 11]], [[16, 0, 30], [0, 16, 3]]], "float32")
    crops = numpy(cut_crops(photo, matrices, 16))
    assert crops.shape == (2, 16, 16, 3)
    assert np.allclose(crops[0], photo[11:27, 7:23] / 255, atol=1e-6)
    assert np.allclose(crops[1], photo[3:19, 30:46] / 255, atol=1e-6)


@pytest.mark.parametrize("factor", [2, 3, MAX_TAPS])
def test_a_crop_of_whole_scale_is_a_mean_of_blocks(factor):
    photo = np.random.default_rng(7).integers(0, 256, (80, 90, 3), "uint8")
    side = 8 * factor
    crops = numpy(cut_crops(photo, np.array([[[side, 0, 5], [0, side, 9]]], "float32"), 8))
    blocks = photo[9 : 9 + side, 5 : 5 + side].reshape(8, factor, 8, factor, 3).mean((1, 3))
    assert np.allclose(crops[0], blocks / 255, atol=1e-5)


def test_a_crop_is_turned_with_its_transform():
    photo = np.random.default_rng(8).integers(0, 256, (16, 16, 3), "uint8")
    quarter = turn(90, 16, (16, 0))
    crop = numpy(cut_crops(photo, quarter[None], 16))[0]
    # Crop x runs down the photo and crop y to its left.
    assert np.allclose(crop, np.transpose(photo[:, ::-1], (1, 0, 2)) / 255, atol=1e-4)


def test_a_crop_beyond_the_photo_is_reflected():
    photo = np.random.default_rng(9).integers(0, 256, (8, 8, 3), "uint8")
    crop = numpy(cut_crops(photo, np.array([[[16, 0, -4], [0, 16, -4]]], "float32"), 16))[0]
    assert np.allclose(crop, np.pad(photo, ((4, 4), (4, 4), (0, 0)), mode="symmetric") / 255, atol=1e-6)


def test_the_same_in_a_graph_and_under_xla():
    import tensorflow as tf

    rng = np.random.default_rng(10)
    images, points = rng.random((2, 9, 13, 3), "float32"), rng.uniform(-9, 20, (2, 30, 2)).astype("float32")
    photo = rng.integers(0, 256, (40, 50, 3), "uint8")

    def everything(images, points, photo):
        matrices = fit_affine(points[:, :9], points[:, 9:18]) + fit_similarity(points[:, :9], points[:, 9:18])
        results = [sample(images, points, border) for border in ("reflect", "edge", "zero")]
        places = transform_points(invert_transform(matrices), points)
        return (*results, places, cut_crops(photo, tf.constant([[[20.0, 2, 3], [1, 19, 4]]]), 8))

    eager = everything(images, points, photo)
    for compiled in (False, True):
        traced = tf.function(everything, jit_compile=compiled)(images, points, photo)
        for one, other in zip(eager, traced):
            assert np.abs(numpy(one) - numpy(other)).max() < 1e-4 * max(1, np.abs(numpy(one)).max())
