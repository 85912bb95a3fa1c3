"""Shapes of faces: mesh points of an aligned crop as a few numbers, and what each number moves.

A *shape* is 32 numbers, each in standard deviations of the training portraits, 0 for the mean face: principal
components of the mesh points of aligned crops (``data/face_shapes.npz``, made by ``scripts/make_face_shapes.py``; as
in T. Cootes et al., "Active Shape Models", 1995). A shape's *field* says for each place of the mean frame how far from
it, in the crop, that place of the face lies: thin-plate splines through the mesh points, so that it goes on smoothly
beyond the face (F. Bookstein, "Principal Warps", 1989).
"""

import dataclasses
import functools
from importlib import resources

import numpy as np

from keras_uncover.ops.mesh import mean_mesh

SHAPE = 32  # numbers of a shape
STIFFNESS = 1e-4  # of the splines: neighbouring points may disagree a little


@dataclasses.dataclass(frozen=True)
class FaceShapes:
    """mean: float32 ``(468, 2)`` unit coordinates; depth: float32 ``(468,)``, the mean z; directions: float32
    ``(32, 468, 2)``, each a standard deviation long.
    """

    mean: np.ndarray
    depth: np.ndarray
    directions: np.ndarray


@functools.cache
def face_shapes():
    """Load the shapes that ship with the package."""
    with np.load(resources.files("keras_uncover") / "data" / "face_shapes.npz") as arrays:
        return FaceShapes(**{name: arrays[name] for name in ("mean", "depth", "directions")})


def describe_shapes(points):
    """The shapes whose faces come closest to mesh points.

    Args:
        points: float32 ``(n, 468 or more, 2 or 3)``, unit coordinates of aligned crops.

    Returns: numpy float32 ``(n, 32)``.
    """
    shapes = face_shapes()
    offsets = np.asarray(points)[:, : len(shapes.mean), :2] - shapes.mean
    return (offsets.reshape(len(offsets), -1) @ shape_reader()).astype("float32")


@functools.cache
def shape_reader():
    """float32 ``(936, 32)``: from points less their mean, a row, to the shape."""
    flat = face_shapes().directions.reshape(len(face_shapes().directions), -1)
    return (flat / (flat**2).sum(1, keepdims=True)).T.astype("float32")  # the directions are orthogonal


def spline_weights(points, places):
    """What each point's value counts at each place, by a thin-plate spline with a straight part.

    Args:
        points: ``(n, 2)``. places: ``(m, 2)``.

    Returns: float64 ``(m, n)``.
    """
    points, places = np.asarray(points, "float64"), np.asarray(places, "float64")

    def bend(first, second):
        square = ((first[:, None] - second[None]) ** 2).sum(-1)
        return 0.5 * square * np.log(np.maximum(square, 1e-300))

    def straight(rows):
        return np.concatenate([np.ones((len(rows), 1)), rows], axis=1)

    n = len(points)
    system = np.zeros((n + 3, n + 3))
    system[:n, :n] = bend(points, points) + STIFFNESS * np.eye(n)
    system[:n, n:], system[n:, :n] = straight(points), straight(points).T
    return np.concatenate([bend(places, points), straight(places)], axis=1) @ np.linalg.inv(system)[:, :n]


@functools.cache
def shape_fields(size):
    """The field of the mean shape, and what each number of a shape adds to it.

    Args:
        size: cells of the field's side.

    Returns: float32 ``(size, size, 2)`` and ``(32, size, size, 2)``, in unit coordinates.
    """
    shapes, mean_face = face_shapes(), mean_mesh().points
    axis = (np.arange(size) + 0.5) / size
    weights = spline_weights(mean_face, np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2))
    offset = weights @ (shapes.mean - mean_face)
    moves = np.einsum("mn,knc->kmc", weights, shapes.directions.astype("float64"))
    return offset.reshape(size, size, 2).astype("float32"), moves.reshape(-1, size, size, 2).astype("float32")
