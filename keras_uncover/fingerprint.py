"""What data a run was trained on, as a short text that changes when they do."""

import hashlib
from pathlib import Path

ENDS = 1 << 20  # bytes at either end of a file that are hashed; a table of records may have terabytes


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
