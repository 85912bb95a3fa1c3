"""Losses: each returns one value an example, so that any number of replicas agrees on the mean.

Truths that need weights a pixel carry them as their last channel: ``target`` the mask, ``donor`` the donor's hull,
``flow`` whether the place is known.

How to add a loss:

1. write a ``keras.losses.Loss`` whose ``call(y_true, y_pred)`` returns float32 ``(batch,)``, here or, where it needs a
   network of its own, in ``face_losses.py``;
2. add to ``LOSSES`` a function of ``(name, faces)`` that makes it, or give it as a term to ``WeightedSum``;
3. name it for an output in ``TASKS`` of ``models/build.py``, where its weight stands, too.
"""

import keras
from keras import ops

from keras_uncover.ops.ssim import ssim_map, weigh_windows

AXES = (1, 2, 3)


def split_weight(truth):
    """A truth whose last channel is a weight: (values, weight)."""
    return truth[..., :-1], truth[..., -1:]


class RegionL1(keras.losses.Loss):
    """Mean absolute difference, pixels weighing ``outside + inside * weight``, over the sum of the weights.

    y_true: ``(batch, h, w, c + 1)``, the last channel a weight in [0, 1]; y_pred: ``(batch, h, w, c)``.
    """

    def __init__(self, inside=1.0, outside=0.0, name="region_l1", **kwargs):
        super().__init__(name=name, **kwargs)
        self.inside, self.outside = inside, outside

    def call(self, y_true, y_pred):
        values, weight = split_weight(y_true)
        weight = self.outside + self.inside * weight
        difference = ops.mean(ops.abs(values - y_pred), axis=-1, keepdims=True)
        return ops.sum(difference * weight, axis=AXES) / (ops.sum(weight, axis=AXES) + 1e-3)

    def get_config(self):
        return {**super().get_config(), "inside": self.inside, "outside": self.outside}


class RegionSSIM(keras.losses.Loss):
    """One minus the mean SSIM of the windows inside the weight; 0 where the weight is empty.

    y_true: ``(batch, h, w, c + 1)``, the last channel a weight in [0, 1]; y_pred: ``(batch, h, w, c)``.
    """

    def __init__(self, stride=4, name="region_ssim", **kwargs):
        super().__init__(name=name, **kwargs)
        self.stride = stride

    def call(self, y_true, y_pred):
        values, weight = split_weight(y_true)
        loss = 1.0 - ops.mean(ssim_map(y_pred, values, self.stride), axis=-1, keepdims=True)
        weight = weigh_windows(weight, self.stride)
        return ops.sum(loss * weight, axis=AXES) / (ops.sum(weight, axis=AXES) + 1e-3)

    def get_config(self):
        return {**super().get_config(), "stride": self.stride}


class MaskLoss(keras.losses.Loss):
    """Cross-entropy a pixel plus soft Dice.

    Dice (F. Milletari et al., "V-Net", 2016) keeps the surroundings from dominating the loss of a small mask; its
    smoothing makes the loss of an empty mask fall to 0 with an empty answer.
    y_true, y_pred: ``(batch, h, w, 1)`` in [0, 1].
    """

    def __init__(self, dice=0.5, name="mask_loss", **kwargs):
        super().__init__(name=name, **kwargs)
        self.dice = dice

    def call(self, y_true, y_pred):
        p = ops.clip(y_pred, 1e-5, 1 - 1e-5)
        entropy = -ops.mean(y_true * ops.log(p) + (1 - y_true) * ops.log(1 - p), axis=AXES)
        overlap = 2 * ops.sum(y_true * y_pred, axis=AXES) + 10.0
        total = ops.sum(y_true, axis=AXES) + ops.sum(y_pred, axis=AXES) + 10.0
        return entropy + self.dice * (1 - overlap / total)

    def get_config(self):
        return {**super().get_config(), "dice": self.dice}


class WeightedSum(keras.losses.Loss):
    """Several losses on one output: ``terms`` are pairs of weight and loss."""

    def __init__(self, terms, name="weighted_sum", **kwargs):
        super().__init__(name=name, **kwargs)
        self.terms = terms

    def call(self, y_true, y_pred):
        return sum(weight * loss.call(y_true, y_pred) for weight, loss in self.terms)

    def get_config(self):
        terms = [(weight, keras.losses.serialize(loss)) for weight, loss in self.terms]
        return {**super().get_config(), "terms": terms}

    @classmethod
    def from_config(cls, config):
        config["terms"] = [(weight, keras.losses.deserialize(loss, globals())) for weight, loss in config["terms"]]
        return cls(**config)


def verdict_loss(name, faces=()):
    """Cross-entropy of ``p_fake``."""
    return keras.losses.BinaryCrossentropy(label_smoothing=0.02, name=name)


def mask_loss(name, faces=()):
    return MaskLoss(name=name)


def face_loss(name, faces=()):
    """L1 and SSIM of a recovered face, and what is given as ``faces``: pairs of weight and loss."""
    return WeightedSum([(2.0, RegionL1(inside=4.0, outside=1.0)), (0.5, RegionSSIM()), *faces], name=name)


def inside_loss(name, faces=()):
    """L1 inside the weight alone: for flows, and for the donor's pixels read from the fake."""
    return RegionL1(inside=1.0, name=name)


LOSSES = {"verdict": verdict_loss, "mask": mask_loss, "face": face_loss, "flow": inside_loss, "seen": inside_loss}


def task_losses(task, faces=()):
    """The losses of a task by output.

    Args:
        task: ``keras_uncover.models.build.Task``.
        faces: pairs of weight and loss on both recovered faces beside L1 and SSIM, such as those of
            ``face_losses.load_face_losses``.
    """
    return {output: LOSSES[loss](f"{output}_loss", faces) for output, loss in task.losses.items()}
