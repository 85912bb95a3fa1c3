"""From a photo to aligned faces in the graph, by the same functions as ``keras_uncover.faces.finder.FaceFinder``."""

import tensorflow as tf

from keras_uncover.faces.alignment import align_points
from keras_uncover.faces.detection import SURE_PRESENCE, rank_faces, region_of_detection
from keras_uncover.faces.finder import MAX_CANDIDATES, letterbox_matrices, letterboxes, place_faces, place_points
from keras_uncover.faces.small_faces import (
    LEVEL,
    MAX_SMALL,
    VIEWS,
    fits_small_view,
    needs_closer_look,
    seek_small,
    shrink,
    shrink_factor,
)
from keras_uncover.models.face_mesh import SIZE as MESH_SIZE
from keras_uncover.ops.geometry import cut_crops

POINTS = 478


def find_faces(photo, detector, mesh):
    """Find the faces of one photo as ``FaceFinder.find_all`` does, but the mesh network sees all candidates at once.

    Args:
        photo: uint8 ``(height, width, 3)``.
        detector, mesh: the two Keras models.

    Returns: boxes float32 ``(n, 4)`` and points ``(n, 478, 3)``, photo pixels, of the faces that the mesh is sure of,
    the largest first, ``n`` 0 to 32; and how many places it is unsure of, int32.
    """
    size = tf.unstack(tf.shape(photo)[:2])
    matrices = letterbox_matrices(*size)
    seen = detector(letterboxes(photo, matrices), training=False)
    places, scores = place_faces(seen["regressors"], seen["logits"], matrices, MAX_CANDIDATES)
    first = read_faces(photo, places, scores, mesh)
    ranked = rank_faces(size, **first)
    found = tf.where(is_sure(ranked)[:, None], ranked["boxes"], 0.0)
    more = read_faces(photo, *look_closer(photo, found, detector), mesh)
    ranked = rank_faces(size, **{name: tf.concat([first[name], more[name]], 0) for name in first})
    sure = is_sure(ranked)
    unsure = tf.reduce_sum(tf.cast((ranked["scores"] > 0) & ~sure, tf.int32))
    return tf.boolean_mask(ranked["boxes"], sure), tf.boolean_mask(ranked["points"], sure), unsure


def is_sure(ranked):
    """Which rows of ``rank_faces`` are faces that get a verdict: ``Face.sure``."""
    return (ranked["scores"] > 0) & (ranked["presence"] >= SURE_PRESENCE)


def read_faces(photo, places, scores, mesh):
    """What the mesh sees in candidates: ``FaceFinder._read_faces``.

    Args:
        places, scores: ``(16, 8, 2)`` in photo pixels, ``(16,)``; a score of 0 means no candidate.

    Returns: dict of ``points``, ``presence`` and ``scores``, 16 rows each: ranking needs a known number. A row without
    a presence is no face and puts no other aside.
    """
    rows = tf.where(scores > 0)
    points, presence = look_at_regions(photo, tf.gather_nd(region_of_detection(places), rows), mesh)
    points = tf.scatter_nd(rows, points, [MAX_CANDIDATES, POINTS, 3])
    return {"points": points, "presence": tf.scatter_nd(rows, presence, [MAX_CANDIDATES]), "scores": scores}


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


def look_closer(photo, found, detector):
    """Candidates in a larger view of a photo, where it can hold a small face: ``FaceFinder._look_closer``.

    Args:
        photo: uint8 ``(height, width, 3)``.
        found: float32 ``(n, 4)``, boxes of the faces that were found, photo pixels; a box of zeros is none.
        detector: Keras model.

    Returns: places float32 ``(16, 8, 2)`` in photo pixels and scores ``(16,)``; a score of 0 means no candidate.
    """
    longest = tf.reduce_max(tf.shape(photo)[:2])

    def look(size):
        view, side = make_view(photo, size)
        return seek_small(view, size, side, longest, found, lambda views: detector(views, training=False))

    nothing = tf.zeros((MAX_SMALL, 8, 2)), tf.zeros((MAX_SMALL,))
    small, large = VIEWS
    return tf.cond(
        needs_closer_look(longest),
        lambda: tf.cond(fits_small_view(longest), lambda: look(small), lambda: look(large)),
        lambda: nothing,
    )


def make_view(photo, size):
    """The view of a side of a photo, float32 ``(1, size, size, 3)``, and the photo pixels that its side covers."""
    factor = shrink_factor(tf.reduce_max(tf.shape(photo)[:2]), size)
    small = tf.cast(shrink(photo, factor, lambda part: tf.cast(part, tf.int32)), tf.float32) * LEVEL
    small = tf.ensure_shape(small, (None, None, 3))  # Slices by a factor that is a tensor forget even their rank.
    height, width = tf.unstack(tf.shape(small)[:2])
    view = tf.pad(small, [[0, size - height], [0, size - width], [0, 0]])
    return tf.ensure_shape(view, (size, size, 3))[None], size * factor


def find_and_align(photo, find, size, max_faces, view=1.0):
    """The faces of a photo, at most ``max_faces``, as the networks see them.

    Args:
        photo: uint8 ``(height, width, 3)``.
        find: photo to boxes, points and the number of unsure places, as ``find_faces`` answers.
        size: pixels of a crop's side.
        view: as for ``keras_uncover.ops.mesh.crop_transform``.

    Returns: dict of ``boxes`` float32 ``(max_faces, 4)``, ``crops`` ``(max_faces, size, size, 3)`` in [0, 1],
    ``points`` ``(max_faces, 478, 3)`` in unit coordinates of the crops, ``sides`` ``(max_faces,)``, photo pixels that a
    crop spans, and int32 scalars: ``count``, the rows after that many are zero, ``faces_found``, which may be more, and
    ``faces_unsure``.
    """
    boxes, points, unsure = find(photo)
    counts = {"faces_found": tf.shape(boxes)[0], "faces_unsure": unsure}
    boxes, points = boxes[:max_faces], points[:max_faces]
    crops, unit, places = tf.map_fn(
        lambda face: tuple(part[0] for part in align_points(photo, face[None], size, view)), points,
        fn_output_signature=(tf.TensorSpec((size, size, 3)), tf.TensorSpec((POINTS, 3)), tf.TensorSpec((2, 3))),
    )
    sides = tf.sqrt(places[:, 0, 0] ** 2 + places[:, 1, 0] ** 2)
    rows = {"boxes": boxes, "crops": crops, "points": unit, "sides": sides}
    specs = found_specs(size, max_faces)
    padded = {name: pad_rows(value, specs[name].shape) for name, value in rows.items()}
    return {**padded, **counts, "count": tf.shape(boxes)[0]}


def found_specs(size, max_faces):
    """``tf.TensorSpec`` of each thing that ``find_and_align`` answers."""
    shapes = {"boxes": (4,), "crops": (size, size, 3), "points": (POINTS, 3), "sides": ()}
    specs = {name: tf.TensorSpec((max_faces, *shape)) for name, shape in shapes.items()}
    return {**specs, **{name: tf.TensorSpec((), tf.int32) for name in ("count", "faces_found", "faces_unsure")}}


def pad_rows(value, shape):
    """Fill up with rows of zeros."""
    missing = shape[0] - tf.shape(value)[0]
    return tf.ensure_shape(tf.pad(value, [[0, missing]] + [[0, 0]] * (len(shape) - 1)), shape)


def find_in_crops(crops, mesh):
    """Mesh points of the faces that fill crops: ``FaceFinder.points_in_crop``.

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
