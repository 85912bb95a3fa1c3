"""From TFRecord shards to training batches by tf.data: read, swap, augment, in the order of the data.

All chance is drawn here, from a seed and the number of the batch, and passed on as uniform numbers: swaps and
augmentation are pure functions of it, on any number of replicas. So is the order of the records: training that goes
on at a step gets the batches that it would have got.
"""

import functools
import math

import tensorflow as tf

from keras_uncover.models.autoencoder import load_autoencoder
from keras_uncover.swaps import synthesis
from pipelines.batches import DRAWS, choose_shares, count_rows, divide_batch, make_batch
from pipelines.records import make_options, open_records
from pipelines.schema import PAIR, PORTRAIT, check_count

EVER = 1 << 40  # rounds through the data, more than any training takes
APART = 1 << 40  # between seeds of what is drawn apart


def draw_normal(shape, key, stage):
    """Standard normal numbers, two from each random word: 16 bits are enough for noise, and half the work."""
    words = tf.random.stateless_uniform((math.prod(shape) // 2,), key, None, None, tf.uint32)
    halves = tf.bitcast(words, tf.uint16)

    def spread(halves):
        uniform = (tf.cast(tf.cast(halves, tf.int32), tf.float32) + 0.5) / 32768.0 - 1.0
        return tf.reshape(tf.math.erfinv(uniform) * math.sqrt(2.0), shape)

    return stage(spread)(halves)


def draw_batch(number, records, *, rows, seed, augment, stage, **making):
    """``make_batch`` with the chance that belongs to the number of the batch."""
    key = tf.stack([tf.cast(seed, tf.int64), number])
    draws = tf.random.stateless_uniform((rows.made + rows.ready, DRAWS), key)
    noise = functools.partial(draw_normal, key=key + [0, APART], stage=stage) if augment else None
    return make_batch(records, draws, noise, rows=rows, stage=stage, **making)


def read_rows(data, split, rows, seed, *, keys, cache, training, start, parts, part):
    """Batches of ``rows`` records of one folder: those of the numbers that ``list_numbers`` gives, without end in
    training.
    """
    records = open_records(data, split, keys, cache)
    check_count(data, split, records.count, rows * parts)
    if training:
        order = shuffle_numbers(records.count, seed, start * parts * rows)
    else:
        whole = records.count // (rows * parts) * rows * parts
        order = tf.data.Dataset.range(start * parts * rows, whole)
    if part is not None:
        order = order.batch(rows, drop_remainder=True).shard(parts, part).unbatch()
    return records.batches(order, rows)


def join_parts(batches, parts):
    """Every ``parts`` batches as one, part after part."""

    def join(values):
        return tf.ensure_shape(tf.concat(tf.unstack(values, parts), 0), [parts * values.shape[1], *values.shape[2:]])

    joined = batches.batch(parts, drop_remainder=True)
    return joined.map(lambda *batch: tf.nest.map_structure(join, batch))


def load(
    shards,
    split,
    batch_size,
    *,
    task="reconstruct",
    training=True,
    seed=0,
    start=0,
    parts=1,
    part=None,
    shares=None,
    autoencoder=None,
    morph_share=0.0,
    genuine_share=0.25,
    swap_pairs=None,
    mix=0.3,
    augment=True,
    plain=False,
    compiled=True,
    cache=True,
    deterministic=True,
    num_parallel_calls=2,
    prefetch=2,
    auto_shard_policy=None,
):
    """Batches of swaps and genuine photos, for ``fit`` and ``evaluate``.

    Args:
        shards: folder written by ``python -m pipelines.portraits``, or a bank packed from it; not read where ``mix``
            is 1.
        split: ``train``, ``validation`` or ``test``.
        batch_size: examples a batch, fakes and genuine photos together.
        task: ``classify`` or ``reconstruct``: which truths are given.
        training: shuffled, without end and different each round; else one pass, the same to the byte each time, which
            ends with the folder that ends first.
        seed: of order, swaps and augmentation.
        start: step of the first batch: the stream goes on there as if it had come from 0.
        parts: parts that a batch is made of, each of ``batch_size / parts`` examples with donors of its own.
        part: make only this part of each batch, as one of several hosts does; None makes all.
        shares: dict, swap family to its share; the default mixes all, ``resynth`` only with an autoencoder.
        autoencoder: preset or folder for the family ``resynth``, such as ``"autoencoder"``, which ships.
        morph_share: share of the donors that are morphs of two people instead of one person.
        genuine_share: share of genuine photos in a batch, at most one half: each stands beside its own fake.
        swap_pairs: folder written by ``python -m pipelines.swap_pairs``, or a bank packed from it, whose ready-made
            fakes are mixed in.
        mix: their share of the fakes, the same in every batch; only with ``swap_pairs``.
        augment: post-processing and geometry, the same draw for a genuine photo and its fake.
        plain: whole faces at full strength only.
        compiled: let XLA compile the synthesis; several times faster, needs static shapes (which it has).
        cache: as for ``records.open_records``: True holds decoded records in memory.
        deterministic: False lets training take what is ready first; faster at times, not reproducible.
        num_parallel_calls: batches that are made at the same time; ``tf.data.AUTOTUNE`` on machines with many cores.
        prefetch: batches that are kept ready.
        auto_shard_policy: how several hosts share the records: ``auto``, ``file``, ``data``, ``off``, or None.

    Returns: ``tf.data.Dataset`` of ``(input, truths, weights)``, all shapes static.
    """
    rows = count_rows(divide_batch(batch_size, parts), genuine_share, mix if swap_pairs else 0.0)
    reading = dict(cache=cache, training=training, start=start, parts=parts, part=part)
    sources = {}
    if rows.made:
        sources["made"] = read_rows(shards, split, rows.made, seed, keys=PORTRAIT, **reading)
    if rows.ready:
        sources["ready"] = read_rows(swap_pairs, split, rows.ready, seed + APART, keys=PAIR, **reading)
    make = functools.partial(
        draw_batch,
        rows=rows,
        task=task,
        seed=seed,
        shares=choose_shares(shares, autoencoder),
        plain=plain,
        augment=augment,
        stage=functools.partial(tf.function, jit_compile=True) if compiled else synthesis.as_is,
        resynthesise=load_autoencoder(autoencoder) if autoencoder else None,
        morph_share=morph_share,
    )
    numbered = tf.data.Dataset.zip((list_numbers(start, parts=parts, part=part), sources))
    batches = numbered.map(make, num_parallel_calls=num_parallel_calls)
    if part is None and parts > 1:
        batches = join_parts(batches, parts)
    return batches.prefetch(prefetch).with_options(make_options(deterministic or not training, auto_shard_policy))


def list_numbers(start=0, stop=EVER, parts=1, part=None):
    """Numbers of batches. A step takes ``parts`` of them, of which a host that makes one part makes every such one.

    Args:
        start, stop: steps.
        parts: batches that a step takes.
        part: None for all of them.

    Returns: dataset of int64.
    """
    if part is None:
        return tf.data.Dataset.range(start * parts, stop * parts)
    return tf.data.Dataset.range(start * parts + part, stop * parts, parts)


def shuffle_numbers(count, seed, start=0):
    """Endless numbers of records: each once a round, every round in another order.

    Args:
        count: of records.
        seed: int.
        start: how many to leave out at the beginning. None of them is read: only their numbers are counted.

    Returns: dataset of int64.
    """
    first, left_out = divmod(start, count)

    def one_round(number):
        key = tf.stack([tf.constant(seed, tf.int64), number])
        order = tf.random.experimental.stateless_shuffle(tf.range(count, dtype=tf.int64), seed=key)
        return tf.data.Dataset.from_tensor_slices(order)

    return tf.data.Dataset.range(first, EVER).flat_map(one_round).skip(left_out)
