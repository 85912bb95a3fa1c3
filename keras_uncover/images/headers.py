"""What an image file says of itself, read from its bytes before anything is decoded.

Three containers are known: JPEG, PNG and WebP. Of each we read the size and the EXIF turn, and `pixel_parts` keeps
only what makes pixels, so that colour profiles, thumbnails, text and other payloads never reach a decoder. Everything
here raises ``ValueError`` with a few words on what is wrong; `images.decode_image` turns that into its own error.
"""

import re
import struct
import zlib

# Far above what any camera or program writes; they bound the time that a hostile file can cost.
MAX_PARTS = 100_000
MAX_SCANS = 100
MAX_ENDLESS_SCANS = MAX_SCANS // 3  # of a JPEG without an end marker, which is decoded three times

# Names of files that every command takes for photos in a folder, in small letters; content alone says what they are.
PHOTO_SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp")

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
JPEG_END = b"\xff\xd9"
MAX_FILL = 64  # fill bytes at a file's end that are looked at
SCANS_MISSING = "it ends before its last scan"
WEBP_ANIMATED = 0x02  # flag of an extended WebP, in its byte 20
JPEG_CODINGS = {0xC0: "baseline", 0xC1: "extended", 0xC2: "progressive"}
# Any run of fill bytes, then a marker that carries a segment (00 is an escape, 01 and D0 to D7 stand alone).
JPEG_MARKER = re.compile(rb"\xff+([\x02-\xcf\xd8-\xfe])")

OTHER_FORMATS = (
    (0, b"GIF8", "a GIF file"),
    (0, b"BM", "a BMP file"),
    (0, b"II*\0", "a TIFF or camera raw file"),
    (0, b"MM\0*", "a TIFF or camera raw file"),
    (4, b"ftypavi", "an AVIF file"),
    (4, b"ftyphei", "a HEIC file"),
    (4, b"ftyphev", "a HEIC file"),
    (4, b"ftypm", "a HEIC, AVIF or video file"),
    (4, b"ftyp", "a video file"),
    (4, b"JXL ", "a JPEG XL file"),
    (0, b"\xff\x0a", "a JPEG XL file"),
    (4, b"jP  ", "a JPEG 2000 file"),
    (0, b"8BPS", "a Photoshop file"),
    (0, b"\0\0\1\0", "an icon file"),
    (0, b"%PDF", "a PDF file"),
    (0, b"PK\3\4", "a ZIP archive"),
)


def name_format(data):
    """Tell a file's format by its content: ``"JPEG"``, ``"PNG"``, ``"WebP"``, or words for anything else."""
    if data.startswith(b"\xff\xd8"):
        return "JPEG"
    if data.startswith(PNG_SIGNATURE):
        return "PNG"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WebP"
    for offset, magic, name in OTHER_FORMATS:
        if data.startswith(magic, offset):
            return name
    start = data[:2000].lower()
    if b"<svg" in start:
        return "an SVG file"
    if all(byte >= 32 or byte in b"\t\n\f\r" for byte in start):
        return "a text file"
    return f"unknown content that begins with {data[:8].hex(' ')}"


def read_frame(data, container):
    """What the file states of its pixels; nothing is decoded.

    Returns: ``(width, height, components)``: pixels before any turn; of a JPEG the number of components, 1 in grey, 3
    in colour, 4 in CMYK, and 3 for other formats.
    """
    return _jpeg_frame(data) if container == "JPEG" else (*{"PNG": _png_size, "WebP": _webp_size}[container](data), 3)


def pixel_parts(data, container):
    """Keep the parts of a file that make its pixels.

    Returns: ``(parts, turn)``: bytes of a smaller file in the same format, and the EXIF orientation, 1 to 8.
    """
    return {"JPEG": _jpeg_parts, "PNG": _png_parts, "WebP": _webp_parts}[container](data)


def is_animated(data, container):
    """Whether the file of a known container says that it holds more than one frame. JPEG does not."""
    if container == "WebP":
        return data[12:16] == b"VP8X" and bool(data[20] & WEBP_ANIMATED)
    chunks = png_chunks(data) if container == "PNG" else ()
    return any(kind == b"acTL" and int.from_bytes(data[start : start + 4], "big") > 1 for kind, start, _ in chunks)


def lacks_end(data):
    """Whether a JPEG, whose header is sound, has no end marker behind its first scan's header.

    Raises: ValueError where its scans do not tell every coefficient: then more is missing than the marker; and where
    there are too many of them.
    """
    *_, (_, _, end) = jpeg_segments(data)
    if data.find(JPEG_END, end) >= 0:
        return False
    scans = 1 + data.count(b"\xff\xda", end)
    if scans > MAX_ENDLESS_SCANS:
        raise ValueError(f"it has no end marker and {scans} scans, more than {MAX_ENDLESS_SCANS}")
    if not _tells_all(data):
        raise ValueError(SCANS_MISSING)
    return True


def strip_fill(data):
    """A JPEG without the fill bytes at its end, of which the first may be half of an end marker."""
    last = data[-MAX_FILL:]
    return data[: len(data) - len(last) + len(last.rstrip(b"\xff"))]


def _tells_all(data):
    """Whether the scans of a JPEG bring each of the 64 coefficients of each component to its last bit."""
    coding = components = told = 0
    for marker, start, end in jpeg_segments(data):
        if marker in JPEG_CODINGS and not coding:
            coding, components = marker, data[start + 5]
    place = start
    while place >= 0:
        count = int.from_bytes(data[place : place + 1])
        first, last, bits = data[place + 1 + 2 * count : place + 4 + 2 * count].ljust(3, b"\0")
        told += count * (64 if coding != 0xC2 else last - first + 1 if bits & 15 == 0 else 0)
        found = data.find(b"\xff\xda", end)
        place, end = (found + 4, found + 2) if found >= 0 else (-1, end)
    return told == 64 * components


def exif_turn(tiff):
    """Orientation (tag 0x0112 of the first directory) in a block of EXIF, 1 to 8; 1 where it cannot be read."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(bytes(tiff[:4]))
    if order is None:
        return 1
    try:
        (start,) = struct.unpack_from(f"{order}I", tiff, 4)
        (count,) = struct.unpack_from(f"{order}H", tiff, start)
        for place in range(start + 2, start + 2 + 12 * count, 12):
            tag, kind = struct.unpack_from(f"{order}HH", tiff, place)
            if tag == 0x0112:
                (turn,) = struct.unpack_from(f"{order}{'I' if kind == 4 else 'H'}", tiff, place + 8)
                return turn if 1 <= turn <= 8 else 1
    except struct.error:
        pass  # A cut or made-up directory turns nothing.
    return 1


def jpeg_segments(data):
    """Yield ``(marker, start, end)`` of each segment up to the first scan; ``start`` is that of its payload."""
    place = 2
    for _ in range(MAX_PARTS):
        found = JPEG_MARKER.search(data, place)
        if not found or found.end() + 2 > len(data):
            raise ValueError("it ends before its pixels begin")
        marker, start = found[1][0], found.end() + 2
        if marker in (0xD8, 0xD9):
            raise ValueError("it has no pixels")
        (length,) = struct.unpack_from(">H", data, found.end())
        place = found.end() + length
        if length < 2 or place > len(data):
            raise ValueError("a segment does not fit into the file")
        yield marker, start, place
        if marker == 0xDA:
            return
    raise ValueError(f"it has more than {MAX_PARTS} segments")


def _jpeg_frame(data):
    for marker, start, end in jpeg_segments(data):
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            if end - start < 6:
                raise ValueError("its frame header is cut")
            bits, height, width, components = struct.unpack_from(">BHHB", data, start)
            if marker not in JPEG_CODINGS or bits != 8:
                known = ", ".join(JPEG_CODINGS.values())
                raise ValueError(f"its coding (marker {marker:02x}, {bits} bits) is not 8-bit {known}")
            return width, height, components
    raise ValueError("it states no size")


def _jpeg_parts(data):
    parts, turn = [data[:2]], None
    for marker, start, end in jpeg_segments(data):
        payload = data[start:end]
        if marker == 0xE1 and payload.startswith(b"Exif\0\0") and turn is None:
            turn = exif_turn(payload[6:])
        # Of the application segments only these two, when whole, say how colours are coded.
        jfif = marker == 0xE0 and payload.startswith(b"JFIF\0") and len(payload) >= 14
        adobe = marker == 0xEE and payload.startswith(b"Adobe") and len(payload) >= 12
        if marker < 0xE0 or jfif or adobe:
            parts.append(bytes((0xFF, marker)) + struct.pack(">H", len(payload) + 2) + payload)
    stop = data.find(b"\xff\xd9", end)
    scans = 1 + data.count(b"\xff\xda", end, stop if stop >= 0 else len(data))
    if scans > MAX_SCANS:
        raise ValueError(f"it has {scans} scans, more than {MAX_SCANS}")
    return b"".join(parts) + data[end:], turn or 1


def _png_size(data):
    if len(data) < 33 or data[8:16] != b"\0\0\0\x0dIHDR":
        raise ValueError("its header is cut")
    return struct.unpack_from(">II", data, 16)


def png_chunks(data):
    """Yield ``(kind, start, end)`` of each chunk's payload, up to and with IEND."""
    place = len(PNG_SIGNATURE)
    for _ in range(MAX_PARTS):
        if place + 12 > len(data):
            raise ValueError("it ends before its last chunk")
        length, kind = struct.unpack_from(">I4s", data, place)
        start, place = place + 8, place + 12 + length
        if place > len(data):
            raise ValueError(f"its chunk {kind!r} does not fit into the file")
        yield kind, start, place - 4
        if kind == b"IEND":
            return
    raise ValueError(f"it has more than {MAX_PARTS} chunks")


def _png_parts(data):
    parts, turn, view = [PNG_SIGNATURE], 1, memoryview(data)
    for kind, start, end in png_chunks(data):
        if kind == b"eXIf":
            turn = exif_turn(data[start:end])
        if kind in (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"):
            if zlib.crc32(view[start - 4 : end]) != struct.unpack_from(">I", data, end)[0]:
                raise ValueError(f"the checksum of its chunk {kind.decode()} is wrong")
            parts.append(view[start - 8 : end + 4])
        elif not kind[0] & 0x20:
            raise ValueError(f"it needs a chunk {kind!r}, which is not part of PNG")
    return b"".join(parts), turn


def _webp_size(data):
    kind = data[12:16]
    if kind == b"VP8 " and len(data) >= 30 and data[23:26] == b"\x9d\x01\x2a":
        return tuple(side & 0x3FFF for side in struct.unpack_from("<HH", data, 26))
    if kind == b"VP8L" and len(data) >= 25 and data[20] == 0x2F:
        (bits,) = struct.unpack_from("<I", data, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8X" and len(data) >= 30:
        return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
    raise ValueError("its header is cut")


def _webp_parts(data):
    # libwebp reads pixels by chunk and never opens the others, so the file can stay whole.
    place = 12
    for _ in range(MAX_PARTS):
        if place + 8 > len(data):
            return data, 1
        kind, length = struct.unpack_from("<4sI", data, place)
        if kind == b"EXIF":
            block = data[place + 8 : place + 8 + length]
            return data, exif_turn(block[6:] if block.startswith(b"Exif\0\0") else block)
        place += 8 + length + (length & 1)
    raise ValueError(f"it has more than {MAX_PARTS} chunks")
