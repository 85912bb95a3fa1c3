"""Metrics by hand, by halves and with weights."""

import numpy as np
import pytest
from keras import ops

from keras_uncover.models.build import TASKS
from keras_uncover.ops.ssim import ssim_map
from keras_uncover.training.metrics import (
    MaskIoU,
    RegionError,
    RegionSimilarity,
    task_metrics,
)


def numpy(value):
    return ops.convert_to_numpy(value)


def region_batch(seed=0, count=5, size=16):
    """Truths with a region as last channel, and answers."""
    rng = np.random.default_rng(seed)
    truth, answer = rng.random((2, count, size, size, 3)).astype("float32")
    region = (rng.random((count, size, size, 1)) < 0.5).astype("float32")
    return np.concatenate([truth, region], -1), answer


def mask_batch(seed=0, count=5, size=16):
    truth, answer = np.random.default_rng(seed).random((2, count, size, size, 1)).astype("float32")
    return truth, answer


def measure(metric, *batches):
    for batch in batches:
        metric.update_state(*batch)
    return float(metric.result())


def test_region_error_by_hand():
    truth = np.zeros((1, 2, 2, 3), "float32")
    truth[0, :, :, 2] = [[1, 1], [0.5, 0]]
    answer = np.zeros((1, 2, 2, 2), "float32")
    answer[0, :, :, 0] = [[0.4, 0.2], [0.6, 0.9]]
    # Means over two channels 0.2, 0.1, 0.3, 0.45; inside (0.2 + 0.1 + 0.15) / 2.5.
    assert np.isclose(measure(RegionError(), (truth, answer)), 0.18, atol=1e-5)


def test_region_similarity_is_the_mean_ssim_of_a_whole_picture():
    truth, answer = region_batch()
    truth[..., 3] = 1
    expected = numpy(ssim_map(answer, truth[..., :3])).mean()
    assert np.isclose(measure(RegionSimilarity(), (truth, answer)), expected, atol=1e-4)
    assert np.isclose(measure(RegionSimilarity(), (truth, truth[..., :3])), 1, atol=1e-4)


def test_region_similarity_reads_only_the_region():
    truth, answer = region_batch(1, size=40)
    truth[..., 3] = 0
    truth[:, :12, :12, 3] = 1
    other = answer.copy()
    other[:, 24:] = truth[:, 24:, :, :3]
    assert measure(RegionSimilarity(), (truth, answer)) == measure(RegionSimilarity(), (truth, other))


def test_iou_by_hand():
    truth = np.array([[1, 1, 0, 0.6], [1, 0, 0, 0]], "float32").reshape(2, 2, 2, 1)
    answer = np.array([[0.9, 0.4, 0.7, 0.51], [0.5, 0, 0, 0]], "float32").reshape(2, 2, 2, 1)
    # Two of four pixels in the first; half is not more than one half, so nothing in the second.
    assert np.isclose(measure(MaskIoU(), (truth, answer)), (2 / 4 + 0) / 2)


@pytest.mark.parametrize("metric, batch", [(m, region_batch) for m in (RegionError, RegionSimilarity)])
def test_examples_without_a_region_do_not_count(metric, batch):
    truth, answer = batch()
    expected = measure(metric(), (truth[:3], answer[:3]))
    truth[3:, ..., -1] = 0
    assert np.isclose(measure(metric(), (truth, answer)), expected, rtol=1e-6, atol=1e-6)


def test_examples_without_a_mask_do_not_count():
    truth, answer = mask_batch()
    expected = measure(MaskIoU(), (truth[:3], answer[:3]))
    truth[3:] = 0
    assert np.isclose(measure(MaskIoU(), (truth, answer)), expected, atol=1e-6)
    assert measure(MaskIoU(), (truth[3:], answer[3:])) == 0


ALL = [*((metric, region_batch) for metric in (RegionError, RegionSimilarity)), (MaskIoU, mask_batch)]


@pytest.mark.parametrize("metric, batch", ALL)
def test_sample_weights_are_honoured(metric, batch):
    truth, answer = batch()
    weights = np.array([1, 0, 1, 0, 0], "float32")
    expected = measure(metric(), (truth[[0, 2]], answer[[0, 2]]))
    assert np.isclose(measure(metric(), (truth, answer, weights)), expected, atol=1e-6)
    assert np.isclose(measure(metric(), (truth, answer, weights[:, None])), expected, atol=1e-6)
    assert not np.isclose(measure(metric(), (truth, answer)), expected, atol=1e-4)
    each = np.array([measure(metric(), (truth[k : k + 1], answer[k : k + 1])) for k in range(5)])
    soft = np.array([0.5, 2, 0, 1, 0], "float32")
    assert np.isclose(measure(metric(), (truth, answer, soft)), (each * soft).sum() / soft.sum(), atol=1e-5)


@pytest.mark.parametrize("metric, batch", ALL)
def test_two_batches_are_one(metric, batch):
    truth, answer = batch()
    halves = measure(metric(), (truth[:2], answer[:2]), (truth[2:], answer[2:]))
    assert np.isclose(halves, measure(metric(), (truth, answer)), atol=1e-6)


@pytest.mark.parametrize("metric, batch", ALL)
def test_a_reset_forgets(metric, batch):
    one = metric()
    measure(one, batch(seed=1))
    one.reset_state()
    assert np.isclose(measure(one, batch(seed=2)), measure(metric(), batch(seed=2)), atol=1e-6)


def test_metrics_by_output():
    made = task_metrics(TASKS["reconstruct"])
    names = {output: [metric.name for metric in metrics] for output, metrics in made.items()}
    assert names == {"p_fake": ["auc"], "mask": ["iou"], "target": ["l1", "ssim"], "donor": ["l1", "ssim"]}
    auc = task_metrics(TASKS["classify"])["p_fake"][0]
    # Of four pairs of a genuine photo and a fake, three are in order.
    assert np.isclose(measure(auc, (np.array([0, 0, 1, 1]), np.array([0.1, 0.6, 0.5, 0.9]))), 0.75, atol=1e-3)
