"""The second look, for small faces, in the graph, by the functions of ``keras_uncover.faces.small_faces``."""

import tensorflow as tf

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
