"""Colour spaces and colour matching, in keras.ops.

Statistics are matched in Oklab (B. Ottosson, "A perceptual color space for image processing", 2020): lightness and the
two opponent axes are nearly independent there, so matching mean and deviation an axis keeps hues natural.
Whatever is matched, what comes out is a *curve* for each channel, which is then applied to all pixels at once.
"""

import collections

import numpy as np
from keras import ops

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
    reference does not wash a face out.
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
