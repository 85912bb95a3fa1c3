"""Looking for faces in parts of a photo in the graph, by the same rules as ``keras_uncover.faces.windows``."""

import tensorflow as tf

from keras_uncover.faces import detection
from keras_uncover.faces.finder import MAX_CANDIDATES
from keras_uncover.faces.windows import STEP
from keras_uncover.models.face_detector import SIZE as DETECTOR_SIZE
from keras_uncover.ops.geometry import cut_crops, transform_points

# Candidates that are blended into faces; a face has some ten in each window that shows it, all others are below the
# detector's mark. A graph needs their number to be known.
CANDIDATES = 1024


def seek_small(photo, share, detector):
    """Candidates for faces in square windows over a photo.

    Args:
        photo: uint8 ``(height, width, 3)``.
        share: side of the windows over the photo's longer side.
        detector: Keras model.

    Returns: places float32 ``(16, 8, 2)`` in photo pixels and scores ``(16,)``; a score of 0 means no candidate.
    """
    windows = windows_of(share, *tf.unstack(tf.shape(photo)[:2]))
    views = tf.map_fn(
        lambda window: cut_crops(photo, window[None], DETECTOR_SIZE, border="zero")[0], windows,
        fn_output_signature=tf.TensorSpec((DETECTOR_SIZE, DETECTOR_SIZE, 3)),
    )
    seen = detector(tf.ensure_shape(views, (None, DETECTOR_SIZE, DETECTOR_SIZE, 3)), training=False)
    places, scores = detection.decode(seen["regressors"], seen["logits"])
    flat = transform_points(windows, tf.reshape(places, (tf.shape(windows)[0], -1, 2)))
    scores, best = tf.math.top_k(tf.reshape(scores, (-1,)), CANDIDATES)
    return detection.suppress(tf.gather(tf.reshape(flat, (-1, 8, 2)), best), scores, MAX_CANDIDATES)


def windows_of(share, height, width):
    """Windows that cover a photo, evenly spaced: float32 ``(n, 2, 3)``, unit coordinates to photo pixels."""
    height, width = (tf.cast(length, tf.float64) for length in (height, width))
    side = share * tf.maximum(height, width)
    rows, columns = (window_starts(side, length) for length in (height, width))
    y, x = (tf.reshape(starts, (-1,)) for starts in tf.meshgrid(rows, columns, indexing="ij"))
    zeros = tf.zeros_like(x)
    sides = tf.fill(tf.shape(x), side)
    matrices = tf.stack([tf.stack([sides, zeros, x], -1), tf.stack([zeros, sides, y], -1)], 1)
    return tf.cast(matrices, tf.float32)


def window_starts(side, length):
    """Where windows begin along one edge, float64 ``(n,)``; a window longer than the edge is laid around its middle."""
    count = tf.cast(tf.math.ceil((length - side) / (STEP * side) - 1e-9), tf.int32) + 1
    return tf.cond(
        side >= length,
        lambda: tf.reshape((length - side) / 2, (1,)),
        lambda: tf.linspace(tf.zeros((), tf.float64), length - side, count),
    )
