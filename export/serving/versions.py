"""A folder of versions as TF Serving reads it: integer names, each whole from the moment that it can be seen."""

import contextlib
import os
import shutil
import tempfile
from pathlib import Path

from keras_uncover.files import force_to_disk, lock_file, move_folder
from keras_uncover.refusals import Refusal

WRITING, REMOVING = ".writing-", ".removing-"


class ExportError(Refusal, RuntimeError):
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


@contextlib.contextmanager
def new_version(folder, version):
    """A fresh folder that becomes ``folder/version`` when the block ends without an error, and vanishes otherwise.

    It is written beside the versions under a name that is no number, flushed to the disk, and renamed. Folders left by
    a killed export are removed; an export that is running holds a lock on its folder, which stays.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    remove_leftovers(folder)
    work = Path(tempfile.mkdtemp(prefix=WRITING, dir=folder))
    lock = hold(work)
    try:
        yield work / "model"
        flush(work / "model")
        try:
            move_folder(work / "model", folder / str(version))
        except OSError as error:
            raise ExportError(
                f"Version {version} appeared in {folder} while it was written ({error.strerror}). Export again."
            ) from error
        force_to_disk(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)
        os.close(lock)


def hold(folder):
    """Lock a folder as long as this process lives. Returns the open folder, or None where another process holds it."""
    number = os.open(folder, os.O_RDONLY)
    try:
        lock_file(number)
    except BlockingIOError:
        os.close(number)
        return None
    return number


def remove_leftovers(folder):
    """Remove what killed exports had begun to write or to remove."""
    for path in [*folder.glob(f"{WRITING}*"), *folder.glob(f"{REMOVING}*")]:
        with contextlib.suppress(FileNotFoundError):  # Its owner has just ended.
            lock = hold(path)
            if lock is not None:
                shutil.rmtree(path, ignore_errors=True)
                os.close(lock)


def flush(folder):
    """Flush all files of a folder to the disk, so that a power cut cannot leave a version with half of them."""
    for path in sorted(folder.rglob("*")):
        force_to_disk(path)
    force_to_disk(folder)


def keep_highest(folder, count, also):
    """Remove all but the ``count`` highest versions; ``also`` stays whatever its number.

    A version is renamed before it is removed, so that no server meets half of it.

    Returns: the versions removed, lowest first.
    """
    folder = Path(folder)
    old = [version for version in versions(folder)[:-count] if version != also]
    for version in old:
        aside = Path(tempfile.mkdtemp(prefix=REMOVING, dir=folder))
        move_folder(folder / str(version), aside / "model")
        shutil.rmtree(aside, ignore_errors=True)
    return old
