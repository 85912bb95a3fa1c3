"""Check which splits a data set has and how large its crops are, before anything is built or read."""

import zipfile

import numpy as np

from pipelines.bank import is_bank, whole_bank
from pipelines.schema import check_side, refuse_split


def describe(data, key):
    """Names of the splits, and pixels of a crop's side or None where the data have no such key.

    Args:
        data: folder of shards, or a packed bank.
        key: ``crop`` of portraits, ``input`` of ready-made fakes.
    """
    if is_bank(data):
        return describe_bank(data, key)
    from pipelines.records import find_builder  # Shards are TensorFlow's.

    info = find_builder(data).info
    return set(info.splits), info.features[key].shape[0] if key in info.features else None


def describe_bank(path, key):
    """As ``describe``; of the crops only the header is unpacked."""
    with whole_bank(path), zipfile.ZipFile(path) as bank:
        splits = set(read_member(bank, "split", np.lib.format.read_array).tolist())
        names = bank.namelist()
        return splits, read_member(bank, key, read_shape)[1] if f"{key}.npy" in names else None


def read_member(bank, name, function):
    """What a function makes of the opened array of an archive."""
    with bank.open(f"{name}.npy") as member:
        return function(member)


def read_shape(file):
    """The shape of an array, from its header."""
    np.lib.format.read_magic(file)
    return np.lib.format.read_array_header_1_0(file)[0]


def check_data(config, size, splits=("train", "validation")):
    """Refuse data without a split that is needed, or whose crops have another side than the network.

    Args:
        config: ``BatchConfig``; data that it does not read are not looked at.
        size: pixels of the network's side.
        splits: those that are needed.

    Raises:
        DataError: as said, or there are no such data.
    """
    for data, keys in config.sources.values():
        found, side = describe(data, keys[0])
        for split in splits:
            if split not in found:
                refuse_split(data, found, split)
        check_side(data, keys[0], side, size)
