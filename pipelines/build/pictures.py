"""Picture files: which there are, opening them, and the names of those that are refused."""

import csv
import io
import os
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from etils import epath

from keras_uncover.escapes import escape
from keras_uncover.files import hash_array
from keras_uncover.images.decode import ImageError, decode_image
from pipelines.build.buckets import read_picture


class Picture(NamedTuple):
    """One picture file. ``file`` is its name below the data's folder, with ``/``; ``path`` opens it."""

    file: str
    path: Path


class Reject(NamedTuple):
    """A file that is left out: ``rule`` is one word for counting, ``reason`` a sentence for people."""

    file: str
    rule: str
    reason: str


def list_pictures(folder, suffixes):
    """Names of all pictures below a folder, links followed, and other files as rejects; both in order.

    Args:
        folder: path.
        suffixes: those of pictures, in small letters.

    Returns: list of str, relative with ``/``; list of ``Reject``.
    """
    files, rejects, seen = [], [], set()
    for root, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(root)
        if real in seen:  # A link that leads in a circle.
            folders.clear()
            continue
        seen.add(real)
        folders.sort()
        for name in names:
            file = Path(root, name).relative_to(folder).as_posix()
            shown = file.encode("utf-8", "backslashreplace").decode()
            if shown != file:
                rejects.append(Reject(shown, "name", "its name is not UTF-8; rename it"))
            elif Path(file).suffix.lower() not in suffixes:
                rejects.append(Reject(file, "not_a_picture", "no picture by its suffix"))
            else:
                files.append(file)
    return sorted(files), sorted(rejects)


def open_picture(picture):
    """Pixels of anything with ``file`` and ``path``, uint8 ``(height, width, 3)``, or a ``Reject``."""
    try:
        return decode_image(read_picture(picture.path))
    except ImageError as error:
        return Reject(picture.file, "unreadable", str(error).replace(str(picture.path), picture.file))


def hash_pixels(photo):
    """SHA-256 of a picture's pixels and shape, the same for the same picture in another file. uint8 to str."""
    return hash_array(photo)


def write_rejects(path, rejects):
    """Write ``rejects.csv``: file, rule, reason."""
    text = io.StringIO()
    csv.writer(text).writerows([Reject._fields, *rejects])
    epath.Path(path).write_bytes(text.getvalue().encode())


def count_rejects(rejects):
    """How many files were refused, by rule, in a line."""
    rules = ", ".join(f"{rule} {count:,}" for rule, count in sorted(Counter(r.rule for r in rejects).items()))
    return f"{'refused':<10} {len(rejects):>7,} files" + (f" ({rules})" if rules else "")


def list_first(rejects, count=10):
    """The first refusals, a line each."""
    return "\n".join(escape(f"  {reject.file}: {reject.reason}") for reject in rejects[:count])
