"""Intervals of an evaluation's numbers: random draws of people or scenes, with repeats, in NumPy."""

import numpy as np

DRAWS = 1000  # of people, for an interval
DRAWN_AT_ONCE = 100  # draws of scenes: of 10,000 examples they take 16 MB


def draw_people(people, donors=None, kinds=None, draws=DRAWS, seed=0):
    """How often each example counts in random draws of people, with repeats: whoever is drawn brings their examples.

    A swap counts as often as its target was drawn *times* its donor (A. B. Owen, "The pigeonhole bootstrap", 2007),
    so both roles are drawn; where each person is in few swaps the intervals are on the wide side.

    Args:
        people: the name of each example's target, ``(n,)``.
        donors: that of its donor, ``(n,)``; the same name again, or "", for an example of one person.
        kinds: None, or ``(n,)``: a draw that lacks one of these kinds is drawn again.

    Returns: int32 ``(draws, n)``, no row without an example.
    """
    people = np.asarray(people).astype(str)
    donors = people if donors is None else np.asarray(donors).astype(str)
    single = (donors == people) | (donors == "")
    names, place = np.unique(np.concatenate([people, np.where(single, people, donors)]), return_inverse=True)
    first, second = place[: len(people)], place[len(people) :]
    _, kinds = np.unique(np.zeros(len(people)) if kinds is None else kinds, return_inverse=True)
    rng, counts = np.random.default_rng(seed), np.zeros((draws, len(people)), "int32")
    for row in counts:
        while len(np.unique(kinds[row > 0])) <= kinds.max():
            drawn = np.bincount(rng.integers(0, len(names), len(names)), minlength=len(names))
            row[:] = drawn[first] * np.where(single, 1, drawn[second])
    return counts


def draw_scenes(scenes, kinds=None, draws=DRAWS, seed=0):
    """As ``draw_people`` for examples of one role, such as the pictures of a scene; all draws are made at once.

    Args:
        scenes: names ``(n,)``, at least one.
        kinds: None, or ``(n,)``: a draw that lacks one of these kinds is drawn again.

    Returns: int32 ``(draws, n)``.
    """
    names, place = np.unique(scenes, return_inverse=True)
    if len(place) == 0:
        raise ValueError("draw_scenes needs an example; received none.")
    rng, counts, missing = np.random.default_rng(seed), np.zeros((draws, len(place)), "int32"), np.arange(draws)
    masks = [] if kinds is None else [np.asarray(kinds) == kind for kind in np.unique(kinds)]
    while len(missing):
        block = missing[:DRAWN_AT_ONCE]
        drawn = rng.integers(0, len(names), (len(block), len(names))) + len(names) * np.arange(len(block))[:, None]
        times = np.bincount(drawn.ravel(), minlength=drawn.size).reshape(drawn.shape)[:, place]
        whole = np.all([times[:, mask].any(1) for mask in masks], axis=0) | np.zeros(len(block), bool)
        counts[block[whole]] = times[whole]
        missing = np.concatenate([block[~whole], missing[DRAWN_AT_ONCE:]])
    return counts


def interval(values):
    """The percentile interval of 95 % of bootstrap values, ``[low, high]``."""
    return [float(value) for value in np.percentile(values, [2.5, 97.5])]


def open_interval(rate, tries):
    """A rate of 0 or 1 gets the Clopper-Pearson interval of independent tries; any other rate stays as it is.

    The bootstrap has no interval there: every draw gives the same rate.

    Args:
        rate: as ``mean_with_interval`` returns it.
        tries: how many people or scenes were tried.
    """
    limit = 1.0 - 0.025 ** (1.0 / tries)
    if rate["value"] in (0.0, 1.0):
        rate = {**rate, "interval": [0.0, limit] if rate["value"] == 0.0 else [1.0 - limit, 1.0]}
    return rate


def measure_with_interval(measure, counts):
    """``{"value": measure of all, "interval": [low, high], "n": examples}``.

    Args:
        measure: function from row numbers, with repeats, to a number.
        counts: as ``draw_people`` returns them.
    """
    rows = np.arange(counts.shape[1])
    drawn = [measure(np.repeat(rows, count)) for count in counts]
    return {"value": float(measure(rows)), "interval": interval(drawn), "n": len(rows)}


def mean_with_interval(values, counts):
    """The mean of ``values`` ``(n,)``, as ``measure_with_interval``; NaN is left out; None where nothing is left."""
    values = np.asarray(values, float)
    known = np.isfinite(values)
    counts = counts[:, known]
    counts = counts[counts.sum(1) > 0]
    if not len(counts):
        return None
    drawn = counts @ values[known] / counts.sum(1)
    return {"value": float(values[known].mean()), "interval": interval(drawn), "n": int(known.sum())}


def ratio_with_interval(above, below, counts):
    """The mean of ``above`` over that of ``below``, each ``(n,)``, as ``measure_with_interval``; None over 0."""
    above, below = np.asarray(above, float), np.asarray(below, float)
    if not (counts @ below).all():
        return None
    value = above.mean() / below.mean()
    return {"value": float(value), "interval": interval((counts @ above) / (counts @ below)), "n": len(above)}
