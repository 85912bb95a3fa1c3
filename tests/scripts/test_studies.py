"""What a card says of ablations and bounds is what was measured."""

import json

import pytest
from loaded_script import ROOT, load_script

BOUNDS = {"preset": "small", "families": {
    "mesh": {"target": {"copy": 0.7}, "donor": {"true flow": 0.25}, "shape_errors": {"face, found": 0.02}},
    "affine": {"target": {"copy": 0.8}, "donor": {"true flow": 0.2}, "shape_errors": {}},
}}


def interval(value):
    return {"value": value, "interval": [value - 0.01, value + 0.01]}


@pytest.fixture
def script(tmp_path, monkeypatch):
    script = load_script("scripts/write_studies.py")
    monkeypatch.setattr(script, "RESULTS", tmp_path)
    monkeypatch.setattr(script, "PRESETS", tmp_path)
    row = {key: interval(0.5) for key in script.COLUMNS}
    variants = {"detect/whole": {"auc_mesh": interval(0.9)}, "detect/without_mesh": {"auc_mesh": interval(0.6)},
                "reconstruct/whole": row, "reconstruct/no_identity": {**row, "donor_distance": interval(0.31)}}
    found = {"detect_steps": 1500, "steps": 600, "variants": variants}
    (tmp_path / "ablations.json").write_text(json.dumps(found))
    (tmp_path / "bounds.json").write_text(json.dumps(BOUNDS))
    (tmp_path / "small").mkdir()
    (tmp_path / "small" / "card.md").write_text("# small\n\nA card.\n")
    return script


def test_tables_say_what_was_measured(script, tmp_path):
    assert script.main(["small"]) == 0
    card = (tmp_path / "small" / "card.md").read_text()
    assert card.startswith("# small\n\nA card.\n\n<!-- made by")
    assert "| `mesh` | 0.900 [0.890, 0.910] | 0.600 [0.590, 0.610] |" in card
    (row,) = [line for line in card.splitlines() if line.startswith("| no identity loss")]
    assert row.split(" | ")[5] == "0.310 [0.300, 0.320]"
    assert "| copy | 0.700 | 0.800 |" in card and "| face, found | 0.020 |  |" in card


def test_what_was_there_is_replaced_and_the_rest_stays(script, tmp_path):
    path = tmp_path / "small" / "card.md"
    script.main(["small"])
    once = path.read_text()
    path.write_text(once.replace("0.310", "0.999") + "\nA last word.\n")
    assert script.main(["small", "--check"]) == 1
    assert script.main(["small"]) == 0 and path.read_text() == once + "\nA last word.\n"
    assert script.main(["small", "--check"]) == 0


def test_bounds_of_another_preset_are_left_out(script, tmp_path):
    (tmp_path / "bounds.json").write_text(json.dumps({**BOUNDS, "preset": "other"}))
    script.main(["small"])
    assert "true flow" not in (tmp_path / "small" / "card.md").read_text()


def test_the_card_of_small_is_up_to_date():
    script = load_script("scripts/write_studies.py")
    assert script.PRESETS == ROOT / "keras_uncover" / "presets"
    assert script.main(["small", "--check"]) == 0
