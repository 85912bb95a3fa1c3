"""Smooth warps between faces, from mesh points alone: no texture and no uv map is needed.

A displacement is known at some sixty control points. On a coarse grid it is their mean, weighted by inverse distance
(D. Shepard, "A two-dimensional interpolation function for irregularly-spaced data", 1968); the grid is enlarged
linearly.
"""

import numpy as np
from keras import ops

from keras_uncover.ops.filters import both_ways
from keras_uncover.ops.geometry import fit_similarity, transform_points
from keras_uncover.swaps.draws import picture

# The outline of the face in MediaPipe's numbering, in order, and what lies inside: eyes, brows, nose, mouth, cheeks.
OUTLINE = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152, 148, 176, 149, 150,
    136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)
INNER = (
    33, 133, 159, 145, 362, 263, 386, 374, 1, 2, 4, 5, 6, 168, 197, 195, 98, 327, 61, 291, 0, 17, 13, 14, 78, 308, 70,
    63, 105, 66, 107, 300, 293, 334, 296, 336, 9, 8, 50, 280, 205, 425, 199, 175,
)
CONTROL = OUTLINE + INNER
EYES = ((33, 133), (362, 263))
GRID = 19  # cells a side of the coarse grid, which is enlarged to a crop of any size


def pick_points(points, numbers):
    """Some mesh points in the given order: float32 ``(batch, len(numbers), 2)``."""
    return ops.take(points[..., :2], ops.convert_to_tensor(np.array(numbers, "int32")), axis=1)


def eye_distance(points):
    """Distance between the centres of the eyes, float32 ``(batch,)``, and the place between them ``(batch, 2)``."""
    left, right = (ops.mean(pick_points(points, eye), axis=1) for eye in EYES)
    return ops.sqrt(ops.sum((left - right) ** 2, axis=-1) + 1e-6), 0.5 * (left + right)


def enlarge_grid(values, size):
    """A coarse grid as a picture: float32 ``(batch, g, g, c)`` to ``(batch, size, size, c)``, linearly."""
    batch, side, _, channels = values.shape
    planes = ops.reshape(ops.transpose(values, (0, 3, 1, 2)), (-1, side, side))
    planes = both_ways(_line_matrix(side, size), planes)
    return ops.transpose(ops.reshape(planes, (-1, channels, size, size)), (0, 2, 3, 1))


def _line_matrix(side, size):
    """Weights between ``side`` cells of a line, linear between their centres: numpy float32 ``(size, side)``."""
    places = (np.arange(size) + 0.5) / size * side - 0.5
    places = np.clip(places, 0, side - 1)
    distance = np.abs(places[:, None] - np.arange(side)[None])
    return np.maximum(1.0 - distance, 0.0).astype("float32")


def grid_places(size, side=GRID):
    """Centres of the cells of a coarse grid, in pixels of a picture of ``size``: numpy float32 ``(side * side, 2)``."""
    axis = (np.arange(side, dtype="float32") + 0.5) * size / side
    return np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)


def warp_field(shown, source, size):
    """Where to read each pixel of a picture so that points at ``source`` come to lie at ``shown``.

    Args:
        shown, source: float32 ``(batch, n, 2)``, pixels of pictures of ``size``.
        size: pixels of a picture's side.

    Returns: float32 ``(batch, size, size, 2)``, displacements in pixels, to be added to a pixel's own place.
    """
    places = ops.convert_to_tensor(grid_places(size))
    squares = ops.sum((places[None, :, None] - shown[:, None]) ** 2, axis=-1)
    weights = (squares + 30.0) ** -1.5
    weights = weights / ops.sum(weights, axis=-1, keepdims=True)
    coarse = ops.sum(weights[..., None] * (source - shown)[:, None], axis=2)
    return enlarge_grid(ops.reshape(coarse, (-1, GRID, GRID, 2)), size)


def aim_donor(target, donor, keep, size):
    """Displacements that bring a donor's face into a target's.

    Args:
        target, donor: float32 ``(batch, 478, 2)``, pixels.
        keep: float32 ``(batch,)`` in [0, 1]: 0 gives the donor the target's shape, 1 leaves the donor its own.
        size: pixels of a crop's side.

    Returns: float32 ``(batch, size, size, 2)``.
    """
    source, goal = pick_points(donor, CONTROL), pick_points(target, CONTROL)
    own = transform_points(fit_similarity(source, goal), source)
    return warp_field(goal + keep[:, None, None] * (own - goal), source, size)


def jitter_field(points, draw, size):
    """Displacements of a photo pasted over itself: a small turn, scale and shift about the face, and an elastic part.

    Args:
        points: float32 ``(batch, 478, 2)``, pixels.
        draw: ``Uniforms``; takes 55 columns.
        size: pixels of a crop's side.

    Returns: float32 ``(batch, size, size, 2)``.
    """
    distance, middle = eye_distance(points)
    moves = draw.normal(4)
    turn, scale, shift = 0.02 * moves[:, 0], 0.025 * moves[:, 1], 0.04 * distance[:, None] * moves[:, 2:4]
    places = ops.convert_to_tensor(grid_places(size))[None] - middle[:, None]
    x, y = places[..., 0], places[..., 1]
    linear = ops.stack([scale[:, None] * x - turn[:, None] * y, turn[:, None] * x + scale[:, None] * y], axis=-1)
    coarse = ops.reshape(linear + shift[:, None], (-1, GRID, GRID, 2))
    elastic = ops.reshape(draw.normal(50), (-1, 5, 5, 2)) * picture(0.03 * distance * draw.one())
    return enlarge_grid(coarse, size) + enlarge_grid(elastic, size)
