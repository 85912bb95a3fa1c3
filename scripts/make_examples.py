"""Make examples/: four fakes and two genuine photos of test people, drawn by a seed and not chosen, with the truth.

    python -m scripts.make_examples FACES examples --seed 2026

FACES is a folder with ``faces.csv`` (columns file, split). The swap is made at the photo's own resolution by the same
functions that make training data, whole face at full strength: fakes 1 to 3 ``mesh``, fake 4 ``affine``. Nothing
outside of the mask changes. The photos are written as JPEG of quality 92.
"""

import argparse
import sys
from pathlib import Path

from keras_uncover.backend import settle_or_exit
from keras_uncover.escapes import Parser
from keras_uncover.overwriting import check_or_exit
from keras_uncover.refusals import DataError, end_in_words


def parse_arguments(arguments=None):
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("faces", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--overwrite", action="store_true", help="replace files that are there")
    options = parser.parse_args(arguments)
    check_or_exit(parser, options.out.rglob("*.jpg"), options.overwrite)
    return options


if __name__ == "__main__":
    parse_arguments()  # Answers --help, or refuses the command line, before Keras is loaded, which takes seconds.
    settle_or_exit("make_examples.py")

import cv2  # noqa: E402
import numpy as np  # noqa: E402
from keras import ops  # noqa: E402

from keras_uncover.faces.alignment import align_faces  # noqa: E402
from keras_uncover.faces.finder import FaceFinder  # noqa: E402
from keras_uncover.images.decode import decode_image, read_bytes  # noqa: E402
from keras_uncover.ops.geometry import cut_crops, invert_transform, sample, transform_points  # noqa: E402
from keras_uncover.ops.mesh import VERTICES, crop_transform  # noqa: E402
from keras_uncover.ops.texture import unwrap_texture, uv_map  # noqa: E402
from keras_uncover.swaps.synthesis import PLAIN_DRAWS, make_swaps  # noqa: E402
from pipelines.build.lists import read_list  # noqa: E402

SIZE = 256
FAMILIES = ("mesh", "mesh", "mesh", "affine")


def draw_people(faces, seed):
    """Files of four targets, four donors and two more, all different, from the test split."""
    names = sorted(row["file"] for row in read_list(faces / "faces.csv") if row["split"] == "test")
    drawn = [names[k] for k in np.random.default_rng(seed).permutation(len(names))[:10]]
    return drawn[:4], drawn[4:8], drawn[8:]


def read_face(finder, path):
    """A portrait's photo, record arrays of a batch of one, and crop transform."""
    photo = decode_image(read_bytes(path))
    faces = finder.find(photo)[:1]
    if not faces:
        raise DataError(f"An example needs a face; none was found in {path.name}. Choose another seed.")
    crops, points, _ = align_faces(photo, faces, SIZE)
    matrix = crop_transform(faces[0].points[None])
    fine = cut_crops(photo, matrix, 2 * SIZE)
    uv, hull = uv_map(ops.convert_to_tensor(points[0]), SIZE)
    texture = unwrap_texture(fine, points[..., :2] * 2 * SIZE, SIZE)
    record = {"crop": crops, "texture": texture, "uv": uv[None], "hull": hull[None], "points": points[:, :VERTICES]}
    return photo, {key: ops.convert_to_tensor(value) for key, value in record.items()}, matrix


def paste(photo, swap, matrix):
    """Lay a swapped crop over the photo it was cut from, by the mask, at the photo's resolution."""
    height, width = photo.shape[:2]
    xs, ys = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    points = np.stack([xs, ys], -1).reshape(1, -1, 2).astype("float32")
    places = transform_points(invert_transform(matrix), points) * SIZE
    layer = ops.concatenate([swap["input"], swap["mask"]], axis=-1)
    layer = ops.convert_to_numpy(sample(layer, places, border="zero")).reshape(height, width, 4)
    mask = layer[..., 3:]
    return np.round(photo * (1 - mask) + 255 * layer[..., :3] * mask).clip(0, 255).astype("uint8")


def write_jpeg(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(path), image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92]):
        raise OSError(f"{path} could not be written.")


def main(arguments=None):
    options = parse_arguments(arguments)
    finder = FaceFinder()
    targets, donors, genuine = draw_people(options.faces, options.seed)
    rng = np.random.default_rng(options.seed)
    for number, (target, donor, family) in enumerate(zip(targets, donors, FAMILIES), start=1):
        photo, record, matrix = read_face(finder, options.faces / target)
        donor_photo, donor_record, _ = read_face(finder, options.faces / donor)
        draws = ops.convert_to_tensor(rng.random((1, PLAIN_DRAWS), "float32"))
        swap = make_swaps(record, donor_record, draws, {family: 1.0}, plain=True)
        write_jpeg(options.out / f"fake_{number}.jpg", paste(photo, swap, matrix))
        write_jpeg(options.out / "truth" / f"{number}_target.jpg", photo)
        write_jpeg(options.out / "truth" / f"{number}_donor.jpg", donor_photo)
        print(f"fake_{number}.jpg: {family}, target {target}, donor {donor}")
    for number, name in enumerate(genuine, start=1):
        write_jpeg(options.out / f"genuine_{number}.jpg", decode_image(read_bytes(options.faces / name)))
        print(f"genuine_{number}.jpg: {name}")


if __name__ == "__main__":
    sys.exit(end_in_words("make_examples", main))
