"""The second look at a photo, for faces that are too small to be seen in the detector's view of the whole.

The detector sees a face that is some ``SEEN`` pixels wide in its view. It is a chain of convolutions, so it reads a
larger view in one run, and the photo is shown to it again at up to five times the size of the first view. Windows cut
from the photo at that scale would overlap, and what they share would be read twice.
"""

import numpy as np
from keras import ops

from keras_uncover.faces import detection
from keras_uncover.models.face_detector import SIZE as DETECTOR_SIZE

SEEN = 16
# Photo pixels. The crop of a narrower face is enlarged more than 2.5 times, where no error rate was measured.
MIN_FACE = 32
# Sides of the larger views. The first is enough where it shows a face of MIN_FACE pixels SEEN wide.
VIEWS = (320, 640)
# Pixels of a block of the photo that are read along each axis for one pixel of a view.
TAPS = 4
LEVEL = np.float32(1 / (255 * TAPS**2))  # As a factor: TensorFlow's graphs do not divide by constants to the bit.
# Anchors that are blended into faces; a face has some ten, all others are below the detector's mark.
CANDIDATES = 1024
MAX_SMALL = 16
# House fronts pass for faces with scores below this; of small faces few have less: of 96 portraits laid into pictures
# of 1,600 pixels at 5 to 15 % of the width none has, at 3.5 % 3 of 24.
MIN_SMALL_SCORE = 0.65
# Side of a candidate's box over the photo's longer side: the first view shows larger faces.
MAX_SMALL_SHARE = 0.2


def needs_closer_look(longest):
    """Whether a photo whose longer side has that many pixels can hold a face that the first view does not show."""
    return longest * SEEN > MIN_FACE * DETECTOR_SIZE


def fits_small_view(longest):
    """Whether the smaller of ``VIEWS`` holds a photo at half its size."""
    return longest <= 2 * VIEWS[0]


def shrink_factor(longest, size):
    """Photo pixels that one pixel of a view covers along each axis, whole, so that shrinking is exact arithmetic.

    Never below 2: a face that is then too narrow to be seen is narrower than ``MIN_FACE``, too.
    """
    return 2 if size == VIEWS[0] else (longest + size - 1) // size


def shrink(photo, factor, widen=np.int32):
    """A photo made smaller by a whole factor, each pixel the mean of some of its block.

    Rows and columns at the end that fill no block are left out. The same lines serve NumPy and tensors.

    Args:
        photo: uint8 ``(height, width, 3)``.
        factor: as from ``shrink_factor``.
        widen: casts to int32.

    Returns: int32 ``(height // factor, width // factor, 3)``, sums of ``TAPS**2`` pixels.
    """
    height, width = photo.shape[:2] if isinstance(photo, np.ndarray) else ops.shape(photo)[:2]
    rows, columns = height // factor * factor, width // factor * factor
    offsets = [(2 * tap + 1) * factor // (2 * TAPS) for tap in range(TAPS)]
    return sum(widen(photo[y:rows:factor, x:columns:factor]) for y in offsets for x in offsets)


def make_view(photo):
    """The larger view of a photo for which ``needs_closer_look`` holds.

    Returns: float32 ``(1, size, size, 3)`` in [0, 1], the photo at the top left, ``size`` one of ``VIEWS``; and the
    photo pixels that its side covers, int.
    """
    longest = max(photo.shape[:2])
    size = VIEWS[0] if fits_small_view(longest) else VIEWS[1]
    factor = shrink_factor(longest, size)
    small = shrink(photo, factor)
    view = np.zeros((1, size, size, 3), "float32")
    view[0, : small.shape[0], : small.shape[1]] = small.astype("float32") * LEVEL
    return view, size * factor


def seek_small(view, size, side, longest, found, detector):
    """Candidates for faces in a larger view, but for those where a face was found already.

    Args:
        view: float32 ``(1, size, size, 3)``, as from ``make_view``.
        size: Python integer.
        side: float32, photo pixels that the view's side covers.
        longest: float32, pixels of the photo's longer side.
        found: float32 ``(n, 4)``, boxes of the faces that were found, photo pixels; a box of zeros is none.
        detector: network.

    Returns: places float32 ``(16, 8, 2)`` in photo pixels and scores ``(16,)``, as ``detection.suppress``.
    """
    seen = detector(ops.reshape(view, (1, size, size, 3)))
    places, scores = detection.decode(seen["regressors"], seen["logits"], size)
    scores, best = ops.top_k(scores[0], CANDIDATES)
    places = ops.take(places[0], best, axis=0) * ops.cast(side, "float32")
    pairs = places[:, None, :2], ops.reshape(found, (1, -1, 2, 2))
    near = detection.box_overlap(*pairs) > detection.SAME_FACE_IOU
    near = near | (detection.box_cover(*pairs) > detection.SAME_FACE_COVER)
    large = ops.max(places[:, 1] - places[:, 0], axis=-1) > MAX_SMALL_SHARE * ops.cast(longest, "float32")
    aside = ops.any(near, axis=1) | large | (scores < MIN_SMALL_SCORE)
    return detection.suppress(places, ops.where(aside, 0.0, scores), MAX_SMALL)
