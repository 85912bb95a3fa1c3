"""Read the records of a data set: in their own order, or in any order by their number."""

import os
import struct
from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from keras_uncover.files import fingerprint_data, new_file
from keras_uncover.refusals import DamagedData, DataError
from pipelines.bank import is_bank, read_bank, stack_records
from pipelines.damage import WAY_OUT, damage_named, find_damage
from pipelines.schema import PAIR, PORTRAIT, refuse_split

HEAD, FOOT = 12, 4  # bytes before a record: its length and the checksum of that; and after it: the record's checksum


def find_builder(shards):
    """The TFDS builder of a folder.

    Raises:
        DataError: it is no folder of shards, or what TFDS wrote about them is damaged.
    """
    if not tf.io.gfile.exists(os.path.join(shards, "dataset_info.json")):
        raise DataError(f"Shards are a folder with a dataset_info.json; {shards} has none. Build it first.")
    try:
        return tfds.builder_from_directory(str(shards))
    except (ImportError, OSError):
        raise
    except Exception as error:  # TFDS, JSON and protobuf each have their own.
        raise DamagedData(
            f"The dataset_info.json and features.json of {shards} must be as they were written; they cannot be read: "
            f"{str(error).strip().splitlines()[0]:.200}. {WAY_OUT}"
        ) from error


def holds_pairs(shards):
    """Whether a folder holds ready-made fakes, and no portraits."""
    return "input" in find_builder(shards).info.features


def open_builder(shards, split, keys):
    """The TFDS builder of a folder that holds the split and the keys.

    Raises:
        DataError: it holds no such split, or is a folder of the other kind, or of none, or one of its files is gone.
    """
    builder = find_builder(shards)
    if split not in builder.info.splits:
        refuse_split(shards, builder.info.splits, split)
    missing = [key for key in keys if key not in builder.info.features]
    if missing:
        kind = "pipelines.swap_pairs" if keys == PAIR else "pipelines.portraits"
        raise DataError(f"The folder must be one that python -m {kind} wrote; {shards} has no {', '.join(missing)}.")
    for path in builder.info.splits[split].filepaths:
        if not tf.io.gfile.exists(path):
            raise DamagedData(f"The data must be whole; {path} is missing. {WAY_OUT}")
    return builder


def read_records(shards, split, *, keys=PORTRAIT, num_parallel_calls=tf.data.AUTOTUNE):
    """Records of one split in the order of the files, decoded but still uint8 and uint16.

    Args:
        shards: folder written by ``python -m pipelines.portraits`` or ``python -m pipelines.swap_pairs``.
        split: ``train``, ``validation`` or ``test``.
        keys: what to decode of each record; the rest costs nothing. ``PORTRAIT`` or ``PAIR``.
        num_parallel_calls: of decoding.

    Returns: dataset of dicts of ``keys``, and their number.
    """
    builder = open_builder(shards, split, keys)
    options = tf.data.Options()
    options.deterministic = True
    config = tfds.ReadConfig(
        try_autocache=False,
        interleave_cycle_length=1,
        num_parallel_calls_for_decode=num_parallel_calls,
        options=options,
    )
    decoders = tfds.decode.PartialDecoding({key: True for key in keys})
    records = builder.as_dataset(split=split, shuffle_files=False, read_config=config, decoders=decoders)
    return records, builder.info.splits[split].num_examples


def iterate_records(shards, split, *, keys=PORTRAIT):
    """Yield the records of one split as dicts of NumPy arrays; the arguments are those of ``read_records``.

    Raises:
        DamagedData: a file is missing, cut or damaged, or holds more or fewer records than it should.
    """
    records, count = read_records(shards, split, keys=keys)
    number = 0
    with damage_named(shards):
        for record in records.as_numpy_iterator():
            number += 1
            if number > count:
                break
            yield record
    if number != count:
        words = find_damage(shards) or f"Split {split} of {shards} must hold {count} records; it has others"
        raise DamagedData(f"{words}. {WAY_OUT}")


def read_table(data, split, keys):
    """All records of a split as stacked NumPy arrays, texts as bytes. data: folder of shards, or a packed bank."""
    if is_bank(data):
        columns = read_bank(data, split, keys)
        return {key: np.char.encode(value, "utf-8") if value.dtype.kind == "U" else value
                for key, value in columns.items()}
    count = open_builder(data, split, keys).info.splits[split].num_examples
    return stack_records(iterate_records(data, split, keys=keys), count, f"Split {split} of {data}")


def open_records(data, split, keys, cache=True):
    """Records by their number.

    Args:
        data: folder of shards, or a packed bank.
        split: ``train``, ``validation`` or ``test``.
        keys: what is wanted of each record.
        cache: True decodes all once and holds them in memory, 0.2 MB each at 128 px; a path unpacks them once into a
            file of that beginning, and reads it from then on; False decodes each record when its turn comes. A bank
            is always held in memory.

    Returns: ``HeldRecords`` or ``StoredRecords``; what they hold is the same.
    """
    if cache is True or is_bank(data):
        return HeldRecords(read_table(data, split, keys))
    builder = open_builder(data, split, keys)
    if cache:
        return unpack_records(data, split, keys, cache)
    features = tfds.decode.PartialDecoding({key: True for key in keys}).extract_features(builder.info.features)
    records = StoredRecords(builder.info.splits[split].filepaths, features.deserialize_example)
    if records.count != builder.info.splits[split].num_examples:
        said = builder.info.splits[split].num_examples
        words = find_damage(data) or f"Split {split} of {data} must hold {said} records; it holds {records.count}"
        raise DamagedData(f"{words}. {WAY_OUT}")
    return records


def unpack_records(data, split, keys, start):
    """Records decoded once into a TFRecord file, which is named after what was unpacked and used again.

    Args:
        start: what the path of the file begins with.
    """
    records, _ = read_records(data, split, keys=keys)
    specs = records.element_spec
    path = Path(f"{start}-{split}-{'-'.join(keys)[:40]}-{fingerprint_data(data)[:12]}.tfrecord")
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with new_file(path) as file, tf.io.TFRecordWriter(str(file.name)) as writer, damage_named(data):
            for record in records:
                parts = [tf.io.serialize_tensor(record[key]) for key in keys]
                writer.write(tf.io.serialize_tensor(tf.stack(parts)).numpy())

    def parse(stored):
        parts = tf.unstack(tf.io.parse_tensor(stored, tf.string), len(keys))
        values = {key: tf.io.parse_tensor(part, specs[key].dtype) for key, part in zip(keys, parts)}
        return {key: tf.ensure_shape(value, specs[key].shape) for key, value in values.items()}

    return StoredRecords([path], parse)


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
