"""Blending pasted pixels into the target's crop: softened, then by the mask alone or band by band."""

import functools
import math

import numpy as np
from keras import ops

from keras_uncover.ops.filters import both_ways
from keras_uncover.swaps.steps import as_is, between

SOFTEST = 0.8  # deviation of the softest swap's blur, in pixels of a crop of 128
FACTORS = (2, 4, 8)  # by which the pyramid's levels are reduced, at 128 pixels and in proportion at others


def blur_axis(images, sigma, radius, axis):
    """Gaussian blur along one axis, of few taps: for narrow blurs five times as fast as ``filters.blur``.

    Args:
        images: float32 ``(batch, height, width, channels)``.
        sigma: float32 ``(batch,)``, pixels.
        radius: taps on either side; at 3.5 sigma the rest weighs under a thousandth.
        axis: 1 or 2.
    """
    size, taps = images.shape[axis], np.arange(-radius, radius + 1, dtype="float32")
    weights = ops.exp(-0.5 * (taps / ops.maximum(sigma, 1e-3)[:, None]) ** 2)
    places = np.arange(size)[:, None] + taps
    inside = ((places >= 0) & (places < size)).astype("float32")
    total = ops.sum(weights[:, None] * inside, axis=-1)  # a picture's border is not darkened
    margin = [(0, 0)] * 4
    margin[axis] = (radius, radius)
    padded = ops.pad(images, margin)
    parts = (padded[:, k : k + size] if axis == 1 else padded[:, :, k : k + size] for k in range(2 * radius + 1))
    result = sum(part * weights[:, k][:, None, None, None] for k, part in enumerate(parts))
    return result / (total[:, :, None, None] if axis == 1 else total[:, None, :, None])


def soften(pixels, draw, stage=as_is):
    """Blur half of the swaps a little: face generators rarely work at a photo's resolution.

    draw: float32 ``(batch,)``, uniform.
    """
    scale = pixels.shape[1] / 128
    sigma = ops.maximum(between(draw, -SOFTEST, SOFTEST), 0.0) * scale
    for axis in (1, 2):
        one_way = functools.partial(blur_axis, radius=math.ceil(3.5 * SOFTEST * scale), axis=axis)
        pixels = stage(one_way)(pixels, sigma)
    return pixels


def draw_strength(draws):
    """Strength of a swap, float32 ``(batch,)``: full, or in three of ten .5 to 1. draws: ``(batch, 2)``."""
    return ops.where(draws[:, 0] < 0.7, 1.0, between(draws[:, 1], 0.5, 1.0))


def paste(target, pixels, mask, strength):
    """Blend pixels into the target's crop by the mask. strength: float32 ``(batch,)``."""
    weight = mask * strength[:, None, None, None]
    return target * (1.0 - weight) + pixels * weight


@functools.cache
def reducing_matrix(size, factor):
    """Gaussian reduction of a line: float32 ``(size / factor, size)``, deviation ``factor / 2``, rows sum to 1."""
    centres = (np.arange(size // factor)[:, None] + 0.5) * factor
    weights = np.exp(-0.5 * ((np.arange(size) + 0.5 - centres) / (0.5 * factor)) ** 2)
    return (weights / weights.sum(axis=1, keepdims=True)).astype("float32")


@functools.cache
def enlarging_matrix(size, factor):
    """Smooth enlargement of a reduced line: float32 ``(size, size / factor)``, each row sums to 1."""
    weights = reducing_matrix(size, factor).T
    return weights / weights.sum(axis=1, keepdims=True)


def low_pass(planes, factor):
    """The low frequencies that a pyramid's level reduced by ``factor`` holds, at the full size.

    planes: float32 ``(n, size, size)``.
    """
    size = planes.shape[-1]
    return both_ways(enlarging_matrix(size, factor), both_ways(reducing_matrix(size, factor), planes))


def paste_bands(target, pixels, mask, strength, cover):
    """Blend pixels into the target's crop band by band: fine detail over a narrow border, brightness over a wide one.

    Like Poisson blending this leaves no seam. Poisson blending was not taken for three reasons. The boundary of its
    equation is the mask's outline, so it cannot be solved by a sine transform of the square, only by many iterations of
    low accuracy. It spreads the colour of a beard or a fringe at the outline over the whole face, whereas here the
    middle of the face keeps its brightness. And this method takes a few small matrix products and is linear in the
    difference of the two pictures. The weights of all bands are 0 outside of the mask, so nothing changes there, as the
    mask's truth says.
    Source: P. Burt, E. Adelson, "A Multiresolution Spline With Application to Image Mosaics", 1983; here with bands at
    the full size, and feathers that lie inside of the mask.

    Args:
        target, pixels: float32 ``(batch, size, size, 3)`` in [0, 1]; size a multiple of 16.
        mask: float32 ``(batch, size, size, 1)``, the weight of the finest band.
        strength: float32 ``(batch,)``.
        cover: float32, the shape of ``mask``: where ``pixels`` are valid; elsewhere the target's own pixels are taken.

    Returns: float32 ``(batch, size, size, 3)`` in [0, 1].
    """
    size = target.shape[1]
    finer, weight, result = (pixels - target) * cover, mask, 0.0
    planes = ops.transpose(ops.concatenate([finer, mask], axis=-1), (0, 3, 1, 2))
    planes = ops.reshape(planes, (-1, size, size))
    for factor in sorted({max(round(factor * size / 128), 2) for factor in FACTORS}):
        level = ops.transpose(ops.reshape(low_pass(planes, factor), (-1, 4, size, size)), (0, 2, 3, 1))
        result = result + weight * (finer - level[..., :3])
        finer, weight = level[..., :3], mask * ops.clip(2.0 * level[..., 3:] - 1.0, 0.0, 1.0)
    result = result + weight * finer
    return ops.clip(target + strength[:, None, None, None] * result, 0.0, 1.0)
