"""The mean face as a triangle mesh, and the transform that aligns a face to it.

The *mean frame* is the crop-sized picture in which the mean face of the training portraits lies
(``data/mean_mesh.npz``, made by ``scripts/make_mean_mesh.py``; triangles from MediaPipe's canonical face, Apache-2.0).
"""

import dataclasses
import functools
from importlib import resources

import numpy as np
from keras import ops

from keras_uncover.ops.geometry import ANCHORS, fit_similarity

VERTICES = 468  # of the 478 mesh points; the last ten are the irises, which lie inside other triangles


@dataclasses.dataclass(frozen=True)
class MeanMesh:
    """points: float32 ``(468, 2)`` unit coordinates; triangles: int32 ``(898, 3)``; mirror: int32 ``(468,)``."""

    points: np.ndarray
    triangles: np.ndarray
    mirror: np.ndarray


@functools.cache
def mean_mesh():
    """Load the mean face that ships with the package."""
    with np.load(resources.files("keras_uncover") / "data" / "mean_mesh.npz") as arrays:
        return MeanMesh(**{name: arrays[name] for name in ("points", "triangles", "mirror")})


def crop_transform(points, view=1.0):
    """The similarity transform that puts a face's eyes and mouth where the mean face has them.

    Args:
        points: float32 ``(n, 478 or 468, 2 or 3)``, pixels of the photo.
        view: side of the crop in sides of the usual one, about the same middle: with more than 1, more is seen around
            the face, and the mean face lies smaller in it.

    Returns: float32 ``(n, 2, 3)``, unit crop to photo pixels.
    """
    anchors = ops.stack([points[:, index, :2] for index in ANCHORS], axis=1)
    template = ops.broadcast_to(ops.convert_to_tensor(mean_mesh().points[list(ANCHORS)]), ops.shape(anchors))
    # Unit coordinates of the usual crop as those of the wider one.
    return fit_similarity((template - 0.5) / view + 0.5, anchors)


def mirror_points(points):
    """Mesh points of a mirrored crop, each under the name that it has on that side of the face.

    Args:
        points: ``(n, 468, 2 or 3)``, unit coordinates of the crop.
    """
    mirrored = points[:, mean_mesh().mirror]
    return np.concatenate([1.0 - mirrored[..., :1], mirrored[..., 1:]], axis=-1).astype("float32")
