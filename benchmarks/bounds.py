"""How near to the donor one can come by which knowledge: where the distance that is left comes from.

    python benchmarks/bounds.py SHARDS [--preset small] [--train-pairs 941] [--json FILE]

Fakes of the families ``mesh`` and ``affine`` of the ``validation`` people, whole faces at full strength,
post-processed; the test people are not looked at. Every row reads the fake's own pixels and is measured by the judge's
distance to the donor's photo. The rows differ in what is known of where to read: the true flow; the target's true mesh
and the donor's true shape or the mean one; a mesh that is found on the fake, corrected by a regression from found to
true points; the donor's shape by a regression from the unwrapped fake; the preset's own flow.
"""

import argparse
import json
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np  # noqa: E402
from keras import ops  # noqa: E402

from keras_uncover.filters import apply_separable  # noqa: E402
from keras_uncover.geometry import pixel_grid, sample  # noqa: E402
from keras_uncover.judge import Judge, distance  # noqa: E402
from keras_uncover.layers import linear_matrix  # noqa: E402
from keras_uncover.mesh import VERTICES, mean_mesh, texture_table, unwrap_texture, uv_map  # noqa: E402
from keras_uncover.models.face_mesh import build_face_mesh  # noqa: E402
from keras_uncover.presets import build_from_folder, preset_folder  # noqa: E402
from keras_uncover.swaps import neutral_outside  # noqa: E402
from keras_uncover.weights import load_weights  # noqa: E402
from pipelines.pairs import fixed_swaps, read_people  # noqa: E402

RESULT = ROOT / "benchmarks" / "results" / "bounds.json"
COARSE = 32  # pixels a side at which an unwrapped face tells of its shape
POINTS_PENALTY, SHAPE_PENALTY = 1e-2, 0.1  # of the two regressions, by the validation people
EYES = (33, 263)


class Linear:
    """Ridge regression in its dual form from ``(n, f)`` to ``(n, p)``; the penalty is a share of the mean square."""

    def __init__(self, features, targets, penalty):
        self.centre, self.mean = features.mean(0), targets.mean(0)
        known = features - self.centre
        kernel = known @ known.T
        kernel[np.diag_indices_from(kernel)] += penalty * np.trace(kernel) / len(kernel)
        self.weights = known.T @ np.linalg.solve(kernel, targets - self.mean)

    def __call__(self, features):
        return ((features - self.centre) @ self.weights + self.mean).astype("float32")


def make_fakes(people, family, pairs=None):
    keys = ("input", "donor", "donor_hull", "points", "donor_points", "mask", "flow")
    parts = list(fixed_swaps(people, family, seed=1, post_processed=True, pairs=pairs))
    return {key: np.concatenate([part[key] for part in parts]) for key in keys}


class MeshOnCrops:
    """Mesh points that the shipped mesh network finds on crops of 128 px, unit coordinates ``(n, 468, 3)``."""

    def __init__(self):
        self.network = build_face_mesh()
        load_weights(self.network, preset_folder("face_mesh"))

    def __call__(self, crops):
        enlarge = linear_matrix(crops.shape[1], 2)[None]
        found = [
            ops.convert_to_numpy(self.network(apply_separable(crops[k : k + 16], enlarge, enlarge))["points"])
            for k in range(0, len(crops), 16)
        ]
        return np.concatenate(found)[:, :VERTICES]


def flat(points):
    return points[..., :2].reshape(len(points), -1)


def unwrap(images, points):
    """Faces in the mean shape, NumPy."""
    size = images.shape[1]
    return ops.convert_to_numpy(unwrap_texture(images, points[..., :2] * size, size))


def describe_texture(unwrapped):
    """What an unwrapped face tells of its shape: coarse pixels of the face at mean 0 and deviation 1."""
    count, size = unwrapped.shape[:2]
    step = size // COARSE
    inside = texture_table(size)[2][None].reshape(1, COARSE, step, COARSE, step, 1).mean((2, 4))
    pixels = unwrapped.reshape(count, COARSE, step, COARSE, step, 3).mean((2, 4))
    share = inside / inside.sum()
    pixels = pixels - (pixels * share).sum((1, 2), keepdims=True)
    return (pixels / np.sqrt((pixels**2 * share).sum((1, 2), keepdims=True)) * inside).reshape(count, -1)


def put_in_shape(unwrapped, points):
    """An unwrapped face in the shape of points ``(n, 468, 3)``, on grey."""
    size = unwrapped.shape[1]
    maps = [uv_map(face, size) for face in points]
    uv, hull = (np.stack([ops.convert_to_numpy(each) for each in part]) for part in zip(*maps))
    return neutral_outside(ops.convert_to_numpy(sample(unwrapped, uv * size)), hull)


def read_by_flow(fake, flow):
    """The fake's pixels where a coarse flow ``(n, s, s, 2)`` points, on grey outside of the true hull."""
    size = fake["input"].shape[1]
    fine = linear_matrix(flow.shape[1], size // flow.shape[1])[None]
    places = apply_separable(flow.astype("float32"), fine, fine) * size
    return neutral_outside(ops.convert_to_numpy(sample(fake["input"], places, border="edge")), fake["donor_hull"])


def answers(fake, found, shape, model):
    """Guesses at the donor by name."""
    known = fake["flow"][..., 2:]
    grid = ops.convert_to_numpy(pixel_grid(known.shape[1]))
    by_truth, by_found = unwrap(fake["input"], fake["points"]), unwrap(fake["input"], found)
    inside = np.broadcast_to(texture_table(by_truth.shape[1])[2], fake["mask"].shape)
    guess = np.concatenate([shape(describe_texture(by_found)).reshape(-1, VERTICES, 2), found[..., 2:]], -1)
    own = model.predict(fake["input"], batch_size=16, verbose=0)
    return {
        "masked copy": neutral_outside(fake["input"], fake["mask"]),
        "true flow": read_by_flow(fake, fake["flow"][..., :2] * known + grid * (1 - known)),
        "true mesh, donor's true shape": put_in_shape(by_truth, fake["donor_points"][:, :VERTICES]),
        "true mesh, mean shape": neutral_outside(by_truth, inside),
        "found mesh, donor's true shape": put_in_shape(by_found, fake["donor_points"][:, :VERTICES]),
        "found mesh, mean shape": neutral_outside(by_found, inside),
        "found mesh, shape from texture": put_in_shape(by_found, guess),
        "preset's flow": read_by_flow(fake, own["flow"]),
        "preset's answer": own["donor"],
    }, guess


def point_error(points, truth):
    """Mean distance of points over the distance between the outer corners of the eyes."""
    eyes = np.linalg.norm(truth[:, EYES[0], :2] - truth[:, EYES[1], :2], axis=-1)
    return float((np.linalg.norm(points[..., :2] - truth[:, :VERTICES, :2], axis=-1) / eyes[:, None]).mean())


def measure(shards, preset, train_pairs):
    """Distances and errors of points, ready for JSON."""
    train, people = (read_people(shards, split) for split in ("train", "validation"))
    find, judge, (model, _) = MeshOnCrops(), Judge.from_preset("judge"), build_from_folder(preset)
    taught = make_fakes(train, "mesh", train_pairs)
    raw = find(taught["input"])
    correct = Linear(flat(raw), flat(taught["points"]), POINTS_PENALTY)

    def refine(points):
        return np.concatenate([correct(flat(points)).reshape(-1, VERTICES, 2), points[..., 2:]], -1)

    textures = describe_texture(unwrap(taught["input"], refine(raw)))
    shape = Linear(textures, flat(taught["donor_points"]), SHAPE_PENALTY)
    mean = np.broadcast_to(mean_mesh().points, (len(people["person"]), VERTICES, 2))
    report = {"preset": preset, "n": len(mean), "train_pairs": len(raw), "families": {}}
    for family in ("mesh", "affine"):
        fake = make_fakes(people, family)
        found = find(fake["input"])
        pictures, guess = answers(fake, refine(found), shape, model)
        truth = judge.describe(fake["donor"], fake["donor_points"])
        report["families"][family] = {
            "distance": {
                name: float(distance(truth, judge.describe(np.clip(x, 0, 1), fake["donor_points"])).mean())
                for name, x in pictures.items()
            },
            "error_of_points": {
                "found": point_error(found, fake["points"]), "corrected": point_error(refine(found), fake["points"]),
                "mean shape, of the donor": point_error(mean, fake["donor_points"]),
                "shape from texture, of the donor": point_error(guess, fake["donor_points"]),
            },
        }
    return report


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shards")
    parser.add_argument("--preset", default="small")
    parser.add_argument("--train-pairs", type=int, metavar="N", help="fakes that the regressions learn from (all)")
    parser.add_argument("--json", default=str(RESULT), metavar="FILE")
    options = parser.parse_args(arguments)
    report = measure(options.shards, options.preset, options.train_pairs)
    Path(options.json).write_text(json.dumps(report, indent=1) + "\n")
    print("| distance to the donor | mesh | affine |", "|---|---|---|", sep="\n")
    for name in report["families"]["mesh"]["distance"]:
        row = (report["families"][family]["distance"][name] for family in ("mesh", "affine"))
        print(f"| {name} | {' | '.join(f'{value:.3f}' for value in row)} |")


if __name__ == "__main__":
    main()
