"""Post-processing of training: down-sampling, grey, and their order."""

import cv2
import numpy as np
import pytest
from keras import ops
from post_processing import OPS, SIZE, pictures, run_op

from keras_uncover.ops.filters import blur, gaussian_matrix
from keras_uncover.swaps.augment import (
    COARSEST,
    DEGRADE_DRAWS,
    POST_DRAWS,
    apply_grey,
    apply_resample,
    degrade,
    draw_blur,
    draw_grey,
    draw_resample,
    post_process,
    resample_matrix,
    soften,
)

# What draws nothing: post-processing, then no resampling and no grey.
CLEAN = [0, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0, 0.5, 0, 0.5, 0, 0.5, 0.5]
def numpy(value):
    return ops.convert_to_numpy(value)


def make_draws(count=3, seed=0, columns=DEGRADE_DRAWS):
    return np.random.default_rng(seed).random((count, columns), "float32")


def clean_draws(count=3, **columns):
    draws = np.tile(np.array(CLEAN, "float32"), (count, 1))
    for name, value in columns.items():
        draws[:, int(name[1:])] = value
    return draws


@pytest.mark.parametrize("reduced", [16, 23, 31, 47])
def test_resampling_agrees_with_opencv(reduced):
    image = pictures(1)[0]
    small = cv2.resize(image, (reduced, reduced), interpolation=cv2.INTER_AREA)
    theirs = cv2.resize(small, (SIZE, SIZE), interpolation=cv2.INTER_LINEAR)
    ours = numpy(apply_resample(image[None], np.array([reduced], "float32")))[0]
    assert np.abs(ours - theirs).max() < 1e-3
    assert np.abs(ours - image).mean() > 0.05


def test_a_resampling_matrix_by_hand():
    matrix = numpy(resample_matrix(4, np.array([2.0, 4.0], "float32")))
    # Two means of two pixels; the outer pixels lie beyond the means' centres, the inner ones a quarter of the way.
    rows = [[0.5, 0.5, 0, 0], [0.375, 0.375, 0.125, 0.125], [0.125, 0.125, 0.375, 0.375], [0, 0, 0.5, 0.5]]
    assert np.allclose(matrix[0], rows, atol=1e-6)
    assert np.allclose(matrix[1], np.eye(4), atol=1e-6)
    for size in (33, 64):
        every = numpy(resample_matrix(size, np.arange(1, size + 1, dtype="float32")))
        assert np.allclose(every.sum(-1), 1, atol=1e-5) and every.min() >= 0


def test_draws_of_resampling_and_grey_leave_their_share_alone():
    draws = ((np.arange(1000) + 0.5) / 1000).astype("float32")
    reduced = numpy(draw_resample(np.stack([draws, np.full_like(draws, 0.5)], -1), 128))
    assert (reduced == 128).mean() == 0.7 and set(reduced) == {64, 128}
    spread = numpy(draw_resample(np.stack([np.full_like(draws, 0.9), draws], -1), 128))
    assert spread.max() == 128 and spread.min() == round(128 / COARSEST)
    assert np.array_equal(spread, np.round(spread)) and len(set(spread)) > 80
    assert numpy(draw_grey(draws[:, None])).mean() == 0.05


def test_grey_is_the_luma_of_jpeg():
    images = pictures(2)
    result = numpy(apply_grey(images, np.array([True, False])))
    theirs = cv2.cvtColor(images[0], cv2.COLOR_RGB2GRAY)
    assert np.abs(result[0] - theirs[..., None]).max() < 1e-5
    assert np.array_equal(result[1], images[1])


def test_what_is_drawn_as_nothing_changes_nothing():
    images = pictures()
    (result,) = degrade(images, clean_draws(), pictures())
    assert np.abs(numpy(result) - images).max() < 1e-6


def test_without_resampling_and_grey_it_is_the_post_processing_of_evaluation():
    images, noise, draws = pictures(), pictures(seed=1), make_draws(seed=2)
    draws[:, 11], draws[:, 13] = 0.0, 0.5
    (ours,) = degrade(images, draws, noise)
    # A coefficient that lies between two steps of JPEG may fall to either side.
    assert np.abs(numpy(ours) - numpy(post_process(images, draws[:, :POST_DRAWS], noise))).mean() < 1e-4
    draws[:, 11] = 0.99
    (other,) = degrade(images, draws, noise)
    assert np.abs(numpy(ours) - numpy(other)).mean() > 0.01


def test_blur_and_resampling_are_one_after_the_other():
    images, draws = pictures(), clean_draws(c0=0.9, c1=0.8, c11=0.9, c12=0.6)
    (ours,) = degrade(images, draws, pictures())
    soft = blur(images, draw_blur(draws[:, 0:2], SIZE))
    assert np.abs(numpy(ours) - numpy(apply_resample(soft, draw_resample(draws[:, 11:13], SIZE)))).max() < 1e-5


@pytest.mark.parametrize("size", [48, 128, 256])
def test_softening_reads_as_far_as_its_widest_matrix_does(size):
    draws = np.tile(np.array(CLEAN, "float32"), (2, 1))
    draws[:, [0, 1, 11, 12]] = [[0.9, np.float32(1 - 2**-24)] * 2, [0.0, 0.0, 0.9, np.float32(1 - 2**-24)]]
    image = np.random.default_rng(0).random((2, size, size, 3), "float32")
    (ours,) = soften(image, draws)
    resample = numpy(resample_matrix(size, draw_resample(draws[:, 11:13], size)))
    matrix = resample.astype("float64") @ numpy(gaussian_matrix(size, draw_blur(draws[:, 0:2], size)))
    plain = np.einsum("byh,bhwc,bxw->byxc", matrix, image, matrix, optimize=True)
    assert np.abs(numpy(ours) - plain).max() < 1e-6


def test_a_channel_more_is_left_out():
    images, draws, noise = pictures(), make_draws(seed=4), pictures(seed=5)
    found = degrade(np.concatenate([images, images[..., :1]], -1), draws, noise)
    assert len(found) == 1
    assert np.array_equal(numpy(found[0]), numpy(degrade(images, draws, noise)[0]))


def test_a_grey_photo_has_grey_noise_and_stays_grey():
    draws = clean_draws(c7=0.9, c8=0.9, c9=0.9, c13=0.01)
    (result,) = degrade(pictures(), draws, pictures(seed=3))
    result = numpy(result)
    assert np.abs(result - result.mean(-1, keepdims=True)).max() < 1e-6
    assert result.std((1, 2)).min() > 0.05


def test_pictures_of_an_example_are_treated_alike():
    images, draws, noise = pictures(), make_draws(seed=4), pictures(seed=5)
    one, other = degrade(np.concatenate([images, images], -1), draws, noise)
    assert np.array_equal(numpy(one), numpy(other))
    assert np.abs(numpy(one) - numpy(degrade(images, draws, noise)[0])).mean() < 1e-4


@pytest.mark.parametrize("name", OPS)
def test_an_op_keeps_the_range_at_its_edges(name):
    count = OPS[name][2]
    images = np.stack([np.zeros((SIZE, SIZE, 3)), np.ones((SIZE, SIZE, 3)), pictures(1)[0]]).astype("float32")
    for value in (0.0, 0.5, np.float32(1 - 2**-24)):
        result = numpy(run_op(name, images, np.full((3, count), value, "float32")))
        assert result.shape == images.shape and result.dtype == np.float32
        assert np.isfinite(result).all() and result.min() >= -1e-6 and result.max() <= 1 + 1e-6


@pytest.mark.parametrize("name", OPS)
def test_an_op_is_the_same_inside_of_dataset_map(name):
    import tensorflow as tf

    images, draws = pictures(), make_draws(seed=6, columns=OPS[name][2])
    data = tf.data.Dataset.from_tensors((images, draws)).map(lambda i, d: run_op(name, i, d))
    mapped = data.get_single_element().numpy()
    assert np.abs(mapped - numpy(run_op(name, images, draws))).mean() < 1e-5
