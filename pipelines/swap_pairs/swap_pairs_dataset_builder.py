"""TFDS builder of ready-made fakes; TFDS writes the shards, ``dataset_info.json`` and ``features.json``.

``python -m pipelines.swap_pairs`` is the short way. With TFDS's own tool (``--manual_dir`` holds the data set; the
``tfds`` command of TFDS 4.9.10 needs the extra ``beam`` to be installed)::

    tfds build pipelines/swap_pairs --config 128px --manual_dir dataset --data_dir data
"""

import dataclasses
import sys
from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds

if __package__ == "swap_pairs":  # ``tfds build`` knows this folder only, not the checkout that it lies in.
    sys.path.append(str(Path(__file__).resolve().parents[2]))

from keras_uncover.process import tell  # noqa: E402
from pipelines.build.builder import FaceBuilder, FaceConfig, group_by_split  # noqa: E402
from pipelines.build.screening import load_finder  # noqa: E402
from pipelines.schema import SPLITS  # noqa: E402
from pipelines.swap_pairs.record import make_example  # noqa: E402
from pipelines.swap_pairs.sources import list_swaps, summarise  # noqa: E402
from pipelines.swap_pairs.survey import survey  # noqa: E402

DESCRIPTION = """Ready-made face swaps, aligned, each beside the photo that was edited and the face that was pasted in.
No person and no picture is in two splits. Where the mask could not be derived, has_mask is false."""


@dataclasses.dataclass
class SwapPairsConfig(FaceConfig):
    """What to build. ``source`` is a folder; ``pattern`` and the rest as in ``list_swaps``."""

    pattern: str = "{target}_{donor}"


class Builder(FaceBuilder):
    """Builder of the data set ``swap_pairs``."""

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

    def _survey(self, source):
        config = self.builder_config
        swaps, rejects = list_swaps(source, config.pattern, config.split, config.validation, config.limit)
        found, refused = survey(swaps, load_finder().find, config.size, self.drafts, config.workers)
        kept = group_by_split(found, SPLITS, lambda each: each.swap.split)
        return kept, rejects + refused, summarise([each.swap for each in found])

    def _generate_examples(self, split, found):
        masks = 0
        for each in found:
            key, record = make_example(each, self.drafts)
            masks += record["has_mask"]
            yield key, record
        tell(f"{split:<10} {masks:>7,} masks derived of {len(found):,}")
