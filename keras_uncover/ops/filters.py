"""Smoothing, resizing and mixing of channels, written so that XLA compiles fast code on a CPU.

Pictures are smoothed and resized by matrix products: depthwise convolutions are many times slower there. Channels are
split, mixed and joined as whole planes, which XLA compiles to vector code. A sum over a last axis of three would become
a loop of three for every pixel, and a concatenation along that axis a branch for every value.
"""

import functools

import numpy as np
from keras import ops

BLOCK = 32  # rows of a banded matrix that are multiplied at a time


def gaussian_matrix(size, sigma):
    """Row-normalised Gaussian weights between the pixels of a line.

    Rows are normalised, so a picture's border is not darkened.

    Args:
        size: pixels of the line.
        sigma: float32 ``(batch,)``, pixels; 0 gives the identity.

    Returns: float32 ``(batch, size, size)``.
    """
    axis = ops.arange(size, dtype="float32")
    distance = (axis[:, None] - axis[None, :]) ** 2
    sigma = ops.maximum(ops.cast(sigma, "float32"), 1e-3)[:, None, None]
    weights = ops.exp(-0.5 * distance[None] / sigma**2)
    return weights / ops.sum(weights, axis=-1, keepdims=True)


def resize_matrix(side, start, stop, size):
    """Weights that read a part of a line of pixels at another size, linearly and without aliasing.

    Args:
        side: pixels of the line.
        start, stop: the part, in shares of the line.
        size: pixels of the result.

    Returns: numpy float32 ``(size, side)``; each row sums to 1 and is a triangle as wide as the coarser pixel.
    """
    step = (stop - start) * side / size
    places = start * side + (np.arange(size) + 0.5) * step - 0.5
    reach = max(step, 1.0)
    distance = np.abs(np.clip(places, 0, side - 1)[:, None] - np.arange(side)[None])
    weights = np.maximum(1.0 - distance / reach, 0.0)
    return (weights / weights.sum(1, keepdims=True)).astype("float32")


def apply_separable(images, rows, columns):
    """Multiply every picture by one matrix along y and one along x.

    Args:
        images: float32 ``(batch, height, width, channels)``.
        rows: float32 ``(batch, new_height, height)``.
        columns: float32 ``(batch, new_width, width)``.

    Returns: float32 ``(batch, new_height, new_width, channels)``.
    """
    batch, height, width, channels = images.shape
    new_height, new_width = rows.shape[-2], columns.shape[-2]
    tall = ops.matmul(rows, ops.reshape(images, (-1, height, width * channels)))
    tall = ops.reshape(tall, (-1, new_height, width, channels))
    wide = ops.matmul(columns[:, None], tall)
    return ops.reshape(wide, (-1, new_height, new_width, channels))


def apply_band(images, matrix, reach):
    """Multiply every square picture along y and along x by a matrix that is zero away from its diagonal.

    A block of rows at a time takes only the columns in which it is not zero: with a reach of 11, 54 at most.

    Args:
        images: float32 ``(batch, size, size, channels)``, few channels; with many ``apply_separable`` is faster.
        matrix: float32 ``(batch, size, size)``, zero where row and column differ by more than ``reach``.
        reach: Python integer.

    Returns: float32, the shape of ``images``.
    """
    size, channels = images.shape[1], images.shape[3]
    # Rows, and the columns near to them.
    blocks = [(slice(k, k + BLOCK), slice(max(k - reach, 0), k + BLOCK + reach)) for k in range(0, size, BLOCK)]
    # With x last, the second product is a large one a picture; with the channels last it is a small one a line.
    lines = ops.reshape(ops.transpose(images, (0, 1, 3, 2)), (-1, size, channels * size))
    lines = ops.concatenate([ops.matmul(matrix[:, rows, near], lines[:, near]) for rows, near in blocks], axis=1)
    lines = ops.reshape(lines, (-1, size * channels, size))
    turned = ops.swapaxes(matrix, 1, 2)
    lines = ops.concatenate([ops.matmul(lines[..., near], turned[:, near, rows]) for rows, near in blocks], axis=-1)
    return ops.transpose(ops.reshape(lines, (-1, size, channels, size)), (0, 1, 3, 2))


def both_ways(matrix, planes):
    """Multiply pictures of one channel by the same matrix along y and along x; cheaper than with a channel axis.

    Args:
        matrix: float32 ``(new, old)`` or ``(batch, new, old)``.
        planes: float32 ``(batch, old, old)``.

    Returns: float32 ``(batch, new, new)``.
    """
    return ops.matmul(ops.matmul(matrix, planes), ops.swapaxes(ops.convert_to_tensor(matrix), -1, -2))


def blur(images, sigma):
    """Gaussian blur with its own ``sigma`` (pixels, float32 ``(batch,)``) for every square picture of a batch."""
    weights = gaussian_matrix(images.shape[1], sigma)
    return apply_separable(images, weights, weights)


@functools.cache
def fixed_blur(size, sigma):
    """A Gaussian blur of a line as a matrix, rows sum to 1: numpy float32 ``(size, size)``."""
    axis = np.arange(size)
    weights = np.exp(-0.5 * ((axis[:, None] - axis[None]) / sigma) ** 2)
    return (weights / weights.sum(1, keepdims=True)).astype("float32")


def blur_all(images, sigma):
    """Blur a batch by one Gaussian. images: float32 ``(batch, size, size, c)``; sigma: Python number, pixels."""
    matrix = ops.convert_to_tensor(fixed_blur(images.shape[1], float(sigma)))
    lines = ops.einsum("ij,bjxc->bixc", matrix, images)
    return ops.einsum("ij,bxjc->bxic", matrix, lines)


def mix_channels(planes, matrix):
    """Multiply the channels of pictures, each a plane of its own, by a small matrix.

    Args:
        planes: list of ``n`` float32 arrays of one shape.
        matrix: numpy ``(m, n)``.

    Returns: list of ``m`` float32 arrays of that shape.
    """
    return [sum(float(weight) * plane for weight, plane in zip(row, planes)) for row in matrix]


def filter_channels(pictures, kernel):
    """Filter each channel by a kernel of its own, 0 beyond the edges: a depthwise convolution.

    XLA's own on a CPU takes nine times as long as the loop that it makes of this sum.

    Args:
        pictures: float32 ``(batch, height, width, channels)``.
        kernel: ``(rows, columns, channels)``, both odd.

    Returns: like ``pictures``.
    """
    height, width = pictures.shape[1:3]
    rows, columns = kernel.shape[:2]
    wide = ops.pad(pictures, ((0, 0), (rows // 2, rows // 2), (columns // 2, columns // 2), (0, 0)))
    return sum(
        wide[:, y : y + height, x : x + width] * kernel[y, x] for y in range(rows) for x in range(columns)
    )


def join_channels(pictures):
    """Concatenate pictures along their channels.

    Args:
        pictures: list of arrays ``(batch, height, width, channels)``, which may differ in their channels.
    """
    planes = [picture[..., k] for picture in pictures for k in range(picture.shape[-1])]
    return ops.transpose(ops.stack(planes, axis=1), (0, 2, 3, 1))
