"""Find the file of a data set that is missing, cut or damaged: TensorFlow's errors do not name it."""

import contextlib
import glob

from keras_uncover.refusals import DamagedData
from pipelines.bank import is_bank

# TensorFlow's errors by name: it is not imported here, and may be missing under JAX.
KINDS = ("DataLossError", "NotFoundError", "InvalidArgumentError", "FailedPreconditionError", "OutOfRangeError")
WAY_OUT = "Copy the data set again, or build it anew with --overwrite."


@contextlib.contextmanager
def damage_named(*folders, unpacked=None):
    """A context in which an error of TensorFlow about a damaged file becomes one that names the file.

    Args:
        folders: data sets that are read. Banks are left out, as their errors name them.
        unpacked: beginning of the paths of unpacked records, as ``--cache`` takes it.

    Raises:
        DamagedData: a file is damaged. Where all files are sound, the error is raised as it was.
    """
    try:
        yield
    except Exception as error:
        if type(error).__name__ not in KINDS:
            raise
        for folder in folders:
            words = None if is_bank(folder) else find_damage(folder)
            if words:
                raise DamagedData(f"{words}. {WAY_OUT}") from error
        for path in sorted(glob.glob(f"{glob.escape(str(unpacked))}-*.tfrecord")):
            words = look_through(path)
            if words:
                raise DamagedData(f"{words}. Remove it; it is then unpacked anew.") from error
        raise


def find_damage(folder):
    """What is wrong with the first file of a data set that is not whole, in words with its path, or None."""
    from pipelines.records import find_builder

    info = find_builder(folder).info
    for split in info.splits.values():
        for path, count in zip(split.filepaths, split.shard_lengths):
            words = look_through(path, count, info.features.deserialize_example)
            if words:
                return words
    return None


def look_through(path, count=None, decode=None):
    """What is wrong with a file of records, in words with its path, or None.

    Args:
        path: of a TFRecord file.
        count: how many records it must hold.
        decode: function of a serialised record, which it must take.
    """
    import tensorflow as tf

    number = 0
    try:
        for record in tf.data.TFRecordDataset(str(path)):
            number += 1
            if decode is not None:
                decode(record)
    except tf.errors.NotFoundError:
        return f"The data must be whole; {path} is missing"
    except tf.errors.DataLossError:
        return f"The data must be whole; {path} is cut or damaged after record {number}"
    except (tf.errors.InvalidArgumentError, ValueError):
        return f"The data must be whole; record {number} of {path} is not what features.json says"
    if count is not None and number != count:
        return f"The data must be whole; {path} holds {number} records, and dataset_info.json says {count}"
    return None
