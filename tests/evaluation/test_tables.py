"""A report in words."""

import pytest

from keras_uncover.evaluation import tables
from keras_uncover.evaluation.report import BASELINES


def value(number):
    return {"value": number, "interval": [number - 0.1, number + 0.1], "n": 9}


@pytest.fixture
def report():
    role = {"distance": value(0.5), "distance_over_copy": value(0.8), "distance_over_masked_copy": value(0.7),
            "distance_over_best_baseline": value(0.9), "best_baseline": "mean_face", "rank1": value(0.6),
            "l1": value(0.1), "ssim_mask": value(0.7), "psnr_mask": value(20.0), "ssim_face": value(0.7),
            "psnr_face": value(20.0), "kid": {"value": 0.01, "n": 9, "features": "x"}, "l1_closed": value(0.4)}
    beside = {name: {**role, "ours_over_it": value(0.9)} for name in {*BASELINES["target"], *BASELINES["donor"]}}
    beside["ridge"] = None
    conditions = {"detection": {"auc": value(0.97), "tpr_at_fpr_1": value(0.8)}, "localisation": {"iou": value(0.85)}}
    family = {**conditions, "target": role, "donor": None}
    return {
        "model": "small", "split": "test", "n_people": 158, "n_pairs": 158, "seed": 1, "families_mixed": ["mesh"],
        **conditions, "target": role, "donor": role, "genuine": None, "reswap": {"auc": None, "no_face": 3},
        "baselines": {name: {key: beside[key] for key in keys} for name, keys in BASELINES.items()},
        "families": {"mesh": family, "self": family}, "strengths": {"strength_0.5": family},
        "robustness": {"clean": {**conditions, "localisation": None, "target": None}},
        "cost": {"parameters": 1234, "ms": 5.0, "ms_in_batch": 2.0},
    }


def test_numbers_come_with_their_interval():
    assert tables.number(value(0.5)) == "0.500 [0.400, 0.600]"
    assert tables.number(None) == "n/a"
    assert tables.number({"value": 0.0123, "n": 9}) == "0.012 (n 9)"


def test_every_baseline_stands_under_the_answer(report):
    table = tables.baseline_table(report, "target")
    assert [row[0] for row in table[1:]] == [tables.ANSWERS, *BASELINES["target"]]
    assert table[1 + 1 + BASELINES["target"].index("ridge")][1:] == ["n/a"] * 7
    assert len({len(row) for row in table}) == 1


def test_families_say_their_best_baseline_and_leave_out_what_has_no_donor(report):
    assert tables.role_table(report, "target")[1][3] == "0.900 [0.800, 1.000] (mean_face)"
    assert len(tables.role_table(report, "donor")) == 1


def test_conditions_name_what_they_have(report):
    table = tables.condition_table(report)
    assert [row[0] for row in table[1:]] == ["mesh", "self", "strength_0.5", "clean"]
    assert table[-1] == ["clean", "0.970 [0.870, 1.070]", "0.800 [0.700, 0.900]", "n/a", "n/a"]


def test_the_terminal_and_the_card_have_the_same_tables(report):
    lines = list(tables.describe(report))
    assert lines[0].startswith("small on 158 people of test, seed 1")
    assert lines[-1] == "1,234 parameters, 5.0 ms a crop, 2.0 ms in a batch"
    for table in tables.tables(report):
        assert tables.to_markdown(table).count("\n") == len(table)
        for row in table[1:]:
            assert any(all(cell in line for cell in row) for line in lines)


def test_a_classifier_has_no_role_tables(report):
    found = tables.tables({**report, "target": None, "donor": None, "reswap": None})
    assert len(found) == 2
