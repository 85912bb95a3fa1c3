"""Rows of the material, one a face that was answered: its scene and weight, its size and its sharpness.

A scene is what results share: the clip of a film, else the target picture. Each scene has the weight 1.
"""

import numpy as np

from keras_uncover.evaluation.material import PHOTO

SIZES = (12.0, 24.0, 48.0, 96.0)  # eye distances in photo pixels between the bins
SIZE_NAMES = ("under 12 px", "12 to 24 px", "24 to 48 px", "48 to 96 px", "96 px and more")
THIRDS = ("soft third", "middle third", "sharp third")
NEAREST = 1e-7  # a probability's distance from 0 and 1 in a logit
COLUMNS = ("group", "role", "key", "clip", "scene", "p_fake", "verdict", "eye_distance", "sharpness", "distances")


def make_rows(examined):
    """Rows of all pictures with a face.

    Args:
        examined: list of ``(Picture, record)``, as ``material_answers.examine_all`` yields them.

    Returns: dict of arrays ``(n,)``, keys ``COLUMNS``; ``clip`` is "" outside of films.
    """
    pixels = {(p.group, p.key): r.get("pixels_sha256") for p, r in examined if p.role == "target"}
    rows = []
    for picture, record in examined:
        if "p_fake" in record:
            target = pixels.get((picture.group, picture.key)) if picture.role == "result" else None
            scene = f"{picture.group}/{picture.clip}" if picture.clip else target or record["pixels_sha256"]
            own = {"group": picture.group, "role": picture.role, "key": picture.key, "clip": picture.clip or ""}
            rows.append({**record, **own, "scene": scene})
    columns = {name: [row[name] for row in rows] for name in COLUMNS}
    distances = np.empty(len(rows), object)
    distances[:] = columns.pop("distances")
    texts = ("group", "role", "key", "clip", "scene", "verdict")
    arrays = {name: np.array(values, str if name in texts else float) for name, values in columns.items()}
    return {**arrays, "distances": distances}


def pick(rows, chosen):
    """The rows that a mask or row numbers choose."""
    return {name: values[chosen] for name, values in rows.items()}


def with_role(rows, role):
    """The rows of a role."""
    return pick(rows, rows["role"] == role)


def scene_weights(scenes):
    """Weights ``(n,)`` with which the rows of each scene weigh 1 together."""
    _, place, count = np.unique(scenes, return_inverse=True, return_counts=True)
    return 1.0 / count[place] if len(place) else np.zeros(0)


def logit(p_fake):
    """``log(p / (1 - p))`` of probabilities, finite at 0 and 1."""
    p_fake = np.clip(p_fake, NEAREST, 1.0 - NEAREST)
    return np.log(p_fake) - np.log1p(-p_fake)


def join_clips(rows):
    """One row a clip and role: its score is the mean logit of its frames."""
    clips = rows["clip"] != ""
    names, place = np.unique(
        np.stack([rows[name][clips] for name in ("group", "clip", "role")], -1), axis=0, return_inverse=True
    )
    place = place.reshape(-1)
    total = np.bincount(place, logit(rows["p_fake"][clips]), len(names))
    scene = np.char.add(np.char.add(names[:, 0], "/"), names[:, 1])
    return {
        "group": names[:, 0], "role": names[:, 2], "key": names[:, 1], "scene": scene,
        "p_fake": total / np.maximum(np.bincount(place, minlength=len(names)), 1),
    }


def own_targets(results, targets):
    """For each result its target's score ``(n,)``; NaN where there is none."""
    scores = dict(zip(zip(targets["group"], targets["key"]), targets["p_fake"]))
    return np.array([scores.get(place, np.nan) for place in zip(results["group"], results["key"])], float)


def size_bins(rows):
    """Dict from the names of sizes to masks of rows."""
    place = np.digitize(rows["eye_distance"], SIZES)
    return {name: place == k for k, name in enumerate(SIZE_NAMES)}


def sharpness_cuts(rows):
    """The two values of sharpness that cut the faces of photos (of all, where there is no photo) in thirds."""
    photos = with_role(rows, PHOTO)
    values = photos["sharpness"] if len(photos["sharpness"]) else rows["sharpness"]
    return np.quantile(values, [1 / 3, 2 / 3]) if len(values) else np.zeros(2)


def sharpness_bins(rows, cuts):
    """Dict from the names of thirds to masks of rows."""
    place = np.digitize(rows["sharpness"], cuts)
    return {name: place == k for k, name in enumerate(THIRDS)}
