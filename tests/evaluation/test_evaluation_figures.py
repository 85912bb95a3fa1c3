"""The figures of an evaluation: what is drawn is what was measured."""

import numpy as np
import pytest
from PIL import Image

from keras_uncover.evaluation import condition_figures, detection_figures
from keras_uncover.evaluation.robustness import conditions

NUMBER = {"value": 0.8, "interval": [0.7, 0.85], "n": 40}


def make_rows(scores, people, donors):
    return {"p_fake": np.array(scores), "person": np.array(people), "donor_person": np.array(donors)}


@pytest.fixture(scope="module")
def rows():
    rng, people = np.random.default_rng(0), [f"p{k}" for k in range(20)]
    genuine = make_rows(rng.uniform(0, 0.6, 20), people, [""] * 20)
    return genuine, make_rows(rng.uniform(0.4, 1, 20), people, people[1:] + people[:1])


def make_report(reconstructs=True):
    where = {"iou": NUMBER} if reconstructs else None
    entry = {
        "detection": dict.fromkeys(("auc", "eer", "tpr_at_fpr_1", "ece"), NUMBER), "localisation": where,
        "target": {"distance_over_copy": NUMBER} if reconstructs else None,
        "donor": {"distance_over_masked_copy": NUMBER} if reconstructs else None,
    }
    return {
        "model": "told", **entry, "families": {"mesh": entry, "self": {**entry, "donor": None}},
        "robustness": {name: entry for name in conditions()},
    }


def test_all_files_are_written_for_screen_and_print(rows, tmp_path):
    for reconstructs in (True, False):
        report, folder = make_report(reconstructs), tmp_path / str(reconstructs)
        detection_figures.save_detection(folder, report, *rows, 0.5, [0.3, 0.5])
        condition_figures.save_robustness(folder, report)
        condition_figures.save_families(folder, report)
        names = {"roc", "det", "reliability", "confusion", "robustness", "families"}
        written = {path.name for path in folder.iterdir()}
        assert written == {f"{name}.{kind}" for name in names for kind in ("png", "pdf")}
        for name in names:
            assert (folder / f"{name}.pdf").read_bytes().startswith(b"%PDF")
            with Image.open(folder / f"{name}.png") as image:
                grey = np.asarray(image.convert("L"))
                assert min(grey.shape) > 300 and grey.min() < 80, "there is ink that is read in grey"


def test_the_curve_is_the_measure_at_its_rates(rows):
    from keras_uncover.evaluation.ranking import tpr_at_fpr

    genuine, fakes = (part["p_fake"] for part in rows)
    rates = np.array([0.01, 0.1, 0.25, 1.0])
    expected = [tpr_at_fpr(genuine, fakes, rate) for rate in rates]
    assert detection_figures.found_at(genuine, fakes, rates) == pytest.approx(expected)
    low, high = detection_figures.curve_interval(*rows, rates)
    assert (low <= expected).all() and (high >= expected).all() and (low < high)[:3].any()


def test_verdicts_are_counted_at_the_threshold_and_in_the_band():
    genuine = make_rows([0.1, 0.35, 0.45, 0.5], ["a", "b", "c", "d"], [""] * 4)
    found = detection_figures.count_verdicts(genuine, 0.5, [0.4, 0.5])
    assert [found[name]["value"] for name in ("genuine", "uncertain", "fake")] == [0.5, 0.25, 0.25]
    assert detection_figures.count_verdicts(genuine, 0.5, None)["genuine"]["value"] == 0.75


def test_a_family_without_a_number_gets_a_dash():
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    condition_figures.draw_number(axes, None, 0)
    condition_figures.draw_number(axes, NUMBER, 1)
    assert [text.get_text() for text in axes.texts] == ["-", "0.800"]
    assert condition_figures.number_of({"donor": None}, ("donor", "x")) is None
