"""TFDS builder of portraits; TFDS writes the shards, ``dataset_info.json`` and ``features.json``.

``python -m pipelines.portraits`` is the short way. With TFDS's own tool (``--manual_dir`` holds the portraits, and a
``portraits.csv`` if splits are given; the ``tfds`` command of TFDS 4.9.10 needs the extra ``beam`` to be installed)::

    tfds build pipelines/portraits --config 128px --manual_dir photos --data_dir data

and, by Apache Beam, with ``--beam_pipeline_options=runner=FlinkRunner,flink_master=HOST:8081`` or other options.
"""

import sys
from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds

if __package__ == "portraits":  # ``tfds build`` knows this folder only, not the checkout that it lies in.
    sys.path.append(str(Path(__file__).resolve().parents[2]))

from keras_uncover.ops.mesh import VERTICES  # noqa: E402
from pipelines.build.builder import FaceBuilder, FaceConfig, group_by_split  # noqa: E402
from pipelines.build.folders import BuildError  # noqa: E402
from pipelines.build.screening import load_finder  # noqa: E402
from pipelines.portraits.record import make_example  # noqa: E402
from pipelines.portraits.sources import list_portraits  # noqa: E402
from pipelines.portraits.survey import count_people, summarise, survey  # noqa: E402
from pipelines.schema import SPLITS  # noqa: E402

DESCRIPTION = """Aligned portraits, one face each, with what a swap needs: the face unwrapped into a mean shape, the
uv map that puts another face in its place, and its hull. People are divided into splits by a hash of their name."""
WORK = "survey"  # Folder for what Beam's workers tell each other; gone before the data set is complete.


class Builder(FaceBuilder):
    """Builder of the data set ``portraits``. ``source`` is a folder or CSV; the rest as in ``list_portraits``."""

    BUILDER_CONFIGS = [FaceConfig(name="128px", size=128), FaceConfig(name="256px", size=256)]
    MANUAL_DOWNLOAD_INSTRUCTIONS = "Give a folder of portraits, or one with a portraits.csv (columns file, split)."
    beam = None

    def download_and_prepare(self, *, download_config=None, **options):
        """As in TFDS. Apache Beam does the work if ``download_config`` has a ``beam_runner`` or ``beam_options``."""
        config = download_config or tfds.download.DownloadConfig()
        if config.beam_runner or config.beam_options:
            self.beam = {"runner": config.beam_runner, "options": config.beam_options}
        super().download_and_prepare(download_config=download_config, **options)

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

    def _find_source(self, folder):
        listed = [path for path in sorted(Path(folder).iterdir()) if path.name.casefold() == "portraits.csv"]
        if len(listed) > 1:
            raise BuildError(f"One list is read; {folder} has {' and '.join(path.name for path in listed)}. Keep one.")
        return listed[0] if listed else folder

    def _survey(self, source):
        config = self.builder_config
        portraits, rejects = list_portraits(source, config.split, config.validation, config.limit)
        if self.beam:
            from pipelines.portraits import distributed

            kept, refused, counts = distributed.survey(portraits, config.size, self.data_path / WORK, **self.beam)
        else:
            found, refused = survey(portraits, load_finder().find, config.size, self.drafts, config.workers)
            kept = group_by_split(found, SPLITS, lambda pair: pair[0].split)
            counts = count_people(found)
        return kept, rejects + refused, summarise(counts)

    def _generate_examples(self, split, found):
        if self.beam:
            from pipelines.portraits import distributed

            return distributed.make_examples(found, self.builder_config.size)
        return (make_example(portrait, self.drafts.take(kept.draft), kept.hash) for portrait, kept in found)

    def _process_pipeline_result(self, pipeline_result):
        (self.data_path / WORK).rmtree()
