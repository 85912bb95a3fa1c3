"""Random access to TFRecord files: where each record lies, and one record by its place, read inside the graph."""

import os
import struct

import tensorflow as tf

from keras_uncover.refusals import DamagedData

HEAD, FOOT = 12, 4  # bytes before a record, its length and that one's checksum, and after it: the record's checksum


def index_file(path):
    """Where the records of a TFRecord file lie: list of (first byte, bytes), as the lengths in the file say.

    Raises:
        DamagedData: the file ends within a record.
    """
    size, start, places = tf.io.gfile.stat(path).length, 0, []
    with tf.io.gfile.GFile(path, "rb") as file:
        while start < size:
            file.seek(start)
            head = file.read(HEAD)
            length = struct.unpack("<Q", head[:8])[0] if len(head) == HEAD else size
            if start + HEAD + length + FOOT > size:
                raise DamagedData(
                    f"A TFRecord file must end with a whole record; {path} is cut off at byte {size}. Copy it again, "
                    "or build it anew."
                )
            places.append((start + HEAD, length))
            start += HEAD + length + FOOT
    return places


class StoredRecords:
    """The records of TFRecord files by their number, without an index file and without reading others on the way.

    Args:
        paths: list of TFRecord files that are not compressed.
        parse: function of one serialised record, text ``()``, to what it holds.
    """

    def __init__(self, paths, parse):
        places = [(number, *place) for number, path in enumerate(paths) for place in index_file(path)]
        self.count, self.parse = len(places), parse
        with tf.device("cpu:0"):
            self.paths = tf.constant([os.fspath(path) for path in paths])
            self.places = tf.constant(places, tf.int64, (self.count, 3))

    def read(self, number):
        """One record by its number, int64 ``()``, in one read at its own place; its checksum is tested.

        A ``FixedLengthRecordDataset`` would do without raw ops, but reads all that is before the record.
        """
        file, start, length = tf.unstack(tf.gather(self.places, number))
        from_there = tf.raw_ops.TFRecordDatasetV2(
            filenames=tf.gather(self.paths, file),
            compression_type="",
            buffer_size=HEAD + length + FOOT,
            byte_offsets=start - HEAD,
        )
        stored = tf.data.experimental.from_variant(from_there, tf.TensorSpec((), tf.string))
        return self.parse(stored.take(1).get_single_element())

    def batches(self, order, rows):
        """Batches of so many records, in the order of a dataset of numbers."""
        return order.map(self.read, tf.data.AUTOTUNE).batch(rows, drop_remainder=True)


class HeldRecords:
    """Records in memory: ``columns`` is a dict of stacked arrays.

    They stay beside the processor, whatever is trained on.
    """

    def __init__(self, columns):
        self.count = len(next(iter(columns.values())))
        with tf.device("cpu:0"):
            self.columns = {key: tf.constant(columns.pop(key)) for key in list(columns)}

    def gather(self, numbers):
        return {key: tf.gather(column, numbers) for key, column in self.columns.items()}

    def batches(self, order, rows):
        """As for ``StoredRecords``."""
        return order.batch(rows, drop_remainder=True).map(self.gather)
