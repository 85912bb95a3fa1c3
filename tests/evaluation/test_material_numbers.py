"""Numbers of the material, worked out by hand on made-up scores: one weight a scene, whatever its files."""

import json

import numpy as np
import pytest

from keras_uncover.evaluation import bootstrap, material_report, material_rows, ranking
from keras_uncover.evaluation.material import Picture
from keras_uncover.evaluation.material_figures import save_material
from keras_uncover.evaluation.material_tables import describe_material, material_tables


def entry(group, role, key, score, pixels=None, clip=None, **more):
    """A picture and its record."""
    picture = Picture(None, f"{key}_{role}.png", group, role, f"{group}/{key}", clip)
    if score is None:
        return picture, {"reason": "no face was found"}
    verdict = "fake" if score >= 0.5 else "uncertain" if score >= 0.4 else "genuine"
    record = {"pixels_sha256": pixels or f"{group}/{key}/{role}", "p_fake": score, "verdict": verdict}
    return picture, record | {"eye_distance": 50.0, "sharpness": 0.5, "distances": {}} | more


# Tool A pastes three faces into one picture, "same", and one into another; tool B makes two films and one still.
STILLS = [
    entry("A", "result", "1", 0.9), entry("A", "result", "2", 0.8), entry("A", "result", "3", 0.3),
    *(entry("A", "target", key, 0.4, "same") for key in "123"),
    entry("A", "result", "4", 0.2), entry("A", "target", "4", 0.3),
]
FILMS = [
    *(entry("B", "result", f"f_{k}", score, clip="f") for k, score in enumerate((0.9, 0.5))),
    *(entry("B", "target", f"f_{k}", score, clip="f") for k, score in enumerate((0.5, 0.5))),
    entry("B", "result", "g_0", 0.1, clip="g"), entry("B", "target", "g_0", 0.6, clip="g"),
]
PHOTOS = [entry("cam", "photo", str(k), k / 20) for k in range(1, 11)] + [entry("old", "photo", "soft", 0.95)]


@pytest.fixture(scope="module")
def numbers():
    distances = {"target": {"answer": 0.5, "input": 1.0}, "donor": {"answer": None, "input": 0.7}}
    more = [entry("C", "result", "1", 0.7, distances=distances), entry("C", "donor", "1", 0.1)]
    more += [entry("C", "result", "2", 0.7, distances={"target": {"answer": 0.3, "input": 0.6}})]
    more += [entry("C", "result", "3", None), entry("C", "result", "4", 0.99, eye_distance=10.0, sharpness=2.0)]
    return material_report.material_numbers([*PHOTOS, *STILLS, *FILMS, *more], "cam")


def test_a_scene_is_a_target_picture_or_a_clip_and_weighs_one():
    rows = material_rows.make_rows([*STILLS, *FILMS, entry("A", "result", "free", 0.5)])
    results = material_rows.with_role(rows, "result")
    assert results["scene"].tolist() == ["same"] * 3 + ["A/4/target", "B/f", "B/f", "B/g", "A/free/result"]
    assert material_rows.scene_weights(results["scene"]) == pytest.approx([1 / 3] * 3 + [1, 0.5, 0.5, 1, 1])


def test_auc_and_shares_with_one_weight_a_scene(numbers):
    tool = numbers["tools"]["A"]
    # Against the targets .4 and .3: .9 and .8 beat both, .3 beats none and ties once, .2 beats none.
    assert tool["auc_targets"]["value"] == pytest.approx((1 / 3 * (1 + 1 + 0.25) + 0) / 2)
    assert tool["above_own_target"]["value"] == pytest.approx((2 / 3 + 0) / 2)
    assert tool["called_fake"]["value"] == pytest.approx((2 / 3 + 0) / 2)
    assert tool["called_fake"]["scenes"] == tool["scenes"] == 2 and tool["called_fake"]["n"] == tool["faces"] == 4
    assert tool["targets"]["uncertain"]["value"] == 0.5 and tool["clips"] is None
    assert tool["files"] == {"result": {"files": 4, "faces": 4}, "target": {"files": 4, "faces": 4}}


def test_clips_are_ranked_by_their_mean_logit(numbers):
    tool = numbers["tools"]["B"]
    # Frames: clip f, .9 beats .5 and .6 and .5 ties with .5; clip g beats nothing.
    assert tool["auc_targets"]["value"] == pytest.approx((0.5 * 1 + 0.5 * 0.25 + 0) / 2)
    # Clips: f at the mean logit of .9 and .5 is above .5, and above .6 too; g is below both.
    assert tool["clips"]["auc_targets"]["value"] == 0.5 and tool["clips"]["clips"] == 2
    assert tool["clips"]["above_own_target"]["value"] == 0.5
    assert tool["above_own_target"]["value"] == pytest.approx(((1 + 0.5) / 2 + 0) / 2)
    rows = material_rows.join_clips(material_rows.with_role(material_rows.make_rows(FILMS), "result"))
    assert rows["p_fake"] == pytest.approx([np.log(9) / 2, -np.log(9)]) and rows["key"].tolist() == ["f", "g"]
    assert numbers["together"]["films"]["faces"] == 3 and numbers["together"]["all"]["scenes"] == 7


def test_thresholds_come_from_the_reference_alone(numbers):
    # Ten photos at .05 to .5: none may lie above the cuts of 1 and 5 %, one above that of 10 %.
    assert numbers["thresholds"] == {"0.01": 0.5, "0.05": 0.5, "0.1": 0.45} and numbers["reference"] == "cam"
    found = numbers["tools"]["B"]["found_at"]
    assert found["0.05"]["value"] == pytest.approx(0.5 / 2) and found["0.1"]["value"] == pytest.approx(1 / 2)
    assert numbers["sources"]["old"]["above_threshold"]["0.05"]["value"] == 1
    assert numbers["photos"]["above_threshold"]["0.1"]["value"] == pytest.approx(2 / 11)
    assert numbers["tools"]["A"]["auc_photos"]["n_genuine"] == 10


def test_a_share_of_none_or_all_keeps_an_open_interval(numbers):
    entry = numbers["sources"]["old"]["called_fake"]
    assert entry == {"value": 1.0, "interval": [pytest.approx(0.025), 1.0], "n": 1, "scenes": 1}


def test_sizes_and_thirds(numbers):
    sizes, thirds = (numbers["tools"]["C"][group] for group in ("by_size", "by_sharpness"))
    assert {name: entry["faces"] for name, entry in sizes.items() if entry["faces"]} == {
        "under 12 px": 1, "48 to 96 px": 2
    }
    assert sizes["under 12 px"]["auc_photos"] is None and sizes["48 to 96 px"]["auc_photos"]["value"] == 1
    assert sizes["under 12 px"]["found_at"]["0.05"]["value"] == 1  # by the threshold of photos of every size
    assert thirds["sharp third"]["faces"] == 3 and thirds["soft third"]["called_fake"] is None


def test_distances_are_of_the_same_swaps(numbers):
    target, donor = (numbers["tools"]["C"]["distances"][role] for role in ("target", "donor"))
    assert (target["answer"]["value"], target["input"]["value"]) == (pytest.approx(0.4), pytest.approx(0.8))
    assert target["answer_over_input"]["value"] == 0.5 and target["no_face"] == 0
    assert donor == {"answer": None, "input": None, "no_face": 1}
    assert numbers["tools"]["A"]["distances"] == {"target": None, "donor": None}


def test_numbers_become_json_tables_and_a_figure(numbers, tmp_path):
    assert json.loads(json.dumps(numbers, allow_nan=False)) == numbers
    assert numbers["left_out"] == [{"file": "3_result.png", "role": "result", "reason": "no face was found"}]
    report = {"model": "told", "weights_sha256": "a" * 64, "material": "mine", **numbers}
    tables = {rows[0][1]: rows for rows in material_tables(report)}
    assert tables["AUC, own targets"][1][:2] == ["A", "0.375 [0.000, 0.667]"]
    ratio = "0.500 [0.500, 0.500]"
    assert tables["n"][1] == ["C, target", "2", "0.400 [0.300, 0.500]", "0.800 [0.600, 1.000]", ratio, "0"]
    for rows in tables.values():
        assert len({len(row) for row in rows}) == 1
    assert "1 files without an answer" in "\n".join(describe_material(report))
    save_material(tmp_path, report)
    assert (tmp_path / "material.png").stat().st_size > 10_000


@pytest.mark.parametrize("chosen", [PHOTOS, STILLS])
def test_photos_or_swaps_alone(chosen, tmp_path):
    numbers = material_report.material_numbers(chosen)
    report = {"model": "told", "weights_sha256": "a" * 64, "material": "mine", **numbers}
    assert (numbers["photos"] is None, numbers["together"] is None) == (chosen is STILLS, chosen is PHOTOS)
    assert "\n".join(describe_material(report))
    save_material(tmp_path, report)


def test_weighted_measures_are_the_plain_ones_where_weights_are_equal():
    rng = np.random.default_rng(0)
    genuine, fake = rng.integers(0, 12, 40) / 12, rng.integers(3, 15, 25) / 12
    weights = np.full(40, 0.25), np.full(25, 2.0)
    assert ranking.weighted_auc(genuine, fake, *weights) == pytest.approx(ranking.auc(genuine, fake))
    for rate in (0.0, 0.01, 0.05, 0.1, 0.5):
        found = ranking.weighted_tpr(genuine, fake, *weights, rate)
        assert found == pytest.approx(ranking.tpr_at_fpr(genuine, fake, rate))


def test_a_weight_is_as_good_as_copies():
    genuine, fake = np.array([0.1, 0.5, 0.5, 0.7]), np.array([0.5, 0.2, 0.9])
    first, second = np.array([[2, 1, 0, 3], [1, 1, 1, 1]]), np.array([[1, 4, 0], [1, 1, 1]])
    copies = [(np.repeat(genuine, a), np.repeat(fake, b)) for a, b in zip(first, second)]
    assert ranking.weighted_auc(genuine, fake, first, second) == pytest.approx([ranking.auc(*pair) for pair in copies])
    for rate in (0.2, 0.5):
        found = ranking.weighted_tpr(genuine, fake, first, second, rate)
        assert found == pytest.approx([ranking.tpr_at_fpr(*pair, rate) for pair in copies])


def test_scenes_are_drawn_with_all_that_they_hold_and_no_kind_is_missing():
    scenes, kinds = np.repeat(["a", "b", "c"], [5, 1, 1]), [0, 0, 0, 0, 1, 0, 0]
    counts = bootstrap.draw_scenes(scenes, kinds, draws=300)
    assert (counts[:, :5] == counts[:, :1]).all() and (counts[:, [0, 5, 6]].sum(1) == 3).all()
    assert (counts[:, 4] > 0).all() and counts.max() == 3
    assert (bootstrap.draw_scenes(scenes, draws=300)[:, 4] == 0).any()
    with pytest.raises(ValueError, match="received none"):
        bootstrap.draw_scenes([])
