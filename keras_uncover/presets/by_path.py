"""Weights as plain NumPy arrays under the paths of their variables: what passes from one machine to another.

Unlike a preset such a file tells nothing of the network and carries no manifest: a training writes it on its way.
"""

import os
import zipfile
import zlib

import numpy as np

from keras_uncover.refusals import DataError

HIGHEST = 6e4  # that float16 holds


def fill_by_path(model, path):
    """Fill a built model's variables with the arrays of their paths.

    Args:
        model: a Keras model.
        path: file that ``save_by_path`` wrote.

    Returns: how many of the model's variables were filled.

    Raises:
        DataError: the file cannot be read, or fits less than half of the model.
    """
    variables = model.trainable_variables + model.non_trainable_variables
    try:
        with open(path, "rb") as file, np.load(file) as arrays:
            fitting = [v for v in variables if v.path in arrays and arrays[v.path].shape == tuple(v.shape)]
            if 2 * len(fitting) < len(variables):
                raise DataError(
                    f"Weights must be of the network they fill; {path} fits {len(fitting)} of {len(variables)} arrays."
                )
            for variable in fitting:
                variable.assign(arrays[variable.path].astype("float32"))
    except DataError:
        raise
    except (OSError, ValueError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"Weights by path are a file of NumPy arrays; {path} cannot be read: {error}.") from error
    return len(fitting)


def save_by_path(path, arrays):
    """Write arrays under their variables' paths, as float16 where it holds them, whole or not at all.

    Args:
        path: file, ``.npz``. arrays: dict, variable path to array.
    """
    arrays = {name: np.asarray(array) for name, array in arrays.items()}
    small = {n for n, a in arrays.items() if a.dtype == np.float32 and not np.abs(a).max(initial=0.0) > HIGHEST}
    np.savez(f"{path}.part.npz", **{n: a.astype("float16") if n in small else a for n, a in arrays.items()})
    os.replace(f"{path}.part.npz", path)
