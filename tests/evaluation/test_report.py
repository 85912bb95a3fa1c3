"""From rows to numbers: fake models, numbers worked out by hand, and SciPy where it has the measure."""

import json

import numpy as np
import pytest
from evaluated import copying, make_bench, make_people, make_swap, truthful
from scipy.linalg import sqrtm

from keras_uncover.evaluation import report, scoring, tables
from keras_uncover.evaluation.baselines import TrainFaces


@pytest.fixture(scope="module")
def swap():
    return make_swap(make_people(6))


@pytest.fixture(scope="module")
def bench():
    return make_bench(make_people(6), TrainFaces(make_people(8, seed=1)))


@pytest.fixture(scope="module")
def genuine(swap):
    return scoring.score_genuine(copying(swap), scoring.own_genuine(swap))


@pytest.fixture(scope="module")
def truth(swap, bench, genuine):
    return report.family_numbers(genuine, scoring.score_fakes(truthful(swap), swap, bench))


@pytest.fixture(scope="module")
def copy(swap, bench, genuine):
    return report.family_numbers(genuine, scoring.score_fakes(copying(swap), swap, bench))


def test_a_truthful_model_is_perfect_in_every_number(truth):
    assert truth["detection"]["auc"] == {"value": 1.0, "interval": [1.0, 1.0], "n": 12}
    assert truth["detection"]["eer"]["value"] == 0 and truth["detection"]["tpr_at_fpr_1"]["value"] == 1
    assert truth["localisation"]["iou"]["value"] == pytest.approx(1)
    for role in ("target", "donor"):
        numbers = truth[role]
        assert numbers["distance"]["value"] == pytest.approx(0, abs=1e-6)
        assert numbers["distance_over_best_baseline"]["value"] == pytest.approx(0, abs=1e-5)
        assert numbers["rank1"]["value"] == 1 and numbers["role_swaps"]["value"] == 0
    assert truth["target"]["l1_closed"]["value"] == pytest.approx(1)
    assert truth["target"]["fid"]["value"] == pytest.approx(0, abs=1e-6)


def test_a_copying_model_is_worth_the_copy(copy):
    assert copy["detection"]["auc"]["value"] == 0.5
    for role, name in scoring.COPY.items():
        numbers, beside = copy[role], copy["baselines"][role][name]
        assert numbers[f"distance_over_{name}"]["value"] == pytest.approx(1)
        assert numbers[f"distance_over_{name}"]["interval"] == pytest.approx([1, 1])
        assert numbers["l1_closed"]["value"] == pytest.approx(0)
        assert numbers["rank1"] == numbers[f"rank1_{name}"] == beside["rank1"]
        assert numbers["distance"] == beside["distance"] and numbers["kid"] == beside["kid"]
        assert beside["ours_over_it"]["value"] == pytest.approx(1)


def test_the_best_baseline_is_the_nearest_one(copy):
    for role in ("target", "donor"):
        means = {name: entry["distance"]["value"] for name, entry in copy["baselines"][role].items()}
        assert copy[role]["best_baseline"] == min(means, key=means.get)
        best = means[copy[role]["best_baseline"]]
        found = copy[role]["distance"]["value"] / best
        assert copy[role]["distance_over_best_baseline"]["value"] == pytest.approx(found)
        ranks = [entry["rank1"]["value"] for entry in copy["baselines"][role].values()]
        assert copy[role]["rank1_best_baseline"]["value"] == max(ranks)


def test_baselines_that_could_not_be_had_are_null(swap, genuine):
    rows = scoring.score_fakes(truthful(swap), swap, make_bench(make_people(6)))
    numbers = report.family_numbers(genuine, rows)
    assert numbers["baselines"]["target"]["ridge"] is None and numbers["baselines"]["donor"]["mean_face"] is None
    assert numbers["target"]["best_baseline"] in ("copy", "inpainting")
    assert any("n/a" in row for row in tables.baseline_table({**numbers, "reswap": None}, "target"))


def test_kid_by_hand():
    """Kernel (x y / 1 + 1)^3 of 0, 1 against 0, 2: within 1 and 1, across 1 + 1 + 1 + 27 over 4."""
    rows = {"target.features.truth": np.array([[0.0], [1.0]]), "target.features.answer": np.array([[0.0], [2.0]])}
    kid = report.sets_apart(rows, "target", "answer")["kid"]
    assert kid["value"] == pytest.approx(1 + 1 - 2 * 30 / 4)
    assert kid["n"] == 2 and kid["features"] == "dlib_resnet"


def test_fid_is_that_of_scipy():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((40, 5)), rng.standard_normal((40, 5)) @ rng.standard_normal((5, 5)) + 0.3
    found = report.sets_apart({"donor.features.truth": x, "donor.features.answer": y}, "donor", "answer")["fid"]
    first, second = np.cov(x.T), np.cov(y.T)
    true = ((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(first + second - 2 * sqrtm(first @ second).real)
    assert found["value"] == pytest.approx(true, rel=1e-6)


def test_detection_by_hand():
    people = {"person": np.array(["a", "b"]), "donor_person": np.array(["", ""])}
    genuine, fakes = ({"p_fake": np.array(p), **people} for p in ([0.1, 0.6], [0.4, 0.8]))
    found = report.detection(genuine, fakes)
    assert found["auc"]["value"] == 0.75 and found["auc"]["n"] == 4
    assert found["false_alarms_at_half"]["value"] == 0.5 and found["misses_at_half"]["value"] == 0.5


def test_reswap_residuals_rank_fakes_and_answers_without_a_face_are_counted():
    rows = {
        "residual": np.array([0.1, 0.4, np.nan, 0.3, 0.5]), "person": np.array(["a", "b", "c", "a", "b"]),
        "donor_person": np.array(["", "", "", "b", "c"]), "p_fake": np.zeros(5),
    }
    found = report.reswap_numbers(rows)
    assert found["auc"]["value"] == 0.75 and found["no_face"] == 1
    assert report.reswap_numbers({key: value[:3] for key, value in rows.items()}) == {"auc": None, "no_face": 1}


def test_conditions_are_told_without_a_judge(swap, genuine):
    numbers = report.condition_numbers(genuine, scoring.score_fakes(truthful(swap), swap))
    assert numbers["target"]["l1_closed"]["value"] == pytest.approx(1)
    assert numbers["localisation"]["iou"]["value"] == pytest.approx(1)


def test_numbers_go_into_json(truth):
    assert json.loads(json.dumps(truth, allow_nan=False)) == truth
