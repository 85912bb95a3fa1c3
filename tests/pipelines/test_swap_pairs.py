"""The builder of ready-made fakes: splits, masks and records."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from keras import ops
from PIL import Image
from seed_layout import FAKES, IDS
from shard_files import SIZE, SPLITS, assert_apart, assert_nothing_of_this_machine, read, read_rejects

from keras_uncover.images.decode import decode_image, read_bytes
from keras_uncover.ops.geometry import cut_crops
from pipelines import show
from pipelines.build.pictures import hash_pixels
from pipelines.build.screening import load_finder
from pipelines.swap_pairs.record import make_donor, make_record


@pytest.fixture(scope="module")
def records(swap_shards):
    return {split: read(swap_shards[0], split) for split in SPLITS}


# Splits


def test_no_person_and_no_image_is_in_two_splits(swap_shards, records):
    assert {split: len(found) for split, found in records.items()} == {"train": 3, "validation": 1, "test": 2}
    roles = [("target_person", "donor_person"), ("input_sha256", "target_sha256", "donor_sha256")]
    for keys in roles:
        groups = {split: {record[key] for record in found for key in keys} for split, found in records.items()}
        assert all(groups.values())
        assert_apart(groups)
    people = {record[key].decode() for record in records["train"] for key in roles[0]}
    assert people == {"p0", "Zoé", "a_b"}
    assert read_rejects(swap_shards[0]) == {
        "train/df/p5_Zoé.png": ("ties_splits", "its target p5 is in test too; a person has one split")
    }
    for words in (
        "train            3 fakes of 3 targets and 3 donors",
        "validation       1 fakes of 1 targets and 1 donors",
        "refused          1 files (ties_splits 1)",
        "test             2 masks derived of 2",
    ):
        assert words in swap_shards[1]


# Masks


def overlap(first, second):
    return (first & second).sum() / (first | second).sum()


def test_derived_masks_are_the_true_ones(seed_layout, records):
    for split in SPLITS:
        for record in records[split]:
            truth = np.asarray(Image.open(seed_layout / "masks" / f"{Path(record['file'].decode()).name}.png"))
            truth = cut_crops(np.repeat(truth[..., None], 3, -1), record["crop_to_photo"][None], SIZE)[0]
            truth = ops.convert_to_numpy(truth)[..., 0] > 0.5
            assert record["has_mask"]
            assert set(np.unique(record["mask"])) == {0, 255}
            assert overlap(record["mask"][..., 0] > 0, truth) > 0.7, record["file"].decode()


# Records


def test_records_decode_to_what_was_made(seed_layout, records):
    folders = {"train": "train", "validation": "valid", "test": "test"}
    sources = {name: (part, IDS.get(t, t), IDS.get(d, d)) for part, name, t, d in FAKES}
    for split, found in records.items():
        for stored in found[:2]:
            stored = dict(stored)
            part, target, donor = sources[Path(stored["file"].decode()).name]
            assert part == folders[split]
            assert (stored.pop("target_person").decode(), stored.pop("donor_person").decode()) == (target, donor)
            photos = [decode_image(read_bytes(seed_layout / stored.pop(key).decode()))
                      for key in ("file", "target_file", "donor_file")]
            fake_face, donor_face = (load_finder().find(photos[k])[0] for k in (0, 2))
            made = {**make_record(photos[0], fake_face, photos[1], SIZE), **make_donor(photos[2], donor_face, SIZE)}
            for key, photo in zip(("input_sha256", "target_sha256", "donor_sha256"), photos):
                assert stored.pop(key).decode() == hash_pixels(photo)
            assert stored.keys() == made.keys()
            for key, value in made.items():
                assert stored[key].dtype == np.asarray(value).dtype, key
                np.testing.assert_array_equal(stored[key], value, err_msg=key)


def test_a_record_is_what_its_names_say(people, records):
    shapes = {"input": 3, "target": 3, "donor": 3, "donor_hull": 1, "mask": 1}
    portraits = {name: (target, donor) for _, name, target, donor in FAKES}
    for record in (record for found in records.values() for record in found):
        assert {key: record[key].shape for key in shapes} == {key: (SIZE, SIZE, c) for key, c in shapes.items()}
        target, donor = (people[person] for person in portraits[Path(record["file"].decode()).name])
        truth = ops.convert_to_numpy(cut_crops(target[0], record["crop_to_photo"][None], SIZE)[0]) * 255
        np.testing.assert_array_equal(record["target"], np.rint(truth).astype("uint8"))
        # The fake's face lies where the target's did, so the fake's transform is nearly the target's own.
        assert np.abs(record["crop_to_photo"] - target[2]["crop_to_photo"]).max() < 0.05 * target[0].shape[0]
        outside = cv2.dilate(record["mask"], np.ones((9, 9))) == 0
        assert np.abs(record["input"].astype(float) - record["target"])[outside].mean() < 2.0
        # The donor lost its background alone, so its crop is nearly that of the whole photo.
        hull = record["donor_hull"][..., 0] > 0
        assert (record["donor"][~hull] == 128).all()
        assert overlap(hull, donor[2]["hull"][..., 0] > 0) > 0.9
        both = cv2.erode(record["donor_hull"], np.ones((3, 3))) > 0
        assert np.abs(record["donor"].astype(float) - donor[2]["crop"])[both].mean() < 10


def test_a_target_photo_of_another_size_is_cut_at_the_same_place(people):
    photo, face, _ = people["p0"]
    larger = cv2.resize(photo, (512, 512), interpolation=cv2.INTER_CUBIC)
    one, two = (make_record(photo, face, target, SIZE) for target in (photo, larger))
    assert np.abs(one["target"].astype(float) - two["target"]).mean() < 1.5
    np.testing.assert_array_equal(one["input"], two["input"])


def test_metadata_tells_nothing_of_this_machine(seed_layout, swap_shards):
    assert_nothing_of_this_machine(swap_shards[0], seed_layout)
    info = json.loads((swap_shards[0] / "dataset_info.json").read_text())
    assert (info["name"], info["version"]) == ("swap_pairs", "1.0.0")


# Looking at them


def test_a_sheet_shows_them(swap_shards, records, tmp_path, capsys):
    path = tmp_path / "sheet.png"
    show.main([str(swap_shards[0]), "--split", "test", "--out", str(path)])
    assert "2 ready-made fakes of test" in capsys.readouterr().out
    sheet = cv2.imread(str(path))[..., ::-1]
    for x, record in zip((2, 262), records["test"], strict=True):
        pictures = record["input"], np.repeat(record["mask"], 3, -1), record["target"], record["donor"]
        np.testing.assert_array_equal(sheet[22 : 22 + SIZE, x : x + 4 * SIZE], np.concatenate(pictures, axis=1))
    assert show.main([str(swap_shards[0]), "--family", "mesh", "--out", str(path)]) == 2
    assert "have no family; received --family mesh" in capsys.readouterr().err
