"""Make keras_uncover/data/face_shapes.npz: the mean of the portraits' mesh points and the ways in which faces differ.

    python -m scripts.make_face_shapes SHARDS keras_uncover/data/face_shapes.npz

``SHARDS`` is what ``python -m pipelines.portraits`` wrote; its ``train`` people and their mirror images are counted.
"""

import argparse
import sys

from keras_uncover.backend import settle_or_exit
from keras_uncover.escapes import Parser, for_stdout
from keras_uncover.overwriting import check_or_exit
from keras_uncover.refusals import end_in_words


def parse_arguments(arguments=None):
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shards")
    parser.add_argument("out")
    parser.add_argument("--overwrite", action="store_true", help="replace files that are there")
    options = parser.parse_args(arguments)
    check_or_exit(parser, [options.out], options.overwrite)
    return options


if __name__ == "__main__":
    parse_arguments()  # Answers --help, or refuses the command line, before Keras is loaded, which takes seconds.
    settle_or_exit("make_face_shapes.py")

import numpy as np  # noqa: E402

from keras_uncover.ops.mesh import mirror_points  # noqa: E402
from keras_uncover.ops.shapes import SHAPE  # leaves a quarter of a per cent of the variance  # noqa: E402
from pipelines.fixed_swaps import read_people  # noqa: E402


def principal_shapes(points, count):
    """Mean and main directions of points ``(n, 468, 2)``.

    Returns: mean float32 ``(468, 2)``; directions float32 ``(count, 468, 2)``, each as long as one standard deviation.
    """
    rows = points.reshape(len(points), -1).astype("float64")
    mean = rows.mean(0)
    _, lengths, directions = np.linalg.svd(rows - mean, full_matrices=False)
    scaled = directions[:count] * lengths[:count, None] / np.sqrt(len(rows))
    return mean.reshape(-1, 2).astype("float32"), scaled.reshape(count, -1, 2).astype("float32")


def main(arguments=None):
    options = parse_arguments(arguments)
    points = read_people(options.shards, "train", keys=("person", "points"))["points"][:, :468]
    both = np.concatenate([points, np.concatenate([mirror_points(points[..., :2]), points[:, :, 2:]], -1)])
    mean, directions = principal_shapes(both[..., :2], SHAPE)
    depth = both[..., 2].mean(0).astype("float32")
    np.savez_compressed(options.out, mean=mean, depth=depth, directions=directions)
    print(for_stdout(f"{options.out}: {len(points)} people, {SHAPE} directions"))


if __name__ == "__main__":
    sys.exit(end_in_words("make_face_shapes", main))
