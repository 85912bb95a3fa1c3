"""Pixels as the gate gives them: uint8 RGB of whatever a decoder made, composited on white and turned upright."""

import numpy as np
from PIL import Image

BAND = 2**18  # pixels that are brought to RGB at a time


def to_rgb(picture, parts):
    """uint8 RGB pixels of a loaded picture; ``parts`` are the bytes that it came from.

    A band at a time, and counted in pixels, as a picture may be very wide: each step on the way has a copy of its own.
    """
    pixels = np.empty((picture.height, picture.width, 3), "uint8")
    rows = -(-BAND // picture.width)
    for top in range(0, picture.height, rows):
        box = (0, top, picture.width, min(top + rows, picture.height))
        # A crop would read Pillow's global limit of pixels.
        band = picture.resize((picture.width, box[3] - top), Image.Resampling.NEAREST, box)
        pixels[top : box[3]] = _band_to_rgb(band, parts)
    return pixels


def _band_to_rgb(picture, parts):
    """``_to_rgb`` of some rows."""
    key = picture.info.get("transparency")
    if picture.mode == "CMYK":
        return _mix_inks(np.asarray(picture), inverted="adobe" in picture.info)
    if picture.mode in ("RGBA", "LA") or (picture.mode == "P" and key is not None):
        return _on_white(picture.convert("RGBA"))
    if picture.mode == "P":
        return np.array(picture.convert("RGB"))
    pixels = np.array(picture.convert("L") if picture.mode == "1" else picture)
    hidden = None
    if key is not None:
        hidden = (pixels.reshape(*pixels.shape[:2], -1) == _colour_key(key, bits=parts[24], mode=picture.mode)).all(-1)
    if picture.mode == "I;16":
        pixels = (pixels >> 8).astype("uint8")
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[..., None], 3, axis=-1)
    if hidden is not None:
        pixels[hidden] = 255
    return pixels


def _colour_key(key, bits, mode):
    """A PNG's transparent colour in the scale of Pillow's pixels."""
    if mode == "RGB" and bits == 16:
        raise ValueError("a 16-bit RGB image with a transparent colour; save it with an alpha channel or with 8 bits")
    if mode == "1":
        return key
    key = np.array(key) & (2**bits - 1)
    return key * (255 // (2**bits - 1)) if bits < 8 else key


def _on_white(picture):
    canvas = Image.new("RGB", picture.size, "white")
    canvas.paste(picture, mask=picture.getchannel("A"))  # Rounds to nearest, exactly.
    return np.array(canvas)


def _mix_inks(inks, inverted):
    """RGB from CMYK as Pillow gives it, which has undone the Adobe inversion whether the file was inverted or not."""
    light = inks.astype("uint16")
    light = 255 - light if inverted else light
    return light[..., :3] * light[..., 3:] // 255


def turn_upright(pixels, turn):
    """Undo an EXIF orientation (1 to 8)."""
    if turn >= 5:
        pixels = pixels.transpose(1, 0, 2)
    if turn in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if turn in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels
