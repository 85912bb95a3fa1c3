"""Read the records of TFRecord shards: interleaved files, shuffle before repeat, decoded once into a small cache."""

import tensorflow as tf
import tensorflow_datasets as tfds

IMAGES = ("crop", "texture", "uv", "hull")
PORTRAIT = (*IMAGES, "points", "person")
PAIR = ("input", "target", "donor", "donor_hull", "mask", "has_mask", "target_person", "donor_person")
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


def read_records(
    shards,
    split,
    shuffle,
    seed=0,
    cache=True,
    *,
    keys=PORTRAIT,
    shuffle_buffer=4096,
    interleave=16,
    deterministic=True,
    num_parallel_calls=tf.data.AUTOTUNE,
):
    """Records of one split, decoded but still uint8 and uint16, so that a cache of them is small.

    Args:
        shards: folder written by ``python -m pipelines.portraits`` or ``python -m pipelines.swap_pairs``.
        split: ``train``, ``validation`` or ``test``.
        shuffle: read files and records in a new order each epoch, the same for the same seed.
        cache: keep decoded records in memory, 0.2 MB each at 128 px; a path keeps them in files there.
        keys: what to decode of each record; the rest costs nothing. ``PORTRAIT`` or ``PAIR``.
        shuffle_buffer: records from which the next one is drawn.
        interleave: files that are read side by side.
        deterministic: False lets a slow file be overtaken: faster, and another order each time.
        num_parallel_calls: of decoding.

    Returns: dataset of dicts of ``keys``, and their number.
    """
    builder = tfds.builder_from_directory(str(shards))
    if split not in builder.info.splits:
        raise ValueError(f"split must be one of {sorted(builder.info.splits)} in {shards}; received {split!r}.")
    missing = [key for key in keys if key not in builder.info.features]
    if missing:
        kind = "pipelines.swap_pairs" if keys == PAIR else "pipelines.portraits"
        raise ValueError(f"The folder must be one that python -m {kind} wrote; {shards} has no {', '.join(missing)}.")
    count = builder.info.splits[split].num_examples
    config = tfds.ReadConfig(
        shuffle_seed=seed,
        try_autocache=False,
        interleave_cycle_length=interleave,
        num_parallel_calls_for_decode=num_parallel_calls,
        options=make_options(deterministic),
    )
    decoders = tfds.decode.PartialDecoding({key: True for key in keys})
    records = builder.as_dataset(split=split, shuffle_files=shuffle, read_config=config, decoders=decoders)
    if cache:
        records = records.cache("" if cache is True else str(cache))
    if shuffle:
        records = records.shuffle(min(count, shuffle_buffer), seed=seed, reshuffle_each_iteration=True)
    return records, count


def to_float(records):
    """A portrait's stored integers to the one range inside: float32 in [0, 1]."""
    scale = {"crop": 255.0, "texture": 255.0, "hull": 255.0, "uv": 65535.0}
    floats = {key: tf.cast(records[key], tf.float32) / scale[key] for key in IMAGES}
    return {**floats, "points": records["points"]}
