"""What an image file says of itself, read in the graph before anything is decoded.

The same rules, in the same order and words, as ``keras_uncover.images.headers`` has them; only checksums are left to
the decoders, and a file may have fewer parts. Three containers are known: JPEG, PNG and WebP.
"""

from typing import NamedTuple

import tensorflow as tf

from export.graph.jpeg import check_frame, count_scans, tells_all, walk_jpeg
from export.graph.raw import contains, first_of, holds, read_number, say_escaped, say_hex
from keras_uncover.images.headers import (
    MAX_ENDLESS_SCANS,
    MAX_SCANS,
    OTHER_FORMATS,
    PNG_SIGNATURE,
    SCANS_MISSING,
    WEBP_ANIMATED,
)

MAX_CHUNKS = 40_000  # a PNG of 50 megapixels has some 20,000 in usual chunks; for the reason see MAX_SEGMENTS
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
    sizeless = check_frame(raw, frame, damage)
    damage = first_of(
        (tf.not_equal(damage, ""), damage), (scans > MAX_SCANS, too_many),
        (endless & (scans > MAX_ENDLESS_SCANS), of_endless), (~told, SCANS_MISSING),
    )
    height, width, components = (read_number(raw, frame[0] + place, size) for place, size in ((1, 2), (3, 2), (5, 1)))
    turn = exif_turn(raw[exif[0] : exif[1]])
    return header(width, height, sizeless, damage, turn, components=components, endless=endless)


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


ORIENTATION = 0x0112
ENTRY = 12  # bytes of a directory's entry


def exif_turn(block):
    """Orientation in a block of EXIF, uint8 ``(n,)``: int64 scalar 1 to 8, 1 where it cannot be read."""
    little = holds(block, 0, b"II*\0")
    length = tf.size(block, tf.int64)
    start = read_number(block, 4, 4, little)
    count = read_number(block, start, 2, little)
    # An entry can be looked at where its tag and type lie inside the block.
    inside = tf.clip_by_value((length - start - 6) // ENTRY + 1, 0, count)
    places = start + 2 + ENTRY * tf.range(inside)
    pair = tf.cast(tf.gather(block, tf.stack([places, places + 1])), tf.int64)
    tags = tf.where(little, pair[0] + 256 * pair[1], 256 * pair[0] + pair[1])
    hit = tf.where(tags == ORIENTATION)[:1, 0]
    place = tf.reduce_sum(tf.gather(places, hit))
    long = tf.equal(read_number(block, place + 2, 2, little), 4)
    turn = tf.where(long, read_number(block, place + 8, 4, little), read_number(block, place + 8, 2, little))
    fits = place + 8 + tf.where(long, tf.constant(4, tf.int64), 2) <= length
    readable = (little | holds(block, 0, b"MM\0*")) & (length >= 8) & (tf.size(hit) == 1) & fits
    return tf.where(readable & (turn >= 1) & (turn <= 8), turn, 1)
