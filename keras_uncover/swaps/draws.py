"""Uniform numbers handed out column by column, so that a batch is a pure function of its records and its draws."""

import math

from keras import ops


class Uniforms:
    """Hands out the columns of a matrix of uniform numbers, each once.

    Args:
        matrix: float32 ``(batch, columns)``, uniform in [0, 1).
    """

    def __init__(self, matrix):
        self.matrix, self.used = matrix, 0

    def take(self, count):
        """The next columns, float32 ``(batch, count)``; ValueError where too few are left."""
        start, self.used = self.used, self.used + count
        if self.used > self.matrix.shape[1]:
            raise ValueError(
                f"A batch needs at least {self.used} uniform numbers a row; received {self.matrix.shape[1]} columns."
            )
        return self.matrix[:, start : self.used]

    def one(self, low=0.0, high=1.0):
        """The next column stretched to [low, high), float32 ``(batch,)``."""
        return low + (high - low) * self.take(1)[:, 0]

    def happens(self, share):
        """bool ``(batch,)``, true in ``share`` of the rows; a Python or a backend number."""
        return self.take(1)[:, 0] < share

    def normal(self, count):
        """Standard normal numbers, cut at three deviations: float32 ``(batch, count)``."""
        uniform = 0.00135 + 0.9973 * self.take(count)
        return math.sqrt(2.0) * ops.erfinv(2.0 * uniform - 1.0)

    def choose(self, values, weights):
        """One of ``values`` a row, drawn by weight: float32 ``(batch,)``."""
        draw, edge = self.take(1)[:, 0], 0.0
        chosen = ops.full_like(draw, float(values[0]))
        for value, weight in zip(values[1:], weights):
            edge += weight / sum(weights)
            chosen = ops.where(draw < edge, chosen, float(value))
        return chosen


def picture(values):
    """A number a row as float32 ``(batch, 1, 1, 1)``, to be multiplied with pictures."""
    return ops.reshape(values, (-1, 1, 1, 1))
