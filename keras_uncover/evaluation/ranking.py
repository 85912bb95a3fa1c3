"""How well scores tell fakes from genuine photos, in NumPy: ranking measures and calibration error."""

import numpy as np

BINS = 15  # of a reliability curve


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


def weighted_auc(genuine, fake, genuine_weight, fake_weight):
    """``auc`` where a pair counts by its two weights.

    Args:
        genuine, fake: scores, ``(n,)`` and ``(m,)``, at least one each; higher means fake.
        genuine_weight, fake_weight: ``(..., n)`` and ``(..., m)``, from 0 up and not all 0.

    Returns: ``(...)``.
    """
    order = np.argsort(genuine)
    ordered, fake = np.asarray(genuine, float)[order], np.asarray(fake, float)
    below = _sums(np.asarray(genuine_weight, float)[..., order])
    start, end = (np.searchsorted(ordered, fake, side) for side in ("left", "right"))
    right = (np.asarray(fake_weight, float) * 0.5 * (below[..., start] + below[..., end])).sum(-1)
    return right / (below[..., -1] * np.sum(fake_weight, -1))


def weighted_threshold(genuine, weight, fpr):
    """The lowest genuine score that genuine scores with at most ``fpr`` of all weight exceed.

    Args:
        genuine: scores ``(n,)``; weight: ``(..., n)``; fpr: within 0 and 1.

    Returns: ``(...)``.
    """
    order = np.argsort(genuine)
    ordered, sums = np.asarray(genuine, float)[order], _sums(np.asarray(weight, float)[..., order])
    above = sums[..., -1:] - sums[..., np.searchsorted(ordered, ordered, "right")]
    return ordered[np.argmax(above <= fpr * sums[..., -1:] + 1e-9, axis=-1)]


def weighted_tpr(genuine, fake, genuine_weight, fake_weight, fpr):
    """``tpr_at_fpr`` with weights; arguments as of ``weighted_auc``."""
    cuts = weighted_threshold(genuine, genuine_weight, fpr)
    order = np.argsort(fake)
    sums = _sums(np.asarray(fake_weight, float)[..., order])
    place = np.searchsorted(np.asarray(fake, float)[order], cuts, "right")
    return 1.0 - np.take_along_axis(sums, np.expand_dims(place, -1), -1)[..., 0] / sums[..., -1]


def _sums(weight):
    """Sums of the first 0, 1, ... n weights along the last axis."""
    return np.concatenate([np.zeros_like(weight[..., :1]), np.cumsum(weight, -1)], -1)


def error_rates(genuine, fake):
    """Error rates at every threshold that tells scores apart, lowest first; what reaches it is called fake.

    Returns: false alarms (share of genuine scores) and misses (share of fake scores), each ``(cuts,)``.
    """
    genuine, fake = np.sort(np.asarray(genuine, float)), np.sort(np.asarray(fake, float))
    cuts = np.concatenate([[-np.inf], np.unique(np.concatenate([genuine, fake])), [np.inf]])
    false_alarm = 1.0 - np.searchsorted(genuine, cuts, "left") / len(genuine)
    return false_alarm, np.searchsorted(fake, cuts, "left") / len(fake)


def equal_error_rate(genuine, fake):
    """The error rate where as many genuine photos are called fake as fakes genuine, linearly between thresholds."""
    false_alarm, miss = error_rates(genuine, fake)
    place = int(np.argmax(miss >= false_alarm))
    if place == 0:
        return float(false_alarm[0])
    gap = false_alarm - miss
    share = gap[place - 1] / max(gap[place - 1] - gap[place], 1e-12)
    return float(false_alarm[place - 1] + share * (false_alarm[place] - false_alarm[place - 1]))


def reliability(genuine, fake, bins=BINS):
    """Mean score and true share of fakes by bin of scores, genuine photos and fakes weighing the same in all.

    Args:
        genuine, fake: scores in [0, 1].
        bins: of equal width.

    Returns: mean score, share of fakes and weight of each bin, ``(bins,)``; the first two are NaN in an empty bin.
    """
    scores = np.concatenate([np.asarray(genuine, float), np.asarray(fake, float)])
    label = np.repeat([0.0, 1.0], [len(genuine), len(fake)])
    weight = np.repeat([0.5 / len(genuine), 0.5 / len(fake)], [len(genuine), len(fake)])
    place = np.minimum((scores * bins).astype(int), bins - 1)
    total, promised, true = (
        np.bincount(place, weight * values, bins) for values in (np.ones_like(scores), scores, label)
    )
    with np.errstate(invalid="ignore"):
        return promised / total, true / total, total


def calibration_error(genuine, fake, bins=BINS):
    """Expected calibration error: the mean distance of score and true share, weighted by bin.

    It is for equal numbers of fakes and genuine photos, whatever the numbers measured.
    """
    promised, true, weight = reliability(genuine, fake, bins)
    full = weight > 0
    return float((weight[full] * np.abs(promised[full] - true[full])).sum())
