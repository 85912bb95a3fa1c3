"""The mesh, its rasteriser, hull and textures."""

import cv2
import numpy as np
import pytest
from keras import ops

from keras_uncover.ops.geometry import ANCHORS, invert_transform, sample, transform_points
from keras_uncover.ops.mesh import VERTICES, crop_transform, mean_mesh
from keras_uncover.ops.texture import (
    fill_triangles,
    interpolate,
    nearest_triangle,
    plane_coefficients,
    texture_table,
    unwrap_texture,
    uv_map,
)


def numpy(value):
    return ops.convert_to_numpy(value)


def bent_face(seed=0):
    """Mesh points (468, 3) of a made-up face: the mean face, sheared and bent smoothly, without depth."""
    rng = np.random.default_rng(seed)
    points = mean_mesh().points
    bend = 0.015 * np.sin(2 * np.pi * points @ rng.uniform(-1, 1, (2, 2)) + rng.uniform(0, 6, 2))
    points = (points - 0.5) @ (np.eye(2) + rng.uniform(-0.1, 0.1, (2, 2))) + 0.5 + bend
    return np.concatenate([points, np.zeros((VERTICES, 1))], -1).astype("float32")


def smooth_picture(size):
    """A picture (size, size, 3) whose colours change slowly from place to place."""
    x, y = np.meshgrid(*[(np.arange(size) + 0.5) / size] * 2)
    return np.stack([0.2 + 0.6 * x, 0.8 - 0.5 * y, 0.5 + 0.3 * np.sin(4 * x + 3 * y)], -1).astype("float32")


def outline(points, size):
    """The pixels (size, size) whose centres lie inside the mesh's outline, found from its edges alone."""
    triangles = mean_mesh().triangles
    edges = np.sort(np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]]), axis=1)
    edges, count = np.unique(edges, axis=0, return_counts=True)
    follow = {}
    for a, b in edges[count == 1]:
        follow.setdefault(a, []).append(b)
        follow.setdefault(b, []).append(a)
    rings = []
    while follow:
        ring = [next(iter(follow))]
        while (after := [v for v in follow.pop(ring[-1]) if v in follow]):
            ring.append(after[0])
        rings.append(ring)
    longest = max(rings, key=lambda ring: np.ptp(points[ring, 1]))
    grid = np.stack(np.meshgrid(*[(np.arange(size) + 0.5) / size] * 2), -1).reshape(-1, 2)
    contour = points[longest, :2].astype("float32").reshape(-1, 1, 2) * 1000
    inside = [cv2.pointPolygonTest(contour, (float(x), float(y)), False) >= 0 for x, y in grid * 1000]
    return np.reshape(inside, (size, size))


def test_the_mean_mesh_is_whole():
    mesh = mean_mesh()
    assert mesh.points.shape == (VERTICES, 2) and mesh.points.dtype == np.float32
    assert mesh.triangles.shape == (898, 3) and mesh.triangles.dtype == np.int32
    assert 0 < mesh.points.min() and mesh.points.max() < 1
    assert np.array_equal(np.unique(mesh.triangles), np.arange(VERTICES))


def test_the_mean_face_is_its_own_mirror_image():
    mesh = mean_mesh()
    assert np.array_equal(mesh.mirror[mesh.mirror], np.arange(VERTICES))
    assert 10 < (mesh.mirror == np.arange(VERTICES)).sum() < 60  # the points of the middle line
    assert np.abs(mesh.points[mesh.mirror] * [-1, 1] + [1, 0] - mesh.points).max() < 1e-5
    corners = {tuple(sorted(t)) for t in mesh.triangles}
    mirrored = {tuple(sorted(mesh.mirror[t])) for t in mesh.triangles}
    # Triangles beside the middle line may be split along the other diagonal.
    assert len(corners & mirrored) > 0.95 * len(corners)


def test_the_mean_face_is_upright():
    points = mean_mesh().points
    right_eye, left_eye, mouth = points[[33, 133]].mean(0), points[[362, 263]].mean(0), points[[61, 291]].mean(0)
    assert right_eye[0] < mouth[0] < left_eye[0]
    assert abs(right_eye[1] - left_eye[1]) < 1e-5
    assert mouth[1] > right_eye[1] + 0.2


def test_crop_transform_puts_the_anchors_on_the_template():
    template = mean_mesh().points
    matrix = np.array([[[310.0, -42.0, 120.0], [42.0, 310.0, 75.0]]], "float32")
    points = numpy(transform_points(matrix, np.concatenate([template, np.zeros((10, 2), "float32")])[None]))
    points = np.concatenate([points, np.ones((1, 478, 1))], -1).astype("float32")
    found = crop_transform(points)
    assert np.allclose(numpy(found), matrix, atol=1e-2)
    back = numpy(transform_points(invert_transform(found), points[..., :2]))
    assert np.abs(back[0, list(ANCHORS)] - template[list(ANCHORS)]).max() < 1e-5


@pytest.mark.parametrize("view", [1.25, 1.4824])
def test_a_wider_crop_is_a_larger_square_about_the_same_middle(view):
    template = mean_mesh().points[None]
    # Upright, 400 px wide, its corner at (30, 70): the middle is (230, 270).
    matrix = numpy(crop_transform(template * 400 + np.float32([30, 70]), view))[0]
    corner = [230 - 200 * view, 270 - 200 * view]
    assert np.allclose(matrix, [[400 * view, 0, corner[0]], [0, 400 * view, corner[1]]], atol=0.01)


def test_plane_coefficients_by_hand():
    corners = np.array([[[0, 0], [1, 0], [0, 1]], [[0, 0], [1, 1], [2, 2]]], "float32")
    values = np.array([[[5], [7], [4]], [[1], [1], [1]]], "float32")
    planes = numpy(plane_coefficients(corners, values))
    # 2 more along x, 1 less along y, 5 at the origin.
    assert np.allclose(planes[0, :, 0], [2, -1, 5])
    # A triangle without area: its barycentric coordinates are below 0 at every place of a crop.
    flat = numpy(plane_coefficients(corners, np.broadcast_to(np.eye(3, dtype="float32"), (2, 3, 3))))[1]
    assert (np.array([[0.0, 0, 1], [1, 1, 1], [0.5, 0.5, 1]]) @ flat < -1).all()


def test_the_rasteriser_agrees_with_numpys_on_the_mean_face():
    size, mesh = 64, mean_mesh()
    flat = np.concatenate([mesh.points, np.zeros((VERTICES, 1), "float32")], -1)
    uv, hull = (numpy(part) for part in uv_map(flat, size))
    triangle, weights = fill_triangles(mesh, size)
    assert (hull[..., 0] == (triangle >= 0)).mean() > 0.9995
    # In the mean face every pixel shows its own place.
    x, y = np.meshgrid(*[(np.arange(size) + 0.5) / size] * 2)
    assert np.abs(uv - np.stack([x, y], -1))[hull[..., 0] > 0].max() < 1e-3
    assert np.abs(uv[hull[..., 0] == 0]).max() == 0
    places = (mesh.points[mesh.triangles[triangle]] * weights[..., None]).sum(-2)
    assert np.abs(places - np.stack([x, y], -1))[triangle >= 0].max() < 1e-5


def test_the_hull_is_what_lies_inside_of_the_outline():
    size, points = 64, bent_face(1)
    hull = numpy(uv_map(points, size)[1])[..., 0]
    inside = outline(points, size)
    assert 0.2 < inside.mean() < 0.6
    assert (hull != inside).sum() <= 3


def test_interpolate_reads_a_linear_value_exactly():
    size, points = 48, bent_face(2)
    index, found = nearest_triangle(points[:, :2], points[:, 2], size)
    values = points[:, :2] @ np.array([[3.0, -1.0], [0.5, 2.0]], "float32") + np.float32(0.25)
    read = numpy(interpolate(points[:, :2], values, index, size)).reshape(-1, 2)
    centres = np.stack(np.meshgrid(*[(np.arange(size) + 0.5) / size] * 2), -1).reshape(-1, 2)
    expected = centres @ np.array([[3.0, -1.0], [0.5, 2.0]]) + 0.25
    assert np.abs(read - expected)[numpy(found)].max() < 5e-3


@pytest.mark.parametrize("near", [-1.0, 1.0])
def test_of_a_folded_face_the_nearest_triangle_shows(near):
    size, mesh = 48, mean_mesh()
    points = mesh.points.copy()
    right = points[:, 0] > 0.5
    points[right, 0] = 1.0 - points[right, 0]  # the right half of the picture folded onto the left
    depth = np.where(right, np.abs(mesh.points[:, 0] - 0.5) * near, 0.0).astype("float32")
    uv, hull = (numpy(part) for part in uv_map(np.column_stack([points, depth]), size))
    shown = uv[hull[..., 0] > 0]
    columns = np.argwhere(hull[..., 0] > 0)[:, 1]
    clear = columns < size / 2 - 1
    assert clear.sum() > 300
    folded = shown[clear, 0] > 0.5
    assert folded.mean() > 0.98 if near < 0 else folded.mean() < 0.02


def test_a_point_that_is_no_number_leaves_the_rest_in_place():
    points = bent_face(3)
    whole = numpy(uv_map(points, 32)[1])
    points[0] = np.nan
    uv, hull = (numpy(part) for part in uv_map(points, 32))
    assert np.isfinite(uv).all()
    assert 0 < (whole - hull).sum() < 0.1 * whole.sum()


def test_texture_table_weighs_every_pixel_and_extends_the_edge():
    size, mesh = 32, mean_mesh()
    vertices, weights, inside = texture_table(size)
    assert vertices.shape == weights.shape == (size, size, 3)
    assert np.allclose(weights.sum(-1), 1, atol=1e-5)
    places = (mesh.points[vertices] * weights[..., None]).sum(-2) * size
    centres = np.stack(np.meshgrid(*[np.arange(size) + 0.5] * 2), -1)
    found = inside[..., 0] > 0
    assert np.abs(places - centres)[found].max() < 1e-3
    # Outside, the place is that of a pixel inside, and of none that is farther away than the nearest by more than the
    # distance transform's error of a few hundredths.
    every = centres[found]
    for y, x in np.argwhere(~found)[::29]:
        distance = np.hypot(*(every - centres[y, x]).T)
        assert np.hypot(*(places[y, x] - centres[y, x])) <= 1.05 * distance.min() + 1e-3


def test_unwrapped_and_wrapped_again_a_picture_is_what_it_was():
    size, points = 64, bent_face(5)
    picture = smooth_picture(2 * size)
    texture = unwrap_texture(picture[None], points[None] * 2 * size, size)
    uv, hull = uv_map(points, size)
    again = numpy(sample(texture, uv[None] * size))[0]
    face = cv2.erode(numpy(hull)[..., 0], np.ones((3, 3))) > 0
    difference = np.abs(again - smooth_picture(size))[face]
    assert difference.max() < 0.005 and difference.mean() < 0.0002
    # The detour was one: in the mean frame the face lies elsewhere.
    assert np.abs(numpy(texture)[0] - smooth_picture(size))[face].mean() > 0.01


def test_a_texture_does_not_depend_on_where_the_face_was():
    size = 32
    mean = mean_mesh().points
    x, y = np.meshgrid(np.arange(96) + 0.5, np.arange(80) + 0.5)
    picture = np.stack([x / 96, y / 80], -1).astype("float32")[None]
    near = np.concatenate([mean * 40 + 3, np.zeros((VERTICES, 1))], -1).astype("float32")
    texture = numpy(unwrap_texture(picture, near[None], size))[0]
    vertices, weights, _ = texture_table(size)
    places = ((mean * 40 + 3)[vertices] * weights[..., None]).sum(-2)
    assert np.abs(texture * [96, 80] - places).max() < 1e-3
