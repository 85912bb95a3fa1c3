"""Metrics of pictures that are watched while training: means over examples, the same on every number of replicas."""

import keras
from keras import ops

from keras_uncover.ops.ssim import ssim_map, weigh_windows
from keras_uncover.training.losses import AXES, split_weight


class MaskedMean(keras.metrics.Metric):
    """Mean over the examples that have a region of a value each example has inside it.

    Sub-classes give ``values(truth, answer, weight)``, float32 ``(batch,)``. y_true: ``(batch, h, w, c + 1)``, the
    last channel the region's weight in [0, 1]; y_pred: ``(batch, h, w, c)``. Examples whose region is empty or whose
    ``sample_weight`` is 0 do not count.
    """

    def __init__(self, name=None, **kwargs):
        super().__init__(name=name, **kwargs)
        self.total = self.add_weight(name="total", initializer="zeros")
        self.count = self.add_weight(name="count", initializer="zeros")

    def update_state(self, y_true, y_pred, sample_weight=None):
        truth, weight = split_weight(y_true)
        counts = ops.cast(ops.sum(weight, axis=AXES) > 1.0, "float32")
        if sample_weight is not None:
            counts = counts * ops.reshape(ops.cast(sample_weight, "float32"), (-1,))
        self.total.assign_add(ops.sum(self.values(truth, y_pred, weight) * counts))
        self.count.assign_add(ops.sum(counts))

    def result(self):
        return self.total / ops.maximum(self.count, 1e-6)


class RegionError(MaskedMean):
    """Mean absolute difference inside the region."""

    def values(self, truth, answer, weight):
        difference = ops.mean(ops.abs(truth - answer), axis=-1, keepdims=True)
        return ops.sum(difference * weight, axis=AXES) / (ops.sum(weight, axis=AXES) + 1e-6)


class RegionSimilarity(MaskedMean):
    """Mean SSIM of the windows inside the region."""

    def values(self, truth, answer, weight):
        similarity = ops.mean(ssim_map(answer, truth), axis=-1, keepdims=True)
        weight = weigh_windows(weight, 1)
        return ops.sum(similarity * weight, axis=AXES) / (ops.sum(weight, axis=AXES) + 1e-6)


class MaskIoU(keras.metrics.Metric):
    """Mean intersection over union of masks cut at 0.5, over examples whose true mask is not empty."""

    def __init__(self, name="iou", **kwargs):
        super().__init__(name=name, **kwargs)
        self.total = self.add_weight(name="total", initializer="zeros")
        self.count = self.add_weight(name="count", initializer="zeros")

    def update_state(self, y_true, y_pred, sample_weight=None):
        truth, answer = (ops.cast(mask > 0.5, "float32") for mask in (y_true, y_pred))
        both = ops.sum(truth * answer, axis=AXES)
        either = ops.sum(ops.maximum(truth, answer), axis=AXES)
        counts = ops.cast(ops.sum(truth, axis=AXES) > 0, "float32")
        if sample_weight is not None:
            counts = counts * ops.reshape(ops.cast(sample_weight, "float32"), (-1,))
        self.total.assign_add(ops.sum(both / ops.maximum(either, 1.0) * counts))
        self.count.assign_add(ops.sum(counts))

    def result(self):
        return self.total / ops.maximum(self.count, 1e-6)


METRICS = {
    "auc": lambda: keras.metrics.AUC(num_thresholds=500, name="auc"),
    "iou": MaskIoU,
    "l1": lambda: RegionError(name="l1"),
    "ssim": lambda: RegionSimilarity(name="ssim"),
}


def task_metrics(task):
    """The metrics of a task by output, a list each. task: ``keras_uncover.models.build.Task``."""
    return {output: [METRICS[name]() for name in names] for output, names in task.metrics.items()}
