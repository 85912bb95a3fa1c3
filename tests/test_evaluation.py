"""The evaluation on networks whose answers are known beforehand."""

import numpy as np
import pytest

from keras_uncover import evaluation


class Answers:
    """Stands where an ``Uncoverer`` stands, and answers what it is told to."""

    def __init__(self, **answer):
        self.answer = answer

    def predict(self, crops):
        return {key: np.broadcast_to(value, (len(crops), *np.shape(value)[1:])) for key, value in self.answer.items()}


@pytest.fixture
def swap():
    """Two fakes of 32 px: the target is 0.25 everywhere, the fake 0.75 inside a square."""
    mask = np.zeros((2, 32, 32, 1), "float32")
    mask[:, 8:24, 8:24] = 1
    target = np.full((2, 32, 32, 3), 0.25, "float32")
    return {
        "input": target + 0.5 * mask, "target": target, "donor": 0.75 * mask + 0.5 * (1 - mask) + np.zeros(3, "float32"),
        "mask": mask, "donor_hull": mask, "has_donor": np.ones(2, "float32"), "person": np.array(["a", "b"]),
    }


def test_region_error_reads_the_region_alone():
    truth, answer = np.zeros((1, 2, 2, 3)), np.zeros((1, 2, 2, 3))
    answer[0, 0] = [[0.3, 0.3, 0.3], [0.6, 0.0, 0.0]]
    answer[0, 1] = 9.0
    region = np.array([[[[1.0], [1.0]], [[0.0], [0.0]]]])
    assert evaluation.region_error(truth, answer, region) == pytest.approx([(0.3 + 0.2) / 2], rel=1e-5)


def test_iou_by_hand():
    truth, answer = np.zeros((1, 4, 4, 1)), np.zeros((1, 4, 4, 1))
    truth[0, :2], answer[0, 1:3] = 1, 0.9
    assert evaluation.mask_iou(truth, answer) == pytest.approx([4 / 12])


def test_perfect_answers_score_perfectly(swap):
    answers = Answers(p_fake=np.array([0.9]), mask=swap["mask"][:1, ..., 0], target=swap["target"][:1],
                      donor=swap["donor"][:1])
    rows = evaluation.score_swaps(answers, swap)
    assert rows["iou"] == pytest.approx(1) and rows["target_l1"] == pytest.approx(0) and rows["donor_l1"] == pytest.approx(0)
    assert rows["target_l1_copy"] == pytest.approx(0.5, rel=1e-4)
    # The donor's truth is the fake's own inside here, so the baseline is perfect, too.
    assert rows["donor_l1_masked_copy"] == pytest.approx(0, abs=1e-6)
    assert evaluation.summarise(rows)["target_l1_closed"]["value"] == pytest.approx(1)


def test_copying_the_input_closes_nothing(swap):
    answers = Answers(p_fake=np.array([0.1]), mask=np.zeros((1, 32, 32)), target=swap["input"][:1],
                      donor=swap["donor"][:1])
    summary = evaluation.summarise(evaluation.score_swaps(answers, swap))
    assert summary["target_l1_closed"]["value"] == pytest.approx(0)
    assert summary["iou"]["value"] == 0


def test_a_classifier_has_no_picture_rows(swap):
    rows = evaluation.score_swaps(Answers(p_fake=np.array([0.4])), swap)
    assert set(rows) == {"p_fake", "person"}
    assert evaluation.summarise(rows) == {}


def test_self_swaps_have_no_donor_rows(swap):
    swap["has_donor"] = np.zeros(2, "float32")
    answers = Answers(p_fake=np.array([0.9]), mask=swap["mask"][:1, ..., 0], target=swap["target"][:1],
                      donor=swap["donor"][:1])
    assert not any(key.startswith("donor") for key in evaluation.score_swaps(answers, swap))


def test_detection_by_hand():
    genuine = {"p_fake": np.array([0.1, 0.6]), "person": np.array(["a", "b"])}
    fakes = {"p_fake": np.array([0.4, 0.8]), "person": np.array(["a", "b"])}
    found = evaluation.detection(genuine, fakes)
    assert found["auc"]["value"] == 0.75
    assert found["false_alarms_at_half"] == 0.5 and found["misses_at_half"] == 0.5
