"""From the face networks' numbers to boxes and regions in a photo: pure functions of fixed shapes, in keras.ops.

They run eagerly on any backend and inside a compiled function, where a photo's own size may be unknown. The method and
its numbers are those of MediaPipe's short-range face detection and face landmark graphs.
"""

import numpy as np
from keras import ops

from keras_uncover.models.face_detector import COARSE_ANCHORS, FINE_ANCHORS
from keras_uncover.models.face_detector import SIZE as DETECTOR_SIZE

KEY_POINTS = 6
MIN_SCORE = 0.5
SAME_FACE_IOU = 0.3
SAME_FACE_COVER = 0.5
ROI_SCALE = 1.5
MIN_PRESENCE = 0.5
# From this presence on a face is judged. Places with less (walls, grass, cloth) come last and get no verdict.
SURE_PRESENCE = 0.9
SAME_MESH_IOU = 0.5
SAME_MESH_COVER = 0.5
# Outer corners of the eyes in the mesh: on the left of the picture, on the right.
EYE_LEFT, EYE_RIGHT = 33, 263


def anchor_centres(size=DETECTOR_SIZE):
    """Centres of the detector's anchors in unit coordinates of its input, x first.

    Args:
        size: pixels of the input's side, a multiple of 16.

    Returns: numpy float32 ``(n, 2)``; ``n`` is 896 for 128 pixels.
    """
    grids = []
    for cells, repeats in ((size // 8, FINE_ANCHORS), (size // 16, COARSE_ANCHORS)):
        axis = (np.arange(cells, dtype="float32") + 0.5) / cells
        ys, xs = np.meshgrid(axis, axis, indexing="ij")
        grids.append(np.repeat(np.stack([xs, ys], axis=-1).reshape(-1, 2), repeats, axis=0))
    return np.concatenate(grids)


def decode(regressors, logits, size=DETECTOR_SIZE):
    """Read the detector's answers.

    Args:
        regressors, logits: ``(batch, n, 16)`` and ``(batch, n)``, outputs of ``build_face_detector``.
        size: pixels of the input's side, which give the number of anchors ``n``: 896 for 128 pixels.

    Returns:
        corners: float32 ``(batch, n, 8, 2)`` in unit coordinates of the input: the box's two corners (least, then
            greatest x and y), then the six key points.
        scores: float32 ``(batch, n)`` in ``[0, 1]``.
    """
    anchors = anchor_centres(size)
    pairs = ops.reshape(ops.cast(regressors, "float32"), (-1, len(anchors), 2 + KEY_POINTS, 2)) / size
    centres = ops.convert_to_tensor(anchors)[None, :, None, :]
    middle, half = pairs[:, :, 0:1] + centres, pairs[:, :, 1:2] / 2
    places = ops.concatenate([middle - half, middle + half, pairs[:, :, 2:] + centres], axis=2)
    return places, ops.sigmoid(ops.clip(ops.cast(logits, "float32"), -100.0, 100.0))


def box_overlap(boxes, others):
    """Intersection over union of boxes ``(..., 2, 2)`` (least corner, greatest corner), which broadcast."""
    shared = _shared_area(boxes, others)
    return shared / ops.maximum(box_area(boxes) + box_area(others) - shared, 1e-9)


def box_cover(boxes, others):
    """Intersection over the smaller of two boxes ``(..., 2, 2)``, which broadcast: 1 where one holds the other."""
    return _shared_area(boxes, others) / ops.maximum(ops.minimum(box_area(boxes), box_area(others)), 1e-9)


def _shared_area(boxes, others):
    low = ops.maximum(boxes[..., 0, :], others[..., 0, :])
    high = ops.minimum(boxes[..., 1, :], others[..., 1, :])
    return ops.prod(ops.maximum(high - low, 0.0), axis=-1)


def box_area(boxes):
    """Area of boxes ``(..., 2, 2)``; zero where the corners are the wrong way round."""
    return ops.prod(ops.maximum(boxes[..., 1, :] - boxes[..., 0, :], 0.0), axis=-1)


def suppress(places, scores, max_faces):
    """Weighted non-maximum suppression: one face is the score-weighted mean of all candidates that overlap its best.

    Args:
        places: float32 ``(n, 8, 2)``, as from ``decode``, in any one unit.
        scores: float32 ``(n,)``; candidates below 0.5 are not looked at.
        max_faces: Python integer, length of the answer.

    Returns: places ``(max_faces, 8, 2)`` and scores ``(max_faces,)``, best first; a score of 0 means no face.
    """
    left = ops.where(scores >= MIN_SCORE, scores, 0.0)
    index = ops.arange(scores.shape[0], dtype="int32")
    found, found_scores = [], []
    for _ in range(max_faces):
        best = ops.cast(ops.argmax(left), "int32")
        overlap = box_overlap(ops.take(places, best, axis=0)[None, :2], places[:, :2])
        # The best candidate belongs to itself, even where its box is so thin that it overlaps nothing.
        member = ((overlap > SAME_FACE_IOU) | (index == best)) & (left > 0)
        weights = ops.where(member, left, 0.0)
        weights = weights / ops.maximum(ops.sum(weights), 1e-6)
        found.append(ops.sum(places * weights[:, None, None], axis=0))
        found_scores.append(ops.take(left, best))
        left = ops.where(member, 0.0, left)
    return ops.stack(found), ops.stack(found_scores)


def join_views(places, scores, max_faces):
    """Join what several views of one photo show; where two agree on a face, the earlier view places it.

    Args:
        places, scores: float32 ``(views, n, 8, 2)`` in one unit, ``(views, n)``.
        max_faces: Python integer, length of the answer.

    Returns: places ``(max_faces, 8, 2)`` and scores ``(max_faces,)``, earlier views first; a score of 0: no face.
    """
    found = [suppress(places[view], scores[view], max_faces) for view in range(places.shape[0])]
    places = ops.concatenate([each[0] for each in found])
    scores = ops.concatenate([each[1] for each in found])
    boxes = places[:, :2]
    keep = drop_repeats(box_overlap(boxes[:, None], boxes[None]) > SAME_FACE_IOU, scores > 0)
    # Sorting by "dropped" and then by position: the order within the kept does not change.
    rank = ops.where(keep, 0, keep.shape[0]) + ops.arange(keep.shape[0], dtype="int32")
    order = ops.argsort(rank)[:max_faces]
    return ops.take(places, order, axis=0), ops.take(ops.where(keep, scores, 0.0), order, axis=0)


def square_region(low, high, start, end, scale=ROI_SCALE):
    """Square around a box, turned so that ``start`` to ``end`` runs along its upper edge.

    Args:
        low, high: float32 ``(n, 2)``, the box's corners.
        start, end: float32 ``(n, 2)``, the eye on the left and the eye on the right of an upright face.
        scale: the square's side over the box's longer side.

    Returns: float32 ``(n, 2, 3)``, transforms from the square's unit coordinates.
    """
    side = scale * ops.maximum(ops.max(high - low, axis=-1, keepdims=True), 1e-3)
    along = end - start
    along = side * along / ops.maximum(ops.sqrt(ops.sum(along * along, axis=-1, keepdims=True)), 1e-6)
    down = ops.stack([-along[:, 1], along[:, 0]], axis=-1)
    origin = (low + high) / 2 - (along + down) / 2
    return ops.stack([along, down, origin], axis=-1)


def region_of_detection(places):
    """Where the mesh should look for a detected face: ``(n, 8, 2)`` of ``suppress`` to ``(n, 2, 3)``."""
    return square_region(places[:, 0], places[:, 1], places[:, 2], places[:, 3])


def drop_repeats(near, valid):
    """Of several rows that show the same face, keep the first.

    Args:
        near: bool ``(n, n)``, ``n`` known: which rows are near to which.
        valid: bool ``(n,)``; other rows are dropped and drop nobody.

    Returns: bool ``(n,)``. A row that is near only to dropped rows stays.
    """
    keep, order = valid, np.arange(near.shape[0])
    for row in order:
        keep = keep & ~(near[row] & keep[row] & ops.convert_to_tensor(order > row))
    return keep


def rank_faces(size, points, presence, scores):
    """Decide which candidates are faces and put first those that the mesh is sure of, the largest of them first.

    Args:
        size: height and width of the photo.
        points, presence, scores: ``(n, 478, 3)``, ``(n,)``, ``(n,)``.

    Returns: a dict of ``boxes`` float32 ``(n, 4)`` clipped to the photo, ``points``, ``presence`` and ``scores``, in
    the new order; a score of 0 means no face.
    """
    edge = ops.cast(ops.stack([size[1], size[0]]), "float32")
    boxes = ops.stack([ops.min(points[..., :2], axis=1), ops.max(points[..., :2], axis=1)], axis=1)
    boxes = ops.minimum(ops.maximum(boxes, 0.0), edge)
    valid = (presence >= MIN_PRESENCE) & (box_area(boxes) > 0)
    scores = ops.where(valid, scores, 0.0)
    rows = {"boxes": boxes, "points": points, "presence": presence, "scores": scores}
    # Of two that overlap, the one that the mesh is sure of stays, else the one with the better score. Size does not
    # decide: a part of a face may pass for a small face, and a face with the wall behind it for a large one.
    rows = _take_rows(rows, ops.argsort(-scores - _as_sure(presence)))
    pairs = rows["boxes"][:, None], rows["boxes"][None]
    near = (box_overlap(*pairs) > SAME_MESH_IOU) | (box_cover(*pairs) > SAME_MESH_COVER)
    keep = drop_repeats(near, rows["scores"] > 0)
    rows["scores"] = ops.where(keep, rows["scores"], 0.0)
    share = box_area(rows["boxes"]) / ops.prod(edge)
    rows = _take_rows(rows, ops.argsort(ops.where(keep, -share - 2.0 * _as_sure(rows["presence"]), 1.0)))
    return {**rows, "boxes": ops.reshape(rows["boxes"], (-1, 4))}


def _as_sure(presence):
    return ops.cast(presence >= SURE_PRESENCE, "float32")


def _take_rows(rows, order):
    return {name: ops.take(value, order, axis=0) for name, value in rows.items()}
