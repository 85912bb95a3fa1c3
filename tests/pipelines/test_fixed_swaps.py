"""Fixed swaps, contact sheets and the evaluation script on a small data set."""

import json

import cv2
import numpy as np
import pytest

import evaluate_keras
from pipelines import show
from pipelines.fixed_swaps import fixed_swaps, pair_people, read_people


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


def draw(shards, path, *arguments):
    show.main([str(shards), "--out", str(path), *arguments])
    return cv2.imread(str(path))[..., ::-1]


def test_a_sheet_shows_records_and_swaps_of_every_family(shards, people, tmp_path, capsys):
    sheet, row = draw(shards, tmp_path / "sheet.png", "--split", "train"), 20 + 68
    assert "4 records and 4 swaps each of mesh, affine, self, pyramid, resynth of train" in capsys.readouterr().out
    assert sheet.shape == (6 * row, 4 * (4 * 64 + 4), 3)
    crop = sheet[22:86, 2:66]
    assert any(np.array_equal(crop, stored) for stored in people["crop"])
    for k in range(1, 6):
        fake, mask, target = (sheet[k * row + 22 : k * row + 86, 2 + 64 * place :][:, :64] for place in range(3))
        assert mask.max() == 255 and mask.min() == 0 and (mask == mask[..., :1]).all()
        assert k == 5 or np.array_equal(target, crop)
        assert np.abs(fake.astype(float) - target)[mask[..., 0] > 200].mean() > 2
    path = tmp_path / "augmented.png"
    augmented = draw(shards, path, "--family", "mesh", "--augment", "--count", "2")
    assert augmented.shape == (row, sheet.shape[1], 3) and (augmented[:, 600:] == 255).all()


def test_what_no_sheet_can_be_drawn_of_is_refused(shards, tmp_path, capsys):
    for arguments, words in (
        ([tmp_path], "has none. Build it first"),
        ([shards, "--split", "dev"], "received 'dev'"),
        ([shards, "--count", "0"], "--count is a number from 1; received 0"),
        ([shards, "--family", "mesh", "--count", "1"], "at least two people"),
        ([shards, "--count", "2", "--out", tmp_path / "sheet.nothing"], "check the folder and the suffix"),
    ):
        assert show.main(["--out", str(tmp_path / "sheet.png"), *map(str, arguments)]) > 0
        assert words in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_evaluation_writes_every_number_with_its_baseline(shards, tmp_path, monkeypatch, capsys):
    from keras_uncover.models.build import build_model, save_network
    from keras_uncover.models.config import TINY
    from keras_uncover.training import setup

    model = build_model("reconstruct", TINY)
    save_network(model, tmp_path / "run", setup.run_config("reconstruct", TINY, "run", {}))
    evaluate_keras.main([str(tmp_path / "run"), str(shards), "--split", "train", "--json", str(tmp_path / "n.json")])
    numbers = json.loads((tmp_path / "n.json").read_text())
    assert numbers["n_people"] == numbers["n_pairs"] == 4 and numbers["model"] == "run"
    assert {"auc", "eer", "tpr_at_fpr_1", "ece"} <= set(numbers["detection"])
    assert {"distance", "distance_over_copy", "distance_over_best_baseline", "rank1"} <= set(numbers["target"])
    assert {"copy", "mean_texture", "inpainting"} <= set(numbers["baselines"]["target"])
    for family, rows in numbers["families"].items():
        assert (rows["donor"] is None) == (family == "self")
    assert "AUC" in capsys.readouterr().out
