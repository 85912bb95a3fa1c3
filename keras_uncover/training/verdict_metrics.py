"""Metrics of verdicts, from histograms of ``p_fake``: sums, the same on every division of the data.

y_true: 1 for a fake, 0 for a genuine photo; y_pred: ``p_fake`` in [0, 1]; each ``(batch,)`` or ``(batch, 1)``.
"""

import keras
from keras import ops

STEEPEST = 12.0  # logits beyond are counted with it: float32 tells p_fake from 1 up to about 16


class ScoreHistogram(keras.metrics.Metric):
    """Sums over examples by bin of ``p_fake``.

    Sub-classes give ``place(p_fake)``, the bin of each score, and name the rows that they sum in ``add_rows``.
    A ``sample_weight`` multiplies what an example counts; 0 leaves it out.
    """

    def __init__(self, bins, rows, name=None, **kwargs):
        super().__init__(name=name, **kwargs)
        self.bins = bins
        self.sums = self.add_weight(shape=(rows, bins), name="sums", initializer="zeros")

    def update_state(self, y_true, y_pred, sample_weight=None):
        label, p_fake = (ops.reshape(ops.cast(x, "float32"), (-1,)) for x in (y_true, y_pred))
        weight = ops.ones_like(label)
        if sample_weight is not None:
            weight = weight * ops.reshape(ops.cast(sample_weight, "float32"), (-1,))
        place = ops.clip(ops.cast(ops.floor(self.place(p_fake)), "int32"), 0, self.bins - 1)
        rows = ops.stack(self.rows(label, p_fake)) * weight
        self.sums.assign_add(ops.matmul(rows, ops.one_hot(place, self.bins, dtype="float32")))


class EqualErrorRate(ScoreHistogram):
    """The rate at which as many genuine photos are called fake as fakes are called genuine.

    Resolution: scores are only told apart by ``bins`` bins of equal width in the logit of ``p_fake``, 0.05 wide from
    -12 to 12 unless told otherwise, because a good detector's scores crowd at 0 and 1. Between two thresholds both
    rates are taken as linear. So the value is off by less than the share of the genuine photos, and than that of the
    fakes, that fall in the one bin where the rates meet. Without examples of both kinds it is not a number.
    """

    def __init__(self, bins=480, name="eer", **kwargs):
        super().__init__(bins, 2, name=name, **kwargs)

    def place(self, p_fake):
        p_fake = ops.clip(p_fake, 1e-7, 1.0 - 1e-7)
        logit = ops.log(p_fake) - ops.log1p(-p_fake)
        return (logit + STEEPEST) * (self.bins / (2 * STEEPEST))

    def rows(self, label, p_fake):
        return [1.0 - label, label]

    def result(self):
        # Entry k: the rates of the threshold that calls fake what lies in bin k or above; the first calls all fake.
        below = ops.pad(ops.cumsum(self.sums, axis=1), [[0, 0], [1, 0]]) / ops.sum(self.sums, axis=1, keepdims=True)
        false_alarm, miss = 1.0 - below[0], below[1]
        gap = false_alarm - miss
        after = ops.argmax(gap <= 0.0)
        before = ops.maximum(after - 1, 0)
        share = ops.take(gap, before) / ops.maximum(ops.take(gap, before) - ops.take(gap, after), 1e-12)
        start = ops.take(false_alarm, before)
        return start + share * (ops.take(false_alarm, after) - start)

    def get_config(self):
        return {**super().get_config(), "bins": self.bins}


class CalibrationError(ScoreHistogram):
    """Expected calibration error of ``p_fake``: how far, on the mean, it is from the share of fakes among its likes.

    Bins of equal width in ``p_fake``; the mean over bins, weighted by what they hold, of ``|mean p_fake - share of
    fakes|``. It depends on how many of the examples are fakes, since that share does; weigh them where it must not.

    Source: M. Pakdaman Naeini et al., "Obtaining Well Calibrated Probabilities Using Bayesian Binning", 2015, here of
    the probability of one class instead of the winning one's.
    """

    def __init__(self, bins=15, name="calibration_error", **kwargs):
        super().__init__(bins, 3, name=name, **kwargs)

    def place(self, p_fake):
        return p_fake * self.bins

    def rows(self, label, p_fake):
        return [ops.ones_like(label), label, p_fake]

    def result(self):
        count, fakes, score = self.sums[0], self.sums[1], self.sums[2]
        return ops.sum(ops.abs(score - fakes)) / ops.maximum(ops.sum(count), 1e-6)

    def get_config(self):
        return {**super().get_config(), "bins": self.bins}
