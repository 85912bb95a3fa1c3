"""What an answer is worth: per-example errors beside those of the baselines that need no network."""

import numpy as np
from keras import ops

from keras_uncover import statistics
from keras_uncover.losses import ssim_map, weigh_windows


def region_error(truth, answer, region):
    """Mean absolute difference inside a region, ``(n,)``. Images ``(n, s, s, 3)``, region ``(n, s, s, 1)``."""
    difference = np.abs(truth - answer).mean(-1, keepdims=True)
    return (difference * region).sum((1, 2, 3)) / (region.sum((1, 2, 3)) + 1e-6)


def region_similarity(truth, answer, region):
    """Mean SSIM of the windows inside a region, ``(n,)``."""
    truth, answer, region = (ops.convert_to_tensor(x, "float32") for x in (truth, answer, region))
    weight = ops.convert_to_numpy(weigh_windows(region, 1))
    similarity = ops.convert_to_numpy(ops.mean(ssim_map(answer, truth), axis=-1, keepdims=True))
    return (similarity * weight).sum((1, 2, 3)) / (weight.sum((1, 2, 3)) + 1e-6)


def mask_iou(truth, answer):
    """Intersection over union at 0.5, ``(n,)``."""
    truth, answer = truth > 0.5, answer > 0.5
    return (truth & answer).sum((1, 2, 3)) / np.maximum((truth | answer).sum((1, 2, 3)), 1)


def masked_copy(swap):
    """The donor's baseline: the input inside the true mask, grey elsewhere."""
    return swap["input"] * swap["mask"] + 0.5 * (1.0 - swap["mask"])


def score_swaps(uncoverer, swap):
    """Errors of one batch of fakes: dict of ``(n,)`` arrays; ``*_copy`` and ``*_masked_copy`` are the baselines."""
    answer = uncoverer.predict(np.clip(swap["input"], 0.0, 1.0))
    rows = {"p_fake": answer["p_fake"], "person": swap["person"]}
    if "mask" not in answer:
        return rows
    mask, hull = swap["mask"], swap["donor_hull"]
    rows["iou"] = mask_iou(mask, answer["mask"][..., None])
    for name, measure in (("l1", region_error), ("ssim", region_similarity)):
        rows[f"target_{name}"] = measure(swap["target"], answer["target"], mask)
        rows[f"target_{name}_copy"] = measure(swap["target"], swap["input"], mask)
        if swap["has_donor"].all():
            rows[f"donor_{name}"] = measure(swap["donor"], answer["donor"], hull)
            rows[f"donor_{name}_masked_copy"] = measure(swap["donor"], masked_copy(swap), hull)
    return rows


def score_genuine(uncoverer, images, people):
    """Scores of genuine photos: how much of them is called swapped, and how well they pass unchanged."""
    answer = uncoverer.predict(np.clip(images, 0.0, 1.0))
    rows = {"p_fake": answer["p_fake"], "person": people}
    if "mask" in answer:
        rows["mask_area"] = answer["mask"].mean((1, 2))
        rows["ssim"] = region_similarity(images, answer["target"], np.ones_like(images[..., :1]))
    return rows


def join(batches):
    """Stack the rows of batches."""
    batches = list(batches)
    return {key: np.concatenate([batch[key] for batch in batches]) for key in batches[0]}


def detection(genuine, fakes):
    """Ranking measures of ``p_fake`` with the interval of the AUC over people."""
    scores = np.concatenate([genuine["p_fake"], fakes["p_fake"]])
    label = np.repeat([0, 1], [len(genuine["p_fake"]), len(fakes["p_fake"])])
    people = np.concatenate([genuine["person"], fakes["person"]])

    def area(rows):
        return statistics.auc(scores[rows][label[rows] == 0], scores[rows][label[rows] == 1])

    pair = genuine["p_fake"], fakes["p_fake"]
    return {
        "auc": {"value": statistics.auc(*pair), "interval": statistics.bootstrap(people, area), "n": len(scores)},
        "eer": statistics.equal_error_rate(*pair),
        "tpr_at_fpr_1": statistics.tpr_at_fpr(*pair, 0.01),
        "false_alarms_at_half": float(np.mean(pair[0] >= 0.5)),
        "misses_at_half": float(np.mean(pair[1] < 0.5)),
    }


def summarise(rows):
    """Means with intervals over people, and the share of the input's error inside the mask that was closed."""
    people = rows["person"]
    names = [key for key in rows if key not in ("person", "p_fake")]
    result = {name: statistics.mean_with_interval(people, rows[name]) for name in names}
    if "target_l1" in rows:
        ours, copy = rows["target_l1"], rows["target_l1_copy"]
        closed = statistics.bootstrap(people, lambda k: 1 - ours[k].mean() / copy[k].mean())
        result["target_l1_closed"] = {"value": float(1 - ours.mean() / copy.mean()), "interval": closed}
    return result
