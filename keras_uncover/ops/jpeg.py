"""JPEG's loss as arithmetic on batches: 8x8 cosine transform, quantisation, halved chroma.

The result differs from that of libjpeg's encoder and decoder by less than one grey level on average: their integer
arithmetic is not reproduced step by step. Entropy coding is lossless and is left out. Tables and the scaling by quality
are those of ITU T.81 annex K and of libjpeg.
"""

import numpy as np
from keras import ops

from keras_uncover.ops.filters import join_channels, mix_channels

LUMA_TABLE = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ],
    "float32",
)
CHROMA_TABLE = np.full((8, 8), 99.0, "float32")
CHROMA_TABLE[:4, :4] = [[17, 18, 24, 47], [18, 21, 26, 66], [24, 26, 56, 99], [47, 66, 99, 99]]

_RGB_TO_YCC = np.array(
    [[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]], "float32"
)
_YCC_TO_RGB = np.linalg.inv(_RGB_TO_YCC)


def cosine_matrix():
    """The orthonormal 8-point cosine transform, float64 ``(8, 8)``."""
    k, n = np.arange(8)[:, None], np.arange(8)[None]
    matrix = np.sqrt(2 / 8) * np.cos(np.pi * k * (2 * n + 1) / 16)
    matrix[0] /= np.sqrt(2)
    return matrix


def scaled_table(table, quality):
    """A quantisation table at each quality. quality: float32 ``(batch,)`` in 1 .. 100; returns ``(batch, 8, 8)``."""
    scale = ops.where(quality < 50, ops.floor(5000.0 / quality), 200.0 - 2.0 * quality)
    return ops.clip(ops.floor((table[None] * scale[:, None, None] + 50.0) / 100.0), 1.0, 255.0)


def quantise_blocks(planes, table):
    """Transform, round and transform back every 8x8 block.

    Args:
        planes: float32 ``(batch, height, width)``, sides divisible by 8, values -128 .. 127.
        table: float32 ``(batch, 8, 8)``.
    """
    _, height, width = planes.shape
    # One product with all 64 pixels of a block: four times the sums of two products with 8, and faster. Its weights of
    # one eighth are exact, so a mean halfway between two steps is rounded the same way on every backend.
    both = np.kron(cosine_matrix(), cosine_matrix()).astype("float32")
    table = ops.reshape(table, (-1, 1, 64))
    blocks = ops.reshape(planes, (-1, height // 8, 8, width // 8, 8))
    blocks = ops.reshape(ops.transpose(blocks, (0, 1, 3, 2, 4)), (-1, height * width // 64, 64))
    coefficients = ops.round(ops.matmul(blocks, both.T) / table) * table
    blocks = ops.reshape(ops.matmul(coefficients, both), (-1, height // 8, width // 8, 8, 8))
    return ops.reshape(ops.transpose(blocks, (0, 1, 3, 2, 4)), (-1, height, width))


def halve(planes):
    """Means of 2 x 2 pixels. planes: float32 ``(batch, height, width)``, sides even."""
    return 0.25 * sum(planes[:, y::2, x::2] for y in (0, 1) for x in (0, 1))


def double(planes, axis):
    """Twice as many pixels along an axis, linearly between their centres; the outermost pixels are repeated.

    Args:
        planes: float32 ``(batch, height, width)``.
        axis: 1 or 2.
    """
    size, margin = planes.shape[axis], [(0, 0)] * 3
    margin[axis] = (1, 1)
    wide = ops.pad(planes, margin, mode="symmetric")
    before, after = (wide[:, k : k + size] if axis == 1 else wide[:, :, k : k + size] for k in (0, 2))
    pairs = ops.stack([0.75 * planes + 0.25 * before, 0.75 * planes + 0.25 * after], axis=axis + 1)
    shape = list(planes.shape)
    shape[0], shape[axis] = -1, 2 * size
    return ops.reshape(pairs, shape)


def jpeg(images, quality):
    """JPEG, coded and decoded, with chroma halved in both directions (4:2:0) and enlarged again linearly.

    Args:
        images: float32 ``(batch, height, width, 3)`` in [0, 1]; sides divisible by 16.
        quality: float32 ``(batch,)`` in 1 .. 100.

    Returns: float32, same shape, in [0, 1].
    """
    _, height, width, _ = images.shape
    if height % 16 or width % 16:
        raise ValueError(f"jpeg needs sides divisible by 16; received {height} x {width} pixels.")
    rgb = [ops.round(images[..., k] * 255.0) for k in range(3)]
    luma, *chroma = (ops.round(plane) for plane in mix_channels(rgb, _RGB_TO_YCC))
    luma = quantise_blocks(luma - 128.0, scaled_table(LUMA_TABLE, quality)) + 128.0
    halves = ops.concatenate([halve(plane) for plane in chroma], axis=0)
    table = scaled_table(CHROMA_TABLE, quality)
    chroma = quantise_blocks(halves, ops.concatenate([table, table], axis=0))
    chroma = ops.split(double(double(chroma, 1), 2), 2)
    rgb = mix_channels([luma, *chroma], _YCC_TO_RGB)
    return join_channels([ops.clip(ops.round(plane) / 255.0, 0.0, 1.0)[..., None] for plane in rgb])
