"""Which portraits there are, who they show, and which split each belongs to."""

import csv
import os
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from pipelines.folders import BuildError
from pipelines.people import SPLITS, person_of, split_of

TEST_SHARE = 0.1
# Files with these suffixes are opened, and refused by name if they are no JPEG, PNG or WebP inside.
PICTURES = {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".heic", ".avif"}


@dataclass(frozen=True)
class Portrait:
    """One picture file. ``file`` is relative to the folder or CSV, with ``/``; ``path`` opens it."""

    file: str
    path: Path
    person: str
    split: str


class Reject(NamedTuple):
    """A file that is left out: ``rule`` is one word for counting, ``reason`` a sentence for people."""

    file: str
    rule: str
    reason: str


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
        photos: a folder, searched with all folders below it, or a CSV with the columns ``file`` (relative to the CSV)
            and, if wanted, ``split`` and ``person`` (default: the file's name).
        split: everyone goes into this split.
        validation: share of people, of all or of the CSV's ``train``.
        limit: only the first so many.

    Returns: list of ``Portrait``, list of ``Reject``.

    Raises: BuildError for a source that cannot be read.
    """
    photos = Path(photos)
    if not photos.exists():
        raise BuildError(f"PHOTOS is a folder or a CSV file; there is nothing at {photos}. Check the path.")
    if not 0 <= validation <= 1 - TEST_SHARE:
        raise BuildError(f"The validation share is 0 to {1 - TEST_SHARE}; received {validation}.")
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


class Place(NamedTuple):
    """The split a person was ``given`` by the list (or ""), and the ``split`` that follows."""

    given: str
    split: str


def choose_splits(rows, validation):
    """A ``Place`` for each row, the same for all rows of a person."""
    given = {}
    for row in rows:
        if row.split:
            given.setdefault(row.person, row.split)
    shares = {"test": TEST_SHARE, "validation": validation, "train": 1 - TEST_SHARE - validation}
    inside = {"validation": validation, "train": 1 - validation}
    if "validation" in given.values():
        inside = {"train": 1.0}
    places = []
    for row in rows:
        name = given.get(row.person, "")
        if name == "train":
            places.append(Place(name, split_of(row.person, inside)))
        else:
            places.append(Place(name, name or split_of(row.person, shares)))
    return places


def read_folder(folder):
    """Rows of all pictures below a folder, in the order of their paths; other files as rejects."""
    rows, rejects, seen = [], [], set()
    for root, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(root)
        if real in seen:  # A link that leads in a circle.
            folders.clear()
            continue
        seen.add(real)
        folders.sort()
        for name in files:
            file = Path(root, name).relative_to(folder).as_posix()
            shown = file.encode("utf-8", "backslashreplace").decode()
            if shown != file:
                rejects.append(Reject(shown, "name", "its name is not UTF-8; rename it"))
            elif Path(file).suffix.lower() not in PICTURES:
                rejects.append(Reject(file, "not_a_picture", "no picture by its suffix"))
            else:
                rows.append(Row(file))
    return sorted(rows), sorted(rejects)


def read_csv(path):
    """Rows of a CSV file in UTF-8, in its order."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = list(csv.DictReader(file))
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
        if row.split not in ("", *SPLITS):
            raise BuildError(f"A split is one of {', '.join(SPLITS)}; line {number} of {path.name} has {row.split!r}.")
        rows.append(row)
    return rows, []
