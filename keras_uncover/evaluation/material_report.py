"""Numbers of the material: every source of photos and every swap tool, with intervals over scenes.

A number is ``{"value", "interval", "n", "scenes"}``: the interval holds 95 % of bootstrap values, n counts faces.
"""

from collections import Counter

import numpy as np

from keras_uncover.evaluation import bootstrap, ranking
from keras_uncover.evaluation.material import PHOTO, ROLES
from keras_uncover.evaluation.material_rows import (
    join_clips,
    make_rows,
    own_targets,
    pick,
    scene_weights,
    sharpness_bins,
    sharpness_cuts,
    size_bins,
    with_role,
)

RATES = (0.01, 0.05, 0.1)  # of false alarms at which the share of swaps found is told
CHUNK = 50  # bootstrap draws at a time: of 10,000 pictures they take 8 MB
TRUTHS = ("target", "donor")
# Tools together, by the clip of a picture or of rows, "" outside of films.
TOGETHER = {"stills": lambda _, clip: clip == "", "films": lambda _, clip: clip != "", "all": lambda *_: True}


def mean(rows, values):
    """Mean of ``values`` ``(n,)`` with one weight a scene, NaN left out; None of nothing."""
    known = np.isfinite(values)
    if not known.any():
        return None
    weights = scene_weights(rows["scene"][known])
    counts = bootstrap.draw_scenes(rows["scene"][known])
    entry = bootstrap.ratio_with_interval(weights * values[known], weights, counts)
    return {**entry, "scenes": len(np.unique(rows["scene"][known]))}


def share(rows, chosen):
    """Share of the rows that a mask ``(n,)`` or values in [0, 1], of which NaN is left out, choose; None of nothing."""
    entry = mean(rows, np.asarray(chosen, float))
    return entry and bootstrap.open_interval(entry, entry["scenes"])


def contest(genuine, fake, measures):
    """Measures of genuine rows against fake ones, scenes drawn with all of their rows of both kinds.

    Args:
        genuine, fake: dicts of ``p_fake`` and ``scene``.
        measures: dict from name to a function of the arguments of ``ranking.weighted_auc``.

    Returns: dict from name to number, or to None where one side is empty.
    """
    sides = genuine, fake
    if not all(len(side["p_fake"]) for side in sides):
        return dict.fromkeys(measures)
    scores, weights = [side["p_fake"] for side in sides], [scene_weights(side["scene"]) for side in sides]
    cut = len(scores[0])
    kinds = np.repeat([0, 1], [cut, len(scores[1])])
    counts = bootstrap.draw_scenes(np.concatenate([side["scene"] for side in sides]), kinds=kinds)
    said = {"n": len(scores[1]), "n_genuine": cut, "scenes": len(np.unique(fake["scene"]))}
    found = {}
    for name, measure in measures.items():
        drawn = [
            measure(*scores, weights[0] * counts[k : k + CHUNK, :cut], weights[1] * counts[k : k + CHUNK, cut:])
            for k in range(0, len(counts), CHUNK)
        ]
        interval = bootstrap.interval(np.concatenate(drawn))
        found[name] = {"value": float(measure(*scores, *weights)), "interval": interval, **said}
    return found


def found_at(rate):
    """The share of fakes found at a rate of false alarms, as a measure of ``contest``."""
    return lambda *sides: ranking.weighted_tpr(*sides, rate)


def verdicts(rows):
    """Shares of rows that are called fake and uncertain."""
    return {
        "called_fake": share(rows, rows["verdict"] == "fake"),
        "uncertain": share(rows, rows["verdict"] == "uncertain"),
    }


def photo_numbers(rows, thresholds, cuts):
    """Numbers of genuine photos: verdicts, and false alarms at the thresholds, also by size and sharpness."""
    def numbers(part):
        above = {f"{rate:g}": share(part, part["p_fake"] > cut) for rate, cut in thresholds.items()}
        return {"faces": len(part["p_fake"]), **verdicts(part), "above_threshold": above}

    return {
        **numbers(rows),
        "by_size": {name: numbers(pick(rows, mask)) for name, mask in size_bins(rows).items()},
        "by_sharpness": {name: numbers(pick(rows, mask)) for name, mask in sharpness_bins(rows, cuts).items()},
    }


def part_numbers(results, targets, photos, reference):
    """Numbers of results against targets and against photos, each side the faces of one size or sharpness or all.

    Args:
        photos: rows of ``reference`` that results are ranked against.
        reference: rows of the photos that thresholds come from: always of every size.
    """
    rates = {f"{rate:g}": found_at(rate) for rate in RATES}
    return {
        "faces": len(results["p_fake"]),
        **verdicts(results),
        "targets": {"faces": len(targets["p_fake"]), **verdicts(targets)},
        "auc_targets": contest(targets, results, {"auc": ranking.weighted_auc})["auc"],
        "auc_photos": contest(photos, results, {"auc": ranking.weighted_auc})["auc"],
        "found_at": {
            rate: found and bootstrap.open_interval(found, found["scenes"])
            for rate, found in contest(reference, results, rates).items()
        },
    }


def swap_numbers(rows, reference, cuts):
    """All numbers of a tool, or of several together."""
    results, targets, donors = (with_role(rows, role) for role in ROLES)

    def parts(binned):
        sides = (results, targets, reference)
        masks = [binned(side) for side in sides]
        return {
            name: part_numbers(*(pick(side, mask[name]) for side, mask in zip(sides, masks)), reference)
            for name in masks[0]
        }

    return {
        **part_numbers(results, targets, reference, reference),
        "scenes": len(np.unique(results["scene"])),
        "donors": {"faces": len(donors["p_fake"]), **verdicts(donors)},
        "above_own_target": above_own(results, targets),
        "clips": clip_numbers(rows),
        "distances": {role: distance_numbers(results, role) for role in TRUTHS},
        "by_size": parts(size_bins),
        "by_sharpness": parts(lambda side: sharpness_bins(side, cuts)),
    }


def above_own(results, targets):
    """Share of results that score above their own target, an equal score counting half."""
    own = own_targets(results, targets)
    above = np.where(results["p_fake"] == own, 0.5, results["p_fake"] > own)
    return share(results, np.where(np.isfinite(own), above, np.nan))


def clip_numbers(rows):
    """Numbers of whole clips by their mean logit; None without films."""
    clips = join_clips(rows)
    results, targets = (with_role(clips, role) for role in ("result", "target"))
    if not len(results["p_fake"]):
        return None
    return {
        "clips": len(results["p_fake"]),
        "auc_targets": contest(targets, results, {"auc": ranking.weighted_auc})["auc"],
        "above_own_target": above_own(results, targets),
    }


def distance_numbers(results, role):
    """The judge's distance from the truth to what was recovered and to the input; None without truths.

    Both means are of the results whose recovered picture shows a face; ``no_face`` counts the others.
    """
    entries = [entry.get(role) for entry in results["distances"]]
    have = np.array([entry is not None for entry in entries], bool)
    entries = [entry for entry in entries if entry]
    if not entries:
        return None
    shown = np.array([entry["answer"] is not None for entry in entries])
    rows = pick(pick(results, have), shown)
    answer, copied = (np.array([e[who] for e in entries if e["answer"] is not None]) for who in ("answer", "input"))
    numbers = {"answer": mean(rows, answer), "input": mean(rows, copied), "no_face": int((~shown).sum())}
    if shown.any():
        weights, counts = scene_weights(rows["scene"]), bootstrap.draw_scenes(rows["scene"])
        numbers["answer_over_input"] = bootstrap.ratio_with_interval(weights * answer, weights * copied, counts)
    return numbers


def count_files(examined, swapped, belongs):
    """How many files there are of each role in photos or swaps, and in how many a face was found."""
    files, faces = Counter(), Counter()
    for picture, record in examined:
        if (picture.role != PHOTO) == swapped and belongs(picture.group, picture.clip or ""):
            files[picture.role] += 1
            faces[picture.role] += "p_fake" in record
    return {role: {"files": files[role], "faces": faces[role]} for role in files}


def material_numbers(examined, source=None):
    """Every number of the material, ready for JSON.

    Args:
        examined: list of ``(Picture, record)``.
        source: the source of photos that thresholds come from and swaps are ranked against; None for all photos.
    """
    rows = make_rows(examined)
    photos, swaps = with_role(rows, PHOTO), pick(rows, rows["role"] != PHOTO)
    reference = photos if source is None else pick(photos, photos["group"] == source)
    cuts, thresholds = sharpness_cuts(rows), find_thresholds(reference)

    def of(part, swapped, belongs):
        mask = np.broadcast_to(belongs(part["group"], part["clip"]), part["group"].shape)
        part = pick(part, mask)
        numbers = swap_numbers(part, reference, cuts) if swapped else photo_numbers(part, thresholds, cuts)
        return {"files": count_files(examined, swapped, belongs), **numbers}

    def each(part, swapped):
        names = sorted({picture.group for picture, _ in examined if (picture.role != PHOTO) == swapped})
        return {name: of(part, swapped, lambda group, _, name=name: group == name) for name in names}

    sources, tools = each(photos, False), each(swaps, True)
    return {
        "reference": source,
        "thresholds": {f"{rate:g}": cut for rate, cut in thresholds.items()},
        "sharpness_cuts": [float(cut) for cut in cuts],
        "photos": of(photos, False, TOGETHER["all"]) if sources else None,
        "sources": sources,
        "together": {name: of(swaps, True, belongs) for name, belongs in TOGETHER.items()} if tools else None,
        "tools": tools,
        "left_out": [{"file": p.name, "role": p.role, "reason": r["reason"]} for p, r in examined if "reason" in r],
    }


def find_thresholds(reference):
    """Dict from a rate of false alarms to the ``p_fake`` above which at most as many photos score; empty of none."""
    weights = scene_weights(reference["scene"])
    rates = RATES if len(weights) else ()
    return {rate: float(ranking.weighted_threshold(reference["p_fake"], weights, rate)) for rate in rates}
