"""Packs: photos cut to 5 eye distances as JPEG, with their mesh points, in one file of NumPy arrays a split.

A pack is what swaps that imitate real tools are made from. It needs no TensorFlow, and it is small enough to be carried
to a machine that has only an accelerator. Its arrays:

``data`` uint8: all JPEGs end to end. ``lengths``: bytes of each. ``points`` float16 ``(n, 478, 2)``: unit coordinates
of the crops. ``camera`` bool: a photograph of a real person, who is never recovered. ``person`` str.
"""

import os
import zipfile
import zlib

import cv2
import numpy as np

from keras_uncover.images.decode import ImageError, decode_image
from keras_uncover.refusals import DataError

SIDE, VIEW = 304, 1.4824  # pixels of a packed crop, and its side in sides of the usual crop: 5.08 eye distances


def write_pack(path, rows, quality):
    """Write a pack whole or not at all.

    Args:
        path: file, ``.npz``.
        rows: list of crop uint8 ``(SIDE, SIDE, 3)``, points ``(478, 2)``, whether a camera took it, person.
        quality: of the JPEGs, 1 to 100.
    """
    coding = [cv2.IMWRITE_JPEG_QUALITY, quality]
    pieces = [cv2.imencode(".jpg", row[0][..., ::-1], coding)[1].ravel() for row in rows]
    part = f"{path}.part.npz"
    np.savez(
        part, data=np.concatenate(pieces), lengths=np.array([len(piece) for piece in pieces]),
        points=np.stack([row[1] for row in rows]).astype("float16"), camera=np.array([row[2] for row in rows]),
        person=np.array([row[3] for row in rows]),
    )
    os.replace(part, path)


def read_pack(path):
    """Read a pack.

    Returns: dict of ``crops`` uint8 ``(n, side, side, 3)``, RGB; ``points`` float32 ``(n, 478, 2)``, pixels of them;
    ``camera`` bool ``(n,)``; ``person`` str ``(n,)``.

    Raises: DataError for what is no pack.
    """
    try:
        with open(path, "rb") as file, np.load(file) as pack:
            pieces = np.split(pack["data"], np.cumsum(pack["lengths"])[:-1])
            crops = [decode_image(piece.tobytes()) for piece in pieces]
            points, camera, person = (pack[name] for name in ("points", "camera", "person"))
    except (OSError, ValueError, KeyError, TypeError, EOFError, ImageError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"A pack is a file that scripts.pack_faces wrote; {path} cannot be read: {error}.") from error
    side = max(len(crop) for crop in crops)
    crops = np.stack([crop if len(crop) == side else cv2.resize(crop, (side, side)) for crop in crops])
    return {"crops": crops, "points": points.astype("float32") * side, "camera": camera, "person": person}


def chances(camera):
    """How often each photo is drawn: photographs half of the time, made-up portraits the other half."""
    parts = [np.where(kind, 0.5 / max(kind.sum(), 1), 0.0) for kind in (camera, ~camera)]
    return (sum(parts) / np.sum(parts)).astype("float32")
