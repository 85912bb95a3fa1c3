"""The portraits builder: what a record is, and the shards of a data set."""

import json
import time
from pathlib import Path

import cv2
import numpy as np
from shard_files import SIZE, assert_nothing_of_this_machine, assert_same_data, read, read_rejects

from keras_uncover.images.decode import decode_image, read_bytes
from pipelines.build.pictures import hash_pixels
from pipelines.build.screening import load_finder, map_in_order
from pipelines.portraits.__main__ import main
from pipelines.portraits.record import make_record

DATA = Path(__file__).parents[1] / "data" / "portraits"


def record_of(path):
    photo = decode_image(read_bytes(path))
    face = load_finder().find(photo)[0]
    return photo, face, make_record(photo, face, SIZE)


# Records


def test_a_record_is_what_its_names_say():
    photo, face, record = record_of(DATA / "p3.jpg")
    shapes = {key: (value.shape, str(value.dtype)) for key, value in record.items()}
    assert shapes == {
        "crop": ((SIZE, SIZE, 3), "uint8"),
        "texture": ((SIZE, SIZE, 3), "uint8"),
        "uv": ((SIZE, SIZE, 2), "uint16"),
        "hull": ((SIZE, SIZE, 1), "uint8"),
        "points": ((468, 3), "float32"),
        "crop_to_photo": ((2, 3), "float32"),
    }
    matrix = record["crop_to_photo"].astype("float64")
    placed = record["points"][:, :2] @ matrix[:, :2].T + matrix[:, 2]
    np.testing.assert_allclose(placed, face.points[:468, :2], atol=1e-2)
    scale = np.sqrt(np.linalg.det(matrix[:, :2]))
    np.testing.assert_allclose(record["points"][:, 2] * scale, face.points[:468, 2], rtol=1e-4, atol=1e-3)
    assert np.abs(cut_by_opencv(photo, matrix) - record["crop"]).mean() < 1.0
    assert set(np.unique(record["hull"])) == {0, 255}
    assert (record["uv"][record["hull"][..., 0] == 0] == 0).all()
    corners = cv2.convexHull((record["points"][:, :2] * SIZE - 0.5).round().astype("int32"))
    hull = cv2.fillConvexPoly(np.zeros((SIZE, SIZE), "uint8"), corners, 255) > 0
    face = record["hull"][..., 0] > 0
    assert (hull & face).sum() / (hull | face).sum() > 0.9


def cut_by_opencv(photo, matrix):
    """The crop by OpenCV: eight times finer, then averaged. Its pixel centres are whole numbers, ours are halves."""
    fine = 8 * SIZE
    affine = matrix / [fine, fine, 1]
    affine[:, 2] += affine[:, :2] @ [0.5, 0.5] - 0.5
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    crop = cv2.warpAffine(photo, affine, (fine, fine), flags=flags, borderMode=cv2.BORDER_REFLECT)
    return cv2.resize(crop, (SIZE, SIZE), interpolation=cv2.INTER_AREA).astype(float)


def test_a_texture_read_through_the_uv_map_is_the_face_again():
    _, _, record = record_of(DATA / "p0.jpg")
    places = record["uv"].astype("float32") / 65535 * SIZE - 0.5
    back = cv2.remap(record["texture"], places[..., 0], places[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    inside = cv2.erode(record["hull"], np.ones((3, 3))) > 0
    error = np.abs(back.astype(float) - record["crop"])[inside].mean()
    contrast = record["crop"][inside].std()
    assert error < 0.1 * contrast


def test_a_photo_has_one_hash_whatever_the_file():
    photo = decode_image(read_bytes(DATA / "p0.jpg"))
    assert hash_pixels(photo) == hash_pixels(photo[:, ::-1][:, ::-1])
    assert len({hash_pixels(photo), hash_pixels(photo[:, ::-1]), hash_pixels(photo.reshape(128, 512, 3))}) == 3


# Shards


def test_records_decode_to_what_was_made(portraits, shards):
    seen = 0
    for split in ("train", "validation", "test"):
        for stored in read(shards, split):
            file = stored.pop("file").decode()
            assert stored.pop("person").decode() == Path(file).stem
            photo, _, record = record_of(portraits / file)
            assert stored.pop("image_sha256").decode() == hash_pixels(photo)
            assert stored.keys() == record.keys()
            for key, value in record.items():
                assert stored[key].dtype == value.dtype
                np.testing.assert_array_equal(stored[key], value, err_msg=f"{file} {key}")
            seen += 1
    assert seen == 8


def test_given_splits_hold_and_share_no_person_and_no_image(shards):
    records = {split: read(shards, split) for split in ("train", "validation", "test")}
    assert {split: len(found) for split, found in records.items()} == {"train": 4, "validation": 2, "test": 2}
    for key in ("person", "image_sha256", "file"):
        values = [record[key] for found in records.values() for record in found]
        assert len(set(values)) == 8
    assert {record["file"].decode() for record in records["test"]} == {"p6.jpg", "p7.jpg"}
    assert {"Zoé Müller.jpg", "한 지민.jpg", "more/Ada, Countess.jpg"} < {r["file"].decode() for r in records["train"]}
    assert read_rejects(shards) == {}


def test_metadata_tells_nothing_of_this_machine(portraits, shards):
    assert_nothing_of_this_machine(shards, portraits)
    info = json.loads((shards / "dataset_info.json").read_text())
    assert (info["name"], info["version"]) == ("portraits", "1.0.0")


def test_the_same_photos_give_the_same_records_in_the_same_order(portraits, tmp_path):
    for name, workers in (("one", "1"), ("two", "2")):
        arguments = ["--size", "64", "--limit", "4", "--split", "train", "--workers", workers]
        assert main([str(portraits / "list.csv"), str(tmp_path / name), *arguments]) == 0
    assert_same_data(tmp_path / "one", tmp_path / "two")


def test_work_is_handed_out_in_order():
    def slow_start(n):
        time.sleep(0.05 if n == 0 else 0)
        return n * n

    assert list(map_in_order(slow_start, range(30), 4)) == [n * n for n in range(30)]
    assert list(map_in_order(slow_start, [], 4)) == []
