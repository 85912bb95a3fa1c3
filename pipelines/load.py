"""From TFRecord shards to training batches: read, shuffle, swap, augment, in the order of the data.

All chance is drawn here, from a seed and the number of the batch, and passed on as uniform numbers: swaps and
augmentation are pure functions of it, on any number of replicas.
"""

import tensorflow as tf
import tensorflow_datasets as tfds

from keras_uncover import augment as augmentation
from keras_uncover import swaps

IMAGES = ("crop", "texture", "uv", "hull")
SHARES = {"mesh": 0.6, "affine": 0.2, "self": 0.2}


def read_records(shards, split, shuffle, seed=0, cache=True):
    """Records of one split, decoded but still uint8 and uint16, so that a cache of them is small.

    Args:
        shards: folder written by ``python -m pipelines.portraits``.
        split: ``train``, ``validation`` or ``test``.
        shuffle: read files and records in a new order each epoch.
        cache: keep decoded records in memory, 0.2 MB each at 128 px.

    Returns: dataset of dicts ``crop, texture, uv, hull, points, person``, and their number.
    """
    builder = tfds.builder_from_directory(str(shards))
    if split not in builder.info.splits:
        raise ValueError(f"split must be one of {sorted(builder.info.splits)} in {shards}; received {split!r}.")
    count = builder.info.splits[split].num_examples
    config = tfds.ReadConfig(shuffle_seed=seed, add_tfds_id=False, try_autocache=False)
    records = builder.as_dataset(split=split, shuffle_files=shuffle, read_config=config)
    records = records.map(lambda r: {key: r[key] for key in (*IMAGES, "points", "person")}, tf.data.AUTOTUNE)
    records = records.cache() if cache else records
    if shuffle:
        records = records.shuffle(min(count, 4096), seed=seed, reshuffle_each_iteration=True)
    return records, count


def to_float(records):
    """Stored integers to the one range inside: float32 in [0, 1]."""
    scale = {"crop": 255.0, "texture": 255.0, "hull": 255.0, "uv": 65535.0}
    floats = {key: tf.cast(records[key], tf.float32) / scale[key] for key in IMAGES}
    return {**floats, "points": records["points"]}


def add_genuine(swap, count):
    """Append the first ``count`` genuine photos to their fakes, post-processed by the same draw."""
    fakes = tf.shape(swap["input"])[0]
    label = tf.concat([tf.ones(fakes), tf.zeros(count)], 0)

    def append(fake, genuine):
        return tf.concat([fake, genuine[:count]], 0)

    batch = {key: append(swap[key], swap[key]) for key in ("target", "donor", "donor_hull", "flow")}
    batch["input"] = append(swap["input"], swap["target"])
    batch["mask"] = append(swap["mask"], tf.zeros_like(swap["mask"]))
    batch["has_donor"] = append(swap["has_donor"], tf.zeros_like(swap["has_donor"]))
    return batch, label[:, None]


def balance(label):
    """Weights with which genuine photos and fakes weigh the same in a verdict, however many of each there are."""
    fakes, count = tf.reduce_sum(label), tf.cast(tf.shape(label)[0], tf.float32)
    genuine = count - fakes
    both = tf.cast(genuine > 0, tf.float32)
    weights = 0.5 * count * (label[:, 0] / fakes + (1 - label[:, 0]) / tf.maximum(genuine, 1.0))
    return both * weights + (1 - both)


def to_example(batch, label, task):
    """Inputs, truths and weights as ``fit`` takes them; truths with a weight a pixel carry it as last channel."""
    if task == "classify":
        return batch["input"], {"p_fake": label}, {"p_fake": balance(label)}
    truth = {
        "p_fake": label,
        "mask": batch["mask"],
        "target": tf.concat([batch["target"], batch["mask"]], -1),
        "donor": tf.concat([batch["donor"], batch["donor_hull"]], -1),
        "flow": batch["flow"],
    }
    weights = {key: tf.ones_like(label[:, 0]) for key in truth}
    weights["p_fake"] = balance(label)
    weights["donor"] = weights["flow"] = batch["has_donor"]
    return batch["input"], truth, weights


def make_batch(records, number, *, task, seed, genuine, swap, augment):
    """One training batch: each person's photo takes the face of the next in the batch.

    ``swap`` and ``augment`` are compiled apart: compiled as one, XLA works out again for every reader what several
    read, and the batch takes three times as long on a CPU.
    """
    records = to_float(records)
    fakes, size = records["crop"].shape[0], records["crop"].shape[1]
    donors = {key: tf.roll(value, 1, axis=0) for key, value in records.items()}
    key = tf.stack([tf.cast(seed, tf.int64), number])
    draws = tf.random.stateless_uniform((fakes, swaps.DRAWS + augmentation.DRAWS), key)
    batch = swap(records, donors, draws[:, : swaps.DRAWS])
    if augment:
        noise = tf.random.stateless_normal((fakes, size, size, 3), key + [0, 1 << 40])
        batch = augment(batch, draws[:, swaps.DRAWS :], noise)
    batch, label = add_genuine(batch, genuine)
    return to_example(batch, label, task)


def load(
    shards,
    split,
    batch_size,
    *,
    task="reconstruct",
    training=True,
    seed=0,
    shares=None,
    genuine_share=0.25,
    augment=True,
    plain=False,
    cache=True,
    compiled=True,
):
    """Batches of synthesised swaps and genuine photos, for ``fit`` and ``evaluate``.

    Args:
        shards: folder written by ``python -m pipelines.portraits``.
        split: ``train``, ``validation`` or ``test``.
        batch_size: examples a batch, fakes and genuine photos together.
        task: ``classify`` or ``reconstruct``: which truths are given.
        training: shuffled, repeated and different each epoch; else one pass, the same to the byte each time.
        seed: of order, swaps and augmentation.
        shares: dict, swap family to its share; the default mixes all.
        genuine_share: share of genuine photos in a batch, at most one half: each stands beside its own fake.
        augment: post-processing and geometry, the same draw for a genuine photo and its fake.
        plain: whole faces at full strength only.
        cache: keep decoded records in memory.
        compiled: let XLA compile the synthesis; several times faster, needs static shapes (which it has).

    Returns: ``tf.data.Dataset`` of ``(input, truths, weights)``, all shapes static.
    """
    genuine = round(batch_size * genuine_share)
    fakes = batch_size - genuine
    if not 0 <= genuine <= fakes or fakes < 2:
        raise ValueError(
            "A batch needs at least two fakes and no more genuine photos than fakes; received "
            f"batch_size={batch_size}, genuine_share={genuine_share}: {fakes} fakes, {genuine} genuine."
        )
    records, count = read_records(shards, split, training, seed, cache)
    if count < fakes:
        raise ValueError(f"Split {split} of {shards} holds {count} people; a batch of {batch_size} needs {fakes}.")
    records = records.repeat() if training else records
    records = records.map(lambda r: {key: r[key] for key in (*IMAGES, "points")})
    shares = shares or SHARES
    swap = tf.function(lambda t, d, draws: swaps.make_swaps(t, d, draws, shares, plain), jit_compile=compiled)
    augment = tf.function(augmentation.augment, jit_compile=compiled) if augment else None
    options = dict(task=task, seed=seed, genuine=genuine, swap=swap, augment=augment)
    batches = records.batch(fakes, drop_remainder=True).enumerate()
    return batches.map(lambda number, r: make_batch(r, number, **options), num_parallel_calls=1).prefetch(2)
