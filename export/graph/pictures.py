"""Pictures of an answer as PNG in the graph, each with the metadata that says what it is.

Of the two marks of ``images.provenance`` these bytes carry the invisible one; the caption is added where a picture is
shown or written, as ``export.client`` does. A crop is cut from the photo and is nobody's guess: it carries none.
"""

import struct
import zlib

import tensorflow as tf

from keras_uncover.images.provenance import CAPTIONS, png_metadata

HEAD = 33  # bytes of a PNG up to the end of its header, behind which metadata may stand
ALL = 2**30  # longer than any rest of a string, at which substr ends


def encode_pictures(images, kind, model):
    """PNG files of pictures.

    Args:
        images: float32 ``(n, height, width, 1 or 3)`` in [0, 1]; stored as ``round(255 * value)``.
        kind: ``"crop"``, or a kind of ``keras_uncover.images.provenance.CAPTIONS``.
        model: name of the model, for the metadata.

    Returns: string ``(n,)``.
    """
    pixels = tf.cast(tf.round(tf.clip_by_value(images, 0.0, 1.0) * 255.0), tf.uint8)
    files = tf.map_fn(tf.io.encode_png, pixels, fn_output_signature=tf.string)
    if kind not in CAPTIONS:
        return files
    head, rest = tf.strings.substr(files, 0, HEAD), tf.strings.substr(files, HEAD, ALL)
    return tf.strings.join([head, metadata_chunks(kind, model), rest])


def metadata_chunks(kind, model):
    """The chunks that ``keras_uncover.images.provenance.png_metadata`` means, as bytes of a PNG file."""
    parts = []
    for chunk in png_metadata(kind, model).chunks:
        name, data = chunk[:2]
        parts += [struct.pack(">I", len(data)), name, data, struct.pack(">I", zlib.crc32(name + data))]
    return b"".join(parts)
