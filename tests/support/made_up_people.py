"""Made-up records and swaps of them, for the tests of everything that a swap is made of."""

import functools

import numpy as np
from keras import ops

from keras_uncover.ops.geometry import pixel_grid
from keras_uncover.ops.mesh import VERTICES, mean_mesh
from keras_uncover.ops.texture import unwrap_texture, uv_map
from keras_uncover.swaps.synthesis import DRAWS, make_swaps

ALL = {"mesh": 1.0, "affine": 1.0, "self": 1.0}


def numpy(value):
    return ops.convert_to_numpy(value)


@functools.cache
def people(count=3, size=64, seed=0):
    """Records of made-up people: smooth pictures of their own colours and bent mean faces. Only to be read."""
    rng = np.random.default_rng(seed)
    x, y = numpy(pixel_grid(size))[None, ..., None, 0], numpy(pixel_grid(size))[None, ..., None, 1]
    a, b, phase = rng.uniform(-5, 5, (3, count, 1, 1, 3))
    crop = (rng.uniform(0.4, 0.6, (count, 1, 1, 3)) + 0.3 * np.sin(a * x + b * y + phase)).astype("float32")
    bend = 0.015 * np.sin(2 * np.pi * mean_mesh().points @ rng.uniform(-1, 1, (count, 2, 2)))
    shear = np.eye(2) + rng.uniform(-0.08, 0.08, (count, 2, 2))
    points = (mean_mesh().points - 0.5) @ shear + 0.5 + bend
    points = np.concatenate([points, np.zeros((count, VERTICES, 1))], -1).astype("float32")
    maps = [uv_map(face, size) for face in points]
    return {
        "crop": crop,
        "texture": numpy(unwrap_texture(crop, points * size, size)),
        "uv": np.stack([numpy(uv) for uv, _ in maps]),
        "hull": np.stack([numpy(hull) for _, hull in maps]),
        "points": points,
    }


def donors(records):
    """Everybody's face goes to the next."""
    return {key: np.roll(value, 1, axis=0) for key, value in records.items()}


def repeat(records, times):
    """A larger batch of the same people."""
    return {key: np.concatenate([value] * times) for key, value in records.items()}


def make_draws(count=3, seed=0, columns=DRAWS, **fixed):
    """Uniform draws (count, columns); ``c10=0.5`` sets column 10."""
    draws = np.random.default_rng(seed).random((count, columns), "float32")
    for name, value in fixed.items():
        draws[:, int(name[1:])] = value
    return draws


def exact_draws(**fixed):
    """Draws of a swap whose pixels are the donor's own: no colour matching, no gain, no softness."""
    return make_draws(**{"c10": 0, "c11": 0.5, "c12": 0.5, "c13": 0.5, "c14": 0, **fixed})


def darken(images):
    """What stands for an autoencoder where any function will do."""
    return 0.5 * images


def swap(shares, draws, plain=False, records=None, donor=None, resynthesise=darken):
    records = records or people()
    donor = donor or donors(records)
    result = make_swaps(records, donor, draws, shares, plain, resynthesise=resynthesise)
    return {key: numpy(value) for key, value in result.items()}
