"""The gate: the one way in which image bytes enter on the host.

`decode_image` takes the bytes of one file and gives uint8 RGB, by these rules. The operations that a SavedModel has
(``tf.io.decode_*``) can follow each of them to the pixel.

=====================  ================================================================================================
in the file            what the gate does
=====================  ================================================================================================
format                 JPEG (8 bit; baseline, extended, progressive), PNG or WebP, told by content, never by suffix;
                       all others are refused
size                   read from the header and refused before decoding: more than ``max_pixels``, a side above 30,000
                       or below 16 pixels; a JPEG of four components (CMYK) with more than three quarters of
                       ``max_pixels``, since its decoder's memory goes by samples
cut or damaged         refused, also where only a PNG's checksum is wrong. Errors inside the coded data of a JPEG are
                       not seen: it has no checksum, and every decoder makes what it can of such data
EXIF orientation       applied, all eight; an unreadable EXIF block or a value outside 1 to 8 turns nothing
grey, 1 to 8 bits      stretched to 0 .. 255, copied to R, G and B
16 bits a channel      the high byte: ``value >> 8``
palette                looked up, with its transparency
transparency           composited on white: ``round((c * a + 255 * (255 - a)) / 255)``; a PNG's transparent colour
                       becomes white (refused beside 16-bit RGB, where the decoder cannot tell that colour)
CMYK and YCCK JPEG     ``floor(c * k / 255)`` of 255 minus the inks; with an Adobe marker the file holds inverted inks
a JPEG without its     decoded, with a note, where all of its pixels are there: then they are the same whatever is put
end marker             in the marker's place; else it counts as cut
animation              its first frame (WebP: on a transparent canvas), for an animated PNG its still image;
                       a note tells that others were left out
colour profile, gamma  ignored: values are taken as they stand
=====================  ================================================================================================

No state is kept or changed, so that threads can decode side by side. Memory is bounded by the size: 8 bytes a pixel for
PNG and baseline JPEG, 12 for progressive JPEG in CMYK, 16 for WebP, whose decoder keeps pictures of its own.
"""

import os
import stat
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from keras_uncover.files import hash_bytes, open_at_once
from keras_uncover.images.headers import (
    JPEG_END,
    is_animated,
    lacks_end,
    name_format,
    pixel_parts,
    read_frame,
    strip_fill,
)
from keras_uncover.images.pixels import to_rgb, turn_upright
from keras_uncover.refusals import REFUSED, Refusal

MAX_BYTES = 50_000_000  # of more than that TensorFlow's copies would take the SavedModel beyond its 500 MB
MAX_PIXELS = 50_000_000
MAX_SIDE = 30_000
MIN_SIDE = 16
NO_END = "The JPEG's end marker is missing; all of its pixels are there."
ANIMATED = "The picture is animated: one frame of it was judged, the others were not."
# What is put in the place of what a JPEG may lack: bits in other orders than the zeros that a decoder makes up by
# itself, also behind each of the markers that it may wait for.
OTHER_ENDS = tuple(
    bits * 40 + b"".join(bytes([0xFF, 0xD0 + number]) + bits * 10 for number in range(8))
    for bits in (b"\xaa\x6d\xb4", b"\x55\x93\x2c")
)
PIXELS_MISSING = "it ends before its last pixels"

# Opened by class: Image.open would try other formats and read global limits.
DECODERS = {"JPEG": JpegImageFile, "PNG": PngImageFile, "WebP": WebPImageFile}


class ImageError(Refusal, ValueError):
    """An image that is refused.

    Attributes: ``rule`` that it breaks, ``received`` instead, and ``hint``, the way out; each is a str. ``sha256`` of
    the bytes that were read and refused, where whoever refused them says it, else None.
    """

    exit_code, sha256 = REFUSED, None

    def __init__(self, rule, received, hint):
        super().__init__(rule, received, hint)
        self.rule, self.received, self.hint = rule, received, hint

    def __str__(self):
        return f"{self.rule}; received {self.received}. {self.hint}"


def read_bytes(source, max_bytes=MAX_BYTES):
    """Read one file whole, or pass bytes through, under the same limits.

    Args:
        source: a path (str or path-like) or the bytes of an image file.
        max_bytes: refused above this; a file's size is looked at before it is read.

    Raises: ImageError for a missing, unreadable, empty or too large file, and for what is not a file.
    """
    if isinstance(source, (bytes, bytearray, memoryview)):
        return _check_length(bytes(source), "bytes", max_bytes)
    path, name = Path(source), f'"{source}"'
    try:
        if not path.is_file():
            found = "a folder" if path.is_dir() else "something that is no file" if path.exists() else "nothing there"
            raise not_a_file(found, name)
        with open(path, "rb", opener=open_at_once) as file:
            return read_stream(file, name, max_bytes)
    except OSError as error:
        raise ImageError(
            "An input must be readable", f"{name}: {error.strerror}", "Check the path and its permissions."
        ) from error


def read_stream(file, name, max_bytes=MAX_BYTES):
    """Read an open file whole.

    What is open is asked, not the name: another file may lie there by now.

    Args:
        file: open for reading bytes.
        name: what errors call it.
        max_bytes: as in ``read_bytes``.

    Raises: ImageError for what is no regular file, and for an empty or too large one.
    """
    status = os.fstat(file.fileno())
    if not stat.S_ISREG(status.st_mode):
        raise not_a_file("something that is no file", name)
    _check_size(status.st_size, name, max_bytes)
    return _check_length(file.read(max_bytes + 1), name, max_bytes)


def not_a_file(found, name):
    """The refusal of what is no regular file."""
    return ImageError("An input is an image file", f"{found}: {name}", "Check the path.")


def decode_image(data, max_pixels=MAX_PIXELS):
    """Decode the bytes of a JPEG, PNG or WebP file by the rules above.

    Args:
        data: bytes (or bytearray, memoryview) of one image file.
        max_pixels: refused above this width times height, and above three quarters of it in CMYK.

    Returns: uint8 ``(height, width, 3)``, RGB, turned as EXIF says, C-contiguous and writable.

    Raises: ImageError, and nothing else, for bytes that cannot be decoded by the rules.
    """
    return decode_with_notes(data, max_pixels)[0]


def decode_with_notes(data, max_pixels=MAX_PIXELS):
    """``decode_image``, and what the reader of an answer must know of the file.

    Returns: pixels, and a list of sentences: ``NO_END`` or ``ANIMATED`` where they hold.

    Raises: ImageError, as ``decode_image``.
    """
    data = data if isinstance(data, bytes) else bytes(data)
    container = name_format(data)
    if container not in DECODERS:
        hint = "Save it as one of the three; renaming a file does not change its format."
        raise ImageError("An image is JPEG, PNG or WebP", container if data else "no bytes", hint)
    try:
        width, height, components = read_frame(data, container)
        _check_dimensions((width, height), max_pixels, components)
        parts, turn = pixel_parts(data, container)
        notes = [ANIMATED] if is_animated(data, container) else []
        if container == "JPEG" and lacks_end(parts):
            parts, notes = _find_end(parts, (width, height)), [NO_END]
        pixels = _decode_parts(parts, container, (width, height))
    except ImageError:
        raise
    except Exception as error:  # Pillow raises a dozen types, from OSError to SyntaxError, on damaged bytes.
        reason = str(error).rstrip(".") or type(error).__name__
        received = f"{len(data):,} bytes ({reason})"
        hint = "Open it in an image program and save it again, or fetch it anew."
        raise ImageError(f"A {container} file must be whole and decodable", received, hint) from error
    return np.ascontiguousarray(turn_upright(pixels, turn)), notes


def _decode_parts(parts, container, size):
    """Pixels of the bytes that ``pixel_parts`` keeps, not yet turned."""
    with DECODERS[container](BytesIO(parts)) as picture:
        if picture.size != size:
            raise ValueError(f"it states two sizes, {size} and {picture.size}")
        picture.load()
        return to_rgb(picture, parts)


def _find_end(parts, size):
    """A JPEG that lacks its end marker with the marker, if its pixels are the same whatever follows in its place.

    Of 4,468 files that were cut by 3 to 400 bytes this takes 4 for whole, all progressive with restart markers.
    """
    kept = strip_fill(parts)
    try:
        # Digests, so that one picture at a time is in memory.
        ends = (kept + end + JPEG_END for end in (b"", *OTHER_ENDS))
        digests = {hash_bytes(_decode_parts(data, "JPEG", size)) for data in ends}
    except (OSError, SyntaxError) as error:
        raise ValueError(PIXELS_MISSING) from error
    if len(digests) > 1:
        raise ValueError(PIXELS_MISSING)
    return kept + JPEG_END


def _check_length(data, name, max_bytes):
    _check_size(len(data), name, max_bytes)
    return data


def _check_size(count, name, max_bytes):
    if count == 0:
        raise ImageError("An image file has content", f"{name}, which is empty", "Fetch or copy it anew.")
    if count > max_bytes:
        raise ImageError(
            f"An image file has at most {max_bytes:,} bytes",
            f"{name} with {count:,}",
            "Save it smaller or as JPEG.",
        )


def _check_dimensions(size, max_pixels, components):
    width, height = size
    received = f"{width} x {height} = {width * height:,} pixels"
    if min(size) < MIN_SIDE:
        raise ImageError(f"An image is at least {MIN_SIDE} pixels a side", received, "Use the photo in its full size.")
    if max(size) > MAX_SIDE:
        raise ImageError(f"An image is at most {MAX_SIDE:,} pixels a side", received, "Crop or shrink it.")
    kind = f"A JPEG of {components} components, such as CMYK," if components > 3 else "An image"
    most = max_pixels * 3 // max(3, components)
    if width * height > most:
        raise ImageError(f"{kind} has at most {most:,} pixels", received, "Crop or shrink it.")

