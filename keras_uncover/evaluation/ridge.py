"""Ridge regression in its dual form, with its regularisation chosen on a part of the people."""

import numpy as np

from keras_uncover.refusals import DataError

PENALTIES = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)  # on kernels whose mean diagonal is 1 a block
HELD_OUT = 1 / 6  # of the people, to choose by


class Ridge:
    """Weighs training examples so that their weighted targets answer for a new one.

    Features come in two blocks, each centred and scaled to a mean square length of 1, so that a penalty means the
    same for any number of them; the second block is then scaled by one of ``scales``.

    Args:
        first, second: float32 ``(n, f)``, features.
        targets: float32 ``(n, p)``: what is predicted, as coarse as it may be to choose the penalty by.
        groups: int ``(n,)``: whose each row is, such as a person's and their mirror image's. The penalty is chosen by
            the first row of each alone, by groups held out.
        scales: of the second block, to choose from; ``(0,)`` leaves it out.
        seed: of the choice of held-out groups.

    Attributes:
        scale, penalty: those with the least squared error on the held-out groups.
        error: that error over the one of the mean target.
    """

    def __init__(self, first, second, targets, groups, scales=(0.0,), seed=0):
        self.centres = first.mean(0), second.mean(0)
        blocks = [block - centre for block, centre in zip((first, second), self.centres)]
        self.lengths = [np.sqrt((block**2).sum(1).mean()) + 1e-12 for block in blocks]
        self.blocks = [block / length for block, length in zip(blocks, self.lengths)]
        kernels = [block @ block.T for block in self.blocks]
        _, rows = np.unique(groups, return_index=True)
        held, square = hold_out(len(rows), seed), np.ix_(rows, rows)
        found = [
            (*choose_penalty(kernels[0][square] + s * s * kernels[1][square], targets[rows], held), s) for s in scales
        ]
        self.error, self.penalty, self.scale = min(found)
        kernel = kernels[0] + self.scale**2 * kernels[1]
        self.inverse = np.linalg.inv(kernel + self.penalty * np.eye(len(kernel)))

    def weigh(self, first, second):
        """What each training example counts: ``(m, n)``, to be multiplied with targets less their mean."""
        blocks = [(x - c) / l for x, c, l in zip((first, second), self.centres, self.lengths)]
        cross = self.blocks[0] @ blocks[0].T + self.scale**2 * (self.blocks[1] @ blocks[1].T)
        return (self.inverse @ cross).T.astype("float32")


def hold_out(count, seed):
    """Which of ``count`` people are held out: bool ``(count,)``, one sixth and at least one."""
    if count < 3:
        raise DataError(f"A regression whose penalty is chosen needs three people at least; received {count}.")
    drawn = np.random.default_rng(seed).permutation(count)
    return np.isin(np.arange(count), drawn[: max(1, round(count * HELD_OUT))])


def choose_penalty(kernel, targets, held):
    """The best of ``PENALTIES`` on held-out rows: its squared error over that of the mean, and the penalty."""
    mean = targets[~held].mean(0)
    known, truth = targets[~held] - mean, targets[held] - mean
    fitted, cross = kernel[~held][:, ~held], kernel[~held][:, held]
    errors = [
        np.mean((np.linalg.solve(fitted + penalty * np.eye(len(fitted), dtype=fitted.dtype), cross).T @ known - truth) ** 2)
        for penalty in PENALTIES
    ]
    best = int(np.argmin(errors))
    return float(errors[best] / max(np.mean(truth**2), 1e-12)), PENALTIES[best]
