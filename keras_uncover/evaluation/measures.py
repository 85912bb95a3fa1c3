"""How near an answer's pictures are to the truth: one value an example, in NumPy, larger batches than training's."""

import numpy as np
from keras import ops

from keras_uncover.evaluation import ranking
from keras_uncover.ops.ssim import ssim_map, weigh_windows

AXES = (1, 2, 3)
BRIGHTEST_PSNR = 100.0  # dB given where the answer is the truth, whose PSNR is infinite


def region_error(truth, answer, region):
    """Mean absolute difference inside a region, ``(n,)``. Images ``(n, s, s, 3)``, region ``(n, s, s, 1)``."""
    difference = np.abs(truth - answer).mean(-1, keepdims=True)
    return (difference * region).sum(AXES) / (region.sum(AXES) + 1e-6)


def region_similarity(truth, answer, region):
    """Mean SSIM of the windows inside a region, ``(n,)``."""
    truth, answer, region = (ops.convert_to_tensor(x, "float32") for x in (truth, answer, region))
    weight = ops.convert_to_numpy(weigh_windows(region, 1))
    similarity = ops.convert_to_numpy(ops.mean(ssim_map(answer, truth), axis=-1, keepdims=True))
    return (similarity * weight).sum(AXES) / (weight.sum(AXES) + 1e-6)


def region_psnr(truth, answer, region):
    """Peak signal-to-noise ratio inside a region in dB, ``(n,)``, peak 1, at most ``BRIGHTEST_PSNR``."""
    squared = ((truth - answer) ** 2).mean(-1, keepdims=True)
    error = (squared * region).sum(AXES) / (region.sum(AXES) + 1e-6)
    return -10.0 * np.log10(np.maximum(error, 10.0 ** (-BRIGHTEST_PSNR / 10.0)))


def mask_iou(truth, answer):
    """Intersection over union at 0.5, ``(n,)``. Masks ``(n, s, s, 1)``."""
    truth, answer = truth > 0.5, answer > 0.5
    return (truth & answer).sum(AXES) / np.maximum((truth | answer).sum(AXES), 1)


def pixel_auc(truth, answer):
    """Share of (outside, inside) pixel pairs of each example that the answered mask ranks right, ``(n,)``.

    NaN where the true mask holds no pixel at 0.5, or every one.
    """
    inside = truth.reshape(len(truth), -1) > 0.5
    answer = answer.reshape(len(answer), -1)
    pairs = [
        ranking.auc(row[~cut], row[cut]) if cut.any() and not cut.all() else np.nan
        for cut, row in zip(inside, answer)
    ]
    return np.asarray(pairs, float)
