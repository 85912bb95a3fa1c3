"""TFDS builder of portraits; TFDS writes the shards, ``dataset_info.json`` and ``features.json``.

``python -m pipelines.portraits`` is the short way. With TFDS's own tool (``--manual_dir`` holds the portraits, and a
``portraits.csv`` if splits are given; the ``tfds`` command of TFDS 4.9.10 needs apache-beam to be installed)::

    tfds build pipelines/portraits --config 128px --manual_dir photos --data_dir data
"""

import dataclasses
import sys
from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds

if __package__ == "portraits":  # ``tfds build`` knows this folder only, not the checkout that it lies in.
    sys.path.append(str(Path(__file__).resolve().parents[2]))

from keras_uncover.images import decode_image, read_bytes  # noqa: E402
from keras_uncover.mesh import VERTICES  # noqa: E402
from pipelines.folders import BuildError  # noqa: E402
from pipelines.look import load_finder, map_in_order  # noqa: E402
from pipelines.people import SPLITS  # noqa: E402
from pipelines.pictures import count_rejects, list_first, write_rejects  # noqa: E402
from pipelines.portraits.record import make_record  # noqa: E402
from pipelines.portraits.sources import list_portraits  # noqa: E402
from pipelines.portraits.survey import survey  # noqa: E402

DESCRIPTION = """Aligned portraits, one face each, with what a swap needs: the face unwrapped into a mean shape, the
uv map that puts another face in its place, and its hull. People are divided into splits by a hash of their name."""


@dataclasses.dataclass
class PortraitsConfig(tfds.core.BuilderConfig):
    """What to build. ``photos``: folder or CSV, else ``--manual_dir``; the others as in ``list_portraits``."""

    size: int = 128
    photos: str | None = None
    split: str | None = None
    validation: float = 0.1
    limit: int | None = None
    workers: int = 1


class Builder(tfds.core.GeneratorBasedBuilder):
    """Builder of the data set ``portraits``."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First version."}
    BUILDER_CONFIGS = [PortraitsConfig(name="128px", size=128), PortraitsConfig(name="256px", size=256)]
    MANUAL_DOWNLOAD_INSTRUCTIONS = "Give a folder of portraits, or one with a portraits.csv (columns file, split)."

    def _info(self):
        size = self.builder_config.size
        features = {
            "crop": tfds.features.Image(shape=(size, size, 3), encoding_format="png"),
            "texture": tfds.features.Image(shape=(size, size, 3), encoding_format="png"),
            # zlib reads twice as fast as a 16-bit PNG, for half as much again in size.
            "uv": tfds.features.Tensor(shape=(size, size, 2), dtype=np.uint16, encoding="zlib"),
            "hull": tfds.features.Image(shape=(size, size, 1), encoding_format="png"),
            "points": tfds.features.Tensor(shape=(VERTICES, 3), dtype=np.float32),
            "crop_to_photo": tfds.features.Tensor(shape=(2, 3), dtype=np.float32),
            "person": tfds.features.Text(),
            "file": tfds.features.Text(),
            "image_sha256": tfds.features.Text(),
        }
        return self.dataset_info_from_configs(features=tfds.features.FeaturesDict(features), description=DESCRIPTION)

    def _split_generators(self, dl_manager):
        config = self.builder_config
        photos = config.photos or find_source(dl_manager.manual_dir)
        portraits, rejects = list_portraits(photos, config.split, config.validation, config.limit)
        kept, refused = survey(portraits, load_finder().find, config.size, config.workers)
        rejects += refused
        print(summarise(kept, rejects), file=sys.stderr)
        if not kept:
            found = f"No portrait is left of {len(portraits)} in {photos}."
            raise BuildError(f"{found} The first refused:\n{list_first(rejects)}")
        write_rejects(Path(self.data_dir) / "rejects.csv", rejects)
        groups = {split: [pair for pair in kept if pair[0].split == split] for split in SPLITS}
        return {split: self._generate_examples(pairs) for split, pairs in groups.items() if pairs}

    def _generate_examples(self, pairs):
        size = self.builder_config.size
        yield from map_in_order(lambda pair: make_example(*pair, size), pairs, self.builder_config.workers)


def find_source(folder):
    """The CSV in a folder of portraits if there is one, else the folder."""
    listed = Path(folder) / "portraits.csv"
    return listed if listed.is_file() else Path(folder)


def make_example(portrait, face, size):
    """Key and record of one portrait as TFDS takes them."""
    record = make_record(decode_image(read_bytes(portrait.path)), face, size)
    return portrait.file, {**record, "person": portrait.person, "file": portrait.file}


def summarise(kept, rejects):
    """What was found, by split, and what was refused, by rule, in lines."""
    lines = []
    for split in SPLITS:
        people = [portrait.person for portrait, _ in kept if portrait.split == split]
        lines.append(f"{split:<10} {len(people):>7,} portraits of {len(set(people)):,} people")
    return "\n".join([*lines, count_rejects(rejects)])
