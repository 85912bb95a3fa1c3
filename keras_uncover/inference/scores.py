"""Histograms of scores: where one photo's ``p_fake`` lies among those of genuine and fake test photos.

A calibrated preset keeps the histogram of its test photos in its configuration, under ``measured.scores``, and an
evaluation writes one under ``scores``: ``{"edges": [...], "genuine": [...], "fake": [...]}``, the edges of the bins in
``p_fake`` from 0 to 1, and how many genuine and fake photos fell into each bin. Bins are of equal width in the logit,
because good detectors' scores crowd at 0 and 1.
"""

import numpy as np

STEEPEST = 7  # logit of the last inner edge: 0.9991
NO_SCORES = (
    "Where this score lies among those of test photos is not shown: this preset carries no histogram of scores. "
    "Calibrating it writes one: evaluate_keras.py MODEL SHARDS --calibrate RATE."
)


def score_edges():
    """Edges of the bins, float64 ``(17,)`` from 0 to 1."""
    inner = 1.0 / (1.0 + np.exp(-np.arange(-STEEPEST, STEEPEST + 1.0)))
    return np.concatenate([[0.0], inner, [1.0]])


def count_scores(genuine, fake):
    """The histogram of scores, ready for JSON.

    Args:
        genuine, fake: ``p_fake`` in [0, 1], ``(n,)`` and ``(m,)``.
    """
    edges = score_edges()
    counts = {name: np.histogram(scores, edges)[0].tolist() for name, scores in (("genuine", genuine), ("fake", fake))}
    return {"edges": [round(float(edge), 6) for edge in edges], **counts}


def measured_scores(config):
    """The histogram in a preset's configuration, or None.

    Raises:
        ValueError: what stands there is no histogram.
    """
    scores = (config.get("measured") or {}).get("scores")
    if scores is None:
        return None
    edges, counts = np.asarray(scores.get("edges", ()), float), [scores.get(name, ()) for name in ("genuine", "fake")]
    sound = len(edges) > 1 and (np.diff(edges) > 0).all() and edges[0] == 0.0 and edges[-1] == 1.0
    if not sound or any(len(row) != len(edges) - 1 or min(row) < 0 or sum(row) == 0 for row in counts):
        raise ValueError(
            "measured.scores must hold rising edges from 0 to 1 and counts of genuine and fake photos in each bin; "
            f"received {str(scores)[:80]}. Calibrate the preset again."
        )
    return scores


def bin_of(scores, p_fake):
    """The number of the bin that a score falls into."""
    return min(int(np.searchsorted(scores["edges"], p_fake, "right")) - 1, len(scores["edges"]) - 2)


def describe_place(scores, p_fake):
    """A sentence on where a score lies; what falls into its own bin counts on both sides.

    Args:
        scores: a histogram.
        p_fake: in [0, 1].
    """
    place, genuine, fake = bin_of(scores, p_fake), np.array(scores["genuine"]), np.array(scores["fake"])
    above, below = genuine[place:].sum() / genuine.sum(), fake[: place + 1].sum() / fake.sum()
    return (
        f"{100 * above:.1f} % of {genuine.sum()} genuine test photos score about as high or higher; "
        f"{100 * below:.1f} % of {fake.sum()} fake ones about as low or lower."
    )
