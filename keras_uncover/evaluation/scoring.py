"""Scores of answers, one row an example: errors, the judge's distances, and the same of every baseline.

Keys of rows are ``role.measure.who``: ``target.distance.answer``, ``donor.ssim.masked_copy``.
"""

from dataclasses import dataclass

import numpy as np

from keras_uncover.evaluation.baselines import donor_baselines, target_baselines
from keras_uncover.evaluation.measures import mask_iou, pixel_auc, region_error, region_psnr, region_similarity
from keras_uncover.faces.identity import distance

MEASURES = {"l1": region_error, "ssim": region_similarity, "psnr": region_psnr}
ANSWER, TRUTH = "answer", "truth"
COPY = {"target": "copy", "donor": "masked_copy"}  # what each role's answer would be if nothing were recovered


@dataclass
class Bench:
    """What answers are measured with.

    judge: anything with ``describe(images, points)``; gallery: ``Gallery``; faces: ``TrainFaces`` or None.
    """

    judge: object
    gallery: object
    faces: object = None


def ask(uncoverer, batch):
    """The rows that every example has, ``p_fake`` and the two people (no donor: a genuine photo), and all answers."""
    answer = uncoverer.predict(np.clip(batch["input"], 0.0, 1.0))
    return {"p_fake": answer["p_fake"], "person": batch["person"], "donor_person": batch["donor_person"]}, answer


def score_detection(uncoverer, batch):
    """Rows of photos or fakes of which only the verdict is asked."""
    return ask(uncoverer, batch)[0]


def own_genuine(swap):
    """The genuine photos that stand beside fakes, as a batch of their own."""
    return {"input": swap["target"], "person": swap["person"], "donor_person": np.full_like(swap["person"], "")}


def score_genuine(uncoverer, batch):
    """Rows of genuine photos: how much is called swapped, and how well they pass unchanged."""
    rows, answer = ask(uncoverer, batch)
    if "mask" in answer:
        rows["mask_area"] = answer["mask"].mean((1, 2))
        rows["ssim"] = region_similarity(batch["input"], answer["target"], np.ones_like(batch["input"][..., :1]))
    return rows


def score_fakes(uncoverer, swap, bench=None):
    """Rows of one batch of fakes.

    Args:
        swap: as ``pipelines.fixed_swaps.fixed_swaps`` yields it.
        bench: ``Bench``; without one only detection, localisation and the target's L1 are measured.

    Returns: dict of arrays whose first axis is the batch's.
    """
    rows, answer = ask(uncoverer, swap)
    if "mask" not in answer:
        return rows
    rows["iou"] = mask_iou(swap["mask"], answer["mask"][..., None])
    rows["pixel_auc"] = pixel_auc(swap["mask"], answer["mask"])
    if bench is None:
        for who, image in ((ANSWER, answer["target"]), ("copy", swap["input"])):
            rows[f"target.l1.{who}"] = region_error(swap["target"], image, swap["mask"])
        return rows
    rows |= score_target(answer["target"], swap, bench)
    if swap["has_donor"].all():
        rows |= score_donor(answer["donor"], swap, bench)
    return rows


def score_target(answer, swap, bench):
    """Rows of the recovered target beside all baselines."""
    pictures = {ANSWER: answer, **target_baselines(swap, bench.faces)}
    rows, features = score_role("target", swap["target"], pictures, swap["mask"], swap["points"], bench)
    return rows | compare("target", features, rows[f"target.distance.{ANSWER}"], swap, bench.gallery)


def score_donor(answer, swap, bench):
    """Rows of the recovered donor beside all baselines."""
    pictures = {ANSWER: answer, **donor_baselines(swap, bench.faces)}
    rows, features = score_role("donor", swap["donor"], pictures, swap["donor_hull"], swap["donor_points"], bench)
    return rows | compare("donor", features, rows[f"donor.distance.{ANSWER}"], swap, bench.gallery)


def score_role(role, truth, pictures, region, points, bench):
    """Errors, descriptors and distances of an answer and of the baselines that there are.

    All chips are cut by the truth's own landmarks, so that the judge does not compare framings.

    Returns: rows, and the judge's descriptors as a dict from ``truth``, ``answer`` and each baseline to ``(n, k)``.
    """
    pictures = {who: np.clip(image, 0.0, 1.0) for who, image in pictures.items() if image is not None}
    stack = np.concatenate([np.clip(truth, 0.0, 1.0), *pictures.values()])
    features = bench.judge.describe(stack, np.concatenate([points] * (1 + len(pictures))))
    features = dict(zip((TRUTH, *pictures), np.split(features, 1 + len(pictures))))
    rows = {f"{role}.features.{who}": value for who, value in features.items()}
    for who, image in pictures.items():
        rows[f"{role}.distance.{who}"] = distance(features[who], features[TRUTH])
        rows |= {f"{role}.{name}.{who}": measure(truth, image, region) for name, measure in MEASURES.items()}
    return rows, features


def compare(role, features, distances, swap, gallery):
    """Rows that set an answer against people: who it is taken for, role swaps, and replication of the input.

    Args:
        role: ``target`` or ``donor``.
        features: descriptors as ``score_role`` returns them.
        distances: of the answers to their truths, ``(n,)``.
        swap: the batch of fakes.
        gallery: ``Gallery``.
    """
    own, other = ("person", "donor_person") if role == "target" else ("donor_person", "person")
    found = {
        f"{role}.rank1.{who}": gallery.rank_first(role, described, swap[own]).astype(float)
        for who, described in features.items()
        if who != TRUTH
    }
    for who in (ANSWER, COPY[role]):
        own_within, others_within = gallery.within_mark(role, features[who], swap[own])
        found |= {f"{role}.own_within.{who}": own_within, f"{role}.others_within.{who}": others_within}
    for who in (ANSWER, COPY[role]):
        to_other, to_own = (gallery.distance_to(role, features[who], swap[person]) for person in (other, own))
        # Who is swapped with themselves has no other role to be mistaken for.
        found[f"{role}.role_swap.{who}"] = np.where(swap[other] == swap[own], np.nan, (to_other < to_own).astype(float))
    replicated = distance(features[ANSWER], features[COPY[role]]) < distances
    found[f"{role}.replication.{ANSWER}"] = replicated.astype(float)
    return found


def score_reswap(uncoverer, batch):
    """The residual of the re-swap, whatever the verdict: ``residual`` ``(n,)``, NaN where no face is found.

    Landmarks are found in the input, as for a photo, not taken from the truth.
    """
    rows, outputs = ask(uncoverer, batch)
    crops = np.clip(batch["input"], 0.0, 1.0)
    residual = np.full(len(crops), np.nan)
    for k, crop in enumerate(crops):
        points = uncoverer.finder.points_in_crop(crop)
        if points is None:
            continue
        pictures = {"crop": crop, **{key: outputs[key][k] for key in ("mask", "target", "donor")}}
        _, scores = uncoverer.swap_again(pictures, points)
        residual[k] = np.nan if scores is None else scores["residual"]
    return {**rows, "residual": residual}


def join(batches):
    """Stack the rows of batches."""
    batches = list(batches)
    return {key: np.concatenate([batch[key] for batch in batches]) for key in batches[0]}


def join_common(many):
    """Stack rows of several kinds of examples, keeping what all of them have."""
    many = list(many)
    common = [key for key in many[0] if all(key in rows for rows in many)]
    return {key: np.concatenate([rows[key] for rows in many]) for key in common}
