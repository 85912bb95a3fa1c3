"""One photo in every format that a file can have: what is answered to it must not depend on the door it comes in by."""

import numpy as np
from image_files import png, save
from PIL import Image

# What a camera stores for an upright photo, by the turn that it notes.
STORED = {
    1: None, 2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def turns(picture):
    """The picture as PNG with each of the eight EXIF turns, ``{name: bytes}``: upright, all are the same pixels."""
    files = {}
    for turn, transpose in STORED.items():
        exif = Image.Exif()
        exif[0x0112] = turn
        stored = picture if transpose is None else picture.transpose(transpose)
        files[f"turn_{turn}.png"] = save(stored, "PNG", exif=exif)
    return files


def formats(picture):
    """The picture in other formats and ways of coding colours, ``{name: bytes}``."""
    alpha = np.linspace(120, 255, picture.width)[None].repeat(picture.height, 0).astype("uint8")
    clear = Image.merge("RGBA", (*picture.split(), Image.fromarray(alpha)))
    exif = Image.Exif()
    exif[0x0112] = 6
    pixels = np.asarray(picture).astype(">u2") * 256 + 77
    sideways = picture.transpose(STORED[6])
    return {
        "alpha.png": save(clear, "PNG"),
        "alpha.webp": save(clear, "WEBP", quality=90),
        "grey.png": save(picture.convert("L"), "PNG"),
        "grey_alpha.png": save(clear.convert("LA"), "PNG"),
        "palette.png": save(picture.quantize(64), "PNG"),
        "palette_alpha.png": save(picture.quantize(64), "PNG", transparency=5),
        "cmyk.jpg": save(picture.convert("CMYK"), "JPEG", quality=92),
        "grey.jpg": save(picture.convert("L"), "JPEG", quality=92),
        "endless.jpg": save(picture, "JPEG", quality=92)[:-2],
        "progressive.jpg": save(picture, "JPEG", quality=92, progressive=True),
        "turned.jpg": save(sideways, "JPEG", quality=95, exif=exif),
        "turned.webp": save(sideways, "WEBP", quality=95, exif=exif),
        "16_bit.png": png(picture.width, picture.height, 16, 2, None, rows=[row.tobytes() for row in pixels]),
        "animated.webp": save(picture, "WEBP", save_all=True, append_images=[picture.rotate(9)], quality=90),
        "animated.png": save(picture, "PNG", save_all=True, append_images=[picture.rotate(9)]),
    }
