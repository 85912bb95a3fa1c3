"""Which portraits there are, who they show, and which split each belongs to."""

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pipelines.build.buckets import is_remote, reach
from pipelines.build.folders import BuildError, as_path
from pipelines.build.pictures import Reject, list_pictures
from pipelines.build.splits import SPLITS, choose_splits, person_of

# Files with these suffixes are opened, and refused by name if they are no JPEG, PNG or WebP inside.
PICTURES = {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".heic", ".avif"}


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
            folder) and, if wanted, ``split`` and ``person`` (default: the file's name). A CSV may be in a bucket.
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
    return [Row(file) for file in files], rejects


def read_csv(path):
    """Rows of a CSV file in UTF-8, in its order."""
    try:
        lines = list(csv.DictReader(io.StringIO(path.read_bytes().decode("utf-8-sig"), newline="")))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BuildError(f"PHOTOS is a folder or a CSV file in UTF-8; {path} cannot be read: {error}.") from error
    if not lines or "file" not in lines[0]:
        found = ", ".join(map(str, lines[0])) if lines else "no lines"
        raise BuildError(f"The CSV needs a column named file and at least one line; {path} has {found}.")
    rows = []
    for number, line in enumerate(lines, 2):
        row = Row(*((line.get(name) or "").strip() for name in Row._fields))
        if not row.file or Path(row.file).is_absolute():
            raise BuildError(f"Each line names a file relative to the CSV; line {number} has {row.file!r}.")
        if leads_out(row.file):
            raise BuildError(f"Each line names a file below the folder of the CSV; line {number} has {row.file!r}.")
        if row.split not in ("", *SPLITS):
            raise BuildError(f"A split is one of {', '.join(SPLITS)}; line {number} of {path.name} has {row.split!r}.")
        rows.append(row)
    return rows, []


def leads_out(file):
    """Whether a name leads out of the folder that it is looked up in: lists come with data from elsewhere."""
    return ".." in Path(file).parts or is_remote(file)
