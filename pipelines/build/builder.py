"""What the TFDS builders share: every picture is screened and its record made before TFDS writes the first one.

TFDS writes the shards, ``dataset_info.json`` and ``features.json``.
"""

import abc
import dataclasses

import tensorflow_datasets as tfds

from keras_uncover.process import tell
from pipelines.build.drafts import Drafts
from pipelines.build.folders import BuildError
from pipelines.build.pictures import count_rejects, list_first, write_rejects


@dataclasses.dataclass
class FaceConfig(tfds.core.BuilderConfig):
    """What to build.

    Attributes:
        source: where the pictures are, else ``--manual_dir``.
        size: pixels of a crop's side.
        split, validation, limit: as in the function that lists the pictures.
        workers: photos worked on side by side.
    """

    source: str | None = None
    size: int = 128
    split: str | None = None
    validation: float = 0.1
    limit: int | None = None
    workers: int = 1


class FaceBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """A builder whose records are made while pictures are screened, and wait in ``drafts`` until TFDS writes them."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First version."}

    def _find_source(self, folder):
        """Where to begin below ``--manual_dir``."""
        return folder

    def _download_and_prepare(self, dl_manager, download_config):
        """As in TFDS, with a folder of drafts beside the shards that is gone when they are complete."""
        folder = self.data_path / "drafts"
        folder.mkdir()
        self.drafts = Drafts(folder)
        try:
            super()._download_and_prepare(dl_manager, download_config)
        finally:
            folder.rmtree()

    @abc.abstractmethod
    def _survey(self, source):
        """Screen everything. Returns: dict of splits to what is kept of them, ``Reject`` list, summary in lines."""

    def _split_generators(self, dl_manager):
        source = self.builder_config.source or self._find_source(dl_manager.manual_dir)
        kept, rejects, summary = self._survey(source)
        tell(f"{summary}\n{count_rejects(rejects)}")
        if not kept:
            raise BuildError(f"Nothing is left of what is in {source}. The first refused:\n{list_first(rejects)}")
        write_rejects(self.data_path / "rejects.csv", rejects)
        return {split: self._generate_examples(split, found) for split, found in kept.items()}


def group_by_split(items, splits, split_of):
    """Items in lists by their split, in the order of ``splits``; a split without items is left out."""
    groups = {split: [item for item in items if split_of(item) == split] for split in splits}
    return {split: group for split, group in groups.items() if group}
