"""JPEG's loss as arithmetic on batches: 8x8 cosine transform, quantisation, halved chroma.

Within a grey level, on average, of what libjpeg's encoder and decoder leave, whose integer arithmetic is not followed
step by step; entropy coding loses nothing and is left out. Tables and the scaling by quality are those of ITU T.81
annex K and of libjpeg.
"""

import numpy as np
from keras import ops

from keras_uncover.filters import apply_separable
from keras_uncover.layers import linear_matrix

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


def cosine_matrix():
    """The orthonormal 8-point cosine transform, float32 ``(8, 8)``."""
    k, n = np.arange(8)[:, None], np.arange(8)[None]
    matrix = np.sqrt(2 / 8) * np.cos(np.pi * k * (2 * n + 1) / 16)
    matrix[0] /= np.sqrt(2)
    return matrix.astype("float32")


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
    cosine = cosine_matrix()
    blocks = ops.reshape(planes, (-1, height // 8, 8, width // 8, 8))
    blocks = ops.transpose(blocks, (0, 1, 3, 2, 4))
    table = table[:, None, None]
    coefficients = ops.matmul(ops.matmul(cosine, blocks), cosine.T)
    coefficients = ops.round(coefficients / table) * table
    blocks = ops.matmul(ops.matmul(cosine.T, coefficients), cosine)
    return ops.reshape(ops.transpose(blocks, (0, 1, 3, 2, 4)), (-1, height, width))


def jpeg(images, quality):
    """What JPEG leaves of pictures, with chroma halved in both directions (4:2:0) and enlarged again linearly.

    Args:
        images: float32 ``(batch, height, width, 3)`` in [0, 1]; sides divisible by 16.
        quality: float32 ``(batch,)`` in 1 .. 100.

    Returns: float32, same shape, in [0, 1].
    """
    _, height, width, _ = images.shape
    if height % 16 or width % 16:
        raise ValueError(f"jpeg needs sides divisible by 16; received {height} x {width} pixels.")
    ycc = ops.round(ops.matmul(ops.round(images * 255.0), _RGB_TO_YCC.T))
    luma = quantise_blocks(ycc[..., 0] - 128.0, scaled_table(LUMA_TABLE, quality)) + 128.0
    half = ops.mean(ops.reshape(ycc[..., 1:], (-1, height // 2, 2, width // 2, 2, 2)), axis=(2, 4))
    chroma = [quantise_blocks(half[..., k], scaled_table(CHROMA_TABLE, quality)) for k in (0, 1)]
    rows, columns = linear_matrix(height // 2, 2)[None], linear_matrix(width // 2, 2)[None]
    chroma = apply_separable(ops.stack(chroma, axis=-1), rows, columns)
    ycc = ops.concatenate([luma[..., None], chroma], axis=-1)
    rgb = ops.matmul(ycc, np.linalg.inv(_RGB_TO_YCC).T)
    return ops.clip(ops.round(rgb) / 255.0, 0.0, 1.0)
