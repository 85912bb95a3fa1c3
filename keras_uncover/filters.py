"""Smoothing by matrix products: depthwise convolutions are many times slower on a CPU and under XLA there."""

from keras import ops


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
