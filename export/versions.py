"""A folder of versions as TF Serving reads it: integer names, each whole from the moment that it can be seen."""

import os
import shutil
import tempfile
from contextlib import contextmanager
from pathlib import Path


class ExportError(RuntimeError):
    """A version that cannot be written, or that does not answer as its preset does."""


def versions(folder):
    """The versions in a folder, integers, lowest first."""
    return sorted(int(path.name) for path in Path(folder).glob("*") if path.name.isdigit())


def choose_version(folder, version=None):
    """The version asked for, or one more than the highest there is. Raises ``ExportError`` for what cannot be."""
    if version is None:
        return max(versions(folder), default=0) + 1
    if version < 1:
        raise ExportError(f"A version is a whole number from 1 on; received {version}. Leave it out for the next one.")
    if version in versions(folder):
        place = Path(folder) / str(version)
        raise ExportError(f"A version is never overwritten; {place} exists. Leave --version out for the next one.")
    return version


@contextmanager
def new_version(folder, version):
    """A fresh folder that becomes ``folder/version`` when the block ends without an error, and vanishes otherwise.

    It is written beside the versions under a name that is no number, flushed to the disk, and renamed.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".writing-", dir=folder))
    try:
        yield work / "model"
        flush(work / "model")
        try:
            os.rename(work / "model", folder / str(version))
        except OSError as error:
            raise ExportError(
                f"Version {version} appeared in {folder} while it was written ({error.strerror}). Export again."
            ) from error
        flush_one(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def flush(folder):
    """Bring all files of a folder to the disk, so that not even a power cut leaves half of them behind a whole name."""
    for path in sorted(folder.rglob("*")):
        flush_one(path)
    flush_one(folder)


def flush_one(path):
    """Bring a file's content, or a folder's list of names, to the disk."""
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def keep_highest(folder, count, also):
    """Remove all but the ``count`` highest versions; ``also`` stays whatever its number.

    A version is renamed before it is removed, so that no server meets half of it.

    Returns: the versions removed, lowest first.
    """
    folder = Path(folder)
    old = [version for version in versions(folder)[:-count] if version != also]
    for version in old:
        aside = Path(tempfile.mkdtemp(prefix=".removing-", dir=folder))
        os.rename(folder / str(version), aside / "model")
        shutil.rmtree(aside, ignore_errors=True)
    return old
