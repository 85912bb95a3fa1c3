"""The same computation in float64: everything of ours that says float32 means float64, once ``widen`` was called.

Only for tests, in a process of its own. What differs in float32 by rounding alone agrees here to 1e-12; what differs by
what is added up does not.
"""

import functools

import keras
import numpy as np
from keras import ops

from keras_uncover import backend


def wide(dtype):
    return "float64" if getattr(dtype, "name", dtype) == "float32" else dtype


def widen():
    """Let layers, variables and ``keras.ops`` work in float64 from here on."""
    keras.config.set_floatx("float64")
    backend.OWN["floatx"] = "float64"
    parse = keras.DTypePolicy._parse_name
    keras.DTypePolicy._parse_name = lambda self, name: parse(self, wide(name))
    keras.config.set_dtype_policy("float64")
    cast, arange, convert = ops.cast, ops.arange, ops.convert_to_tensor

    @functools.wraps(convert)
    def convert_wide(x, dtype=None, **options):
        held = x.dtype if dtype is None and isinstance(x, np.ndarray) else dtype
        return convert(x, wide(held), **options)

    ops.cast = lambda x, dtype: cast(x, wide(dtype))
    ops.arange = lambda *ends, dtype=None, **options: arange(*ends, dtype=wide(dtype), **options)
    ops.convert_to_tensor = convert_wide
