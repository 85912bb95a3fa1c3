"""The records of a split as stacked NumPy arrays, from a packed bank: without TensorFlow."""

from pathlib import Path

import numpy as np

IMAGES = ("crop", "texture", "uv", "hull")
PORTRAIT = (*IMAGES, "points", "person")
PAIR = ("input", "target", "donor", "donor_hull", "mask", "has_mask", "target_person", "donor_person")


def is_bank(path):
    """Whether a path names a packed bank, as ``python -m pipelines.bank`` writes it, and no folder of shards."""
    return Path(path).suffix == ".npz"


def read_bank(path, split, keys):
    """The rows of one split of a bank.

    Args:
        path: ``.npz`` file written by ``python -m pipelines.bank``.
        split: ``train``, ``validation`` or ``test``.
        keys: which arrays; only they are unpacked.

    Returns: dict of arrays, a record a row. Texts are fixed-width Unicode.

    Raises:
        ValueError: the bank holds no such split or keys.
    """
    with np.load(path) as bank:
        missing = [key for key in (*keys, "split") if key not in bank]
        if missing:
            raise ValueError(
                f"A bank must be packed from shards of the right kind; {path} has no {', '.join(missing)}. "
                "Pack it anew by python -m pipelines.bank."
            )
        splits = bank["split"]
        if split not in splits:
            raise ValueError(f"split must be one of {sorted(map(str, set(splits)))} in {path}; received {split!r}.")
        rows = splits == split
        return {key: bank[key][rows] for key in keys}


def check_count(data, split, count, needed):
    """Refuse a split from which no batch can be made."""
    if count < needed:
        raise ValueError(f"Split {split} of {data} holds {count} records; a batch needs {needed} of them.")


def stack_records(records, count, words):
    """Stack decoded records one by one: memory holds them once.

    Args:
        records: iterable of dicts of arrays, all of the same shapes.
        count: how many there must be.
        words: what they are, for the error.
    """
    columns, number = {}, 0
    for number, record in enumerate(records, start=1):
        for key, value in record.items():
            value = np.asarray(value)
            if key not in columns:
                columns[key] = np.empty((count, *value.shape), object if value.dtype.kind == "S" else value.dtype)
            columns[key][number - 1] = value
    if number != count:
        raise ValueError(f"{words} must hold {count} records, as its dataset_info.json says; {number} were read.")
    return {key: value.astype("S") if value.dtype == object else value for key, value in columns.items()}
