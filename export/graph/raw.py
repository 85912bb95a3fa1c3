"""Reading numbers and writing words in a TensorFlow graph: what ``struct`` and f-strings do elsewhere.

*Raw* is the uint8 tensor ``(n,)`` of a file's bytes. Nothing here fails: what lies beyond the end reads as 0, and it is
the caller who knows whether that place exists.
"""

import numpy as np
import tensorflow as tf

HEX = [f"{value:02x}" for value in range(256)]
ESCAPED = [repr(bytes([value]))[2:-1] for value in range(256)]


def read_number(raw, place, count, little=False):
    """An unsigned number of ``count`` bytes, int64 scalar; ``little`` (Python or tensor bool): least byte first."""
    piece = tf.cast(raw[place : place + count], tf.int64)
    piece = tf.pad(piece, [[0, count - tf.size(piece)]])
    weights = np.array([256**power for power in range(count)], "int64")
    return tf.reduce_sum(piece * tf.where(little, weights, weights[::-1]))


def holds(raw, place, text):
    """Whether ``text`` (Python bytes) stands at a place, bool scalar."""
    piece = raw[place : place + len(text)]
    whole = tf.equal(tf.size(piece), len(text))
    return whole & tf.reduce_all(tf.equal(tf.pad(piece, [[0, len(text) - tf.size(piece)]]), list(text)))


def contains(raw, text):
    """Whether ``text`` (Python bytes) stands anywhere, bool scalar."""
    count = tf.maximum(tf.size(raw) - len(text) + 1, 0)
    found = tf.ones([count], tf.bool)
    for offset, value in enumerate(text):
        found &= tf.equal(raw[offset : offset + count], value)
    return tf.reduce_any(found)


def say_hex(raw):
    """Bytes as hexadecimal digits with blanks between, string scalar."""
    return tf.strings.reduce_join(tf.gather(tf.constant(HEX), tf.cast(raw, tf.int32)), separator=" ")


def say_escaped(raw):
    """Bytes as Python shows them, so that they are text whatever they hold, string scalar."""
    return tf.strings.reduce_join(tf.gather(tf.constant(ESCAPED), tf.cast(raw, tf.int32)))


def say_thousands(number):
    """A number with a comma before each three digits, string scalar."""
    digits = tf.strings.bytes_split(tf.strings.as_string(number))
    left = tf.range(tf.size(digits) - 1, -1, -1)
    return tf.strings.reduce_join(tf.where((left % 3 == 0) & (left > 0), digits + ",", digits))


def first_of(*pairs):
    """The text of the first ``(condition, text)`` whose condition holds, "" where none does; string scalar."""
    result = tf.constant("")
    for condition, text in reversed(pairs):
        result = tf.where(condition, text, result)
    return result
