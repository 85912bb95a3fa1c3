"""Guarded decoding in the graph: bytes of one file to upright RGB pixels, or to a reason why not.

The rules are those of ``keras_uncover.images.decode``, with its limits as constants of the graph, so are the words of a
refusal. What a header states is checked before a decoder sees the file, and a decoder that fails spoils one item, never
a batch. Two differences: what a decoder finds wrong has no words of its own here, and a PNG's checksums are the
decoder's matter, which drops a transparency chunk with a false one where the gate refuses the file.
"""

import tensorflow as tf

from export.graph.headers import JPEG, NAMES, PNG, UNKNOWN, find_container, name_other, read_header
from export.graph.raw import first_of, say_thousands
from keras_uncover.images.decode import (
    ANIMATED,
    MAX_BYTES,
    MAX_PIXELS,
    MAX_SIDE,
    MIN_SIDE,
    NO_END,
    OTHER_ENDS,
    PIXELS_MISSING,
)
from keras_uncover.images.headers import JPEG_END, MAX_FILL, WEBP_ANIMATED

OPEN_AGAIN = "Open it in an image program and save it again, or fetch it anew."
SHRINK = "Crop or shrink it."
UNDECODABLE = "its pixels cannot be decoded"
CODES = (
    "", "empty", "too_many_bytes", "not_an_image", "too_small", "too_long_a_side", "too_many_pixels", "damaged",
)
NO_PIXELS = (1, 1, 3)
BAND = 2**20  # pixels that are laid on white at a time
TRANSPARENT = 0x10  # flag of an extended WebP, in its byte 20


def decode_photo(data):
    """Decode one file.

    Args:
        data: string scalar.

    Returns: ``(pixels, code, message, note)``: uint8 ``(height, width, 3)``, turned as EXIF says; one of ``CODES``, ""
    where the file was decoded; what is wrong with it, in the words of the host's ``ImageError``; what the reader of an
    answer must know of the file, or "". A refused file has pixels ``(1, 1, 3)`` of zeros.
    """
    count = tf.strings.length(data)
    # Before anything else: a file above the limit is not even split into bytes.
    raw = tf.cond(count > MAX_BYTES, lambda: tf.zeros([0], tf.uint8), lambda: tf.io.decode_raw(data, tf.uint8))
    container = find_container(raw)
    head = read_header(raw, container)
    code, message = refuse(raw, count, container, head)
    nothing = tf.zeros(NO_PIXELS, tf.uint8)
    pixels = tf.cond(tf.equal(code, ""), lambda: decode_pixels(data, container, head), lambda: nothing)
    size = tf.cast(tf.shape(pixels, tf.int32)[:2], tf.int64)
    fits = tf.reduce_all(size == tf.stack([head.height, head.width]))
    failed = tf.equal(code, "") & ~fits
    code = tf.where(failed, "damaged", code)
    reason = tf.where(head.endless, PIXELS_MISSING, UNDECODABLE)
    message = tf.where(failed, say_damage(container, count, reason), message)
    pixels = tf.cond(tf.equal(code, ""), lambda: turn_upright(pixels, head.turn), lambda: nothing)
    note = first_of((tf.not_equal(code, ""), ""), (head.endless, NO_END), (head.animated, ANIMATED))
    return tf.ensure_shape(pixels, [None, None, 3]), code, message, note


def refuse(raw, count, container, head):
    """The first rule that a file breaks by what it states: code and message, both "" where it breaks none."""
    area = tf.cast(head.width, tf.uint64) * tf.cast(head.height, tf.uint64)
    dimensions = tf.strings.join([
        tf.strings.as_string(head.width), " x ", tf.strings.as_string(head.height), " = ", say_thousands(area),
        " pixels",
    ])
    allowed = MAX_PIXELS * 3 // tf.maximum(head.components, 3)
    of_many = tf.strings.join(["A JPEG of ", tf.strings.as_string(head.components), " components, such as CMYK,"])
    kind = tf.where(head.components > 3, of_many, "An image")
    pixels_rule = tf.strings.join([kind, " has at most ", say_thousands(allowed), " pixels"])
    least, most = tf.minimum(head.width, head.height), tf.maximum(head.width, head.height)
    broken = [
        (tf.equal(count, 0), "empty",
         say("An image file has content", "bytes, which is empty", "Fetch or copy it anew.")),
        (count > MAX_BYTES, "too_many_bytes",
         say(f"An image file has at most {MAX_BYTES:,} bytes", tf.strings.join(["bytes with ", say_thousands(count)]),
             "Save it smaller or as JPEG.")),
        (tf.equal(container, UNKNOWN), "not_an_image",
         say("An image is JPEG, PNG or WebP", name_other(raw),
             "Save it as one of the three; renaming a file does not change its format.")),
        (tf.not_equal(head.sizeless, ""), "damaged", say_damage(container, count, head.sizeless)),
        (least < MIN_SIDE, "too_small",
         say(f"An image is at least {MIN_SIDE} pixels a side", dimensions, "Use the photo in its full size.")),
        (most > MAX_SIDE, "too_long_a_side",
         say(f"An image is at most {MAX_SIDE:,} pixels a side", dimensions, SHRINK)),
        (area > tf.cast(allowed, tf.uint64), "too_many_pixels", say(pixels_rule, dimensions, SHRINK)),
        (tf.not_equal(head.damage, ""), "damaged", say_damage(container, count, head.damage)),
    ]
    codes = first_of(*[(condition, code) for condition, code, _ in broken])
    return codes, first_of(*[(condition, message) for condition, _, message in broken])


def say(rule, received, hint):
    """A refusal as ``ImageError`` words it."""
    return tf.strings.join([rule, "; received ", received, ". ", hint])


def say_damage(container, count, reason):
    """A refusal of a file that is not whole."""
    received = tf.strings.join([say_thousands(count), " bytes (", reason, ")"])
    rule = tf.strings.join(["A ", tf.gather(list(NAMES), container), " file must be whole and decodable"])
    return say(rule, received, OPEN_AGAIN)


def decode_pixels(data, container, head):
    """Pixels as they lie in the file, transparent ones on white, ``NO_PIXELS`` where the decoder fails.

    A decoder that fails ends the graph's run, and with it the batch; only a ``Dataset`` can pass its failure over.
    """
    def decode(data, container, alpha, endless):
        by_alpha = 1 + tf.cast(alpha, tf.int32)
        by_end = tf.where(endless, 4, 0)
        index = tf.where(tf.equal(container, JPEG), by_end, tf.where(tf.equal(container, PNG), by_alpha, 3))
        return tf.switch_case(index, [
            lambda: decode_jpeg(data),
            lambda: tf.io.decode_png(data, channels=3),
            lambda: tf.io.decode_png(data, channels=4),
            lambda: decode_webp(data),
            lambda: decode_endless(data),
        ])

    decoded = tf.data.Dataset.from_tensors((data, container, head.alpha, head.endless)).map(decode).ignore_errors()
    nothing = tf.data.Dataset.from_tensors(tf.zeros(NO_PIXELS, tf.uint8))
    pixels = decoded.concatenate(nothing).take(1).get_single_element()
    return tf.cond(
        tf.equal(tf.shape(pixels)[2], 4), lambda: lay_on_white(pixels), lambda: tf.ensure_shape(pixels, (None, None, 3))
    )


def decode_jpeg(data):
    """Pixels of a JPEG, by the only setting of TensorFlow's decoder that gives the same ones as libjpeg's own."""
    return tf.io.decode_jpeg(data, channels=3, dct_method="INTEGER_ACCURATE")


def decode_endless(data):
    """Pixels of a JPEG without an end marker, ``NO_PIXELS`` where they depend on what follows in the marker's place."""
    start = tf.maximum(tf.strings.length(data) - MAX_FILL, 0)
    last = tf.io.decode_raw(tf.strings.substr(data, start, MAX_FILL), tf.uint8)
    fill = tf.size(last) - 1 - tf.reduce_max(tf.concat([[-1], tf.cast(tf.where(last != 0xFF)[:, 0], tf.int32)], 0))
    kept = tf.strings.substr(data, 0, tf.strings.length(data) - fill)
    sums = [tf.constant(0, tf.int64)]
    for end in (*OTHER_ENDS, b""):
        with tf.control_dependencies(sums):  # One picture at a time is in memory.
            pixels = decode_jpeg(tf.strings.join([kept, tf.identity(end + JPEG_END)]))
        sums.append(sum_pixels(pixels))
    same = tf.reduce_all(tf.stack(sums[1:]) == sums[-1])
    return tf.cond(same, lambda: pixels, lambda: tf.zeros(NO_PIXELS, tf.uint8))


def sum_pixels(pixels):
    """A number that tells two pictures of one size apart, int64 scalar; each value is weighed by its place."""
    pixels = tf.reshape(pixels, [-1])

    def step(place, total):
        piece = tf.cast(pixels[place : place + BAND], tf.int64)
        weights = (tf.range(tf.size(piece, tf.int64)) + tf.cast(place, tf.int64)) * 2_654_435_761 % 1_000_003 + 1
        return place + BAND, total + tf.reduce_sum(piece * weights)

    start = (tf.constant(0), tf.constant(0, tf.int64))
    return tf.while_loop(lambda place, _: place < tf.size(pixels), step, start, parallel_iterations=1)[1]


def decode_webp(data):
    """Pixels of a WebP's first frame, three or four channels, by an operation that older servers know, too.

    For an animation without the flag for transparency its kernel (TensorFlow 2.21) makes room for three channels and
    writes four, over the end of its buffer. So the flag is set, which changes nothing else, and taken for what it was.
    """
    flags = tf.io.decode_raw(tf.strings.substr(data, 20, 1), tf.uint8)[0]
    extended = tf.equal(tf.strings.substr(data, 12, 4), "VP8X")
    opaque = extended & (flags & WEBP_ANIMATED > 0) & tf.equal(flags & TRANSPARENT, 0)

    def add_flag():
        flag = tf.gather([bytes([value]) for value in range(256)], tf.cast(flags | TRANSPARENT, tf.int32))
        return tf.strings.join([tf.strings.substr(data, 0, 20), flag, tf.strings.substr(data, 21, MAX_BYTES)])

    pixels = tf.io.decode_image(tf.cond(opaque, add_flag, lambda: data), expand_animations=False)
    transparent = tf.equal(tf.shape(pixels)[-1], 4) & ~opaque
    return tf.cond(transparent, lambda: pixels, lambda: pixels[..., :3])


def lay_on_white(pixels):
    """RGBA on white, ``round((c * a + 255 * (255 - a)) / 255)``, band by band into one picture, to save memory."""
    shape = tf.shape(pixels)
    rows = BAND // tf.maximum(shape[1], 1) + 1

    def step(top, laid):
        band = mix(pixels[top : top + rows])
        # Written in place: `tf.tensor_scatter_nd_update` copies the picture at every turn, a TensorArray at its end.
        return top + rows, tf.raw_ops.InplaceUpdate(x=laid, i=tf.range(top, top + tf.shape(band)[0]), v=band)

    laid = tf.raw_ops.Empty(shape=[shape[0], shape[1], 3], dtype=tf.uint8)
    _, laid = tf.while_loop(lambda top, laid: top < shape[0], step, (0, laid), parallel_iterations=1)
    return tf.ensure_shape(laid, (None, None, 3))


def mix(pixels):
    """``lay_on_white`` of pixels ``(..., 4)``, in 16 bits, where it just fits."""
    colour, alpha = (tf.cast(part, tf.uint16) for part in (pixels[..., :3], pixels[..., 3:4]))
    mixed = colour * alpha + tf.constant(255, tf.uint16) * (tf.constant(255, tf.uint16) - alpha)
    return tf.cast((mixed + 127) // 255, tf.uint8)


def turn_upright(pixels, turn):
    """Undo an EXIF orientation, int64 scalar 1 to 8."""
    def among(*turns):
        return tf.reduce_any(turn == tf.constant(turns, tf.int64))

    pixels = tf.cond(turn >= 5, lambda: tf.transpose(pixels, (1, 0, 2)), lambda: pixels)
    pixels = tf.cond(among(3, 4, 7, 8), lambda: tf.reverse(pixels, [0]), lambda: pixels)
    return tf.cond(among(2, 3, 6, 7), lambda: tf.reverse(pixels, [1]), lambda: pixels)
