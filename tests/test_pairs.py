"""Fixed swaps, contact sheets and the evaluation script on a small data set."""

import json

import numpy as np
import pytest

import evaluate_keras
from pipelines import show
from pipelines.pairs import fixed_swaps, pair_people, read_people


@pytest.fixture(scope="module")
def people(shards):
    return read_people(shards, "train")


@pytest.mark.parametrize("count", [2, 3, 50])
def test_everybody_gives_their_face_once_and_never_to_themselves(count):
    donor = pair_people(count, seed=5)
    assert sorted(donor) == list(range(count))
    assert not (donor == np.arange(count)).any()


def test_one_person_makes_no_pair():
    with pytest.raises(ValueError, match="at least two people; received 1"):
        pair_people(1, 0)


def test_fixed_swaps_are_fixed_and_full_strength(people):
    first, second = (list(fixed_swaps(people, "mesh", seed=3)) for _ in range(2))
    other = list(fixed_swaps(people, "mesh", seed=4))
    assert len(first) == 1 and len(first[0]["input"]) == 4
    np.testing.assert_array_equal(first[0]["input"], second[0]["input"])
    assert np.abs(first[0]["input"] - other[0]["input"]).max() > 0.1
    np.testing.assert_array_equal(first[0]["strength"], 1)
    assert all(a != b for a, b in zip(first[0]["person"], first[0]["donor_person"]))
    # A donor's truth is the donor's own crop, by name.
    rows = {name: k for k, name in enumerate(people["person"])}
    crops = people["crop"][[rows[name] for name in first[0]["donor_person"]]] / 255
    hull = first[0]["donor_hull"] == 1
    np.testing.assert_allclose((first[0]["donor"] * hull), crops * hull, atol=1e-6)


def test_post_processing_is_the_same_for_a_fake_and_its_target(people):
    swap = next(fixed_swaps(people, "mesh", seed=3, post_processed=True))
    clean = next(fixed_swaps(people, "mesh", seed=3))
    assert np.abs(swap["target"] - clean["target"]).mean() > 1e-3
    # The corner beside the chin of crops whose mask begins further away than blur and JPEG's 16 px blocks reach.
    far = np.zeros_like(clean["mask"])
    far[:, -8:, :8] = clean["mask"][:, -18:, :18].max((1, 2, 3), keepdims=True) == 0
    assert far.any()
    np.testing.assert_allclose(swap["input"] * far, swap["target"] * far, atol=1e-6)


def test_sheets_are_drawn(shards, tmp_path):
    for name, arguments in (("records", []), ("mesh", ["--family", "mesh", "--augment"]), ("self", ["--family", "self"])):
        path = tmp_path / f"{name}.png"
        show.main([str(shards), "--split", "train", "--out", str(path), *arguments])
        assert path.stat().st_size > 10_000


def test_the_evaluation_writes_every_number_with_its_baseline(shards, tmp_path, monkeypatch, capsys):
    from keras_uncover import training
    from keras_uncover.config import TINY
    from keras_uncover.presets import build_model
    from keras_uncover.weights import save_preset

    model = build_model("reconstruct", TINY)
    save_preset(model, tmp_path / "run", training.run_config("reconstruct", TINY, "run", {}))
    evaluate_keras.main([str(tmp_path / "run"), str(shards), "--split", "train", "--json", str(tmp_path / "n.json")])
    numbers = json.loads((tmp_path / "n.json").read_text())
    assert numbers["n_people"] == numbers["n_pairs"] == 4 and numbers["model"] == "run"
    assert {"auc", "eer", "tpr_at_fpr_1", "ece"} <= set(numbers["detection"])
    assert {"distance", "distance_over_copy", "distance_over_best_baseline", "rank1"} <= set(numbers["target"])
    assert {"copy", "mean_texture", "inpainting"} <= set(numbers["baselines"]["target"])
    for family, rows in numbers["families"].items():
        assert (rows["donor"] is None) == (family == "self")
    assert "AUC" in capsys.readouterr().out
