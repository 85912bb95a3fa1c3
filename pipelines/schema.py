"""The records of a split as stacked NumPy arrays, from a packed bank: without TensorFlow."""

import contextlib
import zipfile
import zlib
from pathlib import Path

import numpy as np

from keras_uncover.refusals import DamagedData, DataError, Refusal

IMAGES = ("crop", "texture", "uv", "hull")
PORTRAIT = (*IMAGES, "points", "person")
PAIR = ("input", "target", "donor", "donor_hull", "mask", "has_mask", "target_person", "donor_person")


def is_bank(path):
    """Whether a path names a packed bank, as ``python -m pipelines.bank`` writes it, and no folder of shards."""
    return Path(path).suffix == ".npz"


@contextlib.contextmanager
def whole_bank(path):
    """Within it what NumPy and zipfile make of a bank that is cut or damaged becomes one sentence that names it.

    Raises:
        DamagedData: as said.
    """
    try:
        yield
    except Refusal:
        raise
    except (zipfile.BadZipFile, zlib.error, EOFError, ValueError) as error:
        raise DamagedData(
            f"A bank must be whole; {path} cannot be read: {error}. Copy it again, or pack it anew by python -m "
            "pipelines.bank."
        ) from error


def read_bank(path, split, keys):
    """The rows of one split of a bank.

    Args:
        path: ``.npz`` file written by ``python -m pipelines.bank``.
        split: ``train``, ``validation`` or ``test``.
        keys: which arrays; only they are unpacked.

    Returns: dict of arrays, a record a row. Texts are fixed-width Unicode.

    Raises:
        DataError: the bank holds no such split or keys, or is damaged.
    """
    with whole_bank(path), open(path, "rb") as file, np.load(file) as bank:
        missing = [key for key in (*keys, "split") if key not in bank]
        if missing:
            raise DataError(
                f"A bank must be packed from shards of the right kind; {path} has no {', '.join(missing)}. "
                "Pack it anew by python -m pipelines.bank."
            )
        splits = bank["split"]
        if split not in splits:
            refuse_split(path, set(splits), split)
        rows = splits == split
        return {key: bank[key][rows] for key in keys}


def refuse_split(data, splits, received):
    """The error for a split that data do not have."""
    raise DataError(
        f"split must be one of {sorted(map(str, splits))} in {data}; received {received!r}. Choose one of these, or "
        "build a data set that has it: the splits of a CSV, --split and --validation decide."
    )


def check_count(data, split, count, needed):
    """Refuse a split from which no batch can be made."""
    if count < needed:
        raise DataError(
            f"Split {split} of {data} holds {count} records; a batch needs {needed} of them. Use a smaller "
            "--batch-size, or more pictures."
        )


def check_side(data, key, found, size):
    """Refuse crops of another side than a network takes. found: pixels, None where there are no such crops."""
    if found not in (None, size):
        program = "pipelines.portraits PHOTOS" if key == "crop" else "pipelines.swap_pairs DATASET"
        raise DataError(
            f"Shards must hold crops of the model's side, {size} px; {data} holds {found} px. Build others: python -m "
            f"{program} SHARDS --size {size}."
        )


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
        raise DamagedData(f"{words} must hold {count} records, as its dataset_info.json says; {number} were read.")
    return {key: value.astype("S") if value.dtype == object else value for key, value in columns.items()}
