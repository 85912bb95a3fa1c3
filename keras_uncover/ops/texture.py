"""Textures, uv maps and hulls of faces.

A *texture* is a face unwrapped into the mean frame (see ``mesh.py``); a *uv map* says for each pixel of a crop which
place of the mean frame it shows. A swap is then one read of the donor's texture through the target's uv map.
"""

import functools

import cv2
import numpy as np
from keras import ops

from keras_uncover.ops.geometry import pixel_grid, sample
from keras_uncover.ops.mesh import VERTICES, mean_mesh

CHUNK = 128  # triangles rasterised at a time: bounds memory to 0.5 KiB a pixel


def plane_coefficients(corners, values):
    """Per triangle, the coefficients of ``value = a x + b y + c`` through its three corners.

    Args:
        corners: float32 ``(triangles, 3, 2)``.
        values: float32 ``(triangles, 3, k)``.

    Returns: float32 ``(triangles, 3, k)``, rows a, b, c. For a triangle without area they are finite but without
    meaning; its barycentric coordinates are negative everywhere, so it covers no pixel.
    """
    x, y = corners[..., 0], corners[..., 1]
    x0, x1, x2 = x[:, 0], x[:, 1], x[:, 2]
    y0, y1, y2 = y[:, 0], y[:, 1], y[:, 2]
    area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
    flat = ops.abs(area) < 1e-9
    area = ops.where(flat, 1.0, area)
    inverse = ops.stack(
        [
            ops.stack([y1 - y2, y2 - y0, y0 - y1], axis=-1),
            ops.stack([x2 - x1, x0 - x2, x1 - x0], axis=-1),
            ops.stack([x1 * y2 - x2 * y1, x2 * y0 - x0 * y2, x0 * y1 - x1 * y0], axis=-1),
        ],
        axis=1,
    )
    inverse = ops.where(flat[:, None, None], -1e3, inverse / area[:, None, None])
    # No matrix product here or below: GPUs round its factors to 11 bits (TF32), which tears the mesh.
    return ops.sum(inverse[..., None] * values[:, None], axis=2)


def read_planes(planes, places):
    """Values of planes ``(triangles, 3)``, rows a, b, c, at places ``(n, 2)``: ``(n, triangles)``."""
    return places[:, :1] * planes[:, 0] + places[:, 1:] * planes[:, 1] + planes[:, 2]


def nearest_triangle(points, depth, size):
    """Rasterise one face: which triangle shows at each pixel.

    Every pixel is tested against every triangle, a chunk of triangles at a time: no loop over triangles, static
    shapes, and the same code on CPU, GPU and XLA. Where the face folds over itself, the nearest triangle wins.

    Args:
        points: float32 ``(468, 2)``, unit coordinates.
        depth: float32 ``(468,)``, smaller is nearer.
        size: pixels of the picture's side.

    Returns: int32 ``(size * size,)`` index of the triangle, bool ``(size * size,)`` whether there is one.
    """
    triangles = mean_mesh().triangles
    places = ops.reshape(pixel_grid(size), (-1, 2))
    identity = ops.eye(3, dtype="float32")
    best = ops.full((size * size,), 1e6, dtype="float32")
    index = ops.zeros((size * size,), dtype="int32")
    for start in range(0, len(triangles), CHUNK):
        part = triangles[start : start + CHUNK]
        corners = ops.take(points, part, axis=0)
        inverse = plane_coefficients(corners, ops.broadcast_to(identity, (len(part), 3, 3)))
        inside = None
        for k in range(3):
            weight = read_planes(inverse[:, :, k], places)
            inside = weight if inside is None else ops.minimum(inside, weight)
        plane = plane_coefficients(corners, ops.take(depth, part, axis=0)[..., None])[..., 0]
        z = ops.where(inside >= -1e-4, read_planes(plane, places), 1e6)
        nearest = ops.min(z, axis=1)
        index = ops.where(nearest < best, ops.cast(ops.argmin(z, axis=1), "int32") + start, index)
        best = ops.minimum(best, nearest)
    return index, best < 1e5


def interpolate(points, values, index, size):
    """Values at each pixel of a rasterised face: float32 ``(size, size, k)`` from ``values`` ``(468, k)``."""
    triangles = ops.convert_to_tensor(mean_mesh().triangles)
    planes = plane_coefficients(ops.take(points, triangles, axis=0), ops.take(values, triangles, axis=0))
    planes = ops.take(planes, index, axis=0)
    places = ops.reshape(pixel_grid(size), (-1, 2))
    result = places[:, :1] * planes[:, 0] + places[:, 1:] * planes[:, 1] + planes[:, 2]
    return ops.reshape(result, (size, size, -1))


def uv_map(points, size):
    """The uv map and the hull of one crop.

    Args:
        points: float32 ``(468 or more, 3)``, unit coordinates of the crop; z in any unit, smaller is nearer.
        size: pixels of the crop's side.

    Returns: uv float32 ``(size, size, 2)``, unit coordinates of the mean frame, 0 outside of the hull; hull float32
    ``(size, size, 1)``, 1 where the face is.
    """
    points, depth = points[:VERTICES, :2], points[:VERTICES, 2]
    index, found = nearest_triangle(points, depth, size)
    hull = ops.reshape(ops.cast(found, "float32"), (size, size, 1))
    uv = interpolate(points, ops.convert_to_tensor(mean_mesh().points), index, size)
    return ops.clip(uv, 0.0, 1.0) * hull, hull


def fill_triangles(mesh, size):
    """Rasterise the mean face with NumPy, one triangle's bounding box after the other.

    Returns: triangle int32 ``(size, size)``, -1 where there is none; weights float32 ``(size, size, 3)``.
    """
    triangle = np.full((size, size), -1, "int32")
    weights = np.zeros((size, size, 3), "float32")
    for number, (a, b, c) in enumerate(mesh.points[mesh.triangles].astype("float64") * size):
        low = np.maximum(np.floor(np.min([a, b, c], axis=0) - 0.5), 0).astype(int)
        high = np.minimum(np.ceil(np.max([a, b, c], axis=0) + 0.5), size).astype(int)
        pixels = np.stack(np.meshgrid(np.arange(low[0], high[0]), np.arange(low[1], high[1])), -1) + 0.5
        second = (pixels - a) @ np.linalg.inv(np.stack([b - a, c - a]))
        local = np.concatenate([1 - second.sum(-1, keepdims=True), second], -1)
        box = np.s_[low[1] : high[1], low[0] : high[0]]
        hit = (local.min(-1) >= -1e-6) & (triangle[box] < 0)
        triangle[box][hit], weights[box][hit] = number, local[hit]
    return triangle, weights


@functools.cache
def texture_table(size):
    """For each pixel of the mean frame, its triangle's vertices and their weights; the same for every face.

    Pixels outside of the mean face take those of the nearest pixel inside, so that reading a texture at the hull's
    edge never mixes in pixels outside of the face.

    Returns: vertices int32 ``(size, size, 3)``, weights float32 ``(size, size, 3)``, inside float32
    ``(size, size, 1)``; NumPy arrays, made without the backend so that they can be made while a graph is traced.
    """
    mesh = mean_mesh()
    triangle, weights = fill_triangles(mesh, size)
    found = triangle >= 0
    _, labels = cv2.distanceTransformWithLabels(
        (~found).astype("uint8"), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    place = np.zeros(labels.max() + 1, "int64")
    place[labels[found]] = np.flatnonzero(found)
    nearest = place[labels]
    vertices = mesh.triangles[triangle].reshape(-1, 3)[nearest]
    return vertices.astype("int32"), weights.reshape(-1, 3)[nearest], found[..., None].astype("float32")


def unwrap_texture(images, points, size):
    """Unwrap faces into the mean frame.

    Args:
        images: ``(batch, height, width, channels)``; for a sharp texture, about twice as fine as ``size``.
        points: float32 ``(batch, 468 or more, 2 or 3)``, pixels of ``images``.
        size: pixels of the texture's side.

    Returns: float32 ``(batch, size, size, channels)``, in the range of ``images``.
    """
    vertices, weights, _ = texture_table(size)
    corners = ops.take(points[:, :VERTICES, :2], ops.convert_to_tensor(vertices), axis=1)
    places = ops.sum(corners * ops.convert_to_tensor(weights)[None, ..., None], axis=-2)
    return sample(images, places)
