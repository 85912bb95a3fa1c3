"""What a weights file may hold: groups and plain arrays of numbers, all of them inside the file itself.

HDF5 can also hold links into other files, arrays whose values lie in other files, and arrays that state terabytes of
which nothing is stored. The hashes of a manifest do not protect against these where the whole folder comes from
somebody else.
"""

import h5py
import numpy as np

MOST_BYTES = 2**30  # of all arrays together, unpacked
MOST_OBJECTS = 20_000


class ArraysError(ValueError):
    """A weights file with something else in it."""


def check_arrays(path):
    """Refuse a weights file that holds anything but arrays of numbers; no array is read.

    Args:
        path: of an HDF5 file.

    Raises: ArraysError with what was found; OSError where the file is no HDF5.
    """
    with h5py.File(path, "r") as file:
        total = objects = 0
        groups = [("", file)]
        while groups:
            place, group = groups.pop()
            for name in group:
                objects += 1
                if objects > MOST_OBJECTS:
                    raise ArraysError(f"more than {MOST_OBJECTS:,} objects")
                item = open_item(group, name, f"{place}/{name}")
                if isinstance(item, h5py.Group):
                    groups.append((f"{place}/{name}", item))
                    continue
                total += count_bytes(item, f"{place}/{name}")
                if total > MOST_BYTES:
                    raise ArraysError(f"arrays of more than {MOST_BYTES:,} bytes, with {place}/{name}")


def open_item(group, name, place):
    """A group's member that lies in the file itself."""
    kind = group.get(name, getlink=True)
    if not isinstance(kind, h5py.HardLink):
        raise ArraysError(f"{place}, which is a link to elsewhere")
    item = group[name]
    if not isinstance(item, (h5py.Group, h5py.Dataset)):
        raise ArraysError(f"{place}, which is no array")
    return item


def count_bytes(array, place):
    """Bytes of an array when it is read."""
    if array.external or array.is_virtual:
        raise ArraysError(f"{place}, whose values lie in another file")
    # Keras stores some facts of a layer as text of a few bytes.
    if array.dtype.kind not in "biuf" and array.size > 1:
        raise ArraysError(f"{place}, which holds no numbers but {array.dtype}")
    return int(np.prod(array.shape, dtype=object)) * array.dtype.itemsize
