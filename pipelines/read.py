"""Read the records of TFRecord shards, in their own order."""

import os

import tensorflow as tf
import tensorflow_datasets as tfds

from keras_uncover.refusals import DamagedData, DataError, OptionError
from pipelines.damage import WAY_OUT, damage_named, find_damage
from pipelines.schema import IMAGES, PAIR, PORTRAIT, refuse_split

__all__ = ["IMAGES", "PAIR", "PORTRAIT", "holds_pairs", "iterate_records", "make_options", "open_builder",
           "read_records"]

POLICIES = ("auto", "file", "data", "off")


def make_options(deterministic=True, auto_shard_policy=None):
    """``tf.data.Options``: whether order is kept, and how several hosts share the records (None: TensorFlow's own)."""
    options = tf.data.Options()
    options.deterministic = deterministic
    if auto_shard_policy is not None:
        if auto_shard_policy not in POLICIES:
            raise OptionError(f"auto_shard_policy must be one of {POLICIES} or None; received {auto_shard_policy!r}.")
        policy = tf.data.experimental.AutoShardPolicy[auto_shard_policy.upper()]
        options.experimental_distribute.auto_shard_policy = policy
    return options


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
    config = tfds.ReadConfig(
        try_autocache=False,
        interleave_cycle_length=1,
        num_parallel_calls_for_decode=num_parallel_calls,
        options=make_options(),
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
