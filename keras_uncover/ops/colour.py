"""Colour spaces and colour matching, in keras.ops.

Statistics are matched in Oklab (B. Ottosson, "A perceptual color space for image processing", 2020): lightness and the
two opponent axes are nearly independent there, so matching mean and deviation an axis keeps hues natural.
Matching by moments or by quantiles gives a *curve* for each channel, which is then applied to all pixels at once.

Quantiles are matched with static shapes: a few of them inside a mask, joined by a broken line (R. Gonzalez, R. Woods,
"Digital Image Processing", histogram specification). Sorting, the usual method, is slow under XLA on a CPU, and a
look-up table needs one gather per value. Here the shares of pixels below fixed levels are counted, and the quantiles
are interpolated from them; a thinned picture is enough for that. The curve through the quantiles has few knots, so it
is computed for every pixel without a look-up.
"""

import collections

import numpy as np
from keras import ops

SHARES = (0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98)  # of the pixels below each quantile
MIDDLE = SHARES.index(0.5)
LEVELS = np.linspace(-3.0, 3.0, 25, dtype="float32")  # at which quantiles are counted, in deviations from the mean
SAMPLES = 32  # pixels a side that are left of a thinned picture
STEEPEST, FLATTEST = 2.5, 0.4  # limits of a slope, as in match_moments: a flat reference must leave some contrast

Curve = collections.namedtuple("Curve", "gain offset bends")
Curve.__doc__ = """A broken line for each channel: ``offset + gain * x + sum of bend * max(x - knot, 0)``.

gain, offset: float32 ``(batch, 1, 1, channels)``. bends: tuple of ``(knot, bend)``, each of that shape.
"""

_RGB_TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ],
    "float32",
)
_LMS_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ],
    "float32",
)


def power(values, exponent):
    """Positive values to a real power; XLA has vector code for exponential and logarithm, but not for powers."""
    return ops.exp(ops.log(values) * exponent)


def rgb_to_oklab(images):
    """sRGB in [0, 1], float32 ``(..., 3)``, to Oklab (L in [0, 1], a and b about -0.4 .. 0.4)."""
    images = ops.clip(images, 0.0, 1.0)
    bright = power((ops.maximum(images, 0.04045) + 0.055) / 1.055, 2.4)
    linear = ops.where(images <= 0.04045, images / 12.92, bright)
    lms = power(ops.maximum(ops.matmul(linear, _RGB_TO_LMS.T), 1e-6), 1.0 / 3.0)
    return ops.matmul(lms, _LMS_TO_LAB.T)


def oklab_to_rgb(lab):
    """Oklab, float32 ``(..., 3)``, to sRGB, clipped to [0, 1]."""
    lms = ops.matmul(lab, np.linalg.inv(_LMS_TO_LAB).T) ** 3
    linear = ops.clip(ops.matmul(lms, np.linalg.inv(_RGB_TO_LMS).T), 0.0, 1.0)
    bright = 1.055 * power(ops.maximum(linear, 0.0031308), 1.0 / 2.4) - 0.055
    return ops.where(linear <= 0.0031308, linear * 12.92, bright)


def masked_moments(images, mask):
    """Mean and standard deviation inside a mask.

    Args:
        images: float32 ``(batch, height, width, channels)``.
        mask: float32 ``(batch, height, width, 1)`` weights in [0, 1]; an empty mask gives mean 0, deviation near 0.

    Returns: two float32 ``(batch, 1, 1, channels)``.
    """
    total = ops.sum(mask, axis=(1, 2), keepdims=True) + 1e-6
    mean = ops.sum(images * mask, axis=(1, 2), keepdims=True) / total
    variance = ops.sum((images - mean) ** 2 * mask, axis=(1, 2), keepdims=True) / total
    return mean, ops.sqrt(variance + 1e-8)


def match_colours(images, references, mask):
    """Give ``images`` the colour mean and deviation that ``references`` have inside ``mask``, axis by axis in Oklab.

    Args:
        images, references: float32 ``(batch, height, width, 3)`` in [0, 1].
        mask: float32 ``(batch, height, width, 1)``; the same region is read in both.

    Returns: float32, the shape of ``images``, in [0, 1]. The deviation's ratio is kept in 0.4 .. 2.5, so that a flat
    reference does not remove a face's contrast.
    Source: E. Reinhard et al., "Color Transfer between Images", 2001, with Oklab in place of l-alpha-beta.
    """
    return oklab_to_rgb(match_moments(rgb_to_oklab(images), rgb_to_oklab(references), mask))


def match_moments(images, references, mask):
    """Give each channel of ``images`` the mean and, within limits, the deviation of ``references`` inside a mask."""
    return apply_curve(images, match_line(images, references, mask))


def match_line(images, references, mask):
    """The straight ``Curve`` that ``match_moments`` applies."""
    mean, deviation = masked_moments(images, mask)
    to_mean, to_deviation = masked_moments(references, mask)
    gain = ops.clip(to_deviation / deviation, 0.4, 2.5)
    return Curve(gain, to_mean - mean * gain, ())


def apply_curve(images, curve):
    """Send every channel through its curve. images: float32 ``(batch, height, width, channels)``, any range."""
    result = images * curve.gain + curve.offset
    for knot, bend in curve.bends:
        result = result + bend * ops.maximum(images - knot, 0.0)
    return result


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

    Returns: float32 ``(batch, channels, len(SHARES))``, rising; none is further than 3 deviations from the mean.
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
