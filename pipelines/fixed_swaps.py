"""Fixed examples for evaluation, from a stated seed: swaps, everybody once as target and once as donor, and genuine
photos under fixed post-processing.
"""

import functools

import numpy as np
import tensorflow as tf

from keras_uncover.refusals import DataError, OptionError
from keras_uncover.swaps import augment as augmentation
from keras_uncover.swaps import synthesis
from pipelines.batches import to_float
from pipelines.records import iterate_records, open_builder
from pipelines.schema import PORTRAIT, check_side

BATCH = 16
POSTS = 8  # post-processing draws of a person


def read_people(shards, split, keys=PORTRAIT, size=None):
    """All records of a split in memory, in the order of their names: dict of stacked arrays, ``person`` as text.

    Raises:
        DataError: there is no such split, a file is damaged, or the crops' side is not ``size``, where one is given.
    """
    features = open_builder(shards, split, keys).info.features
    if size is not None:
        check_side(shards, "crop", features["crop"].shape[0], size)
    rows = sorted(iterate_records(shards, split, keys=keys), key=lambda row: row["person"])
    people = {key: np.stack([row[key] for row in rows]) for key in rows[0]}
    return {**people, "person": np.array([name.decode() for name in people["person"]])}


def pair_people(count, seed, shift=1):
    """A random cycle through all people: whom each one's photo takes its face from. Nobody gets their own.

    Returns: int ``(count,)``.
    """
    if count < 2:
        raise DataError(f"Pairs need at least two people; received {count}.")
    order = np.random.default_rng(seed).permutation(count)
    donor = np.empty(count, int)
    donor[order] = np.roll(order, shift)
    return donor


def count_pairs(count, pairs=None):
    """How many pairs are made of ``count`` people: as many as are asked for, or one a person."""
    if pairs is not None and not 1 <= pairs <= count * (count - 1):
        raise OptionError(f"{count} people make 1 to {count * (count - 1)} pairs; received {pairs}.")
    return count if pairs is None else pairs


def list_pairs(count, seed, pairs=None):
    """Targets and donors of fixed swaps, int ``(pairs,)`` each; beyond ``count`` everybody meets another person."""
    pairs = count_pairs(count, pairs)
    rounds = [pair_people(count, seed, shift) for shift in range(1, -(-pairs // count) + 1)]
    return np.arange(pairs) % count, np.concatenate(rounds)[:pairs]


def post_process(images, rows, number, seed):
    """Post-process pictures of people by one of their ``POSTS`` draws: the same for a fake and its genuine photo.

    Args:
        images: float32 ``(n, s, s, 3)``.
        rows: int ``(n,)``, whose photo each is.
        number: which draw, int or ``(n,)``.
    """
    keys = [[seed, 51, int(row), int(k)] for row, k in zip(rows, np.broadcast_to(number, len(rows)))]
    chance = [np.random.default_rng(key) for key in keys]
    draws = np.stack([rng.random(augmentation.POST_DRAWS, "float32") for rng in chance])
    noise = np.stack([rng.standard_normal(images.shape[1:], "float32") for rng in chance])
    return np.clip(compile_post_processing()(images, draws, noise).numpy(), 0.0, 1.0)


@functools.cache
def compile_post_processing():
    """``augment.post_process`` as a graph."""
    return tf.function(augmentation.post_process, reduce_retracing=True)


def genuine_photos(people, seed, number=None):
    """Everybody's own photo.

    Args:
        people: as ``read_people`` returns it.
        number: which post-processing draw; None for none.

    Yields: dicts of ``input`` float32 ``(n, s, s, 3)``, ``person`` and ``donor_person`` (empty: nobody else is in it).
    """
    for start in range(0, len(people["person"]), BATCH):
        rows = np.arange(start, min(start + BATCH, len(people["person"])))
        images = people["crop"][rows] / np.float32(255)
        if number is not None:
            images = post_process(images, rows, number, seed)
        names = people["person"][rows]
        yield {"input": images, "person": names, "donor_person": np.full_like(names, "")}


@functools.cache
def make_maker(family, plain, resynthesise):
    """A function from records of targets and donors, and draws, to swaps of one family, as a graph."""

    def make(target, donor, draws):
        shares = {family: 1.0}
        return synthesis.make_swaps(to_float(target), to_float(donor), draws, shares, plain, resynthesise=resynthesise)

    return tf.function(make)


def fixed_swaps(
    people, family, *, seed, plain=True, post_processed=False, pairs=None, rows=None, strength=1.0, resynthesise=None
):
    """Swaps of one family, the same for the same arguments, whatever ``rows`` are asked for.

    Args:
        people: as ``read_people`` returns it.
        family: name of a swap family.
        plain: whole faces at full strength, else masks and strengths as in training.
        post_processed: with one of the fixed draws of softness, colour, noise and JPEG, the same for fake and target.
        pairs: how many; None for one a person.
        rows: numbers of the pairs to make; None for all.
        strength: what weakens a plain swap; exact where the family pastes linearly (``mesh``, ``affine``, ``self``).
        resynthesise: as in ``make_swaps``, for ``resynth``.

    Yields: dicts of NumPy arrays, as ``make_swaps`` returns them, with ``person``, ``donor_person``, the target's
    ``uv``, ``hull`` and ``points``, and ``donor_points``.
    """
    targets, donors = list_pairs(len(people["person"]), seed, pairs)
    number = synthesis.FAMILIES.index(family)
    donors = targets if family == "self" else donors
    rows = np.arange(len(targets)) if rows is None else np.asarray(rows)
    make = make_maker(family, plain, resynthesise)
    for start in range(0, len(rows), BATCH):
        part = rows[start : start + BATCH]
        # Full batches only: one of another length would be traced anew.
        full = part[np.minimum(np.arange(BATCH), len(part) - 1)]
        width = synthesis.PLAIN_DRAWS if plain else synthesis.DRAWS
        draws = np.stack([np.random.default_rng([seed, 61, number, row]).random(width, "float32") for row in full])
        target, donor = ({k: v[who[full]] for k, v in people.items() if k != "person"} for who in (targets, donors))
        swap = {key: value.numpy()[: len(part)] for key, value in make(target, donor, draws).items()}
        swap["input"] = swap["target"] + strength * (swap["input"] - swap["target"])
        if post_processed:
            draw = (number + part // len(people["person"])) % POSTS
            for key in ("input", "target"):
                swap[key] = post_process(swap[key], targets[part], draw, seed)
        yield {**swap, **describe_pairs(people, targets[part], donors[part])}


def describe_pairs(people, targets, donors):
    """What is known of the people in swaps beside the pictures."""
    known = {key: people[key][targets] for key in ("uv", "hull", "points")}
    return {
        **known,
        "uv": known["uv"] / np.float32(65535),
        "hull": known["hull"] / np.float32(255),
        "donor_points": people["points"][donors],
        "person": people["person"][targets],
        "donor_person": people["person"][donors],
    }


def mixed_swaps(people, families, **options):
    """One fake a person, the families in turn; options as for ``fixed_swaps``."""
    count = len(people["person"])
    for place, family in enumerate(families):
        rows = np.arange(place, count, len(families))
        if len(rows):
            yield from fixed_swaps(people, family, rows=rows, **options)
