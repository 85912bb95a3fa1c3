"""Image files for the tests of the gate, most put together by hand, so that Pillow does not test itself."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from keras_uncover.images.decode import ImageError, decode_image


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, bits, colour, row, *extra, end=b"", rows=None):
    """A PNG whose rows are all ``row`` (bytes), or the list ``rows``."""
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    lines = b"".join(b"\0" + line for line in (rows or [row] * height))
    body = chunk(b"IHDR", header) + b"".join(extra) + chunk(b"IDAT", zlib.compress(lines)) + end
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b"")


def save(image, container, **options):
    buffer = io.BytesIO()
    image.save(buffer, container, **options)
    return buffer.getvalue()


def noise(height, width, channels=3, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), "uint8")


def blocks(channels, mode, seed=0):
    """64 x 48 picture of flat 8 x 8 blocks, which JPEG keeps nearly as they are."""
    return Image.fromarray(noise(6, 8, channels, seed).repeat(8, 0).repeat(8, 1), mode)


def huge_png(width, height):
    return png(width, height, 8, 2, b"\0", rows=[b"\0" * 40_000])


def huge_jpeg(width, height):
    data = save(Image.new("RGB", (16, 16)), "JPEG")
    place = data.index(b"\xff\xc0") + 5
    return data[:place] + struct.pack(">HH", height, width) + data[place + 4 :]


def huge_cmyk(width, height):
    data = save(Image.new("CMYK", (16, 16)), "JPEG", progressive=True)
    place = data.index(b"\xff\xc2") + 5
    return data[:place] + struct.pack(">HH", height, width) + data[place + 4 :]


def huge_webp(width, height):
    def side(value):
        return (value - 1).to_bytes(3, "little")

    inner = save(Image.new("RGB", (16, 16)), "WEBP", lossless=True)[12:]
    body = b"WEBPVP8X" + struct.pack("<I", 10) + b"\0\0\0\0" + side(width) + side(height) + inner
    return b"RIFF" + struct.pack("<I", len(body)) + body


def refusal(data, **options):
    """The error that the gate raises; fails where it raises none."""
    with pytest.raises(ImageError) as caught:
        decode_image(data, **options)
    return caught.value


BOMBS = {"PNG": huge_png, "JPEG": huge_jpeg, "WebP": huge_webp}


WHOLE = {
    "JPEG": save(Image.fromarray(noise(96, 96)), "JPEG", quality=95),
    "progressive JPEG": save(Image.fromarray(noise(96, 96)), "JPEG", quality=95, progressive=True),
    "PNG": save(Image.fromarray(noise(96, 96)), "PNG"),
    "WebP": save(Image.fromarray(noise(96, 96)), "WEBP", quality=95),
    "lossless WebP": save(Image.fromarray(noise(96, 96)), "WEBP", lossless=True),
}
