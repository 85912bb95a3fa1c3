"""Looking for faces in parts of a photo, for those that are too small to be seen in a view of the whole."""

import numpy as np
from keras import ops

from keras_uncover.faces import detection
from keras_uncover.ops.geometry import transform_points

# Sides of the windows over the photo's longer side. The detector wants a face of a tenth of its view or more.
SHARES = (0.5, 0.25)
WINDOWS = 8  # shown to the detector at a time
STEP = 0.5  # of a window's side: each face up to half a window is whole in one of them
# Parts of a photo hold more that looks like a face than the whole does, so the mesh must be surer.
MIN_SMALL_PRESENCE = 0.9


def small_windows(height, width):
    """Square windows that cover a photo, for one size of windows after the other, large ones first.

    Returns: list of float32 ``(n, 2, 3)``, transforms from a window's unit coordinates to photo pixels.
    """
    return [windows_of(side * max(height, width), height, width) for side in SHARES]


def windows_of(side, height, width):
    """Windows of one side, evenly spaced, float32 ``(n, 2, 3)``."""
    columns, rows = (window_starts(side, length) for length in (width, height))
    return np.array([[[side, 0, x], [0, side, y]] for y in rows for x in columns], "float32")


def window_starts(side, length):
    """Where windows begin along one edge; a window longer than the edge is laid around its middle."""
    if side >= length:
        return [(length - side) / 2]
    count = int(np.ceil((length - side) / (STEP * side) - 1e-9)) + 1
    return np.linspace(0.0, length - side, count)


def fill_up(windows):
    """Windows ``(n, 2, 3)``, the last repeated until ``n`` is a multiple of ``WINDOWS``: one shape to compile."""
    missing = -len(windows) % WINDOWS
    return np.concatenate([windows, np.repeat(windows[-1:], missing, axis=0)])


def pick_small(regressors, logits, windows):
    """Turn the detector's answers to windows into candidates in the photo.

    One face shows in several windows, cut off in some. All its candidates are blended, weighted by their scores, as
    those of one view are.

    Args:
        regressors, logits: ``(n, 896, 16)``, ``(n, 896)``.
        windows: ``(n, 2, 3)``.

    Returns: numpy float32 places ``(m, 8, 2)`` in photo pixels and scores ``(m,)``, as ``detections.suppress``; m is
        at most 16.
    """
    places, scores = detection.decode(regressors, logits)
    places = transform_points(windows, ops.reshape(places, (len(windows), -1, 2)))
    places = ops.convert_to_numpy(places).reshape(-1, 8, 2)
    scores = ops.convert_to_numpy(scores).reshape(-1)
    likely = scores >= detection.MIN_SCORE
    if not likely.any():
        return np.zeros((0, 8, 2), "float32"), np.zeros(0, "float32")
    found, found_scores = detection.suppress(places[likely], scores[likely], 16)
    found, found_scores = ops.convert_to_numpy(found), ops.convert_to_numpy(found_scores)
    return found[found_scores > 0], found_scores[found_scores > 0]
