"""The EXIF orientation of a photo, read in the graph: the rules of ``keras_uncover.images.headers.exif_turn``."""

import tensorflow as tf

from export.graph.raw import holds, read_number

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
