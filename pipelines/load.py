"""From TFRecord shards to training batches: read, shuffle, swap, augment, in the order of the data.

All chance is drawn here, from a seed and the number of the batch, and passed on as uniform numbers: swaps and
augmentation are pure functions of it, on any number of replicas.
"""

import functools
import math

import tensorflow as tf

from keras_uncover import augment as augmentation
from keras_uncover import morphs, swaps
from keras_uncover.models.autoencoder import load_autoencoder
from pipelines.mix import add_genuine, choose_donors, count_rows, join, ready_swap, to_example
from pipelines.read import PAIR, PORTRAIT, make_options, read_records, to_float

SHARES = {"mesh": 0.4, "affine": 0.15, "self": 0.15, "pyramid": 0.15, "resynth": 0.15}


def choose_shares(shares, autoencoder):
    """Shares of the families, by default ``SHARES``, without ``resynth`` where there is no autoencoder."""
    if shares is None:
        return {name: share for name, share in SHARES.items() if autoencoder or name != "resynth"}
    if shares.get("resynth") and not autoencoder:
        raise ValueError(
            "Swaps of the family resynth pass through an autoencoder; received shares with resynth and "
            f'autoencoder={autoencoder!r}. Give autoencoder="autoencoder", or leave resynth out of the shares.'
        )
    return shares


def draw_normal(shape, key, stage):
    """Standard normal numbers, two from each random word: 16 bits are enough for noise, and half the work."""
    words = tf.random.stateless_uniform((math.prod(shape) // 2,), key, None, None, tf.uint32)
    halves = tf.bitcast(words, tf.uint16)

    def spread(halves):
        uniform = (tf.cast(tf.cast(halves, tf.int32), tf.float32) + 0.5) / 32768.0 - 1.0
        return tf.reshape(tf.math.erfinv(uniform) * math.sqrt(2.0), shape)

    return stage(spread)(halves)


def synthesise(records, draws, shares, plain, stage, resynthesise=None, morph_share=0.0):
    """Swaps among the portraits of a batch; nobody's photo takes their own face.

    draws: float32 ``(batch, swaps.DRAWS)``, with morphs ``swaps.DRAWS + morphs.DRAWS``. A morph is mixed of the donor
    and of whose face the donor's own photo takes.
    """
    donor, apart = choose_donors(records["person"])
    images = {key: value for key, value in records.items() if key != "person"}
    floats = stage(to_float)(images)
    donors = {key: tf.gather(value, donor) for key, value in floats.items()}
    if morph_share:
        partners = tf.gather(donors["texture"], donor)
        donors = morphs.morph_records(donors, partners, draws[:, swaps.DRAWS :], morph_share, stage)
    swap = swaps.make_swaps(floats, donors, draws[:, : swaps.DRAWS], shares, plain, stage, resynthesise)
    swap["has_donor"] *= tf.cast(apart, tf.float32)
    count = tf.shape(donor)[0]
    return {**swap, "has_mask": tf.ones(count), "has_flow": tf.ones(count)}


def make_batch(
    records, number, *, rows, task, seed, shares, plain, augment, stage, resynthesise=None, morph_share=0.0
):
    """One batch. records: dict of ``made`` (portraits) and ``ready`` (ready-made fakes), either of which may lack.

    ``stage`` compiles each step of swaps and augmentation apart: compiled as one, XLA works out again for every reader
    what several read, and the batch takes twice as long on a CPU.
    """
    key = tf.stack([tf.cast(seed, tf.int64), number])
    columns = swaps.DRAWS + morphs.DRAWS
    draws = tf.random.stateless_uniform((rows.made + rows.ready, columns + augmentation.DRAWS), key)
    made = ready = None
    if rows.made:
        some = draws[: rows.made, :columns]
        made = synthesise(records["made"], some, shares, plain, stage, resynthesise, morph_share)
    if rows.ready:
        ready = ready_swap(records["ready"])
    swap = join(made, ready, rows)
    if augment:
        noise = draw_normal(swap["input"].shape, key + [0, 1 << 40], stage)
        swap = augmentation.augment(swap, draws[:, columns:], noise, stage)
    batch, label = add_genuine(swap, rows.made_genuine + rows.ready_genuine)
    return to_example(batch, label, task)


def read_rows(shards, split, count, training, **reading):
    """Batches of ``count`` records of one folder, without end in training."""
    records, total = read_records(shards, split, training, **reading)
    if total < count:
        raise ValueError(f"Split {split} of {shards} holds {total} records; a batch needs {count} of them.")
    return (records.repeat() if training else records).batch(count, drop_remainder=True)


def load(
    shards,
    split,
    batch_size,
    *,
    task="reconstruct",
    training=True,
    seed=0,
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
    shuffle_buffer=4096,
    interleave=16,
    deterministic=True,
    num_parallel_calls=2,
    prefetch=2,
    auto_shard_policy=None,
):
    """Batches of swaps and genuine photos, for ``fit`` and ``evaluate``.

    Args:
        shards: folder written by ``python -m pipelines.portraits``; not read where ``mix`` is 1.
        split: ``train``, ``validation`` or ``test``.
        batch_size: examples a batch, fakes and genuine photos together.
        task: ``classify`` or ``reconstruct``: which truths are given.
        training: shuffled, repeated and different each epoch; else one pass, the same to the byte each time, which
            ends with the folder that ends first.
        seed: of order, swaps and augmentation.
        shares: dict, swap family to its share; the default mixes all, ``resynth`` only with an autoencoder.
        autoencoder: preset or folder for the family ``resynth``, such as ``"autoencoder"``, which ships.
        morph_share: share of the donors that are morphs of two people instead of one person.
        genuine_share: share of genuine photos in a batch, at most one half: each stands beside its own fake.
        swap_pairs: folder written by ``python -m pipelines.swap_pairs``, whose ready-made fakes are mixed in.
        mix: their share of the fakes, the same in every batch; only with ``swap_pairs``.
        augment: post-processing and geometry, the same draw for a genuine photo and its fake.
        plain: whole faces at full strength only.
        compiled: let XLA compile the synthesis; several times faster, needs static shapes (which it has).
        cache: keep decoded records in memory. With records that do not fit there: False.
        shuffle_buffer: records from which the next one is drawn.
        interleave: files that are read side by side.
        deterministic: False lets training take what is ready first; faster at times, not reproducible.
        num_parallel_calls: batches that are made at the same time; ``tf.data.AUTOTUNE`` on machines with many cores.
        prefetch: batches that are kept ready.
        auto_shard_policy: how several hosts share the records: ``auto``, ``file``, ``data``, ``off``, or None.

    Returns: ``tf.data.Dataset`` of ``(input, truths, weights)``, all shapes static.
    """
    rows = count_rows(batch_size, genuine_share, mix if swap_pairs else 0.0)
    deterministic = deterministic or not training
    reading = dict(seed=seed, cache=cache, interleave=interleave, deterministic=deterministic)
    reading["shuffle_buffer"] = shuffle_buffer
    sources = {}
    if rows.made:
        sources["made"] = read_rows(shards, split, rows.made, training, keys=PORTRAIT, **reading)
    if rows.ready:
        sources["ready"] = read_rows(swap_pairs, split, rows.ready, training, keys=PAIR, **reading)
    make = functools.partial(
        make_batch,
        rows=rows,
        task=task,
        seed=seed,
        shares=choose_shares(shares, autoencoder),
        plain=plain,
        augment=augment,
        stage=functools.partial(tf.function, jit_compile=True) if compiled else swaps.as_is,
        resynthesise=load_autoencoder(autoencoder) if autoencoder else None,
        morph_share=morph_share,
    )
    batches = tf.data.Dataset.zip(sources).enumerate()
    batches = batches.map(lambda number, records: make(records, number), num_parallel_calls=num_parallel_calls)
    return batches.prefetch(prefetch).with_options(make_options(deterministic, auto_shard_policy))
