"""Files that are there as a whole or not at all, and that survive a loss of power."""

import contextlib
import fcntl
import hashlib
import os
import uuid
from pathlib import Path

PART = ".part"  # how the name of a file ends that is not whole yet


def hash_file(path):
    """SHA-256 of a file, in hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def open_at_once(path, flags):
    """Open a file without waiting: of a pipe that nobody writes to, any other call would never come back."""
    return os.open(path, flags | os.O_NONBLOCK)


def force_to_disk(path):
    """Wait until a file, or the names in a folder, would survive a loss of power."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_whole(path, text):
    """Write a text file so that its reader meets the old text or the new one."""
    fresh = path.with_name(f".{path.name}.partial")
    fresh.write_text(text, "utf-8")
    force_to_disk(fresh)
    os.replace(fresh, path)


@contextlib.contextmanager
def new_file(path):
    """A binary file to write into that takes its place when the block ends without an error, and vanishes otherwise.

    It is made anew with the usual permissions, under a hidden name, and locked as long as this process lives: see
    ``remove_parts``.
    """
    path = Path(path)
    part = path.with_name(f".{uuid.uuid4().hex}{PART}")
    try:
        with part.open("xb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield file
            file.flush()
            os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def remove_parts(folder):
    """Remove the half-written files of a process that was killed; those of one that is at work are left alone."""
    for part in Path(folder).glob(f".{'[0-9a-f]' * 32}{PART}"):
        with contextlib.suppress(FileNotFoundError, BlockingIOError), part.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            part.unlink()
