"""Errors of pictures and masks against numbers worked out by hand."""

import numpy as np
import pytest

from keras_uncover.evaluation import measures

REGION = np.array([[[[1.0], [1.0]], [[0.0], [0.0]]]])


def pictures():
    truth, answer = np.zeros((1, 2, 2, 3)), np.zeros((1, 2, 2, 3))
    answer[0, 0] = [[0.3, 0.3, 0.3], [0.6, 0.0, 0.0]]
    answer[0, 1] = 9.0
    return truth, answer


def test_region_error_reads_the_region_alone():
    assert measures.region_error(*pictures(), REGION) == pytest.approx([(0.3 + 0.2) / 2], rel=1e-5)


def test_region_psnr_reads_the_region_alone():
    squared = (0.3**2 + 0.6**2 / 3) / 2
    assert measures.region_psnr(*pictures(), REGION) == pytest.approx([10 * np.log10(1 / squared)], rel=1e-5)


def test_psnr_weighs_soft_regions_and_of_a_perfect_answer_is_finite():
    truth, answer = pictures()
    region = np.array([[[[1.0], [0.5]], [[0.0], [0.0]]]])
    squared = (0.3**2 + 0.5 * 0.6**2 / 3) / 1.5
    assert measures.region_psnr(truth, answer, region) == pytest.approx([10 * np.log10(1 / squared)], rel=1e-5)
    assert measures.region_psnr(truth, truth, region) == pytest.approx([100.0])


def test_region_similarity_is_that_of_the_region():
    """One half of the picture is perfect, the other is inverted; only windows that lie in a half tell them apart."""
    truth = np.random.default_rng(0).random((1, 32, 64, 3)).astype("float32")
    truth = np.concatenate([truth, truth], axis=1)
    answer = truth.copy()
    answer[:, :, 32:] = 1 - answer[:, :, 32:]
    left = np.zeros((1, 64, 64, 1), "float32")
    left[:, :, :20] = 1
    assert measures.region_similarity(truth, answer, left)[0] > 0.999
    assert measures.region_similarity(truth, answer, left[:, :, ::-1])[0] < -0.9


def test_iou_by_hand():
    truth, answer = np.zeros((1, 4, 4, 1)), np.zeros((1, 4, 4, 1))
    truth[0, :2], answer[0, 1:3] = 1, 0.9
    assert measures.mask_iou(truth, answer) == pytest.approx([4 / 12])


def test_pixel_auc_by_hand():
    """Inside .4 and .8, outside .1 .4: pairs .4>.1, .4=.4 (half), .8>.1, .8>.4: 3.5 of 4."""
    truth = np.array([[[1.0, 0.9], [0.2, 0.0]]])[..., None]
    answer = np.array([[[0.4, 0.8], [0.1, 0.4]]])
    assert measures.pixel_auc(truth, answer) == pytest.approx([3.5 / 4])
    assert np.isnan(measures.pixel_auc(np.zeros_like(truth), answer)).all()
    assert np.isnan(measures.pixel_auc(np.ones_like(truth), answer)).all()
