"""The regions that real face-swap tools replace: squares of their templates, ellipses, outlines and parts of faces.

All are written as functions of the place, so that no blur is needed: an edge is a normal distribution's integral.
Sizes are in eye distances, as in the table of templates.
"""

import math

import numpy as np
from keras import ops

from keras_uncover.ops.geometry import pixel_grid
from keras_uncover.swaps.draws import picture
from keras_uncover.swaps.warps import OUTLINE, enlarge_grid, eye_distance, pick_points

# Side of the square in eye distances, and the part of it above the eyes. From the tools' own templates.
TEMPLATES = {
    1.9: 0.42, 2.25: 0.43, 3.0: 0.44, 3.18: 0.459, 3.44: 0.456, 3.63: 0.402, 3.74: 0.465, 4.07: 0.469,
}
HARMONICS = 5  # waves around a face's outline that bend it


def soft_step(distance, sigma):
    """0 far outside, 1 far inside of an edge blurred by a Gaussian; distance and sigma in pixels."""
    return 0.5 * (1.0 + ops.erf(distance / (math.sqrt(2.0) * ops.maximum(sigma, 0.3))))


def template_square(points, side):
    """The square of a template around a face.

    Args:
        points: float32 ``(batch, 478, 2)``, pixels.
        side: float32 ``(batch,)``, one of ``TEMPLATES``, eye distances.

    Returns: corners float32 ``(batch, 4)``: left, top, right, bottom in pixels.
    """
    distance, middle = eye_distance(points)
    above = ops.full_like(side, 0.45)
    for template, share in TEMPLATES.items():
        above = ops.where(ops.abs(side - template) < 0.02, share, above)
    length = side * distance
    left, top = middle[:, 0] - 0.5 * length, middle[:, 1] - above * length
    return ops.stack([left, top, left + length, top + length], axis=-1)


def box_mask(square, inset, sigma, size):
    """A square's soft mask.

    Args:
        square: float32 ``(batch, 4)``, pixels.
        inset: float32 ``(batch, 4)``, pixels taken off left, top, right, bottom.
        sigma: float32 ``(batch,)``, pixels. size: pixels of the picture's side.

    Returns: float32 ``(batch, size, size, 1)``.
    """
    axis = ops.arange(size, dtype="float32")[None] + 0.5
    sigma = sigma[:, None]
    left, top, right, bottom = (square[:, k : k + 1] for k in range(4))
    across = soft_step(axis - left - inset[:, 0:1], sigma) * soft_step(right - inset[:, 2:3] - axis, sigma)
    down = soft_step(axis - top - inset[:, 1:2], sigma) * soft_step(bottom - inset[:, 3:4] - axis, sigma)
    return (down[:, :, None] * across[:, None, :])[..., None]


def ellipse_mask(square, sigma, size):
    """An ellipse with half-axes of .44 of a square's sides, blurred: float32 ``(batch, size, size, 1)``."""
    centre = 0.5 * (square[:, :2] + square[:, 2:])
    half = 0.44 * (square[:, 2:] - square[:, :2])
    places = pixel_grid(size)[None] * size
    offset = (places - centre[:, None, None]) / half[:, None, None]
    radius = ops.sqrt(ops.sum(offset**2, axis=-1, keepdims=True) + 1e-6)
    return soft_step((1.0 - radius) * ops.reshape(half[:, :1], (-1, 1, 1, 1)), picture(sigma))


def outline_mask(points, top, grow, bend, sigma, size):
    """A soft mask of a face's outline, higher or lower at the forehead, larger or smaller, and bent.

    Seen from the middle of the face the outline is a radius for every angle; a pixel is inside where it is nearer.

    Args:
        points: float32 ``(batch, 478, 2)``, pixels.
        top: float32 ``(batch,)``: 1 for the whole forehead, .35 for a hull that ends at the brows.
        grow: float32 ``(batch,)``, pixels that the outline moves outwards.
        bend: float32 ``(batch, 2 * HARMONICS)``, shares of the radius: cosines and sines of 1 to ``HARMONICS`` waves.
        sigma: float32 ``(batch,)``, pixels.
        size: pixels of the picture's side, even.

    Returns: float32 ``(batch, size, size, 1)``.
    """
    half = size // 2
    distance, middle = eye_distance(points)
    outline = pick_points(points, OUTLINE)
    lift = middle[:, None, 1] - outline[..., 1]
    y = ops.where(lift > 0, middle[:, None, 1] - lift * top[:, None], outline[..., 1])
    centre = middle + ops.stack([ops.zeros_like(distance), 0.45 * distance], axis=-1)
    offset = ops.stack([outline[..., 0], y], axis=-1) - centre[:, None]
    radii = ops.sqrt(ops.sum(offset**2, axis=-1) + 1e-6)
    places = ops.reshape(pixel_grid(half) * size, (1, half * half, 2)) - centre[:, None]
    reach = ops.sqrt(ops.sum(places**2, axis=-1) + 1e-6)
    cosine = ops.sum(places[:, :, None] * offset[:, None], axis=-1) / (reach[..., None] * radii[:, None])
    weights = ops.exp(60.0 * (cosine - 1.0)) + 1e-9
    radius = ops.sum(weights * radii[:, None], axis=-1) / ops.sum(weights, axis=-1)
    angle = ops.arctan2(places[..., 1], places[..., 0])
    turns = angle[..., None] * np.arange(1, HARMONICS + 1, dtype="float32")
    turns = ops.concatenate([ops.cos(turns), ops.sin(turns)], axis=-1)
    waves = ops.sum(bend[:, None] * turns, axis=-1)
    depth = radius * (1.0 + waves) + grow[:, None] - reach
    mask = soft_step(depth, sigma[:, None])
    return enlarge_grid(ops.reshape(mask, (-1, half, half, 1)), size)


def cut_part(points, draw, size):
    """Parts of a face: all of it, from below the brows, or nose and mouth: float32 ``(batch, size, size, 1)``."""
    distance, middle = eye_distance(points)
    kind, place = draw.one(), draw.one()
    lower = ops.where(kind < 0.6, -0.5 + 0.35 * place, 0.15 + 0.25 * place)  # below the brows; below the eyes
    axis = ops.arange(size, dtype="float32")[None] + 0.5
    rows = soft_step(axis - (middle[:, 1:] + (lower * distance)[:, None]), 0.06 * distance[:, None])
    return ops.broadcast_to(rows[:, :, None, None], (rows.shape[0], size, size, 1))
