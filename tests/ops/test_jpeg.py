"""JPEG as arithmetic, against Pillow's encoder and decoder."""

import io

import cv2
import numpy as np
import pytest
from keras import ops
from PIL import Image
from scipy import fft

from keras_uncover.models.layers import linear_matrix
from keras_uncover.ops.jpeg import (
    CHROMA_TABLE,
    LUMA_TABLE,
    cosine_matrix,
    double,
    halve,
    jpeg,
    quantise_blocks,
    scaled_table,
)


def picture(size=64):
    """A uint8 RGB picture as smooth as a photo: slow waves, some grain and one hard edge."""
    x, y = np.meshgrid(*[np.arange(size) / size] * 2)
    waves = [0.5 + 0.25 * np.sin(a * x + b * y) for a, b in ((5, 2), (-3, 6), (4, -5))]
    grain = cv2.GaussianBlur(np.random.default_rng(0).standard_normal((size, size)), (0, 0), 1.0)
    image = np.stack(waves, -1) + 0.05 * grain[..., None]
    image[size // 2 :, : size // 3] *= 0.6
    return np.round(np.clip(image, 0, 1) * 255).astype("uint8")


def through_pillow(image, quality):
    """The picture after Pillow's JPEG with halved chroma, and the file's tables."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality, subsampling="4:2:0")
    read = Image.open(file)
    return np.asarray(read).astype("float32"), read.quantization


def through_ours(image, quality):
    result = jpeg((image / 255).astype("float32")[None], np.array([quality], "float32"))
    return ops.convert_to_numpy(result)[0] * 255


def test_tables_are_libjpegs_at_every_quality():
    qualities = np.arange(1, 101)
    luma, chroma = (
        ops.convert_to_numpy(scaled_table(table, qualities.astype("float32"))) for table in (LUMA_TABLE, CHROMA_TABLE)
    )
    for quality, *ours in zip(qualities, luma, chroma):
        tables = through_pillow(np.zeros((16, 16, 3), "uint8"), int(quality))[1]
        for number, table in enumerate(ours):
            assert np.array_equal(table.reshape(-1), tables[number]), f"quality {quality}, table {number}"


def test_the_cosine_transform_is_the_orthonormal_one():
    block = np.random.default_rng(1).normal(size=(8, 8)).astype("float32")
    cosine = cosine_matrix()
    assert np.allclose(cosine @ block @ cosine.T, fft.dctn(block, norm="ortho"), atol=1e-5)
    assert np.allclose(cosine @ cosine.T, np.eye(8), atol=1e-6)


def test_quantise_blocks_rounds_the_coefficients_of_every_block():
    planes = np.random.default_rng(2).uniform(-128, 127, (2, 16, 24)).astype("float32")
    table = np.stack([LUMA_TABLE, 3 * CHROMA_TABLE])
    result = ops.convert_to_numpy(quantise_blocks(planes, table))
    for plane, steps, ours in zip(planes, table, result):
        for y, x in ((0, 0), (8, 0), (8, 16)):
            box = np.s_[y : y + 8, x : x + 8]
            coefficients = np.round(fft.dctn(plane[box], norm="ortho") / steps) * steps
            assert np.allclose(ours[box], fft.idctn(coefficients, norm="ortho"), atol=1e-3)


def test_chroma_is_halved_by_means_and_doubled_linearly():
    planes = np.random.default_rng(4).random((2, 6, 10), "float32")
    means = planes.reshape(2, 3, 2, 5, 2).mean((2, 4))
    assert np.allclose(ops.convert_to_numpy(halve(planes)), means, atol=1e-6)
    for axis, product in ((1, "ab,nbc->nac"), (2, "ab,ncb->nca")):
        plain = np.einsum(product, linear_matrix(planes.shape[axis], 2), planes)
        assert np.allclose(ops.convert_to_numpy(double(planes, axis)), plain, atol=1e-6)


def test_a_mean_between_two_steps_falls_to_the_even_one():
    # Means of whole numbers are exact, whatever the order of the sum: 12 over a step of 8 is one and a half.
    planes = np.full((1, 8, 16), 12 / 8, "float32")
    planes[..., 8:] = 20 / 8
    result = ops.convert_to_numpy(quantise_blocks(planes, np.full((1, 8, 8), 8.0, "float32")))
    assert np.allclose(result[0, :, :8], 16 / 8) and np.allclose(result[0, :, 8:], 16 / 8)


@pytest.mark.parametrize("quality", [20, 43, 60, 75, 90, 100])
def test_it_leaves_what_pillow_leaves(quality):
    image = picture()
    theirs, ours = through_pillow(image, quality)[0], through_ours(image, quality)
    lost = np.abs(theirs - image).mean()
    difference = np.abs(ours - theirs).mean()
    # Within a grey level of 255 on average; at strong compression that is a small part of what is lost.
    assert difference < 0.8
    assert difference < 0.3 * lost or quality > 80
    assert abs(np.abs(ours - image).mean() - lost) < 0.2 + 0.05 * lost


@pytest.mark.parametrize("quality", [30, 75, 95])
def test_a_grey_picture_is_equal_but_for_rounding(quality):
    image = np.repeat(picture()[..., :1], 3, axis=-1)
    difference = np.abs(through_ours(image, quality) - through_pillow(image, quality)[0])
    # Where a coefficient lies between two steps, libjpeg's whole numbers may fall to the other side: some blocks of 64.
    assert difference.mean() < 0.25
    assert (difference <= 1).mean() > 0.9


def test_each_picture_has_its_own_quality_and_stays_in_range():
    image = (picture() / 255).astype("float32")
    noise = np.random.default_rng(3).integers(0, 2, (64, 64, 3)).astype("float32")
    batch = np.stack([image, image, noise])
    result = ops.convert_to_numpy(jpeg(batch, np.array([10.0, 95.0, 1.0], "float32")))
    assert result.dtype == np.float32
    assert result.min() >= 0 and result.max() <= 1
    assert np.abs(result[0] - image).mean() > 3 * np.abs(result[1] - image).mean()
    assert np.allclose(result[1] * 255, through_ours(picture(), 95), atol=1e-3)


def test_sides_must_be_whole_blocks():
    with pytest.raises(ValueError, match="divisible by 16; received 24 x 32"):
        jpeg(np.zeros((1, 24, 32, 3), "float32"), np.array([50.0], "float32"))


def test_the_same_under_xla():
    import tensorflow as tf

    batch = (picture()[None] / 255).astype("float32")
    quality = np.array([62.5], "float32")
    eager = ops.convert_to_numpy(jpeg(batch, quality))
    compiled = tf.function(jpeg, jit_compile=True)(batch, quality).numpy()
    # A coefficient that lies between two steps may fall to either side.
    assert np.abs(eager - compiled).mean() < 5e-4
