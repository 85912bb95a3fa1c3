"""Histogram matching with static shapes: a few quantiles inside a mask, joined by a broken line.

Sorting, the textbook way to quantiles, is slow under XLA on a CPU, and a table with an entry a level needs a gather a
value. Here the shares of pixels below fixed levels are counted, best on a thinned picture, and quantiles are read off
them; the curve through matching quantiles has so few knots that it is worked out for every pixel without a look-up.
Source of the method: R. Gonzalez, R. Woods, "Digital Image Processing", histogram specification.
"""

import numpy as np
from keras import ops

from keras_uncover.ops.colour import Curve, masked_moments

SHARES = (0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98)  # of the pixels below each quantile
MIDDLE = SHARES.index(0.5)
LEVELS = np.linspace(-3.0, 3.0, 25, dtype="float32")  # in deviations from the mean
SAMPLES = 32  # pixels a side that are left of a thinned picture
STEEPEST, FLATTEST = 2.5, 0.4  # slopes, the limits of match_moments: a flat reference must not wash a face out


def thin_out(images):
    """About ``SAMPLES`` pixels a side of each picture, evenly spread: enough for statistics of a face."""
    step = max(images.shape[1] // SAMPLES, 1)
    return images[:, step // 2 :: step, step // 2 :: step]


def shares_below(images, mask, levels):
    """Share of the masked pixels below each level, levels blurred to the distance between them.

    Args:
        images: float32 ``(batch, pixels, channels)``.
        mask: float32 ``(batch, pixels, 1)``.
        levels: float32 ``(batch, channels, levels)``, evenly spaced.

    Returns: float32 ``(batch, channels, levels)``, rising.
    """
    step = levels[:, None, :, 1:2] - levels[:, None, :, :1]
    below = ops.clip((levels[:, None] - images[..., None]) / step + 0.5, 0.0, 1.0)
    return ops.sum(below * mask[..., None], axis=1) / (ops.sum(mask, axis=1)[..., None] + 1e-6)


def masked_quantiles(images, mask):
    """Values below which given shares of the masked pixels lie.

    Args:
        images: float32 ``(batch, height, width, channels)``.
        mask: float32 ``(batch, height, width, 1)`` weights in [0, 1].

    Returns: float32 ``(batch, channels, len(SHARES))``, rising; beyond 3 deviations from the mean nothing is told
    apart.
    """
    mean, deviation = (ops.reshape(x, (-1, x.shape[-1], 1)) for x in masked_moments(images, mask))
    levels = mean + deviation * LEVELS
    flat = [ops.reshape(x, (-1, x.shape[1] * x.shape[2], x.shape[3])) for x in (images, mask)]
    shares = shares_below(*flat, levels)[..., None, :]
    # Each distance between levels counts as far as the wanted share has been passed in it.
    rise = ops.maximum(shares[..., 1:] - shares[..., :-1], 1e-6)
    passed = ops.clip((np.array(SHARES, "float32")[:, None] - shares[..., :-1]) / rise, 0.0, 1.0)
    return levels[..., :1] + deviation * (LEVELS[1] - LEVELS[0]) * ops.sum(passed, axis=-1)


def join_quantiles(quantiles, wanted):
    """The ``Curve`` that leads from one set of quantiles to another.

    It goes through the medians; slopes are kept in ``FLATTEST`` .. ``STEEPEST``, and go on beyond the outer quantiles.

    Args:
        quantiles, wanted: float32 ``(batch, channels, k)``, rising.
    """
    run = ops.maximum(quantiles[..., 1:] - quantiles[..., :-1], 1e-4)
    slope = ops.clip((wanted[..., 1:] - wanted[..., :-1]) / run, FLATTEST, STEEPEST)
    knots, bend = quantiles[..., 1:-1], slope[..., 1:] - slope[..., :-1]
    middle = quantiles[..., MIDDLE : MIDDLE + 1]
    bent = ops.sum(bend * ops.maximum(middle - knots, 0.0), axis=-1)
    offset = wanted[..., MIDDLE] - slope[..., 0] * middle[..., 0] - bent
    gain, offset = (x[:, None, None] for x in (slope[..., 0], offset))
    bends = tuple((knots[:, None, None, :, k], bend[:, None, None, :, k]) for k in range(len(SHARES) - 2))
    return Curve(gain, offset, bends)


def match_quantiles(images, references, mask):
    """The ``Curve`` that gives each channel of ``images`` the histogram that ``references`` have inside a mask.

    Args:
        images, references: float32 ``(batch, height, width, channels)``, best in Oklab.
        mask: float32 ``(batch, height, width, 1)``; the same region is read in both.
    """
    return join_quantiles(masked_quantiles(images, mask), masked_quantiles(references, mask))
