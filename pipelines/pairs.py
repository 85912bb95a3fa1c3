"""Fixed swaps for evaluation: every person of a split once as target and once as donor, from a stated seed."""

import numpy as np
import tensorflow as tf

from keras_uncover import augment as augmentation
from keras_uncover import swaps
from pipelines.read import read_records, to_float

BATCH = 16


def read_people(shards, split):
    """All records of a split in memory, in the order of their names: dict of stacked arrays."""
    records, _ = read_records(shards, split, shuffle=False, cache=False)
    rows = sorted(records.as_numpy_iterator(), key=lambda row: row["person"])
    return {key: np.stack([row[key] for row in rows]) for key in rows[0]}


def pair_people(count, seed, shift=1):
    """A random cycle through all people: whom each one's photo takes its face from. Nobody gets their own.

    Returns: int ``(count,)``.
    """
    if count < 2:
        raise ValueError(f"Pairs need at least two people; received {count}.")
    order = np.random.default_rng(seed).permutation(count)
    donor = np.empty(count, int)
    donor[order] = np.roll(order, shift)
    return donor


def fixed_swaps(people, family, *, seed, plain=True, post_processed=False, pairs=None):
    """Swaps of one family, the same for the same arguments.

    Args:
        people: as ``read_people`` returns it.
        family: name of a swap family.
        plain: whole faces at full strength, else masks and strengths as in training.
        post_processed: with the softness, colour, noise and JPEG of training, the same draw for fake and target.
        pairs: how many; None for one a person.

    Yields: dicts of NumPy arrays, as ``make_swaps`` returns them, with ``person`` and ``donor_person``.
    """
    names = people["person"]
    donor = pair_people(len(names), seed)
    rng = np.random.default_rng([seed, swaps.FAMILIES.index(family)])
    make = tf.function(lambda t, d, draws: swaps.make_swaps(to_float(t), to_float(d), draws, {family: 1.0}, plain))
    total = min(pairs or len(names), len(names))
    for start in range(0, total, BATCH):
        rows = np.arange(start, min(start + BATCH, total))
        target, source = ({k: v[r] for k, v in people.items() if k != "person"} for r in (rows, donor[rows]))
        swap = make(target, source, rng.random((len(rows), swaps.DRAWS), "float32"))
        draws = rng.random((len(rows), augmentation.POST_DRAWS), "float32")
        noise = rng.standard_normal(swap["input"].shape, "float32")
        if post_processed:
            for key in ("input", "target"):
                swap[key] = augmentation.post_process(swap[key], draws, noise)
        swap = {key: value.numpy() for key, value in swap.items()}
        yield {**swap, "person": names[rows], "donor_person": names[donor[rows]]}
