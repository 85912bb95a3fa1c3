"""How near to both sources one can come by which knowledge: where the distance that is left comes from.

    python benchmarks/bounds.py SHARDS [--preset small] [--start runs/start] [--json FILE]

Fakes of the families ``mesh`` and ``affine`` of the ``validation`` people, whole faces at full strength,
post-processed; the test people are not looked at. Distances are the judge's. For the donor, every row but the answers
reads the fake's own pixels, and rows differ in what is known of where to read: the true flow; true shapes; the shape
that the face mesh finds on the fake; the preset's geometry. For the target, baselines are given the true landmarks or
those that are found. ``--start`` adds what ``scripts/fit_geometry.py`` wrote: closed form alone, no step of training.
"""

import argparse
import json
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras  # noqa: E402
import numpy as np  # noqa: E402
from keras import ops  # noqa: E402

from keras_uncover.evaluation.baselines import TrainFaces, lay_in, put_on  # noqa: E402
from keras_uncover.faces.identity import Judge, distance  # noqa: E402
from keras_uncover.models.build import build_from_folder  # noqa: E402
from keras_uncover.models.face_geometry import load_face_mesh  # noqa: E402
from keras_uncover.models.layers import EnlargeLinearly, Warp  # noqa: E402
from keras_uncover.models.shape_layers import FollowField, InvertField, ResizeLinearly, ShapeField  # noqa: E402
from keras_uncover.ops.geometry import pixel_grid  # noqa: E402
from keras_uncover.ops.shapes import describe_shapes, face_shapes  # noqa: E402
from keras_uncover.swaps.synthesis import neutral_outside  # noqa: E402
from pipelines.fixed_swaps import fixed_swaps, read_people  # noqa: E402

RESULT = ROOT / "benchmarks" / "results" / "bounds.json"
FAMILIES = ("mesh", "affine")
KEYS = ("input", "target", "donor", "donor_hull", "points", "donor_points", "mask", "hull", "uv", "flow")


def make_fakes(people, family):
    parts = list(fixed_swaps(people, family, seed=1, post_processed=True))
    return {key: np.concatenate([part[key] for part in parts]) for key in KEYS}


def find_points(crops):
    """Mesh points that the shipped network finds on crops, unit coordinates ``(n, 478, 3)``."""
    crop = keras.Input(crops.shape[1:])
    network = keras.Model(crop, load_face_mesh()(ResizeLinearly(256)(crop))["points"])
    return network.predict(crops, batch_size=16, verbose=0)


def shape_flow(shape, donor, cells):
    """The flow between two shapes ``(n, 32)``, NumPy."""
    return ops.convert_to_numpy(FollowField()([ShapeField(cells)(shape), InvertField()(ShapeField(cells)(donor))]))


def read_by_flow(fake, flow):
    """The fake's pixels where a coarse flow ``(n, s, s, 2)`` points, on grey outside of the true hull."""
    fine = EnlargeLinearly(fake["input"].shape[1] // flow.shape[1])(flow.astype("float32"))
    return neutral_outside(ops.convert_to_numpy(Warp()([fake["input"], fine])), fake["donor_hull"])


def guess_donors(fake, found, models):
    """Guesses at the donor by name."""
    cells = fake["flow"].shape[1]
    known, grid = fake["flow"][..., 2:], ops.convert_to_numpy(pixel_grid(cells))
    true, own, lies = (describe_shapes(points) for points in (fake["points"], fake["donor_points"], found))
    mean = np.zeros_like(true)
    guesses = {
        "masked copy": neutral_outside(fake["input"], fake["mask"]),
        "true flow": read_by_flow(fake, fake["flow"][..., :2] * known + grid * (1 - known)),
        "true mesh, donor's true shape": read_by_flow(fake, shape_flow(true, own, cells)),
        "true mesh, mean shape": read_by_flow(fake, shape_flow(true, mean, cells)),
        "found mesh, donor's true shape": read_by_flow(fake, shape_flow(lies, own, cells)),
        "found mesh, mean shape": read_by_flow(fake, shape_flow(lies, mean, cells)),
    }
    for name, model in models.items():
        answer = model.predict(fake["input"], batch_size=16, verbose=0)
        guesses[f"{name}: its flow"] = read_by_flow(fake, answer["flow"])
        guesses[f"{name}: its answer"] = answer["donor"]
    return guesses


def guess_targets(fake, found, faces, models):
    """Guesses at the target by name; regressions put their textures where the true mesh lies."""
    guesses = {"copy": fake["input"]}
    for name in faces.ridges:
        for whose, points in (("true", fake["points"]), ("found", found[:, :468])):
            texture = faces.predict_textures(name, fake["input"], fake["hull"], points)
            guesses[f"{name}, {whose} landmarks"] = lay_in(fake, put_on(texture, fake["uv"]))
    for name, model in models.items():
        guesses[f"{name}: its answer"] = model.predict(fake["input"], batch_size=16, verbose=0)["target"]
    return guesses


def shape_errors(fake, found, models):
    """Mean distance of points, over the distance of the eyes' outer corners: found, the mean face's, estimated."""
    directions = face_shapes().directions
    eyes = np.linalg.norm(face_shapes().mean[33] - face_shapes().mean[263])

    def apart(first, second):
        points = np.einsum("nk,kpc->npc", first - second, directions)
        return float(np.linalg.norm(points, axis=-1).mean() / eyes)

    own = describe_shapes(fake["donor_points"])
    errors = {"donor, mean shape": apart(np.zeros_like(own), own)}
    if fake["family"] == "mesh":
        errors["face, found by the mesh"] = apart(describe_shapes(found), describe_shapes(fake["points"]))
    for name, model in models.items():
        layers = [model.get_layer(layer).output for layer in ("shape_input", "shape_donor")]
        lies, donor = keras.Model(model.input, layers).predict(fake["input"], batch_size=16, verbose=0)
        errors[f"donor, {name}"] = apart(donor, own)
        if fake["family"] == "mesh":
            errors[f"face, {name}"] = apart(lies, describe_shapes(fake["points"]))
    return errors


def measure(shards, models):
    """Distances and errors of shapes, ready for JSON."""
    people, judge = read_people(shards, "validation"), Judge.from_preset("judge")
    faces = TrainFaces(read_people(shards, "train"))
    report = {"n": len(people["person"]), "families": {}}
    for family in FAMILIES:
        fake = {**make_fakes(people, family), "family": family}
        found = find_points(fake["input"])
        guesses = {"donor": guess_donors(fake, found, models), "target": guess_targets(fake, found, faces, models)}
        numbers = {"shape_errors": shape_errors(fake, found, models)}
        for role, points in (("donor", fake["donor_points"]), ("target", fake["points"])):
            truth = judge.describe(np.clip(fake[role], 0, 1), points)
            numbers[role] = {
                name: float(distance(truth, judge.describe(np.clip(image, 0, 1), points)).mean())
                for name, image in guesses[role].items()
            }
        report["families"][family] = numbers
    return report


def print_tables(families):
    for part in ("donor", "target", "shape_errors"):
        print(f"| {part} | mesh | affine |", "|---|---|---|", sep="\n")
        for name in families["mesh"][part]:
            cells = (families[family][part].get(name) for family in FAMILIES)
            print(f"| {name} | {' | '.join('' if value is None else f'{value:.3f}' for value in cells)} |")


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shards")
    parser.add_argument("--preset", default="small", help="preset or run (%(default)s)")
    parser.add_argument("--start", metavar="FOLDER", help="what scripts/fit_geometry.py wrote")
    parser.add_argument("--json", default=str(RESULT), metavar="FILE")
    options = parser.parse_args(arguments)
    models = {"preset": build_from_folder(options.preset, calibrated=False)[0]}
    if options.start:
        models["closed form"] = build_from_folder(options.start)[0]
    report = {"preset": Path(options.preset).name, **measure(options.shards, models)}
    Path(options.json).write_text(json.dumps(report, indent=1) + "\n")
    print_tables(report["families"])


if __name__ == "__main__":
    main()
