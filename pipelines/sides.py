"""How large the crops of a data set are, told before anything is built or read."""

import zipfile

import numpy as np

from pipelines.table import check_side, is_bank, whole_bank


def side_of(data, key):
    """Pixels of a crop's side, or None where the data have no such key.

    Args:
        data: folder of shards, or a packed bank.
        key: ``crop`` of portraits, ``input`` of ready-made fakes.
    """
    if is_bank(data):
        with whole_bank(data), zipfile.ZipFile(data) as bank:
            if f"{key}.npy" not in bank.namelist():
                return None
            with bank.open(f"{key}.npy") as member:
                np.lib.format.read_magic(member)
                return np.lib.format.read_array_header_1_0(member)[0][1]
    from pipelines.read import find_builder  # Shards are TensorFlow's.

    features = find_builder(data).info.features
    return features[key].shape[0] if key in features else None


def check_sides(shards, swap_pairs, mix, size):
    """Refuse data whose crops have another side than the network.

    Args:
        shards, swap_pairs, mix: as ``load.load`` takes them; what is not read is not looked at.
        size: pixels of the network's side.

    Raises:
        DataError: as said, or there are no such data.
    """
    wanted = [] if swap_pairs and mix == 1 else [(shards, "crop")]
    wanted += [(swap_pairs, "input")] if swap_pairs and mix > 0 else []
    for data, key in wanted:
        check_side(data, key, side_of(data, key), size)
