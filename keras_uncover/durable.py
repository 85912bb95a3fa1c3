"""Files that are there as a whole or not at all, and that survive a loss of power."""

import hashlib
import os


def hash_file(path):
    """SHA-256 of a file, in hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
