"""Hashes, locks and atomic writes of files and folders; nothing else in the library does these itself."""

import contextlib
import fcntl
import hashlib
import os
import shutil
import tempfile
import uuid
from pathlib import Path

ENDS = 1 << 20  # bytes at either end of a file that are hashed; a table of records may have terabytes
PART = ".part"  # how the name of a file ends that is not whole yet


def open_at_once(path, flags):
    """Open a file without waiting: of a pipe that nobody writes to, any other call would never come back."""
    return os.open(path, flags | os.O_NONBLOCK)


def hash_bytes(data):
    """SHA-256 of bytes, in hex."""
    return hashlib.sha256(data).hexdigest()


def hash_array(array):
    """SHA-256 of an array's shape and values, in hex: the same for the same picture in another file."""
    return hash_bytes(f"{array.shape}".encode() + array.tobytes())


def hash_file(path):
    """SHA-256 of a file, in hex."""
    with open(path, "rb", opener=open_at_once) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hash_regular(path):
    """SHA-256 of a regular file, in hex; None for what cannot be read or is no file: reading a pipe would not end."""
    try:
        return hash_file(path) if os.path.isfile(path) else None
    except OSError:
        return None


def force_to_disk(path):
    """Wait until a file, or the names in a folder, would survive a loss of power."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_whole(path, text):
    """Write a text file atomically: a reader gets the old text or the new one, never a part."""
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


@contextlib.contextmanager
def new_folder(folder, copied=False, durable=False):
    """A folder to fill that takes its place when the block ends without an error, and vanishes otherwise.

    It lies beside its place under a hidden name. An older folder of that name is moved aside first, because a folder
    that holds something cannot be replaced in one step. A reader finds the old one, none for a moment, or the new one.

    Args:
        folder: path; its parents are made.
        copied: begin with what the older folder holds.
        durable: wait until the files, and their names, would survive a loss of power.

    Returns: context with the ``pathlib.Path`` of the new folder.
    """
    folder = Path(os.path.abspath(folder))
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        fresh.chmod(0o755)
        if copied and folder.is_dir():
            shutil.copytree(folder, fresh, dirs_exist_ok=True)
        yield fresh
        if durable:
            for path in (*fresh.iterdir(), fresh):
                force_to_disk(path)
        if folder.is_dir():
            aside = tempfile.mkdtemp(prefix=f".{folder.name}.old.", dir=folder.parent)
            os.replace(folder, aside)
            os.replace(fresh, folder)
            shutil.rmtree(aside)
        else:
            os.replace(fresh, folder)
        if durable:
            force_to_disk(folder.parent)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def move_folder(folder, place):
    """Give a folder another place on its disk, in one step.

    Raises:
        OSError: there is something at that place.
    """
    os.rename(folder, place)


@contextlib.contextmanager
def lock(path):
    """Hold a lock file within the block; a process that is killed leaves no lock behind.

    Raises:
        BlockingIOError: another process holds it.
    """
    with open(path, "a", encoding="utf-8") as file:
        lock_file(file)
        yield


def lock_file(file):
    """Lock an open file, or the number of an open file or folder, until it is closed.

    Raises:
        BlockingIOError: another process holds it.
    """
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def remove_parts(folder):
    """Remove the half-written files of a process that was killed; those of a process that still runs stay."""
    for part in Path(folder).glob(f".{'[0-9a-f]' * 32}{PART}"):
        with contextlib.suppress(FileNotFoundError, BlockingIOError), part.open("rb") as file:
            lock_file(file)
            part.unlink()


def fingerprint_data(data):
    """SHA-256 over names, sizes and both ends of every file of a folder, or of one file; where it lies does not count.

    A change in the middle of a large file that leaves its size is not seen.

    Raises:
        FileNotFoundError: there is nothing.
    """
    data = Path(data)
    files = sorted(path for path in data.iterdir() if path.is_file()) if data.is_dir() else [data]
    total = hashlib.sha256()
    for path in files:
        size = path.stat().st_size
        with open(path, "rb") as file:
            ends = file.read(ENDS)
            file.seek(max(size - ENDS, 0))
            ends += file.read(ENDS)
        name = path.name if data.is_dir() else ""
        total.update(f"{name} {size} {hashlib.sha256(ends).hexdigest()}\n".encode())
    return total.hexdigest()
