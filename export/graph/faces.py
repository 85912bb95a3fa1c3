"""From a photo to aligned faces in the graph, by the same functions as ``keras_uncover.faces.finder.FaceFinder``."""

import tensorflow as tf

from export.graph.small import seek_small
from keras_uncover.faces.alignment import align_points
from keras_uncover.faces.detection import region_of_detection
from keras_uncover.faces.finder import (
    MAX_CANDIDATES,
    MIN_PRESENCE,
    letterbox_matrices,
    letterboxes,
    place_faces,
    place_points,
    rank_faces,
)
from keras_uncover.faces.windows import MIN_SMALL_PRESENCE, SHARES
from keras_uncover.models.face_mesh import SIZE as MESH_SIZE
from keras_uncover.ops.geometry import cut_crops
from keras_uncover.ops.mesh import crop_transform

POINTS = 478


def find_faces(photo, detector, mesh):
    """Find the faces of one photo: ``FaceFinder.find``, but for the mesh network, which sees all candidates at once.

    Parts of the photo are looked at only where the whole shows no face.

    Args:
        photo: uint8 ``(height, width, 3)``.
        detector, mesh: the two Keras models.

    Returns: boxes float32 ``(n, 4)`` and points ``(n, 478, 3)``, photo pixels, the largest first; ``n`` is 0 to 16.
    """
    height, width = tf.unstack(tf.shape(photo)[:2])
    matrices = letterbox_matrices(height, width)
    seen = detector(letterboxes(photo, matrices), training=False)
    places, scores = place_faces(seen["regressors"], seen["logits"], matrices, MAX_CANDIDATES)
    boxes, points = confirm(photo, places, scores, mesh)
    for share in SHARES:
        boxes, points = tf.cond(
            tf.shape(boxes)[0] > 0,
            lambda boxes=boxes, points=points: (boxes, points),
            lambda share=share: confirm(photo, *seek_small(photo, share, detector), mesh, MIN_SMALL_PRESENCE),
        )
    return boxes, points


def confirm(photo, places, scores, mesh, min_presence=MIN_PRESENCE):
    """The candidates in which the mesh, too, sees a face: ``FaceFinder._confirm``.

    Args:
        places, scores: ``(16, 8, 2)`` in photo pixels, ``(16,)``; a score of 0 means no candidate.

    Returns: as ``find_faces``.
    """
    height, width = tf.unstack(tf.shape(photo)[:2])
    rows = tf.where(scores > 0)
    regions = tf.gather_nd(region_of_detection(places), rows)
    points, presence = look_at_regions(photo, regions, mesh)
    # Ranking needs a known number of rows; a row without a presence is no face and puts no other aside.
    points = tf.scatter_nd(rows, points, [MAX_CANDIDATES, POINTS, 3])
    presence = tf.scatter_nd(rows, presence, [MAX_CANDIDATES])
    ranked = rank_faces((height, width), points, presence, scores)
    sure = (ranked["scores"] > 0) & (ranked["presence"] >= min_presence)
    return tf.boolean_mask(ranked["boxes"], sure), tf.boolean_mask(ranked["points"], sure)


def look_at_regions(photo, regions, mesh):
    """Mesh points and presence of regions ``(n, 2, 3)`` of a photo: ``(n, 478, 3)`` in photo pixels, ``(n,)``."""
    def look():
        # Singly: one cut shares one number of reads a pixel, which must not depend on the other faces.
        cuts = tf.map_fn(
            lambda region: cut_crops(photo, region[None], MESH_SIZE, border="zero")[0], regions,
            fn_output_signature=tf.TensorSpec((MESH_SIZE, MESH_SIZE, 3)),
        )
        seen = mesh(tf.ensure_shape(cuts, (None, MESH_SIZE, MESH_SIZE, 3)), training=False)
        return place_points(seen["points"], regions), seen["presence"]

    # Convolutions fail on a batch of none.
    return tf.cond(tf.shape(regions)[0] > 0, look, lambda: (tf.zeros((0, POINTS, 3)), tf.zeros((0,))))


def find_and_align(photo, find, size, max_faces):
    """The faces of a photo, at most ``max_faces``, as the networks see them.

    Args:
        photo: uint8 ``(height, width, 3)``.
        find: photo to boxes and points, as ``find_faces`` answers.
        size: pixels of a crop's side.

    Returns: dict of ``boxes`` float32 ``(max_faces, 4)``, ``crops`` ``(max_faces, size, size, 3)`` in [0, 1],
    ``points`` ``(max_faces, 478, 3)`` in unit coordinates of the crops, ``sides`` ``(max_faces,)``, photo pixels that a
    crop spans, and ``count``, int32 scalar: the rows after that many are zero.
    """
    boxes, points = find(photo)
    boxes, points = boxes[:max_faces], points[:max_faces]
    crops, unit = tf.map_fn(
        lambda face: tuple(part[0] for part in align_points(photo, face[None], size)), points,
        fn_output_signature=(tf.TensorSpec((size, size, 3)), tf.TensorSpec((POINTS, 3))),
    )
    places = crop_transform(points)
    sides = tf.sqrt(places[:, 0, 0] ** 2 + places[:, 1, 0] ** 2)
    rows = {"boxes": boxes, "crops": crops, "points": unit, "sides": sides}
    specs = found_specs(size, max_faces)
    return {**{name: pad_rows(value, specs[name].shape) for name, value in rows.items()}, "count": tf.shape(boxes)[0]}


def found_specs(size, max_faces):
    """``tf.TensorSpec`` of each thing that ``find_and_align`` answers."""
    shapes = {"boxes": (4,), "crops": (size, size, 3), "points": (POINTS, 3), "sides": ()}
    specs = {name: tf.TensorSpec((max_faces, *shape)) for name, shape in shapes.items()}
    return {**specs, "count": tf.TensorSpec((), tf.int32)}


def pad_rows(value, shape):
    """Fill up with rows of zeros."""
    missing = shape[0] - tf.shape(value)[0]
    return tf.ensure_shape(tf.pad(value, [[0, missing]] + [[0, 0]] * (len(shape) - 1)), shape)


def find_in_crops(crops, mesh):
    """Mesh points of the faces that fill crops: ``FaceFinder.points_in`` of each whole crop.

    Args:
        crops: float32 ``(n, size, size, 3)`` in [0, 1], rounded to 8 bits.

    Returns: points float32 ``(n, 478, 3)`` in pixels of the crops, presence ``(n,)``.
    """
    size = crops.shape[1]
    whole = tf.constant([[[size, 0, 0], [0, size, 0]]], tf.float32)
    return tf.map_fn(
        lambda photo: tuple(part[0] for part in look_at_regions(photo, whole, mesh)),
        tf.cast(tf.round(crops * 255), tf.uint8), fn_output_signature=(tf.TensorSpec((POINTS, 3)), tf.TensorSpec(())),
    )
