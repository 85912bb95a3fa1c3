"""The segments and scans of a JPEG, walked in the graph before anything is decoded."""

import tensorflow as tf

from export.graph.raw import first_of, holds, read_number, say_hex
from keras_uncover.images.headers import JPEG_CODINGS

# The gate's bound, 100,000, would cost a server seconds of graph steps for a hostile file of a megabyte. A JPEG whose
# segments are full has 763 in the 50 MB that a file may have.
MAX_SEGMENTS = 4_000
PIECE = 16_384  # bytes of a file that are looked at together


def find_marker(raw, place):
    """Where the next marker that carries a segment stands, from a place on; int64, the length if nowhere.

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


def check_frame(raw, frame, damage):
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
