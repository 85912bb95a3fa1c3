"""From rows of an evaluation to its report: numbers with their intervals over people, roles with their baselines."""

import numpy as np

from keras_uncover.evaluation import baselines, bootstrap, ranking
from keras_uncover.evaluation.scoring import ANSWER, COPY, TRUTH, join_common
from keras_uncover.evaluation.set_distances import FrechetDistance, KernelDistance

FEATURES = "dlib_resnet"  # the judge's network, through which sets of pictures are compared
BASELINES = {"target": baselines.TARGET, "donor": baselines.DONOR}
# Names of a role's numbers that say over what, or inside which region. Tables and figures ask for them by these names.
NAMES = {
    "target": {
        "distance": "distance_over_copy", "rank1": "rank1_copy", "role_swaps": "role_swaps_copy",
        "own": "own_within_mark_copy", "others": "others_within_mark_copy", "ssim": "ssim_mask", "psnr": "psnr_mask",
    },
    "donor": {
        "distance": "distance_over_masked_copy", "rank1": "rank1_masked_copy", "role_swaps": "role_swaps_masked_copy",
        "own": "own_within_mark_masked_copy", "others": "others_within_mark_masked_copy",
        "ssim": "ssim_face", "psnr": "psnr_face",
    },
}


def count_people(rows, kinds=None):
    """Bootstrap counts of rows, both roles drawn."""
    return bootstrap.draw_people(rows["person"], rows["donor_person"], kinds)


def detection(genuine, fakes):
    """Ranking measures and calibration of ``p_fake`` with intervals over people."""
    both = join_common([genuine, fakes])
    label = np.repeat([0, 1], [len(genuine["p_fake"]), len(fakes["p_fake"])])
    counts, scores = count_people(both, label), both["p_fake"].astype(float)

    def measured(measure, *options):
        def apart(rows):
            drawn, kind = scores[rows], label[rows]
            return measure(drawn[kind == 0], drawn[kind == 1], *options)

        return bootstrap.measure_with_interval(apart, counts)

    return {
        "auc": measured(ranking.auc),
        "eer": measured(ranking.equal_error_rate),
        "tpr_at_fpr_1": measured(ranking.tpr_at_fpr, 0.01),
        "ece": measured(ranking.calibration_error),
        "false_alarms_at_half": measured(lambda genuine, _: np.mean(genuine >= 0.5)),
        "misses_at_half": measured(lambda _, fake: np.mean(fake < 0.5)),
    }


def localisation(rows):
    """Where: IoU and pixel AUC of the mask; None for a classifier."""
    if "iou" not in rows:
        return None
    counts = count_people(rows)
    return {name: bootstrap.mean_with_interval(rows[name], counts) for name in ("iou", "pixel_auc")}


def best_baseline(rows, role, measure="distance", highest=False):
    """The baseline with the lowest (or highest) mean. Choosing it by these very rows favours the baseline."""
    means = {
        name: rows[f"{role}.{measure}.{name}"].mean() * (-1 if highest else 1)
        for name in BASELINES[role]
        if f"{role}.{measure}.{name}" in rows
    }
    return min(means, key=means.get)


def role_numbers(rows, role):
    """Numbers of a role and those of its baselines, or two times None where there is no such answer."""
    if f"{role}.distance.{ANSWER}" not in rows:
        return None, None
    counts = count_people(rows)
    numbers = answer_numbers(rows, role, counts)
    beside = {name: baseline_numbers(rows, role, name, counts) for name in BASELINES[role]}
    return numbers, beside


def answer_numbers(rows, role, counts):
    """Numbers of a role's answers, and their ratios to the copy and to the best baseline."""
    def mean(measure, who=ANSWER):
        return bootstrap.mean_with_interval(rows[f"{role}.{measure}.{who}"], counts)

    def ratio(measure, who):
        columns = (rows[f"{role}.{measure}.{name}"] for name in (ANSWER, who))
        return bootstrap.ratio_with_interval(*columns, counts)

    best, ranked, copy = best_baseline(rows, role), best_baseline(rows, role, "rank1", highest=True), COPY[role]
    names = NAMES[role]
    return {
        "distance": mean("distance"),
        names["distance"]: ratio("distance", copy),
        "distance_over_best_baseline": ratio("distance", best),
        "best_baseline": best,
        "rank1": mean("rank1"),
        names["rank1"]: mean("rank1", copy),
        "rank1_best_baseline": mean("rank1", ranked),
        "rank1_best_baseline_name": ranked,
        "own_within_mark": mean("own_within"),
        "others_within_mark": mean("others_within"),
        names["own"]: mean("own_within", copy),
        names["others"]: mean("others_within", copy),
        "l1": mean("l1"),
        "l1_closed": one_minus(ratio("l1", copy)),
        names["ssim"]: mean("ssim"),
        names["psnr"]: mean("psnr"),
        **sets_apart(rows, role, ANSWER),
        "role_swaps": mean("role_swap"),
        names["role_swaps"]: mean("role_swap", copy),
        "replications": mean("replication"),
    }


def baseline_numbers(rows, role, name, counts):
    """A baseline's numbers, and our distance over its own; None where it could not be had."""
    if f"{role}.distance.{name}" not in rows:
        return None

    def mean(measure):
        return bootstrap.mean_with_interval(rows[f"{role}.{measure}.{name}"], counts)

    numbers = {"distance": mean("distance"), "rank1": mean("rank1"), "l1": mean("l1")}
    numbers |= {NAMES[role]["ssim"]: mean("ssim"), NAMES[role]["psnr"]: mean("psnr")}
    columns = (rows[f"{role}.distance.{who}"] for who in (ANSWER, name))
    return {**numbers, "ours_over_it": bootstrap.ratio_with_interval(*columns, counts), **sets_apart(rows, role, name)}


def one_minus(number):
    """One minus a number with its interval."""
    if number is None:
        return None
    return {**number, "value": 1.0 - number["value"], "interval": [1.0 - end for end in reversed(number["interval"])]}


def sets_apart(rows, role, who):
    """KID and FID between pictures and their truths through the judge's network, with the number of pictures."""
    truth, pictures = rows[f"{role}.features.{TRUTH}"], rows[f"{role}.features.{who}"]
    count, dimension = pictures.shape
    if count < 2:
        return {"kid": None, "fid": None}
    kernel = KernelDistance(lambda features: features, FEATURES, dimension, capacity=count, dtype="float64")
    frechet = FrechetDistance(lambda features: features, FEATURES, dimension, dtype="float64")
    for metric in (kernel, frechet):
        metric.update_state(truth.astype("float64"), pictures.astype("float64"))
    said = {"n": count, "features": FEATURES}
    return {"kid": {"value": float(kernel.result()), **said}, "fid": {"value": float(frechet.result()), **said}}


def genuine_numbers(rows):
    """How genuine photos pass; None for a classifier, whose false alarms stand under detection."""
    if "ssim" not in rows:
        return None
    counts = count_people(rows)
    return {name: bootstrap.mean_with_interval(rows[name], counts) for name in ("ssim", "mask_area")}


def family_numbers(genuine, rows):
    """All numbers of one kind of fakes."""
    roles = {role: role_numbers(rows, role) for role in BASELINES}
    return {
        "n_fakes": len(rows["p_fake"]),
        "detection": detection(genuine, rows),
        "localisation": localisation(rows),
        **{role: numbers for role, (numbers, _) in roles.items()},
        "baselines": {role: beside for role, (_, beside) in roles.items()},
    }


def condition_numbers(genuine, rows):
    """Numbers of fakes that no judge saw: detection, localisation and the share of the target's error closed."""
    numbers = {"detection": detection(genuine, rows), "localisation": localisation(rows), "target": None}
    if "target.l1.copy" in rows:
        columns = (rows[f"target.l1.{who}"] for who in (ANSWER, "copy"))
        ratio = bootstrap.ratio_with_interval(*columns, count_people(rows))
        numbers["target"] = {"l1_closed": one_minus(ratio)}
    return numbers


def reswap_numbers(rows):
    """AUC of the re-swap's residual as evidence of a swap, and how many answers had no face to swap again."""
    known = np.isfinite(rows["residual"])
    missing = int((~known).sum())
    kept = {key: value[known] for key, value in rows.items()}
    label = (kept["donor_person"] != "").astype(int)
    if len(np.unique(label)) < 2:
        return {"auc": None, "no_face": missing}  # no fake, or no genuine photo, has a re-swap
    counts, residual = count_people(kept, label), kept["residual"]

    def area(drawn):
        return ranking.auc(residual[drawn][label[drawn] == 0], residual[drawn][label[drawn] == 1])

    return {"auc": bootstrap.measure_with_interval(area, counts), "no_face": missing}
