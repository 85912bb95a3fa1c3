"""Screen a picture: find its face, and refuse by name what cannot become a record."""

import functools
import math
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from tqdm.auto import tqdm

from keras_uncover.faces.finder import Face, FaceFinder
from keras_uncover.ops.mesh import VERTICES, crop_transform
from pipelines.build.pictures import Reject, hash_pixels, open_picture

SECOND_FACE = 0.5  # A face in the background, less than half as large as the first, is no second portrait.
SURE = 0.9  # Presence that a face needs to count beside others; grass, cloth and feathers stay below it.
MIN_SPAN = 0.5  # Photo pixels that a crop pixel must span at least: a crop is enlarged twice at most.
MAX_OUTSIDE = 0.05  # Share of the face's points that may lie outside of the photo.


class Screened(NamedTuple):
    """What is kept of a picture that was not refused.

    Attributes:
        face: its one ``Face``, 6 KB; None where its record is made already, or where it needs no face.
        hash: of its pixels, see ``hash_pixels``.
        shape: height and width.
        draft: number of its record among the ``Drafts``, or None.
    """

    face: Face | None
    hash: str
    shape: tuple
    draft: int | None = None


@functools.cache
def load_finder():
    """The face finder, once a process: compiling it takes seconds."""
    return FaceFinder()


def side(face):
    """Mean of a face box's width and height, in photo pixels."""
    x0, y0, x1, y1 = face.box
    return math.sqrt((x1 - x0) * (y1 - y0))


def leave_out_unsure(faces):
    """The faces that count: those that the mesh network is sure of or, if there are none, the first.

    faces: list of ``Face``, the largest first.
    """
    return [face for face in faces if face.presence >= SURE] or faces[:1]


def refusal_of(faces, shape, size):
    """Why a photo cannot become a record: ``(rule, reason)``, or None if it can.

    Args:
        faces: list of ``Face``, the largest first, of ``leave_out_unsure``.
        shape: height and width of the photo.
        size: pixels of the crop's side.
    """
    if not faces:
        return "no_face", "no face was found"
    largest, *others = map(side, faces)
    rivals = [length for length in others if length >= SECOND_FACE * largest]
    if rivals:
        found = ", ".join(f"{length:.0f} px" for length in [largest, *rivals])
        return "several_faces", f"{1 + len(rivals)} faces ({found}); it is not clear who the person is"
    points = faces[0].points[:VERTICES, :2]
    span = float(np.linalg.norm(np.asarray(crop_transform(faces[0].points[None]))[0, :, 0]))
    if span < MIN_SPAN * size:
        return "too_small", f"a crop of {size} px spans {MIN_SPAN * size:.0f} photo pixels or more; here {span:.0f}"
    outside = np.mean(((points < 0) | (points > [shape[1], shape[0]])).any(-1))
    if outside > MAX_OUTSIDE:
        return "cut_off", f"{100 * outside:.0f} % of the face lies outside of the photo"
    return None


def screen(picture, find, size, make=None):
    """Read one picture, once, and find its face.

    Args:
        picture: anything with ``file`` and ``path``.
        find: ``FaceFinder().find``.
        size: pixels of the crop's side.
        make: function of the photo, uint8 ``(height, width, 3)``, and its ``Screened`` that makes a record while the
            pixels are in memory, and returns the number of its draft; None makes none and keeps the face.

    Returns: ``Screened`` or ``Reject``.
    """
    photo = open_picture(picture)
    if isinstance(photo, Reject):
        return photo
    faces = leave_out_unsure(find(photo))
    refusal = refusal_of(faces, photo.shape[:2], size)
    if refusal:
        return Reject(picture.file, *refusal)
    found = Screened(faces[0], hash_pixels(photo), photo.shape[:2])
    return found if make is None else found._replace(face=None, draft=make(photo, found))


def map_in_order(function, items, workers):
    """Yield ``function(item)`` in the order of the items, ``workers`` at a time and not far ahead."""
    if workers == 1:
        yield from map(function, items)
        return
    items, waiting = iter(items), deque()
    with ThreadPoolExecutor(workers) as pool:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) >= 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def map_with_bar(function, items, workers, title):
    """``map_in_order`` with a progress bar on a terminal; ``items`` is a list."""
    found = map_in_order(function, items, workers)
    return tqdm(found, title, len(items), unit="photo", disable=None)
