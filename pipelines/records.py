"""Open the records of a split for reading in any order: held in memory, unpacked beside, or where they are stored."""

import os
from pathlib import Path

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from keras_uncover.files import fingerprint_data
from keras_uncover.refusals import DamagedData
from pipelines.damage import WAY_OUT, damage_named, find_damage
from pipelines.read import iterate_records, open_builder, read_records
from pipelines.schema import is_bank, read_bank, stack_records
from pipelines.stored import HeldRecords, StoredRecords


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
        partial = path.with_suffix(f".{os.getpid()}.partial")
        try:
            with tf.io.TFRecordWriter(str(partial)) as writer, damage_named(data):
                for record in records:
                    parts = [tf.io.serialize_tensor(record[key]) for key in keys]
                    writer.write(tf.io.serialize_tensor(tf.stack(parts)).numpy())
            os.replace(partial, path)
        finally:
            partial.unlink(missing_ok=True)

    def parse(stored):
        parts = tf.unstack(tf.io.parse_tensor(stored, tf.string), len(keys))
        values = {key: tf.io.parse_tensor(part, specs[key].dtype) for key, part in zip(keys, parts)}
        return {key: tf.ensure_shape(value, specs[key].shape) for key, value in values.items()}

    return StoredRecords([path], parse)
