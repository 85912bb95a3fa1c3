"""Which fakes of an evaluation are shown: the best, the median and the worst."""

import numpy as np

from keras_uncover.evaluation.baselines import target_baselines
from keras_uncover.evaluation.scoring import ANSWER

WORST = 16
COLUMNS = ("input", "truth", "answer", "baseline", "donor_truth", "donor_answer")


def choose(fakes):
    """The best, the median and the sixteen worst fakes by the judge's distances of both roles, summed.

    Args:
        fakes: dict from family to rows, as ``score_fakes`` gives them.

    Returns: list of rank in words, family, row number, and the two distances.
    """
    found = []
    for family, rows in fakes.items():
        pairs = zip(rows[f"target.distance.{ANSWER}"], rows[f"donor.distance.{ANSWER}"])
        found += [(float(sum(pair)), family, row, tuple(map(float, pair))) for row, pair in enumerate(pairs)]
    found.sort()
    places = {"best": 0, "median": len(found) // 2}
    worst = range(len(found) - 1, max(len(found) - 1 - WORST, 0), -1)
    places |= {f"worst {rank}": place for rank, place in enumerate(worst, start=1)}
    return [(words, *found[place][1:]) for words, place in places.items()]


def pictures(uncoverer, swap, faces, baseline):
    """The pictures of one fake: dict of ``COLUMNS``, float32 ``(s, s, 3)`` in [0, 1].

    Args:
        swap: a batch of one, as ``pipelines.fixed_swaps.fixed_swaps`` yields it.
        faces: ``TrainFaces`` or None.
        baseline: name of the target's baseline to show.
    """
    answer = uncoverer.predict(np.clip(swap["input"], 0.0, 1.0))
    shown = (
        swap["input"], swap["target"], answer["target"], target_baselines(swap, faces)[baseline], swap["donor"],
        answer["donor"],
    )
    return {name: np.clip(picture[0], 0.0, 1.0) for name, picture in zip(COLUMNS, shown)}
