"""Cut portraits and photographs to 5 eye distances and pack them, with their mesh points, into one file a split.

    python -m scripts.pack_faces packs --portraits faces/faces.csv --photographs photos/photos.csv

Writes packs/train.npz, packs/validation.npz and packs/test.npz, people divided as the builders of shards divide them:
what scripts/train_on_one_gpu.py trains on and scripts/ship_detector.py measures on. A pack holds JPEGs, so it is small
enough to be carried to a machine without these folders. Photographs are of real people: from a pack they teach verdict
and region alone, never a recovered face. What is no photo, or shows no face, is told on stderr and left out.
"""

import argparse
import sys
from pathlib import Path

from keras_uncover.backend import settle_or_exit
from keras_uncover.escapes import Parser
from keras_uncover.refusals import DataError, end_in_words


def parse_arguments(arguments=None):
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", help="folder for the packs")
    parser.add_argument("--portraits", help="folder or CSV, as pipelines.portraits takes it: made-up people")
    parser.add_argument("--photographs", help="folder or CSV of photographs of real people")
    parser.add_argument("--quality", type=int, default=90, help="of the JPEGs, 1 to 100; the default is %(default)s")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    parse_arguments()  # Answers --help, or refuses the command line, before Keras is loaded, which takes seconds.
    settle_or_exit("pack_faces.py")

import numpy as np  # noqa: E402
from keras import ops  # noqa: E402

from keras_uncover.faces.alignment import align_points  # noqa: E402
from keras_uncover.faces.finder import FaceFinder  # noqa: E402
from keras_uncover.images.decode import ImageError, decode_image, read_bytes  # noqa: E402
from keras_uncover.terminal import Progress  # noqa: E402
from pipelines.packs import SIDE, VIEW, write_pack  # noqa: E402
from pipelines.portraits.sources import list_portraits  # noqa: E402
from pipelines.schema import SPLITS  # noqa: E402


def cut_face(finder, path):
    """The largest face of a photo.

    Returns: crop uint8 ``(SIDE, SIDE, 3)``, and its points float16 ``(478, 2)`` in unit coordinates of the crop.

    Raises: ImageError for a file that is no photo; DataError where no face is found.
    """
    photo = decode_image(read_bytes(path))
    faces = finder.find(photo, max_faces=1)
    if not faces:
        raise DataError(f"A packed photo must show a face; none was found in {path}.")
    crop, points, _ = align_points(photo, faces[0].points[None].astype("float32"), SIDE, VIEW)
    crop = np.round(ops.convert_to_numpy(crop)[0] * 255).astype("uint8")
    return crop, ops.convert_to_numpy(points)[0, :, :2].astype("float16")


def main(arguments=None):
    options = parse_arguments(arguments)
    sources = ((options.portraits, False), (options.photographs, True))
    sources = [(source, camera) for source, camera in sources if source]
    if not sources:
        raise DataError("A pack needs --portraits, --photographs or both; received neither.")
    listed = [(portrait, camera) for source, camera in sources for portrait in list_portraits(source)[0]]
    finder, rows, progress = FaceFinder(), {split: [] for split in SPLITS}, Progress()
    for portrait, camera in progress.count(listed, "faces"):
        try:
            crop, points = cut_face(finder, portrait.path)
        except (ImageError, DataError) as error:
            progress.warn(f"{portrait.file} is left out: {error}")
            continue
        rows[portrait.split].append((crop, points, camera, portrait.person))
    folder = Path(options.out)
    folder.mkdir(parents=True, exist_ok=True)
    for split, found in rows.items():
        if not found:
            progress.warn(f"nobody is in the split {split}: no file is written for it")
            continue
        write_pack(folder / f"{split}.npz", found, options.quality)
        progress.say(f"{split}: {len(found)} photos, {sum(row[2] for row in found)} of them by a camera")


if __name__ == "__main__":
    sys.exit(end_in_words("pack_faces", main))
