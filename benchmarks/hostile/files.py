"""Damaged image files for the fuzzer: real photos in many formats, each broken by a seed in a way that has a name."""

import io
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from keras_uncover.images.headers import PNG_SIGNATURE, name_format  # noqa: E402

PHOTOS = sorted((ROOT / "tests" / "data").glob("face_*.jpg"))
SIDE = 144  # of the shrunk photos: a case shall cost milliseconds
SIDES = (0, 1, 15, 16, 17, 255, 4_000, 7_071, 7_072, 16_383, 20_000, 29_999, 30_001, 65_535)
SIDES += (2**24, 2**31 - 1, 2**32 - 1)
SUFFIXES = (".jpg", ".png", ".webp", ".gif", ".txt", ".svg", "")


def save(picture, container, **options):
    """A picture as the bytes of a file."""
    file = io.BytesIO()
    picture.save(file, container, **options)
    return file.getvalue()


def make_corpus():
    """Broken files, ``{name: bytes}``: what cameras, editors and the web make of a photo, and other formats."""
    photo = Image.open(PHOTOS[0]).convert("RGB").resize((SIDE, SIDE * 4 // 3))
    clear = photo.copy()
    clear.putalpha(photo.convert("L"))
    exif = Image.Exif()
    exif[0x0112] = 6
    exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 51.0, 29.0)})
    more = {"save_all": True, "append_images": [photo.rotate(9), photo.rotate(20)]}
    words = Image.fromarray(np.asarray(photo.convert("L")).astype("uint16") * 257)
    files = {
        "camera.jpg": save(photo, "JPEG", quality=92, exif=exif, icc_profile=bytes(500), comment=b"a comment"),
        "progressive.jpg": save(photo, "JPEG", quality=85, progressive=True, optimize=True),
        "restarts.jpg": save(photo, "JPEG", quality=80, subsampling=2, restart_marker_blocks=4),
        "grey.jpg": save(photo.convert("L"), "JPEG"), "cmyk.jpg": save(photo.convert("CMYK"), "JPEG"),
        "rgb.png": save(photo, "PNG", exif=exif), "clear.png": save(clear, "PNG"),
        "grey.png": save(photo.convert("L"), "PNG"), "grey_clear.png": save(clear.convert("LA"), "PNG"),
        "palette.png": save(photo.quantize(32), "PNG", transparency=3), "bits.png": save(photo.convert("1"), "PNG"),
        "words.png": save(words, "PNG"), "animated.png": save(photo, "PNG", **more),
        "lossy.webp": save(photo, "WEBP", quality=80, exif=exif), "lossless.webp": save(photo, "WEBP", lossless=True),
        "clear.webp": save(clear, "WEBP", quality=80), "animated.webp": save(photo, "WEBP", quality=60, **more),
        "still.gif": save(photo, "GIF"), "animated.gif": save(photo, "GIF", **more), "plain.bmp": save(photo, "BMP"),
        "plain.tiff": save(photo, "TIFF"), "plain.ico": save(photo, "ICO"), "plain.jp2": save(photo, "JPEG2000"),
        "drawing.svg": b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"/>',
        "words.txt": b"no picture\n" * 40,
    }
    return {**files, **{path.name: path.read_bytes() for path in PHOTOS}}


def parts_of(data):
    """Places ``(start, end)`` of a file's segments or chunks, as far as they can be followed."""
    places, place, kind = [], {"JPEG": 2, "PNG": 8, "WebP": 12}.get(name_format(data)), name_format(data)
    while place is not None and place + 12 <= len(data) and len(places) < 200:
        if kind == "JPEG":
            size = 2 + struct.unpack_from(">H", data, place + 2)[0] if data[place] == 0xFF else 0
        elif kind == "PNG":
            size = 12 + struct.unpack_from(">I", data, place)[0]
        else:
            size = 8 + (struct.unpack_from("<I", data, place + 4)[0] + 1) // 2 * 2
        if size < 4 or place + size > len(data):
            break
        places.append((place, place + size))
        place += size
    return places or [(0, len(data))]


def mend(data):
    """A PNG with right checksums, so that its damage reaches the decoder; other files as they are."""
    if not data.startswith(PNG_SIGNATURE):
        return data
    mended = bytearray(data)
    for start, end in parts_of(data):
        if end - start >= 12:
            mended[end - 4 : end] = struct.pack(">I", zlib.crc32(data[start + 4 : end - 4]))
    return bytes(mended)


def flip(data, rng, files):
    """Bits turned over, a few of them, more often near the front, where headers stand."""
    broken = bytearray(data)
    for _ in range(int(rng.integers(1, 9))):
        place = int(rng.integers(min(len(data), 800) if rng.random() < 0.6 else len(data)))
        broken[place] ^= 1 << int(rng.integers(8))
    return bytes(broken)


def overwrite(data, rng, files):
    """Bytes replaced by random ones, a PNG's checksums mended."""
    broken = bytearray(data)
    for _ in range(int(rng.integers(1, 17))):
        broken[int(rng.integers(min(len(data), 800) if rng.random() < 0.6 else len(data)))] = int(rng.integers(256))
    return mend(bytes(broken))


def cut_at_kilobyte(data, rng, files):
    """The end missing from one of the kilobytes on."""
    return data[: 1024 * int(rng.integers(0, max(1, len(data) // 1024) + 1))]


def cut(data, rng, files):
    """The end missing from anywhere on."""
    return data[: int(rng.integers(len(data)))]


def insert(data, rng, files):
    """Random bytes pushed in."""
    place = int(rng.integers(len(data) + 1))
    return data[:place] + rng.bytes(int(rng.integers(1, 2000))) + data[place:]


def drop(data, rng, files):
    """A piece missing."""
    start = int(rng.integers(len(data)))
    return data[:start] + data[start + int(rng.integers(1, 3000)) :]


def double(data, rng, files):
    """A segment or chunk twice, or a hundred and fifty times."""
    places = parts_of(data)
    start, end = places[rng.integers(len(places))]
    return data[:end] + data[start:end] * int(rng.choice([1, 2, 150])) + data[end:]


def shuffle(data, rng, files):
    """Two segments or chunks in each other's place."""
    places = parts_of(data)
    (a, b), (c, d) = sorted(places[rng.integers(len(places))] for _ in range(2))
    return data if (a, b) == (c, d) else data[:a] + data[c:d] + data[b:c] + data[a:b] + data[d:]


def splice(data, rng, files):
    """A segment or chunk of another file pushed in, or put in place of one."""
    other = files[list(files)[rng.integers(len(files))]]
    start, end = parts_of(other)[rng.integers(len(parts_of(other)))]
    here, there = parts_of(data)[rng.integers(len(parts_of(data)))]
    return data[:here] + other[start:end][:50_000] + data[there if rng.random() < 0.5 else here :]


def join(data, rng, files):
    """The front of one file, the end of another."""
    other = files[list(files)[rng.integers(len(files))]]
    return data[: int(rng.integers(len(data)))] + other[int(rng.integers(len(other))) :][:50_000]


def change_length(data, rng, files):
    """A segment or chunk that states another length."""
    start, _ = parts_of(data)[rng.integers(len(parts_of(data)))]
    broken, kind = bytearray(data), name_format(data)
    value = int(rng.choice([0, 1, 2, 3, 255, 65_535, 2**31 - 1, 2**31, 2**32 - 1, len(data)]))
    place, size = {"JPEG": (start + 2, 2), "WebP": (start + 4, 4)}.get(kind, (start, 4))
    broken[place : place + size] = (value % 256**size).to_bytes(size, "little" if kind == "WebP" else "big")
    return bytes(broken)


def change_dimensions(data, rng, files):
    """A header that states another width, height or both, a PNG's checksum mended."""
    broken, kind = bytearray(data), name_format(data)
    sides = [int(side) for side in rng.choice(SIDES, 2)]
    if kind == "PNG":
        places = [(16, 4, "big"), (20, 4, "big")]
    elif kind == "JPEG":
        frames = [start for start, _ in parts_of(data) if data[start + 1] in (0xC0, 0xC1, 0xC2)]
        places = [(frames[0] + 5, 2, "big"), (frames[0] + 7, 2, "big")] if frames else []
    else:
        places = {b"VP8X": [(24, 3), (27, 3)], b"VP8 ": [(26, 2), (28, 2)], b"VP8L": [(21, 4)]}
        place = places.get(data[12:16], [(6, 2)])
        places = [(*each, "little") for each in place]
    for (place, size, order), side in zip(places, sides):
        if rng.random() < 0.7:
            broken[place : place + size] = (side % 256**size).to_bytes(size, order)
    return mend(bytes(broken))


def rename(data, rng, files):
    """The file as it is; the name that it is written under has another suffix."""
    return data


MUTATIONS = (
    flip, overwrite, cut_at_kilobyte, cut, insert, drop, double, shuffle, splice, join, change_length,
    change_dimensions, rename,
)


def make_case(number, seed, files):
    """One case, always the same for its number and seed.

    Args:
        files: as ``make_corpus`` gives them.

    Returns: name of the damage, bytes, and suffix of the name to read it under, or None to hand over the bytes.
    """
    rng = np.random.default_rng([seed, number])
    data = files[list(files)[rng.integers(len(files))]]
    mutation = MUTATIONS[number % len(MUTATIONS)]
    broken = mutation(data, rng, files)
    if mutation is not rename and broken and rng.random() < 0.15:
        broken = flip(broken, rng, files)
    by_name = mutation is rename or rng.random() < 0.05
    return mutation.__name__, broken, str(rng.choice(SUFFIXES)) if by_name else None
