"""Faces by their points, and draws whose outcomes a test decides, for the tests of swaps that imitate real tools."""

import functools

import numpy as np
from keras import ops

from keras_uncover.ops.geometry import pixel_grid
from keras_uncover.ops.mesh import mean_mesh
from keras_uncover.swaps.draws import Uniforms

SIZE = 48
VIEW = 1.4824  # sides of the usual crop, as in packs: a crop of 5.08 eye distances


def numpy(value):
    return ops.convert_to_numpy(value)


def mean_points(size=SIZE, view=VIEW):
    """The mean face's 478 points in pixels of a crop, float32 ``(478, 2)``; the irises lie at the nose."""
    points = (mean_mesh().points - 0.5) / view + 0.5
    return np.concatenate([points, np.repeat(points[1:2], 10, 0)]).astype("float32") * size


@functools.cache
def faces(count=3, size=SIZE, seed=0):
    """Smooth pictures of their own colours with faces of their own shapes: dict of crop and points. Only to be read."""
    rng = np.random.default_rng(seed)
    grid = numpy(pixel_grid(size))[None]
    x, y = grid[..., :1], grid[..., 1:]
    a, b, phase = rng.uniform(-9, 9, (3, count, 1, 1, 3))
    crop = rng.uniform(0.4, 0.6, (count, 1, 1, 3)) + 0.3 * np.sin(a * x + b * y + phase)
    middle = 0.5 * size
    shear = np.eye(2) + rng.uniform(-0.08, 0.08, (count, 2, 2))
    points = (mean_points(size) - middle) @ shear + middle + rng.uniform(-1, 1, (count, 1, 2))
    return {"crop": crop.astype("float32"), "points": points.astype("float32")}


def uniforms(count, columns, seed=0):
    return np.random.default_rng(seed).random((count, columns), "float32")


class Decided(Uniforms):
    """Draws of which some are decided.

    Args:
        matrix: as for ``Uniforms``.
        happens: dict, the number of a call of ``happens`` to its answer; ``None`` stands for all others.
        one: the same for ``one``, to a share of the way from low to high.
        still: every normal number is 0.
    """

    def __init__(self, matrix, happens=None, one=None, still=False):
        super().__init__(matrix)
        self.answers = {"happens": happens or {}, "one": one or {}}
        self.asked, self.still = {"happens": 0, "one": 0}, still

    def decided(self, kind):
        number = self.asked[kind]
        self.asked[kind] += 1
        return self.answers[kind].get(number, self.answers[kind].get(None))

    def happens(self, share):
        drawn, answer = super().happens(share), self.decided("happens")
        return drawn if answer is None else ops.full_like(drawn, answer)

    def one(self, low=0.0, high=1.0):
        drawn, answer = super().one(low, high), self.decided("one")
        return drawn if answer is None else ops.full_like(drawn, low + (high - low) * answer)

    def normal(self, count):
        drawn = super().normal(count)
        return ops.zeros_like(drawn) if self.still else drawn
