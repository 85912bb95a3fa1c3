"""Which portraits there are, who they show, and which split each belongs to."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from keras_uncover.images.headers import PHOTO_SUFFIXES
from keras_uncover.process import tell
from pipelines.build.buckets import is_remote, reach
from pipelines.build.folders import BuildError, as_path
from pipelines.build.lists import read_list
from pipelines.build.pictures import Reject, list_pictures
from pipelines.build.splits import choose_splits, person_of

# Files with these suffixes are opened, and refused by name where their content is no JPEG, PNG or WebP.
PICTURES = {*PHOTO_SUFFIXES, ".bmp", ".gif", ".tif", ".tiff", ".heic", ".avif"}


@dataclass(frozen=True)
class Portrait:
    """One picture file. ``file`` is relative to the folder or CSV, with ``/``; ``path`` opens it."""

    file: str
    path: Path
    person: str
    split: str


class Row(NamedTuple):
    """A file as listed; ``split`` and ``person`` are empty where nothing was said."""

    file: str
    split: str = ""
    person: str = ""


def list_portraits(photos, split=None, validation=0.1, limit=None):
    """List portraits in a fixed order, each with its person and split.

    Splits that a CSV gives are kept. If it gives no validation split, one is made inside its ``train``. Without a
    given split people are divided into test (10 %), validation and train. ``split`` overrides all of this.

    Args:
        photos: a folder, searched with all folders below it, or a CSV with the columns ``file`` (below the CSV's
            folder) and, if wanted, ``split`` and ``person`` (default: the file's name), as ``lists.read_list`` takes
            it. A CSV may be in a bucket.
        split: everyone goes into this split.
        validation: share of people, of all or of the CSV's ``train``.
        limit: only the first so many.

    Returns: list of ``Portrait``, list of ``Reject``.

    Raises: BuildError for a source that cannot be read.
    """
    photos = as_path(photos)
    with reach(photos):
        if not photos.exists():
            raise BuildError(f"PHOTOS is a folder or a CSV file; there is nothing at {photos}. Check the path.")
        rows, rejects = read_folder(photos) if photos.is_dir() else read_csv(photos)
    rows = [row._replace(person=row.person or person_of(row.file)) for row in rows]
    root = photos if photos.is_dir() else photos.parent
    portraits = []
    for row, place in zip(rows, choose_splits(rows, validation)):
        if split is None and row.split and row.split != place.given:
            reason = f"{row.person} is in {place.given} by an earlier line; a person has one split"
            rejects.append(Reject(row.file, "split", reason))
        else:
            portraits.append(Portrait(row.file, root / row.file, row.person, split or place.split))
    return portraits[:limit], rejects


def read_folder(folder):
    """Rows of all pictures below a folder, in the order of their paths; other files as rejects."""
    if is_remote(folder):
        raise BuildError(f"Portraits in a bucket are named by a CSV; received the folder {folder}. List them in one.")
    files, rejects = list_pictures(folder, PICTURES)
    lists = [reject.file for reject in rejects if reject.file.lower().endswith(".csv")]
    if lists:
        words = f"{folder}: splits in {', '.join(lists)} are not read; give that file in place of the folder"
        tell(words)
    return [Row(file) for file in files], rejects


def read_csv(path):
    """Rows of a CSV file, in its order."""
    return [Row(*(row[name] for name in Row._fields)) for row in read_list(path)], []
