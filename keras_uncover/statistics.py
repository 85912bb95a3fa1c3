"""Numbers of an evaluation, in NumPy: ranking measures and intervals over people."""

import numpy as np


def auc(genuine, fake):
    """Area under the ROC curve: the share of (genuine, fake) pairs that are ranked right, ties counting half.

    Args:
        genuine, fake: scores, ``(n,)`` and ``(m,)``; higher means fake.
    """
    genuine, fake = np.sort(np.asarray(genuine, float)), np.asarray(fake, float)
    if not len(genuine) or not len(fake):
        raise ValueError(f"auc needs genuine and fake scores; received {len(genuine)} and {len(fake)}.")
    below = np.searchsorted(genuine, fake, "left")
    ties = np.searchsorted(genuine, fake, "right") - below
    return float((below + 0.5 * ties).sum() / (len(genuine) * len(fake)))


def tpr_at_fpr(genuine, fake, fpr):
    """Share of fakes above the lowest threshold that at most ``fpr`` of the genuine scores exceed."""
    genuine = np.sort(np.asarray(genuine, float))[::-1]
    allowed = int(np.floor(fpr * len(genuine) + 1e-9))
    threshold = genuine[allowed] if allowed < len(genuine) else -np.inf
    return float(np.mean(np.asarray(fake, float) > threshold))


def equal_error_rate(genuine, fake):
    """The error rate where as many genuine photos are called fake as fakes genuine, linearly between thresholds."""
    genuine, fake = np.asarray(genuine, float), np.asarray(fake, float)
    cuts = np.concatenate([[-np.inf], np.unique(np.concatenate([genuine, fake])), [np.inf]])
    false_alarm = np.array([np.mean(genuine >= cut) for cut in cuts])
    miss = np.array([np.mean(fake < cut) for cut in cuts])
    place = int(np.argmax(miss >= false_alarm))
    if place == 0:
        return float(false_alarm[0])
    gap = false_alarm - miss
    share = gap[place - 1] / max(gap[place - 1] - gap[place], 1e-12)
    return float(false_alarm[place - 1] + share * (false_alarm[place] - false_alarm[place - 1]))


def bootstrap(people, measure, draws=1000, seed=0):
    """A percentile interval of 95 % over people: whoever is drawn brings all of their examples.

    Args:
        people: a person's name for each example, ``(n,)``.
        measure: function from an index array, with repeats, to a number.
        draws: how often people are drawn.

    Returns: ``[low, high]``.
    """
    rng = np.random.default_rng(seed)
    _, inverse = np.unique(np.asarray(people), return_inverse=True)
    rows = [np.flatnonzero(inverse == k) for k in range(inverse.max() + 1)]
    values = []
    for _ in range(draws):
        drawn = rng.integers(0, len(rows), len(rows))
        values.append(measure(np.concatenate([rows[k] for k in drawn])))
    return [float(v) for v in np.percentile(values, [2.5, 97.5])]


def mean_with_interval(people, values, seed=0):
    """``{"value": mean, "interval": [low, high], "n": examples}``."""
    values = np.asarray(values, float)
    interval = bootstrap(people, lambda rows: values[rows].mean(), seed=seed)
    return {"value": float(values.mean()), "interval": interval, "n": len(values)}
