"""Structural similarity of pictures, its windows as matrix products."""

import numpy as np
from keras import ops

from keras_uncover.ops.filters import apply_separable


def window_matrix(size, stride, sigma=1.5, taps=11):
    """SSIM's Gaussian windows along a line, float32 ``(windows, size)``, each row sums to 1; no padding."""
    starts = np.arange(0, size - taps + 1, stride)
    offsets = np.arange(taps) - (taps - 1) / 2
    weights = np.exp(-0.5 * (offsets / sigma) ** 2)
    matrix = np.zeros((len(starts), size), "float32")
    for row, start in enumerate(starts):
        matrix[row, start : start + taps] = weights / weights.sum()
    return matrix


def ssim_map(images, references, stride=1):
    """Structural similarity of each window.

    Args:
        images, references: float32 ``(batch, size, size, channels)`` in [0, 1], ``size`` at least 11.
        stride: pixels between windows; 1 is the measure of the paper, more is as good a loss and cheaper.

    Returns: float32 ``(batch, windows, windows, channels)``.
    Source: Z. Wang et al., "Image Quality Assessment: From Error Visibility to Structural Similarity", 2004
    (11 x 11 Gaussian of 1.5 pixels, K1 0.01, K2 0.03); windows are matrix products.
    """
    matrix = ops.convert_to_tensor(window_matrix(images.shape[1], stride))[None]
    channels = images.shape[-1]
    stack = [images, references, images * images, references * references, images * references]
    means = apply_separable(ops.concatenate(stack, axis=-1), matrix, matrix)
    x, y, xx, yy, xy = (means[..., k * channels : (k + 1) * channels] for k in range(5))
    c1, c2 = 0.01**2, 0.03**2
    numerator = (2 * x * y + c1) * (2 * (xy - x * y) + c2)
    return numerator / ((x * x + y * y + c1) * (xx - x * x + yy - y * y + c2))


def weigh_windows(weights, stride):
    """The weight of each SSIM window: its Gaussian mean of a pixel weight ``(batch, size, size, 1)``."""
    matrix = ops.convert_to_tensor(window_matrix(weights.shape[1], stride))[None]
    return apply_separable(weights, matrix, matrix)
