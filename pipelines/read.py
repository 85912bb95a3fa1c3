"""Read the records of TFRecord shards, in their own order."""

import os

import tensorflow as tf
import tensorflow_datasets as tfds

from pipelines.schema import IMAGES, PAIR, PORTRAIT

__all__ = ["IMAGES", "PAIR", "PORTRAIT", "holds_pairs", "make_options", "open_builder", "read_records"]

POLICIES = ("auto", "file", "data", "off")


def make_options(deterministic=True, auto_shard_policy=None):
    """``tf.data.Options``: whether order is kept, and how several hosts share the records (None: TensorFlow's own)."""
    options = tf.data.Options()
    options.deterministic = deterministic
    if auto_shard_policy is not None:
        if auto_shard_policy not in POLICIES:
            raise ValueError(f"auto_shard_policy must be one of {POLICIES} or None; received {auto_shard_policy!r}.")
        policy = tf.data.experimental.AutoShardPolicy[auto_shard_policy.upper()]
        options.experimental_distribute.auto_shard_policy = policy
    return options


def find_builder(shards):
    """The TFDS builder of a folder.

    Raises:
        ValueError: it is no folder of shards.
    """
    if not tf.io.gfile.exists(os.path.join(shards, "dataset_info.json")):
        raise ValueError(f"Shards are a folder with a dataset_info.json; {shards} has none. Build it first.")
    return tfds.builder_from_directory(str(shards))


def holds_pairs(shards):
    """Whether a folder holds ready-made fakes, and no portraits."""
    return "input" in find_builder(shards).info.features


def open_builder(shards, split, keys):
    """The TFDS builder of a folder that holds the split and the keys.

    Raises:
        ValueError: it holds no such split, or is a folder of the other kind, or of none.
    """
    builder = find_builder(shards)
    if split not in builder.info.splits:
        raise ValueError(f"split must be one of {sorted(builder.info.splits)} in {shards}; received {split!r}.")
    missing = [key for key in keys if key not in builder.info.features]
    if missing:
        kind = "pipelines.swap_pairs" if keys == PAIR else "pipelines.portraits"
        raise ValueError(f"The folder must be one that python -m {kind} wrote; {shards} has no {', '.join(missing)}.")
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
