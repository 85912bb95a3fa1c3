"""Which region a swap replaces: hull or part of it, elastically deformed, feathered, as a soft mask."""

import functools
import math

import numpy as np
from keras import ops

from keras_uncover.ops.filters import both_ways, gaussian_matrix
from keras_uncover.swaps.steps import between

SHAPE_DRAWS = 5  # uniform numbers by cut_region and feather
KNOTS = 4  # a side of the grid of random displacements
ELASTIC_DRAWS = 2 + KNOTS * KNOTS  # by draw_displacement
REACH = 0.05  # deviation of the blur that displaces an outline, in sides of the crop: up to twice as far is exact
STEP = 4  # pixels that the displacing blur reduces to one


def cut_region(hull, uv, draws):
    """The hull, or in a quarter of the swaps the part of it on one side of a line across the face.

    Args:
        hull: float32 ``(batch, size, size, 1)``.
        uv: float32 ``(batch, size, size, 2)``.
        draws: float32 ``(batch, 3)``: angle and place of the line, and whether it cuts.
    """
    angle = 2 * np.pi * draws[:, 0]
    normal = ops.stack([ops.cos(angle), ops.sin(angle)], axis=-1)[:, None, None]
    reach = between(draws[:, 1], 0.08, 0.3)[:, None, None, None]
    middle = np.array([0.5, 0.54], "float32")  # of the mean face
    part = ops.cast(ops.sum((uv - middle) * normal, axis=-1, keepdims=True) < reach, "float32")
    whole = ops.cast(draws[:, 2] < 0.75, "float32")[:, None, None, None]
    return hull * ops.maximum(whole, part)


@functools.cache
def knot_matrix(size, spread=0.6):
    """Weights that make a smooth line of ``size`` pixels out of ``KNOTS`` values: float32 ``(size, KNOTS)``.

    Gaussians about knots that lie evenly from end to end, ``spread`` their deviation in distances between knots. Rows
    sum to 1, so what comes out keeps the bounds of what goes in.
    """
    places = (np.arange(size)[:, None] + 0.5) / size * (KNOTS - 1)
    weights = np.exp(-0.5 * ((places - np.arange(KNOTS)) / spread) ** 2)
    return (weights / weights.sum(axis=1, keepdims=True)).astype("float32")


def draw_displacement(draws, size):
    """How far an outline moves outwards at each place, in pixels; half of the outlines stay as they are.

    Args:
        draws: float32 ``(batch, ELASTIC_DRAWS)``: whether, by how much everywhere (3 % of the side inwards to as much
            outwards), and a grid of up to 6 % more either way, enlarged smoothly.

    Returns: float32 ``(batch, size, size, 1)``, and bool ``(batch,)``: whether the outline moves.
    """
    grid = ops.reshape(between(draws[:, 2:], -0.06, 0.06), (-1, KNOTS, KNOTS))
    field = both_ways(knot_matrix(size), grid)[..., None]
    everywhere = between(draws[:, 1], -0.03, 0.03)[:, None, None, None]
    return size * (field + everywhere), draws[:, 0] < 0.5


@functools.cache
def displacing_matrix(size):
    """Blur of a line that was reduced ``STEP`` times before, enlarging it again: float32 ``(size, size / STEP)``.

    With the reduction's own blur it is a Gaussian of ``REACH``. Rows sum to 1.
    """
    cells = (np.arange(size // STEP) + 0.5) * STEP
    variance = (REACH * size) ** 2 - (STEP**2 - 1) / 12
    weights = np.exp(-0.5 * (np.arange(size)[:, None] + 0.5 - cells) ** 2 / variance)
    return (weights / weights.sum(axis=1, keepdims=True)).astype("float32")


def displace_outline(region, distance):
    """Move the outline of a region outwards, by a distance that may differ from place to place.

    Only the component of a displacement across the outline changes a region, and it needs no gather: blurred by a
    Gaussian of deviation ``r``, a straight edge is ``Phi(d / r)`` at distance ``d`` inside, so the pixels above
    ``Phi(-t / r)`` are the region moved outwards by ``t``. Corners are rounded off.

    Args:
        region: float32 ``(batch, size, size, 1)``, 0 or 1; size a multiple of 4.
        distance: float32, the shape of ``region``, pixels.

    Returns: float32, 0 or 1.
    """
    size = region.shape[1]
    cells = ops.mean(ops.reshape(region, (-1, size // STEP, STEP, size // STEP, STEP)), axis=(2, 4))
    soft = both_ways(displacing_matrix(size), cells)[..., None]
    level = 0.5 * (1.0 + ops.erf(-distance / (REACH * size * math.sqrt(2.0))))
    return ops.cast(soft > level, "float32")


def feather(region, draws, plain):
    """Soften a region's edge inwards: 0 outside of it, 1 well inside.

    draws: float32 ``(batch, 2)``: width of the feather, and how far the region is eroded; plain: narrow, not eroded.
    """
    sigma = between(draws[:, 0], 0.004, 0.012 if plain else 0.035) * region.shape[1]
    erosion = 0.5 if plain else between(draws[:, 1], 0.5, 0.7)[:, None, None, None]
    # Blurred, the region's edge is at one half: keeping what is above one half feathers inwards only.
    soft = both_ways(gaussian_matrix(region.shape[1], sigma), region[..., 0])[..., None]
    return ops.clip((soft - erosion) / (0.95 - erosion), 0.0, 1.0) * region


def shape_mask(hull, cover, uv, draws, elastic=None):
    """A soft mask of what is replaced, inside what the donor covers.

    Args:
        hull: float32 ``(batch, size, size, 1)``, the target's face.
        cover: float32, the shape of ``hull``: where the donor has pixels to give.
        uv: float32 ``(batch, size, size, 2)``, the target's.
        draws: float32 ``(batch, SHAPE_DRAWS)``.
        elastic: float32 ``(batch, ELASTIC_DRAWS)``; None for a plain mask: whole hull, little feather.

    Returns: float32 ``(batch, size, size, 1)`` in [0, 1], 0 where ``cover`` is. A region may grow beyond the hull,
    where the donor covers more than that.
    """
    if elastic is None:
        return feather(hull * cover, draws[:, 3:], plain=True)
    region = cut_region(hull, uv, draws[:, :3])
    distance, moved = draw_displacement(elastic, hull.shape[1])
    region = ops.where(moved[:, None, None, None], displace_outline(region, distance), region)
    return feather(region * cover, draws[:, 3:], plain=False)
