"""Pack shards as one ``.npz`` file that NumPy alone can read.

    python -m pipelines.bank SHARDS bank.npz [--split train validation]

Such a file is called a bank. This module reads it, too, without TensorFlow.
``with np.load("bank.npz") as bank: bank["crop"]``: an array for each key of the records, stacked, and ``split``. Texts
are fixed-width Unicode; nothing is pickled.
"""

import contextlib
import os
import zipfile
import zlib
from pathlib import Path

import numpy as np

from keras_uncover.escapes import Parser, for_stdout
from keras_uncover.files import new_file
from keras_uncover.process import open_closed_streams
from keras_uncover.refusals import DamagedData, DataError, Refusal, end_in_words
from pipelines.schema import refuse_split


def is_bank(path):
    """Whether a path names a packed bank, as ``python -m pipelines.bank`` writes it, and no folder of shards."""
    return Path(path).suffix == ".npz"


@contextlib.contextmanager
def whole_bank(path):
    """A context in which errors of NumPy and zipfile about a damaged bank become one error that names the bank.

    Raises:
        DamagedData: the bank is cut or damaged.
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


def stack_records(records, count, words):
    """Stack decoded records one by one: memory holds them once.

    Args:
        records: iterable of dicts of arrays, all of the same shapes.
        count: how many there must be.
        words: what the records are, for the error.
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


def pack(shards, path, splits=None, overwrite=False):
    """Pack splits of a data set, a key at a time: memory holds one record, whatever the size.

    Args:
        shards: folder of a TFDS data set.
        path: ``.npz`` file to write; it appears when it is complete.
        splits: list of split names; all if None.
        overwrite: whether an existing file may be replaced.

    Returns: dict, split to its number of records.

    Raises: BuildError.
    """
    from pipelines.build.folders import BuildError
    from pipelines.records import find_builder

    path = Path(path)
    if path.suffix != ".npz" or (path.exists() and not (overwrite and path.is_file())):
        raise BuildError(f"The output is a new file named *.npz; received {path}. Choose another or use --overwrite.")
    if not (Path(shards) / "dataset_info.json").is_file():
        raise BuildError(f"SHARDS is a folder with a dataset_info.json; {shards} has none. Build it first.")
    builder = find_builder(shards)
    splits = list(dict.fromkeys(splits or builder.info.splits))
    unknown = [name for name in splits if name not in builder.info.splits]
    if unknown:
        raise BuildError(f"{shards} has the splits {', '.join(builder.info.splits)}; received {', '.join(unknown)}.")
    counts = {name: builder.info.splits[name].num_examples for name in splits}
    with new_file(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, allowZip64=True) as archive:
        for key in builder.info.features:
            add_key(archive, key, builder, counts)
        names = np.array([name for name, count in counts.items() for _ in range(count)])
        add_array(archive, "split", names.dtype, names.shape, names)
    return counts


def add_key(archive, key, builder, counts):
    """Add one key of all records, in the order of the shards."""
    spec = builder.info.features[key]
    total = sum(counts.values())
    if spec.np_dtype in (object, np.object_, np.str_):
        texts = np.array([text.decode() for text in read_key(builder, key, counts)])
        add_array(archive, key, texts.dtype, texts.shape, texts)
    else:
        add_array(archive, key, np.dtype(spec.np_dtype), (total, *spec.shape), read_key(builder, key, counts))


def read_key(builder, key, counts):
    """Yield one key of the records of all splits; the others are not decoded."""
    import tensorflow_datasets as tfds

    from pipelines.damage import damage_named

    config = tfds.ReadConfig(interleave_cycle_length=1, try_autocache=False)
    decoders = tfds.decode.PartialDecoding({key: True})
    for split in counts:
        records = builder.as_dataset(split=split, decoders=decoders, read_config=config, shuffle_files=False)
        with damage_named(builder.data_path):
            for record in records.as_numpy_iterator():
                yield record[key]


def add_array(archive, name, dtype, shape, rows):
    """Write one ``.npy`` member row by row."""
    with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
        header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        for row in rows:
            file.write(np.asarray(row, dtype).tobytes())


def main(argv=None):
    """Run the command line; returns the exit status."""
    parser = Parser("python -m pipelines.bank", description=__doc__.split("\n")[0])
    parser.add_argument("shards", metavar="SHARDS", help="folder written by python -m pipelines.portraits")
    parser.add_argument("bank", metavar="BANK", help="file to write, *.npz")
    parser.add_argument("--split", nargs="+", metavar="NAME", help="only these splits (default: all)")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file")
    open_closed_streams()
    args = parser.parse_args(argv)
    return end_in_words("error", pack_and_tell, args)


def pack_and_tell(args):
    """Pack, and say what was packed."""
    counts = pack(args.shards, args.bank, args.split, args.overwrite)
    listed = ", ".join(f"{name} {count:,}" for name, count in counts.items())
    print(for_stdout(f"{args.bank}: {listed}; {Path(args.bank).stat().st_size / 1e6:.1f} MB."))


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    raise SystemExit(main())
