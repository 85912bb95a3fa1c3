"""Give a reconstructor's geometry the best linear start: ridge regressions on swaps of the training people.

    python -m scripts.fit_geometry SHARDS runs/start --preset small --init small

Fits three layers in closed form, each on the outputs of the ones before it: the shape in which a face lies, from the
mesh that is found on a fake; the donor's own shape, from the unwrapped face; the target's texture, from the crop in the
mean frame. Only the penalties are chosen on the validation people. The folder is then
trained on: ``python train_keras.py SHARDS runs/small --init runs/start``.
"""

import argparse
import sys

from keras_uncover.backend import settle_or_exit
from keras_uncover.escapes import Parser, for_stdout
from keras_uncover.refusals import end_in_words


def parse_arguments(arguments=None):
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shards")
    parser.add_argument("out", help="new folder, as --init takes it")
    parser.add_argument("--preset", choices=("tiny", "small", "base"), default="small")
    parser.add_argument("--init", metavar="FOLDER", help="run or preset whose other layers are carried over")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2])
    return parser.parse_args(arguments)


if __name__ == "__main__":
    parse_arguments()  # Answers --help, or refuses the command line, before Keras is loaded, which takes seconds.
    settle_or_exit("fit_geometry.py")

import keras  # noqa: E402
import numpy as np  # noqa: E402
from keras import ops  # noqa: E402

from keras_uncover.models.build import build_model, save_network  # noqa: E402
from keras_uncover.models.config import model_config  # noqa: E402
from keras_uncover.models.face_geometry import FACE_MESH_ANSWER, RANK, TEXTURE  # noqa: E402
from keras_uncover.models.shape_layers import face_pixels  # noqa: E402
from keras_uncover.ops.geometry import fit_affine, transform_points  # noqa: E402
from keras_uncover.ops.mesh import mirror_points  # noqa: E402
from keras_uncover.ops.shapes import describe_shapes  # noqa: E402
from keras_uncover.training.setup import run_config, start_from  # noqa: E402
from pipelines.fixed_swaps import fixed_swaps, read_people  # noqa: E402

PENALTIES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0)  # times the mean squared length of a row of features
FAMILIES = ("mesh", "affine")


def make_examples(shards, split, size, seeds):
    """Whole fakes of everybody with the truths of the layers; a random half is mirrored.

    Returns: dict of input float32 ``(n, size, size, 3)``; shape and donor_shape float32 ``(n, 32)``; texture float32
    ``(n, 3 * pixels)``.
    """
    people = read_people(shards, split, size=size)
    row = {name: k for k, name in enumerate(people["person"])}
    swaps = [
        {**swap, "whole": np.full(len(swap["input"]), family == "affine")}
        for seed in seeds
        for family in FAMILIES
        for swap in fixed_swaps(people, family, seed=seed, post_processed=True)
    ]
    keys = ("input", "points", "donor_points", "person", "whole")
    swap = {key: np.concatenate([part[key] for part in swaps]) for key in keys}
    flip = np.random.default_rng(0).random(len(swap["input"])) < 0.5
    lies = np.where(swap["whole"][:, None, None], place_donors(swap), swap["points"][:, :468, :2])
    textures = people["texture"][[row[name] for name in swap["person"]]]
    return {
        "input": np.where(flip[:, None, None, None], swap["input"][:, :, ::-1], swap["input"]),
        "shape": describe_shapes(turn_some(lies, flip)),
        "donor_shape": describe_shapes(turn_some(swap["donor_points"][:, :468, :2], flip)),
        "texture": read_faces(np.where(flip[:, None, None, None], textures[:, :, ::-1], textures)),
    }


def turn_some(points, flip):
    return np.where(flip[:, None, None], mirror_points(points), points)


def place_donors(swap):
    """Where the donor's points lie in a fake of the family ``affine``."""
    target, donor = swap["points"][:, :468, :2], swap["donor_points"][:, :468, :2]
    return ops.convert_to_numpy(transform_points(fit_affine(donor, target), donor))


def read_faces(textures):
    """The mean face's pixels of uint8 textures, reduced to ``TEXTURE``, as rows in [0, 1]."""
    count, side = textures.shape[:2]
    step = side // TEXTURE
    reduced = textures.reshape(count, TEXTURE, step, TEXTURE, step, 3).mean((2, 4), dtype="float32") / 255
    return reduced.reshape(count, -1, 3)[:, face_pixels(TEXTURE)[0]].reshape(count, -1)


def fit_ridge(features, answers, held_features, held_answers):
    """Least squares with the penalty that serves held-out examples best.

    Returns: kernel ``(f, p)``, bias ``(p,)``, and the held-out squared error over that of the mean.
    """
    mean, level = features.mean(0, dtype="float64"), answers.mean(0, dtype="float64")
    x, y = features - mean, answers - level
    square = x.T @ x
    unit = np.trace(square) / len(square)
    found = []
    for penalty in PENALTIES:
        kernel = np.linalg.solve(square + penalty * unit * np.eye(len(square)), x.T @ y)
        error = np.mean(((held_features - mean) @ kernel + level - held_answers) ** 2)
        found.append((error / np.mean((level - held_answers) ** 2), penalty, kernel))
    error, penalty, kernel = min(found, key=lambda item: item[0])
    return kernel, level - mean @ kernel, {"penalty": penalty, "error_over_mean": float(error)}


def look(model, layer, part):
    """What a layer answers, a batch at a time; the mesh network, which costs most, looks at each example once."""
    points = model.get_layer(FACE_MESH_ANSWER).output
    if "points" not in part:
        part["points"] = keras.Model(model.input, points).predict(part["input"], batch_size=16, verbose=0)
    if layer == FACE_MESH_ANSWER:
        return part["points"]
    rest = keras.Model([model.input, points], model.get_layer(layer).output)
    return rest.predict([part["input"], part["points"]], batch_size=16, verbose=0)


def fit_layer(model, source, name, examples, answer):
    """Fit one dense layer of the model whose features ``source`` gives."""
    features = [look(model, source, part) for part in examples]
    kernel, bias, told = fit_ridge(features[0], examples[0][answer], features[1], examples[1][answer])
    model.get_layer(name).set_weights([kernel.astype("float32"), bias.astype("float32")])
    print(f"{name}: {told}", flush=True)


def fit_texture(model, examples):
    """Fit the two layers of the texture: the main directions of what a ridge regression answers."""
    features = [look(model, "texture_known", part) for part in examples]
    kernel, bias, told = fit_ridge(features[0], examples[0]["texture"], features[1], examples[1]["texture"])
    answers = features[0] @ kernel + bias
    level = answers.mean(0)
    _, lengths, directions = np.linalg.svd(answers - level, full_matrices=False)
    directions = np.pad(directions, ((0, max(RANK - len(lengths), 0)), (0, 0)))[:RANK]
    scale = np.pad(lengths, (0, max(RANK - len(lengths), 0)), constant_values=1.0)[:RANK] / np.sqrt(len(answers))
    scale = np.maximum(scale, 1e-3)  # a direction without variance must not be enlarged
    code = kernel @ directions.T / scale
    shift = bias @ directions.T / scale - level @ directions.T / scale
    model.get_layer("texture_code").set_weights([code.astype("float32"), shift.astype("float32")])
    colours = directions * scale[:, None]
    model.get_layer("texture_colours").set_weights([colours.astype("float32"), level.astype("float32")])
    print(f"texture: {told}, {(lengths[:RANK] ** 2).sum() / (lengths**2).sum():.4f} of the answers' variance kept")


def main(arguments=None):
    options = parse_arguments(arguments)
    config = model_config(options.preset)
    keras.utils.set_random_seed(0)
    model = build_model("reconstruct", config)
    if options.init:
        start_from(model, options.init)
    examples = [make_examples(options.shards, "train", config.size, options.seeds)]
    examples.append(make_examples(options.shards, "validation", config.size, options.seeds[:1]))
    fit_layer(model, FACE_MESH_ANSWER, "shape_found", examples, "shape")
    fit_layer(model, "shape_known", "shape_donor_linear", examples, "donor_shape")
    fit_texture(model, examples)
    save_network(model, options.out, run_config("reconstruct", config, options.preset, vars(options)), half=False)
    print(for_stdout(f"{options.out}: {config.name}"))


if __name__ == "__main__":
    sys.exit(end_in_words("fit_geometry", main))
