"""From TFRecord shards to training batches by tf.data: read, swap, augment, in the order of the data.

All chance is drawn here, from the seed and the number of the batch, and passed on as uniform numbers: swaps and
augmentation are pure functions of it, on any number of replicas. The order of the records is such a function, too. A
run that goes on at a step therefore gets the batches that it would have got without a break.
"""

import functools
import math

import tensorflow as tf

from keras_uncover.models.autoencoder import load_autoencoder
from keras_uncover.refusals import OptionError
from keras_uncover.swaps import synthesis
from pipelines.batches import DRAWS, make_batch
from pipelines.records import open_records
from pipelines.schema import check_count

SEED_STEP = 1 << 40  # between the seeds of draws that must not depend on each other
ENDLESS = 1 << 40  # rounds through the data, more than any run makes
POLICIES = ("auto", "file", "data", "off")


def list_numbers(start=0, stop=ENDLESS, parts=1, part=None):
    """Numbers of batches. A step takes ``parts`` of them; a host that makes one part takes every ``parts``-th.

    Args:
        start, stop: steps.
        parts: batches that a step takes.
        part: the part that is made here, from 0; None for all of them.

    Returns: dataset of int64.
    """
    if part is None:
        return tf.data.Dataset.range(start * parts, stop * parts)
    return tf.data.Dataset.range(start * parts + part, stop * parts, parts)


def shuffle_numbers(count, seed, start=0):
    """Numbers of records without end: every round has each record once, and each round another order.

    Args:
        count: number of records.
        seed: int.
        start: how many to leave out at the beginning; these records are not read.

    Returns: dataset of int64.
    """
    first, left_out = divmod(start, count)

    def one_round(number):
        key = tf.stack([tf.constant(seed, tf.int64), number])
        order = tf.random.experimental.stateless_shuffle(tf.range(count, dtype=tf.int64), seed=key)
        return tf.data.Dataset.from_tensor_slices(order)

    return tf.data.Dataset.range(first, ENDLESS).flat_map(one_round).skip(left_out)


def draw_normal(shape, key, stage):
    """Standard normal numbers, two from each random word: 16 bits are enough for noise, and half the work."""
    words = tf.random.stateless_uniform((math.prod(shape) // 2,), key, None, None, tf.uint32)
    halves = tf.bitcast(words, tf.uint16)

    def spread(halves):
        uniform = (tf.cast(tf.cast(halves, tf.int32), tf.float32) + 0.5) / 32768.0 - 1.0
        return tf.reshape(tf.math.erfinv(uniform) * math.sqrt(2.0), shape)

    return stage(spread)(halves)


def draw_batch(number, records, *, config, stage, resynthesise):
    """``make_batch`` with the chance that belongs to the number of the batch."""
    key = tf.stack([tf.cast(config.seed, tf.int64), number])
    draws = tf.random.stateless_uniform((config.rows.made + config.rows.ready, DRAWS), key)
    noise = functools.partial(draw_normal, key=key + [0, SEED_STEP], stage=stage) if config.augment else None
    return make_batch(records, draws, noise, config=config, stage=stage, resynthesise=resynthesise)


def read_rows(kind, config, split, *, cache, training, start):
    """Batches of the records of one kind, ``made`` or ``ready``; without end in training, else one pass."""
    data, keys = config.sources[kind]
    rows = getattr(config.rows, kind)
    records = open_records(data, split, keys, cache)
    check_count(data, split, records.count, rows * config.parts)
    if training:
        seed = config.seed + (SEED_STEP if kind == "ready" else 0)
        order = shuffle_numbers(records.count, seed, start * config.parts * rows)
    else:
        whole = records.count // (rows * config.parts) * rows * config.parts
        order = tf.data.Dataset.range(start * config.parts * rows, whole)
    if config.part is not None:
        order = order.batch(rows, drop_remainder=True).shard(config.parts, config.part).unbatch()
    return records.batches(order, rows)


def join_parts(batches, parts):
    """Every ``parts`` batches as one, part after part."""

    def join(values):
        return tf.ensure_shape(tf.concat(tf.unstack(values, parts), 0), [parts * values.shape[1], *values.shape[2:]])

    joined = batches.batch(parts, drop_remainder=True)
    return joined.map(lambda *batch: tf.nest.map_structure(join, batch))


def make_options(deterministic, auto_shard_policy):
    """``tf.data.Options``: whether order is kept, and how several hosts share the records (None: TensorFlow's own)."""
    options = tf.data.Options()
    options.deterministic = deterministic
    if auto_shard_policy is not None:
        if auto_shard_policy not in POLICIES:
            raise OptionError(f"auto_shard_policy must be one of {POLICIES} or None; received {auto_shard_policy!r}.")
        policy = tf.data.experimental.AutoShardPolicy[auto_shard_policy.upper()]
        options.experimental_distribute.auto_shard_policy = policy
    return options


def load(
    config, split, *, training=True, start=0, cache=True, compiled=True, deterministic=True, num_parallel_calls=2,
    prefetch=2, auto_shard_policy=None,
):
    """Batches of swaps and genuine photos, for ``fit`` and ``evaluate``.

    What is in them stands in ``config``; the other arguments say which of them are made, and how tf.data works.

    Args:
        config: ``BatchConfig``.
        split: ``train``, ``validation`` or ``test``.
        training: shuffled, without end and different each round; else one pass, the same to the byte each time, which
            ends with the folder that ends first.
        start: step of the first batch. The batches are those that a stream from step 0 has there.
        cache: as for ``records.open_records``: True holds decoded records in memory.
        compiled: let XLA compile the synthesis; several times faster once it is compiled.
        deterministic: False lets training take what is ready first: sometimes faster, not reproducible.
        num_parallel_calls: batches that are made at the same time; ``tf.data.AUTOTUNE`` on machines with many cores.
        prefetch: batches that are kept ready.
        auto_shard_policy: how several hosts share the records: ``auto``, ``file``, ``data``, ``off``, or None.

    Returns: ``tf.data.Dataset`` of ``(input, truths, weights)``, all shapes static.

    Raises:
        DataError: the data are missing or damaged, have no such split, or hold too few records for a batch.

    Example, with a folder ``shards`` that ``python -m pipelines.portraits PHOTOS shards --size 64`` wrote:

        >>> from pipelines.config import BatchConfig
        >>> from pipelines.load import load
        >>> config = BatchConfig("shards", batch_size=4, task="classify", shares={"mesh": 1.0}, augment=False)
        >>> images, truths, weights = next(iter(load(config, "train", compiled=False)))
        >>> images.shape.as_list(), truths["p_fake"].numpy()[:, 0].tolist()
        ([4, 64, 64, 3], [1.0, 1.0, 1.0, 0.0])
    """
    reading = dict(cache=cache, training=training, start=start)
    sources = {kind: read_rows(kind, config, split, **reading) for kind in config.sources}
    make = functools.partial(
        draw_batch,
        config=config,
        stage=functools.partial(tf.function, jit_compile=True) if compiled else synthesis.as_is,
        resynthesise=load_autoencoder(config.autoencoder) if config.autoencoder else None,
    )
    numbered = tf.data.Dataset.zip((list_numbers(start, parts=config.parts, part=config.part), sources))
    batches = numbered.map(make, num_parallel_calls=num_parallel_calls)
    if config.part is None and config.parts > 1:
        batches = join_parts(batches, config.parts)
    return batches.prefetch(prefetch).with_options(make_options(deterministic or not training, auto_shard_policy))
