"""The evaluation on models whose answers, and so whose scores, are known beforehand."""

import numpy as np
import pytest
from evaluated import Answers, copying, make_bench, make_people, make_swap, truthful

from keras_uncover.evaluation import baselines, scoring


@pytest.fixture(scope="module")
def people():
    return make_people(count=4)


@pytest.fixture(scope="module")
def swap(people):
    return make_swap(people)


@pytest.fixture(scope="module")
def bench(people):
    return make_bench(people)


def test_true_answers_score_perfectly(swap, bench):
    rows = scoring.score_fakes(truthful(swap), swap, bench)
    assert rows["iou"] == pytest.approx(1) and rows["pixel_auc"] == pytest.approx(1)
    for role in ("target", "donor"):
        assert rows[f"{role}.distance.answer"] == pytest.approx(0, abs=1e-6)
        assert rows[f"{role}.l1.answer"] == pytest.approx(0, abs=1e-6)
        assert rows[f"{role}.ssim.answer"] == pytest.approx(1, abs=1e-3)
        assert rows[f"{role}.psnr.answer"] == pytest.approx(100)
        assert rows[f"{role}.rank1.answer"] == pytest.approx(1)
        assert rows[f"{role}.role_swap.answer"] == pytest.approx(0)
    assert rows["target.replication.answer"] == pytest.approx(0)
    assert (rows["target.distance.copy"] > 0.1).all()


def test_a_model_that_copies_scores_as_the_copy(swap, bench):
    rows = scoring.score_fakes(copying(swap), swap, bench)
    assert (rows["iou"] == 0).all() and (rows["pixel_auc"] == 0.5).all()
    for role, copy in scoring.COPY.items():
        for measure in ("distance", "l1", "ssim", "psnr", "rank1", "role_swap"):
            np.testing.assert_array_equal(rows[f"{role}.{measure}.answer"], rows[f"{role}.{measure}.{copy}"])
    assert rows["target.replication.answer"] == pytest.approx(1)


def test_exchanged_roles_are_counted(swap, bench):
    """A model that answers everybody's target with the donor's own photo."""
    donors = np.roll(swap["target"], -1, axis=0)
    model = Answers(lambda crops: {**truthful(swap).predict(crops), "target": donors})
    rows = scoring.score_fakes(model, swap, bench)
    assert rows["target.role_swap.answer"] == pytest.approx(1)
    assert rows["target.rank1.answer"] == pytest.approx(0)
    assert rows["donor.role_swap.answer"] == pytest.approx(0)


def test_distances_are_those_of_the_judge(swap, bench):
    rows = scoring.score_fakes(copying(swap), swap, bench)
    apart = bench.judge.describe(swap["input"], swap["points"]) - bench.judge.describe(swap["target"], swap["points"])
    assert rows["target.distance.copy"] == pytest.approx(np.sqrt((apart**2).sum(1)))


def test_baselines_that_need_training_people_have_rows_only_with_them(people, swap, bench):
    trained = make_bench(people, baselines.TrainFaces(make_people(6, seed=1)))
    for one, missing in ((bench, True), (trained, False)):
        rows = scoring.score_fakes(truthful(swap), swap, one)
        for name in baselines.TRAINED:
            assert (f"target.distance.{name}" not in rows) == missing
        assert ("donor.distance.mean_face" not in rows) == missing
        assert "donor.distance.unwarped_copy" in rows


def test_self_swaps_have_no_donor_and_no_role_to_be_exchanged(people, bench):
    own = make_swap(people, with_donor=False)
    rows = scoring.score_fakes(truthful(own), own, bench)
    assert not any(key.startswith("donor.") for key in rows)
    assert np.isnan(rows["target.role_swap.answer"]).all()


def test_a_classifier_has_no_picture_rows(swap, bench):
    model = Answers(lambda crops: {"p_fake": np.full(len(crops), 0.4)})
    assert set(scoring.score_fakes(model, swap, bench)) == {"p_fake", "person", "donor_person"}


def test_without_a_bench_only_what_needs_no_judge_is_measured(swap):
    rows = scoring.score_fakes(truthful(swap), swap)
    assert {"iou", "target.l1.answer", "target.l1.copy"} <= set(rows)
    assert not any("distance" in key or key.startswith("donor.") for key in rows)


def test_genuine_photos_are_rated_by_what_is_changed(swap):
    genuine = scoring.own_genuine(swap)
    assert (genuine["donor_person"] == "").all()
    rows = scoring.score_genuine(copying(swap), genuine)
    assert rows["ssim"] == pytest.approx(1, abs=1e-5) and rows["mask_area"] == pytest.approx(0)
    rows = scoring.score_genuine(truthful(swap), {**genuine, "input": swap["input"]})
    assert (rows["ssim"] < 0.95).all() and rows["mask_area"] == pytest.approx(0.25)


def test_rows_are_joined_by_what_they_share():
    first, second = {"a": np.zeros(2), "b": np.ones(2)}, {"a": np.ones(1)}
    assert set(scoring.join_common([first, second])) == {"a"}
    np.testing.assert_array_equal(scoring.join_common([first, second])["a"], [0, 0, 1])
    np.testing.assert_array_equal(scoring.join([first, first])["b"], [1, 1, 1, 1])
