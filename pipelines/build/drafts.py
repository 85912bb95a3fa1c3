"""Records that wait on disk from when a picture is screened until TFDS asks for them.

Which pictures are kept is known only after the last one was screened: two files may hold the same picture, and TFDS
must be told of the splits before the first record. A picture is nevertheless read and decoded once, because its record
is made while its pixels are in memory.
"""

import io
import itertools

import numpy as np
from etils import epath


class Drafts:
    """Records in a folder, as files that are not compressed. Several threads may put records there.

    Args:
        folder: path of an empty folder, local or in a bucket.
    """

    def __init__(self, folder):
        self.folder, self.numbers = epath.Path(folder), itertools.count()

    def put(self, record):
        """Keep a record. Returns: its number.

        Args:
            record: dict of arrays and plain numbers.
        """
        number, file = next(self.numbers), io.BytesIO()
        np.savez(file, **record)
        self.path(number).write_bytes(file.getvalue())
        return number

    def read(self, number):
        """The record of a number, as it was put; numbers come back as NumPy's."""
        with np.load(io.BytesIO(self.path(number).read_bytes())) as stored:
            return {key: value if value.ndim else value[()] for key, value in stored.items()}

    def take(self, number):
        """As ``read``, for the last time: the file is removed."""
        record = self.read(number)
        self.path(number).unlink()
        return record

    def path(self, number):
        """The file of a record."""
        return self.folder / f"{number}.npz"
