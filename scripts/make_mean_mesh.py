"""Make keras_uncover/data/mean_mesh.npz: the mean face, its triangles and its mirror, the frame of every texture.

    python -m scripts.make_mean_mesh face_landmarker.task FACES keras_uncover/data/mean_mesh.npz

``face_landmarker.task`` is MediaPipe's bundle (Apache-2.0): the triangles and the symmetric canonical face come from
its ``geometry_pipeline_metadata_landmarks.binarypb``. ``FACES`` is a folder with ``faces.csv`` (columns file, split)
and ``landmarks.npz`` (names, points in pixels): only its ``train`` people are averaged.
"""

import argparse
import sys
import zipfile
from pathlib import Path

from keras_uncover.backend import settle_or_exit
from keras_uncover.escapes import Parser, for_stdout
from keras_uncover.overwriting import check_or_exit
from keras_uncover.refusals import DataError, end_in_words


def parse_arguments(arguments=None):
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("task", type=Path)
    parser.add_argument("faces", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--overwrite", action="store_true", help="replace files that are there")
    options = parser.parse_args(arguments)
    check_or_exit(parser, [options.out], options.overwrite)
    return options


if __name__ == "__main__":
    parse_arguments()  # Answers --help, or refuses the command line, before Keras is loaded, which takes seconds.
    settle_or_exit("make_mean_mesh.py")

import numpy as np  # noqa: E402

from keras_uncover.ops.geometry import ANCHORS  # noqa: E402
from pipelines.build.lists import read_list  # noqa: E402

HULL_WIDTH = 0.65  # of the crop: for four in five portraits the crop lies within the photo
HULL_CENTRE = (0.5, 0.54)


def read_varint(data, at):
    shift = value = 0
    while True:
        byte = data[at]
        at, value, shift = at + 1, value | (byte & 127) << shift, shift + 7
        if byte < 128:
            return value, at


def read_fields(data):
    """Yield (field number, value) of a protobuf message; value is int, or bytes for fixed32 and sub-messages."""
    at = 0
    while at < len(data):
        key, at = read_varint(data, at)
        if key & 7 == 0:
            value, at = read_varint(data, at)
        elif key & 7 in (2, 5):
            length, at = read_varint(data, at) if key & 7 == 2 else (4, at)
            value, at = data[at : at + length], at + length
        else:
            raise DataError(f"The metadata may hold varints, fixed32 and bytes; received wire type {key & 7}.")
        yield key >> 3, value


def read_canonical(task):
    """Vertices (468, 3) and triangles (898, 3) of the canonical face."""
    try:
        with zipfile.ZipFile(task) as bundle:
            metadata = bundle.read("geometry_pipeline_metadata_landmarks.binarypb")
    except (zipfile.BadZipFile, KeyError) as error:
        raise DataError(f"TASK is MediaPipe's face_landmarker.task; {task} is not: {error}. Fetch it anew.") from error
    mesh = next(value for number, value in read_fields(metadata) if number == 1)
    fields = list(read_fields(mesh))
    vertices = np.frombuffer(b"".join(value for number, value in fields if number == 3), "<f4").reshape(-1, 5)
    triangles = np.array([value for number, value in fields if number == 4], "int32").reshape(-1, 3)
    return vertices[:, :3], triangles


def mirror_index(vertices):
    """For each vertex the one on the other side."""
    flipped = vertices * [-1, 1, 1]
    index = np.argmin(((flipped[:, None] - vertices[None]) ** 2).sum(-1), axis=1)
    if not np.array_equal(index[index], np.arange(len(index))):
        raise DataError("The canonical face must be symmetric; its mirror pairs are not one to one.")
    return index.astype("int32")


def align(points, anchors):
    """Similarity-align (n, 468, 2) points by their anchor points, as complex numbers."""
    z, to = points[..., 0] + 1j * points[..., 1], anchors[:, 0] + 1j * anchors[:, 1]
    s = z[:, ANCHORS] - z[:, ANCHORS].mean(1, keepdims=True)
    a = (s.conj() * (to - to.mean())).sum(1, keepdims=True) / (abs(s) ** 2).sum(1, keepdims=True)
    moved = a * (z - z[:, ANCHORS].mean(1, keepdims=True)) + to.mean()
    return np.stack([moved.real, moved.imag], -1)


def mean_shape(points, mirror):
    """Generalised Procrustes mean of the points and their mirror images, upright, in unit crop coordinates."""
    flipped = points[:, mirror] * [-1, 1]
    both = np.concatenate([points, flipped])
    mean = points[0]
    for _ in range(10):
        mean = align(both, mean[list(ANCHORS)]).mean(0)
        eyes = mean[263] - mean[33]
        turn = np.array([[eyes[0], eyes[1]], [-eyes[1], eyes[0]]]) / np.hypot(*eyes)
        mean = (mean - mean.mean(0)) @ turn.T
        mean = mean / np.ptp(mean[:, 0])
    mean = (mean + mean[mirror] * [-1, 1]) / 2
    middle = (mean.min(0) + mean.max(0)) / 2
    return ((mean - middle) / np.ptp(mean[:, 0]) * HULL_WIDTH + HULL_CENTRE).astype("float32")


def main(arguments=None):
    options = parse_arguments(arguments)
    vertices, triangles = read_canonical(options.task)
    mirror = mirror_index(vertices)
    train = {Path(row["file"]).stem for row in read_list(options.faces / "faces.csv") if row["split"] == "train"}
    marks = np.load(options.faces / "landmarks.npz")
    keep = [i for i, name in enumerate(marks["names"]) if Path(str(name)).stem in train]
    points = mean_shape(marks["points"][keep, : len(vertices)].astype("float64"), mirror)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(options.out, points=points, triangles=triangles, mirror=mirror)
    print(for_stdout(f"{options.out}: mean of {len(keep)} people and their mirror images, {len(triangles)} triangles"))


if __name__ == "__main__":
    sys.exit(end_in_words("make_mean_mesh", main))
