"""Does the judge know a person again? Distances of each person's altered crop to their own and to all others' crops.

    python benchmarks/judge.py SHARDS [--split test] [--finer SHARDS] [--seed 1] [--json FILE]

SHARDS holds one photo a person, so the same person is the same photo: mirrored, recoloured, re-encoded, cut a little
differently, reduced. ``--finer`` names shards of the same people with larger crops, whose chips should be the same.
"""

import argparse
import json
import os
import platform
import sys
import time

import keras
import numpy as np
from keras import ops

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

from keras_uncover.evaluation import (
    bootstrap,  # noqa: E402
    calibration,  # noqa: E402
)
from keras_uncover.faces.identity import SAME_PERSON, Judge, distance  # noqa: E402
from keras_uncover.ops.jpeg import jpeg  # noqa: E402
from keras_uncover.ops.mesh import mean_mesh  # noqa: E402
from keras_uncover.presets import preset_folder  # noqa: E402
from keras_uncover.presets.weights import WEIGHTS, load_verified, read_manifest, save_config  # noqa: E402
from keras_uncover.swaps import augment  # noqa: E402
from pipelines.fixed_swaps import read_people  # noqa: E402


def alter(crops, points, seed):
    """Yield ``(name, crops, points)``: what may happen to a photo without changing who is on it."""
    rng, count, side = np.random.default_rng(seed), len(crops), crops.shape[1]

    def draws(number):
        return rng.random((count, number), "float32")

    mirrored = points[:, mean_mesh().mirror] * np.array([-1, 1, 1], "float32") + np.array([1, 0, 0], "float32")
    recolour = augment.draw_colour(draws(5))
    yield "mirrored", crops[:, :, ::-1], mirrored
    yield "recoloured", augment.apply_colour(crops, recolour), points
    yield "jpeg 50", jpeg(crops, np.full(count, 50, "float32")), points
    # The points stay behind: the face is not where they say.
    yield "turned, scaled and shifted", augment.apply_affine(crops, augment.draw_affine(draws(4))), points
    yield "reduced to 48 px", augment.apply_resample(crops, np.full(count, 48 * side / 128, "float32")), points
    both = augment.apply_colour(crops[:, :, ::-1], recolour)
    yield "mirrored, recoloured, jpeg 60", jpeg(both, np.full(count, 60, "float32")), mirrored


def compare(descriptors, altered):
    """How far the altered crops lie from their own originals, and how often that original is the nearest."""
    own = distance(altered, descriptors)
    nearest = distance(altered[:, None], descriptors[None]).argmin(1)
    return {
        "mean": round(float(own.mean()), 4),
        "p95": round(float(np.quantile(own, 0.95)), 4),
        "rank1": float(np.mean(nearest == np.arange(len(own)))),
    }


def rates_at_mark(descriptors, altered, people):
    """How often the judge's own mark is wrong, with intervals over people.

    Args:
        descriptors, altered: of one photo a person, and of other pictures of the same moment, ``(n, 128)``.
        people: names, ``(n,)``.

    Returns: dict of ``others_within`` (different people within the mark) and ``own_beyond`` (the same person beyond
        it), each ``{"value", "interval", "n"}``.
    """
    apart, count = distance(descriptors[:, None], altered[None]), len(people)
    first, second = np.nonzero(~np.eye(count, dtype=bool))
    pairs = bootstrap.draw_people(people[first], people[second])
    own = bootstrap.draw_people(people)
    return {
        "others_within": calibration.rate_with_interval(apart[first, second] < SAME_PERSON, pairs, count),
        "own_beyond": calibration.rate_with_interval(np.diag(apart) >= SAME_PERSON, own, count),
    }


def measure(judge, people, seed):
    """The table: every alteration, and other people as the baseline."""
    crops, points = people["crop"].astype("float32") / 255, people["points"].astype("float32")
    descriptors = judge.describe(crops, points)
    start = time.perf_counter()
    judge.describe(crops, points)
    seconds = (time.perf_counter() - start) / len(crops)
    result = {"people": len(crops), "crop": crops.shape[1], "seed": seed, "same": {}}
    for name, images, places in alter(crops, points, seed):
        images = np.clip(ops.convert_to_numpy(images), 0.0, 1.0)
        altered = judge.describe(images, places)
        result["same"][name] = compare(descriptors, altered)
    result["at_mark"] = rates_at_mark(descriptors, altered, people["person"].astype(str))  # of the last, the strongest
    others = distance(descriptors[:, None], descriptors[None])[~np.eye(len(crops), dtype=bool)]
    result["others"] = {
        "mean": round(float(others.mean()), 4),
        "p5": round(float(np.quantile(others, 0.05)), 4),
        "below_0.6": round(float(np.mean(others < SAME_PERSON)), 4),
    }
    return {**result, "ms_a_face": round(1000 * seconds, 1)}


def measure_sizes(judge, people, finer):
    """Distance between the descriptors of crops of two sizes of the same people."""
    common = np.intersect1d(people["person"], finer["person"])
    rows = [{key: value[np.isin(p["person"], common)] for key, value in p.items()} for p in (people, finer)]
    own = distance(*(judge.describe(p["crop"], p["points"]) for p in rows))
    values = {"mean": round(float(own.mean()), 4), "max": round(float(own.max()), 4)}
    return {"people": len(common), "crops": [int(p["crop"].shape[1]) for p in rows], **values}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("shards")
    parser.add_argument("--split", default="test")
    parser.add_argument("--finer", help="shards of the same people with larger crops")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", help="write the numbers to this file")
    parser.add_argument("--record", action="store_true", help="write the rates at the mark into the preset judge")
    options = parser.parse_args()
    judge, people = Judge.from_preset(), read_people(options.shards, options.split)
    result = {"split": options.split, **measure(judge, people, options.seed)}
    if options.finer:
        result["two_sizes"] = measure_sizes(judge, people, read_people(options.finer, options.split))
    result |= {"keras": keras.__version__, "backend": keras.backend.backend(), "machine": platform.machine()}
    for name, row in result["same"].items():
        print(f"{name:32} {row['mean']:.3f}  95 % below {row['p95']:.3f}  own is nearest {row['rank1']:.3f}")
    print(f"{'other people':32} {result['others']}")
    print({key: result[key] for key in result if key not in ("same", "others")})
    if options.record:
        said = {"split": options.split, "n_people": len(people["person"]), "seed": options.seed}
        folder = preset_folder("judge")
        measured = {**said, **result["at_mark"], "weights_sha256": read_manifest(folder)[WEIGHTS]}
        save_config(folder, {**load_verified(folder), "measured": measured})
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            file.write(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
