"""A mask or a box laid over a picture, as pixels."""

import cv2
import numpy as np
from PIL import Image, ImageDraw

TINT = np.float32([0xFF, 0xC2, 0x0A]) / 255.0
STRENGTH = 0.55  # of the tint where the mask is 1
INK, MARKER = (0x1A, 0x1A, 0x1A), (0xFF, 0xC2, 0x0A)


def tint_mask(image, mask):
    """A picture in grey under a tint as strong as the mask.

    Args:
        image: float32 ``(height, width, 3)`` in [0, 1], RGB.
        mask: ``(height, width)``; clipped to [0, 1].

    Returns: float32 ``(height, width, 3)`` in [0, 1].
    """
    grey = np.asarray(image, "float32") @ np.float32([[0.299], [0.587], [0.114]])
    weight = STRENGTH * np.clip(np.asarray(mask, "float32"), 0.0, 1.0)[..., None]
    return np.clip(grey * (1.0 - weight) + TINT * weight, 0.0, 1.0)


def place_mask(mask, place, height, width):
    """A crop's mask where it lies in the photo, 0 elsewhere.

    Args:
        mask: ``(size, size)`` in [0, 1].
        place: ``(2, 3)``, unit coordinates of the crop to photo pixels.

    Returns: float32 ``(height, width)``.
    """
    mask, place = np.asarray(mask, "float32"), np.asarray(place, "float64")
    # OpenCV counts from the centre of the first pixel, this library from its edge.
    linear = place[:, :2] / len(mask)
    shift = place[:, 2] + linear.sum(axis=1) / 2 - 0.5
    matrix = np.concatenate([linear, shift[:, None]], axis=1)
    return cv2.warpAffine(mask, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)


def lay_over(photo, answer):
    """The whole photo in grey with one face's mask laid over it: float32 ``(height, width, 3)`` in [0, 1], or None.

    There is none without a face, and none from a preset that says only whether.

    Args:
        photo: uint8 ``(height, width, 3)``, the frame of ``answer.bbox``.
        answer: ``FaceAnswer``.
    """
    if answer.mask is None or answer.place is None:
        return None
    return tint_mask(photo / np.float32(255), place_mask(answer.mask, answer.place, *photo.shape[:2]))


def draw_box(photo, box, side=480):
    """A photo made small, with the box of a face: dark, bright, dark, so that it shows on any background.

    Args:
        photo: uint8 ``(height, width, 3)``.
        box: ``(x0, y0, x1, y1)`` in photo pixels, or None for no box.
        side: pixels of the longer side at most.

    Returns: uint8 ``(height, width, 3)``.
    """
    picture = Image.fromarray(photo)
    scale = min(1.0, side / max(picture.size))
    picture = picture.resize([max(1, round(length * scale)) for length in picture.size], Image.Resampling.LANCZOS)
    if box is not None:
        draw, (x0, y0, x1, y1) = ImageDraw.Draw(picture), (value * scale for value in box)
        draw.rectangle((x0 - 3, y0 - 3, x1 + 3, y1 + 3), outline=INK, width=6)
        draw.rectangle((x0 - 1, y0 - 1, x1 + 1, y1 + 1), outline=MARKER, width=2)
    return np.asarray(picture)
