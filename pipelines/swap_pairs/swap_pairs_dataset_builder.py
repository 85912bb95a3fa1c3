"""TFDS builder of ready-made fakes; TFDS writes the shards, ``dataset_info.json`` and ``features.json``.

``python -m pipelines.swap_pairs`` is the short way. With TFDS's own tool (``--manual_dir`` holds the data set; the
``tfds`` command of TFDS 4.9.10 needs apache-beam to be installed)::

    tfds build pipelines/swap_pairs --config 128px --manual_dir dataset --data_dir data
"""

import dataclasses
import sys
from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds

if __package__ == "swap_pairs":  # ``tfds build`` knows this folder only, not the checkout that it lies in.
    sys.path.append(str(Path(__file__).resolve().parents[2]))

from keras_uncover.images import decode_image, read_bytes  # noqa: E402
from pipelines.folders import BuildError  # noqa: E402
from pipelines.look import load_finder, map_in_order  # noqa: E402
from pipelines.people import SPLITS  # noqa: E402
from pipelines.pictures import count_rejects, list_first, write_rejects  # noqa: E402
from pipelines.swap_pairs.record import make_record  # noqa: E402
from pipelines.swap_pairs.sources import list_swaps, summarise  # noqa: E402
from pipelines.swap_pairs.survey import survey  # noqa: E402

DESCRIPTION = """Ready-made face swaps, aligned, each beside the photo that was edited and the face that was pasted in.
No person and no picture is in two splits. Where the mask could not be derived, has_mask is false."""


@dataclasses.dataclass
class SwapPairsConfig(tfds.core.BuilderConfig):
    """What to build. ``dataset``: folder, else ``--manual_dir``; the others as in ``list_swaps``."""

    size: int = 128
    dataset: str | None = None
    pattern: str = "{target}_{donor}"
    split: str | None = None
    validation: float = 0.1
    limit: int | None = None
    workers: int = 1


class Builder(tfds.core.GeneratorBasedBuilder):
    """Builder of the data set ``swap_pairs``."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First version."}
    BUILDER_CONFIGS = [SwapPairsConfig(name="128px", size=128), SwapPairsConfig(name="256px", size=256)]
    MANUAL_DOWNLOAD_INSTRUCTIONS = "Give a folder with df/, src/ and src_remb/ or segmented_face/."

    def _info(self):
        size = self.builder_config.size
        colours = {"shape": (size, size, 3), "encoding_format": "png"}
        features = {key: tfds.features.Image(**colours) for key in ("input", "target", "donor")}
        for key in ("donor_hull", "mask"):
            features[key] = tfds.features.Image(shape=(size, size, 1), encoding_format="png")
        features["has_mask"] = tfds.features.Scalar(dtype=np.bool_)
        features["crop_to_photo"] = tfds.features.Tensor(shape=(2, 3), dtype=np.float32)
        for key in ("file", "target_file", "donor_file", "target_person", "donor_person",
                    "input_sha256", "target_sha256", "donor_sha256"):
            features[key] = tfds.features.Text()
        return self.dataset_info_from_configs(features=tfds.features.FeaturesDict(features), description=DESCRIPTION)

    def _split_generators(self, dl_manager):
        config = self.builder_config
        dataset = config.dataset or dl_manager.manual_dir
        swaps, rejects = list_swaps(dataset, config.pattern, config.split, config.validation, config.limit)
        kept, refused = survey(swaps, load_finder().find, config.size, config.workers)
        rejects += refused
        print(summarise([found.swap for found in kept]), count_rejects(rejects), sep="\n", file=sys.stderr)
        if not kept:
            raise BuildError(f"No fake is left of those in {dataset}. The first refused:\n{list_first(rejects)}")
        write_rejects(Path(self.data_dir) / "rejects.csv", rejects)
        groups = {split: [found for found in kept if found.swap.split == split] for split in SPLITS}
        return {split: self._generate_examples(split, group) for split, group in groups.items() if group}

    def _generate_examples(self, split, group):
        size, masks = self.builder_config.size, 0
        for key, record in map_in_order(lambda found: make_example(found, size), group, self.builder_config.workers):
            masks += record["has_mask"]
            yield key, record
        print(f"{split:<10} {masks:>7,} masks derived of {len(group):,}", file=sys.stderr)


def make_example(found, size):
    """Key and record of one fake as TFDS takes them."""
    swap = found.swap
    fake, target, donor = (decode_image(read_bytes(p.path)) for p in (swap.fake, swap.target, swap.donor))
    record = make_record(fake, found.fake_face, target, donor, found.donor_face, size)
    files = {"file": swap.fake.file, "target_file": swap.target.file, "donor_file": swap.donor.file}
    people = {"target_person": swap.target_person, "donor_person": swap.donor_person}
    return swap.fake.file, {**record, **files, **people}
