"""Cutting the crop of a face: one alignment for answering, export and the building of shards."""

import numpy as np
from keras import ops

from keras_uncover.ops.geometry import cut_crops, invert_transform, transform_points
from keras_uncover.ops.mesh import crop_transform


def align_faces(photo, faces, size, view=1.0):
    """Crops of a photo's faces and their mesh points.

    Args:
        photo: uint8 ``(height, width, 3)``.
        faces: list of ``Face``, at least one.
        size: pixels of a crop's side.
        view: as for ``crop_transform``.

    Returns: crops float32 ``(n, size, size, 3)`` in [0, 1]; points float32 ``(n, 478, 3)`` in unit coordinates of
    their crops, z in the same unit; places float32 ``(n, 2, 3)``, unit crop to photo pixels. NumPy arrays.
    """
    points = np.stack([face.points for face in faces]).astype("float32")
    aligned = zip(*(align_points(photo, points[k : k + 1], size, view) for k in range(len(faces))))
    return tuple(ops.convert_to_numpy(ops.concatenate(part)) for part in aligned)


def align_points(photo, points, size, view=1.0):
    """The crop of one face and its mesh points, in keras.ops; a SavedModel aligns by it, too.

    Args:
        photo: uint8 ``(height, width, 3)``.
        points: float32 ``(1, 478, 3)``, photo pixels.
        size: pixels of the crop's side.
        view: as for ``crop_transform``.

    Returns: crop float32 ``(1, size, size, 3)`` in [0, 1]; points float32 ``(1, 478, 3)`` in unit coordinates of it;
    place float32 ``(1, 2, 3)``, unit crop to photo pixels.
    """
    places, unit = place_in_crop(points, view)
    return cut_crops(photo, places, size), unit, places


def place_in_crop(points, view=1.0):
    """Where faces lie in their own crops, in keras.ops.

    Args:
        points: float32 ``(n, 468 or 478, 3)``, photo pixels.
        view: as for ``crop_transform``.

    Returns: crop-to-photo transforms float32 ``(n, 2, 3)``, unit crop to photo pixels; points, the shape of ``points``,
    in unit coordinates of the crop, z in the same unit.
    """
    matrices = crop_transform(points, view)
    flat = transform_points(invert_transform(matrices), points[..., :2])
    side = ops.sqrt(matrices[:, 0, 0] ** 2 + matrices[:, 1, 0] ** 2)
    return matrices, ops.concatenate([flat, points[..., 2:] / side[:, None, None]], axis=-1)
