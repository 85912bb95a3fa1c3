"""What an image file says of itself, read in the graph before anything is decoded.

The same rules, in the same order and words, as ``keras_uncover.images.headers`` has them; only checksums are left to
the decoders, and a file may have fewer parts. Three containers are known: JPEG, PNG and WebP.
"""

from typing import NamedTuple

import tensorflow as tf

from export.graph.exif import exif_turn
from export.graph.raw import contains, first_of, holds, read_number, say_escaped, say_hex
from keras_uncover.images.headers import (
    JPEG_CODINGS,
    MAX_ENDLESS_SCANS,
    MAX_SCANS,
    OTHER_FORMATS,
    PNG_SIGNATURE,
    SCANS_MISSING,
    WEBP_ANIMATED,
)

# The gate's bound, 100,000, would cost a server seconds of graph steps for a hostile file of a megabyte. A JPEG whose
# segments are full has 763 in the 50 MB that a file may have, a PNG of 50 megapixels some 20,000 in usual chunks.
MAX_SEGMENTS = 4_000
MAX_CHUNKS = 40_000
PIECE = 16_384  # bytes of a file that are looked at together
UNKNOWN, JPEG, PNG, WEBP = range(4)
NAMES = ("", "JPEG", "PNG", "WebP")


class Header(NamedTuple):
    """What a file states. Scalars; numbers int64.

    Attributes:
        width, height: before any turn; 0 where unknown.
        sizeless: string, why the size is unknown, or "".
        damage: string, what is wrong beyond the size, or "".
        turn: EXIF orientation, 1 to 8.
        alpha: bool, whether a PNG has transparency. (A WebP's decoder tells by itself.)
        components: of a JPEG's frame: 1 in grey, 3 in colour, 4 in CMYK; 3 for other formats.
        animated: bool, whether it says that it holds more than one frame.
        endless: bool, whether it is a JPEG with scans and without an end marker.
    """

    width: tf.Tensor
    height: tf.Tensor
    sizeless: tf.Tensor
    damage: tf.Tensor
    turn: tf.Tensor
    alpha: tf.Tensor
    components: tf.Tensor
    animated: tf.Tensor
    endless: tf.Tensor


def header(width, height, sizeless, damage, turn, alpha=False, components=3, animated=False, endless=False):
    """A ``Header`` whose fields all have the types that branches of a graph must share."""
    known = tf.equal(sizeless, "")
    numbers = [tf.where(known, tf.cast(value, tf.int64), 0) for value in (width, height)]
    turn, components = (tf.cast(value, tf.int64) for value in (turn, components))
    alpha, animated, endless = (tf.convert_to_tensor(value) for value in (alpha, animated, endless))
    return Header(*numbers, sizeless, damage, turn, alpha, components, animated, endless)


def find_container(raw):
    """Index in ``NAMES`` of a file's format, told by its content; int32 scalar."""
    webp = holds(raw, 0, b"RIFF") & holds(raw, 8, b"WEBP")
    return tf.where(
        holds(raw, 0, b"\xff\xd8"), JPEG, tf.where(holds(raw, 0, PNG_SIGNATURE), PNG, tf.where(webp, WEBP, UNKNOWN))
    )


def name_other(raw):
    """Words for the content of a file that is neither JPEG, PNG nor WebP, string scalar."""
    start = raw[:2000]
    lower = tf.where((start >= ord("A")) & (start <= ord("Z")), start + 32, start)
    blank = tf.reduce_any(start[:, None] == list(b"\t\n\f\r"), axis=1)
    return first_of(
        (tf.equal(tf.size(raw), 0), "no bytes"),
        *[(holds(raw, offset, magic), name) for offset, magic, name in OTHER_FORMATS],
        (contains(lower, b"<svg"), "an SVG file"),
        (tf.reduce_all((start >= 32) | blank), "a text file"),
        (True, "unknown content that begins with " + say_hex(raw[:8])),
    )


def read_header(raw, container):
    """``Header`` of a file; ``container`` is an int32 scalar as from ``find_container``."""
    nothing = header(0, 0, tf.constant("it is no image"), tf.constant(""), 1)
    branches = [lambda: nothing, lambda: read_jpeg(raw), lambda: read_png(raw), lambda: read_webp(raw)]
    return tf.switch_case(container, branches)


def read_jpeg(raw):
    """A JPEG's size by its first frame header, and its turn by the first Exif segment."""
    frame, exif, damage, scan = walk_jpeg(raw)
    scans, ended = count_scans(raw, scan[1])
    endless = (scan[1] > 0) & ~ended
    told = tf.cond(endless & (scans <= MAX_ENDLESS_SCANS), lambda: tells_all(raw, frame[0], scan[0]), lambda: True)
    too_many = tf.strings.join(["it has ", tf.strings.as_string(scans), f" scans, more than {MAX_SCANS}"])
    of_endless = tf.strings.join([
        "it has no end marker and ", tf.strings.as_string(scans), f" scans, more than {MAX_ENDLESS_SCANS}",
    ])
    sizeless = judge_frame(raw, frame, damage)
    damage = first_of(
        (tf.not_equal(damage, ""), damage), (scans > MAX_SCANS, too_many),
        (endless & (scans > MAX_ENDLESS_SCANS), of_endless), (~told, SCANS_MISSING),
    )
    height, width, components = (read_number(raw, frame[0] + place, size) for place, size in ((1, 2), (3, 2), (5, 1)))
    turn = exif_turn(raw[exif[0] : exif[1]])
    return header(width, height, sizeless, damage, turn, components=components, endless=endless)


def find_marker(raw, place):
    """Where from a place on a byte FF is first followed by a marker that carries a segment; int64, the length if nowhere.

    It looks at a piece at a time: masks of the whole of a large file would take several times its memory.
    """
    length = tf.size(raw, tf.int64)

    def step(place, found, done):
        piece = raw[place : place + PIECE + 1]
        first, second = piece[:-1], piece[1:]
        stands_alone = ((second >= 0xD0) & (second <= 0xD7)) | (second <= 0x01) | (second == 0xFF)
        hits = tf.where((first == 0xFF) & ~stands_alone)[:, 0]
        there = tf.size(hits) > 0
        found = tf.where(there, place + tf.reduce_sum(hits[:1]), found)
        return place + PIECE, found, there | (place + PIECE >= length)

    return tf.while_loop(
        lambda place, found, done: ~done, step, (place, length, place >= length), parallel_iterations=1
    )[1]


def walk_jpeg(raw):
    """Walk the segments up to the first scan.

    Returns: int64 start and end of the first frame header and of the first block of EXIF, ``(2,)`` each, zeros where
    there is none; what is wrong with the segments, or ""; start and end of the first scan's header, as the others.
    """
    length = tf.size(raw, tf.int64)

    def step(place, count, frame, exif, damage, scan):
        at = find_marker(raw, place)
        marker, size = read_number(raw, at + 1, 1), read_number(raw, at + 2, 2)
        end = at + 2 + size
        damage = first_of(
            (at + 4 > length, "it ends before its pixels begin"),
            ((marker == 0xD8) | (marker == 0xD9), "it has no pixels"),
            ((size < 2) | (end > length), "a segment does not fit into the file"),
            (count + 1 >= MAX_SEGMENTS, f"it has more than {MAX_SEGMENTS} segments"),
        )
        sound = tf.equal(damage, "")
        frames = (marker >= 0xC0) & (marker <= 0xCF) & (marker != 0xC4) & (marker != 0xC8) & (marker != 0xCC)
        frame = tf.where(sound & frames & (frame[0] == 0), tf.stack([at + 4, end]), frame)
        is_exif = (marker == 0xE1) & holds(raw, at + 4, b"Exif\0\0") & (end >= at + 10)
        exif = tf.where(sound & is_exif & (exif[0] == 0), tf.stack([at + 10, end]), exif)
        scan = tf.where(sound & (marker == 0xDA), tf.stack([at + 4, end]), scan)
        return end, count + 1, frame, exif, damage, scan

    none = tf.zeros([2], tf.int64)
    return tf.while_loop(
        lambda place, count, frame, exif, damage, scan: (scan[1] == 0) & tf.equal(damage, ""), step,
        (tf.constant(2, tf.int64), tf.constant(0), none, none, tf.constant(""), none),
        parallel_iterations=1,
    )[2:]


def judge_frame(raw, frame, damage):
    """Why a JPEG's size is unknown, or "": its frame header cannot be read, or damage came before it."""
    found = frame[0] > 0
    marker, bits = read_number(raw, frame[0] - 3, 1), read_number(raw, frame[0], 1)
    known = tf.reduce_any(marker == tf.constant(list(JPEG_CODINGS), tf.int64)) & (bits == 8)
    coding = tf.strings.join([
        "its coding (marker ", say_hex(tf.cast(marker, tf.uint8)[None]), ", ", tf.strings.as_string(bits),
        f" bits) is not 8-bit {', '.join(JPEG_CODINGS.values())}",
    ])
    return first_of(
        (found & (frame[1] - frame[0] < 6), "its frame header is cut"),
        (found & ~known, coding),
        (found, ""),
        (tf.not_equal(damage, ""), damage),
        (True, "it states no size"),
    )


def count_scans(raw, scan):
    """How many scans a JPEG has, from where the first one's header ends to the end of the picture.

    Args:
        scan: int64, that place; 0 where no scan was met, which counts as one.

    Returns: int64 scalar, and whether an end marker was met, bool scalar.
    """
    length = tf.size(raw, tf.int64)

    def step(place, scans, ended):
        piece = raw[place : place + PIECE + 1]
        marked, kinds = tf.equal(piece[:-1], 0xFF), piece[1:]
        ends = tf.where(marked & (kinds == 0xD9))[:, 0]
        stop = tf.reduce_min(tf.concat([ends, tf.size(kinds, tf.int64)[None]], 0))
        scans += tf.math.count_nonzero((marked & (kinds == 0xDA))[:stop])
        return place + PIECE, scans, tf.size(ends) > 0

    start = tf.constant(1, tf.int64)
    return tf.while_loop(
        lambda place, scans, ended: (scan > 0) & ~ended & (place < length), step, (scan, start, tf.constant(False)),
        parallel_iterations=1,
    )[1:]


def find_scan(raw, place):
    """Where from a place on a scan's marker stands; int64 scalar, the length if nowhere."""
    length = tf.size(raw, tf.int64)

    def step(place, found):
        piece = raw[place : place + PIECE + 1]
        hits = tf.where((piece[:-1] == 0xFF) & (piece[1:] == 0xDA))[:1, 0]
        return place + PIECE, tf.where(tf.size(hits) > 0, place + tf.reduce_sum(hits), found)

    return tf.while_loop(
        lambda place, found: (found == length) & (place < length), step, (place, length), parallel_iterations=1
    )[1]


def tells_all(raw, frame, scan):
    """Whether the scans of a JPEG without an end marker bring each coefficient of each component to its last bit.

    Args:
        frame: where its frame header's payload starts. scan: that of its first scan's header; int64 scalars.
    """
    length = tf.size(raw, tf.int64)
    progressive = tf.equal(read_number(raw, frame - 3, 1), 0xC2)

    def add(place, told):
        count = read_number(raw, place, 1)
        first, last, bits = (read_number(raw, place + 1 + 2 * count + offset, 1) for offset in range(3))
        final = tf.where(bits % 16 == 0, last - first + 1, 0)
        return find_scan(raw, place) + 4, told + count * tf.where(progressive, final, 64)

    told = tf.while_loop(
        lambda place, told: place < length, add, (scan, tf.constant(0, tf.int64)), parallel_iterations=1
    )[1]
    return tf.equal(told, 64 * read_number(raw, frame + 5, 1))


def read_png(raw):
    """A PNG's size by its header, and its turn by the last eXIf chunk."""
    exif, key, animated, damage = walk_png(raw)
    whole = (tf.size(raw) >= 33) & holds(raw, 8, b"\0\0\0\x0dIHDR")
    sizeless = tf.where(whole, "", "its header is cut")
    bits, colour = read_number(raw, 24, 1), read_number(raw, 25, 1)
    unreadable_key = key & (bits == 16) & (colour == 2)
    words = "a 16-bit RGB image with a transparent colour; save it with an alpha channel or with 8 bits"
    damage = first_of((tf.not_equal(damage, ""), damage), (unreadable_key, words))
    alpha = key | (colour == 4) | (colour == 6)
    turn = exif_turn(raw[exif[0] : exif[1]])
    return header(read_number(raw, 16, 4), read_number(raw, 20, 4), sizeless, damage, turn, alpha,
                  animated=animated)


def walk_png(raw):
    """Walk the chunks.

    Returns: int64 start and end of the last block of EXIF, ``(2,)``, zeros where there is none; whether there is a
    chunk for transparency; whether one tells of several frames; what is wrong with the chunks, or "".
    """
    length = tf.size(raw, tf.int64)

    def step(place, count, exif, key, animated, damage, done):
        size = read_number(raw, place, 4)
        start, end = place + 8, place + 8 + size
        names = [b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"eXIf"]
        *pixels, transparent, turned = (holds(raw, place + 4, name) for name in names)
        last, shown = pixels[3], say_escaped(raw[place + 4 : place + 8])
        critical = read_number(raw, place + 4, 1) & 0x20 == 0
        damage = first_of(
            (place + 12 > length, "it ends before its last chunk"),
            (end + 4 > length, tf.strings.join(["its chunk b'", shown, "' does not fit into the file"])),
            (critical & ~tf.reduce_any(pixels),
             tf.strings.join(["it needs a chunk b'", shown, "', which is not part of PNG"])),
            ((count + 1 >= MAX_CHUNKS) & ~last, f"it has more than {MAX_CHUNKS} chunks"),
        )
        sound = tf.equal(damage, "")
        exif = tf.where(sound & turned, tf.stack([start, end]), exif)
        animated |= sound & holds(raw, place + 4, b"acTL") & (read_number(raw, start, 4) > 1)
        return end + 4, count + 1, exif, key | (sound & transparent), animated, damage, sound & last

    return tf.while_loop(
        lambda place, count, exif, key, animated, damage, done: ~done & tf.equal(damage, ""), step,
        (tf.constant(len(PNG_SIGNATURE), tf.int64), tf.constant(0), tf.zeros([2], tf.int64), tf.constant(False),
         tf.constant(False), tf.constant(""), tf.constant(False)),
        parallel_iterations=1,
    )[2:6]


def read_webp(raw):
    """A WebP's size by its first chunk, and its turn by the first EXIF one."""
    length = tf.size(raw, tf.int64)
    lossy = holds(raw, 12, b"VP8 ") & (length >= 30) & holds(raw, 23, b"\x9d\x01\x2a")
    lossless = holds(raw, 12, b"VP8L") & (length >= 25) & holds(raw, 20, b"\x2f")
    extended = holds(raw, 12, b"VP8X") & (length >= 30)
    packed = read_number(raw, 21, 4, little=True)

    def choose(plain, shift, place):
        by_lossless = tf.bitwise.right_shift(packed, tf.constant(shift, tf.int64)) % 0x4000 + 1
        by_canvas = read_number(raw, place, 3, little=True) + 1
        return tf.where(lossy, read_number(raw, plain, 2, little=True) % 0x4000,
                        tf.where(lossless, by_lossless, by_canvas))

    def step(place, count, exif, done):
        size = read_number(raw, place + 4, 4, little=True)
        over = place + 8 > length
        found = ~over & holds(raw, place, b"EXIF")
        prefix = tf.where(holds(raw, place + 8, b"Exif\0\0") & (size >= 6), tf.constant(6, tf.int64), 0)
        exif = tf.where(found, tf.stack([place + 8 + prefix, place + 8 + size]), exif)
        return place + 8 + size + size % 2, count + 1, exif, over | found

    _, count, exif, done = tf.while_loop(
        lambda place, count, exif, done: ~done & (count < MAX_CHUNKS), step,
        (tf.constant(12, tf.int64), tf.constant(0), tf.zeros([2], tf.int64), tf.constant(False)),
        parallel_iterations=1,
    )
    sizeless = tf.where(lossy | lossless | extended, "", "its header is cut")
    damage = tf.where(done, "", f"it has more than {MAX_CHUNKS} chunks")
    animated = extended & (read_number(raw, 20, 1) // WEBP_ANIMATED % 2 > 0)
    turn = exif_turn(raw[exif[0] : exif[1]])
    return header(choose(26, 0, 24), choose(28, 14, 27), sizeless, damage, turn, animated=animated)
