"""The portraits builder: records, splits, refusals, and a data set that is there whole or not at all."""

import csv
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from keras_uncover.images import decode_image, read_bytes
from pipelines.folders import BuildError, build_folder
from pipelines.look import load_finder, map_in_order
from pipelines.pictures import hash_pixels
from pipelines.portraits import portraits_dataset_builder
from pipelines.portraits.__main__ import main
from pipelines.portraits.record import make_record

ROOT = Path(__file__).parent.parent
DATA = Path(__file__).parent / "data" / "portraits"
SIZE = 64


def read(shards, split):
    return list(tfds.builder_from_directory(str(shards)).as_dataset(split=split).as_numpy_iterator())


def read_rejects(shards):
    with open(shards / "rejects.csv", encoding="utf-8", newline="") as file:
        return {line["file"]: (line["rule"], line["reason"]) for line in csv.DictReader(file)}


def everything(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def record_of(path):
    photo = decode_image(read_bytes(path))
    face = load_finder().find(photo)[0]
    return photo, face, make_record(photo, face, SIZE)


# Records


def test_a_record_is_what_its_names_say():
    photo, face, record = record_of(DATA / "p3.jpg")
    shapes = {key: (value.shape, str(value.dtype)) for key, value in record.items() if key != "image_sha256"}
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
            _, _, record = record_of(portraits / file)
            assert stored.pop("image_sha256").decode() == record.pop("image_sha256")
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
    for path in shards.iterdir():
        data = path.read_bytes()
        for place in (str(portraits), str(shards), str(ROOT)):
            assert place.encode() not in data, path.name
    info = json.loads((shards / "dataset_info.json").read_text())
    assert info["version"] == "1.0.0"
    assert not list(shards.parent.glob(".*"))


def test_the_same_photos_give_the_same_records_in_the_same_order(portraits, tmp_path):
    for name, workers in (("one", "1"), ("two", "2")):
        arguments = ["--size", "64", "--limit", "4", "--split", "train", "--workers", workers]
        assert main([str(portraits / "list.csv"), str(tmp_path / name), *arguments]) == 0
    one, two = everything(tmp_path / "one"), everything(tmp_path / "two")
    assert one.keys() == two.keys()
    assert all(one[name] == two[name] for name in one if "tfrecord" not in name)
    # Protocol buffers leave the order of keys within a record open, so files need not be equal in bytes.
    for first, second in zip(read(tmp_path / "one", "train"), read(tmp_path / "two", "train"), strict=True):
        for key in first:
            np.testing.assert_array_equal(first[key], second[key])


def test_work_is_handed_out_in_order():
    def slow_start(n):
        time.sleep(0.05 if n == 0 else 0)
        return n * n

    assert list(map_in_order(slow_start, range(30), 4)) == [n * n for n in range(30)]
    assert list(map_in_order(slow_start, [], 4)) == []


# Refusals


def save(path, pixels, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """A folder with two good portraits and one of each kind that is refused."""
    folder = tmp_path_factory.mktemp("mixed")
    first, second = (np.asarray(Image.open(DATA / name)) for name in ("p0.jpg", "p3.jpg"))
    shutil.copy(DATA / "p0.jpg", folder / "a good one.jpg")
    # A face in the background is less than half as large: no second portrait.
    scene = np.full((256, 356, 3), 90, "uint8")
    scene[:, :256] = second
    scene[150:230, 270:350] = cv2.resize(first, (80, 80), interpolation=cv2.INTER_AREA)
    save(folder / "b with a passer-by.png", scene)
    save(folder / "copy.png", first)
    save(folder / "couple.png", np.concatenate([first, second], axis=1))
    save(folder / "far.png", cv2.resize(first, (48, 48), interpolation=cv2.INTER_AREA))
    save(folder / "wall.png", np.tile(np.arange(256, dtype="uint8")[:, None, None], (1, 256, 3)))
    xs = load_finder().find(first)[0].points[:, 0]
    save(folder / "half.png", first[:, int(0.8 * xs.min() + 0.2 * xs.max()) :])
    (folder / "cut.jpg").write_bytes((DATA / "p4.jpg").read_bytes()[:4000])
    (folder / "empty.jpg").touch()
    (folder / "drawing.gif").write_bytes(b"GIF89a" + bytes(40))
    (folder / "notes.txt").write_text("no picture")
    return folder


def test_every_file_is_a_record_or_a_named_refusal(mixed, tmp_path, capsys):
    assert main([str(mixed), str(tmp_path / "out"), "--size", "64", "--split", "test"]) == 0
    records = read(tmp_path / "out", "test")
    assert sorted(record["file"].decode() for record in records) == ["a good one.jpg", "b with a passer-by.png"]
    rejects = read_rejects(tmp_path / "out")
    assert {file: rule for file, (rule, _) in rejects.items()} == {
        "copy.png": "duplicate",
        "couple.png": "several_faces",
        "cut.jpg": "unreadable",
        "drawing.gif": "unreadable",
        "empty.jpg": "unreadable",
        "far.png": "too_small",
        "half.png": "cut_off",
        "notes.txt": "not_a_picture",
        "wall.png": "no_face",
    }
    assert len(records) + len(rejects) == len(list(mixed.iterdir()))
    for file, words in (("copy.png", "a good one.jpg"), ("couple.png", "2 faces"), ("empty.jpg", "empty.jpg")):
        assert words in rejects[file][1]
    assert str(mixed) not in (tmp_path / "out" / "rejects.csv").read_text()
    said = capsys.readouterr().err
    assert "test             2 portraits of 2 people" in said
    assert "refused          9 files" in said
    assert "unreadable 3" in said


def test_nothing_left_is_an_error_that_names_files(tmp_path, capsys):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "empty.jpg").touch()
    assert main([str(tmp_path / "in"), str(tmp_path / "out")]) == 1
    assert "No portrait is left of 1" in (said := capsys.readouterr().err)
    assert "empty.jpg" in said
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--size", "8"], "--size is a number from 16 to 1,024; received 8"),
        (["--workers", "0"], "--workers is a number from 1"),
        (["--limit", "0"], "--limit is a number from 1"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(tmp_path, capsys, arguments, words):
    assert main([str(tmp_path), str(tmp_path / "out"), *arguments]) == 1
    assert words in capsys.readouterr().err


# Whole or not at all


def test_an_existing_output_is_refused_and_kept(portraits, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("keep")
    for extra, words in (([], "new or empty folder"), (["--overwrite"], "no dataset_info.json")):
        assert main([str(portraits), str(tmp_path / "out"), *extra]) == 1
        assert words in capsys.readouterr().err
    assert everything(tmp_path / "out") == {"mine.txt": b"keep"}


def build(portraits, out, *extra):
    return main([str(portraits / "list.csv"), str(out), "--size", "64", "--limit", "3", *extra])


def fail_at(number, make):
    made = []

    def maker(*arguments):
        made.append(arguments)
        if len(made) == number:
            raise RuntimeError("the power is gone")
        return make(*arguments)

    return maker


def test_a_failure_leaves_no_half_output_and_a_second_run_completes(portraits, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(portraits_dataset_builder, "make_record", fail_at(3, make_record))
        with pytest.raises(RuntimeError, match="the power is gone"):
            build(portraits, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "out").mkdir()
    assert build(portraits, tmp_path / "out") == 0
    before = everything(tmp_path / "out")
    with monkeypatch.context() as patch:
        patch.setattr(portraits_dataset_builder, "make_record", fail_at(2, make_record))
        with pytest.raises(RuntimeError, match="the power is gone"):
            build(portraits, tmp_path / "out", "--overwrite")
    assert everything(tmp_path / "out") == before
    assert build(portraits, tmp_path / "out", "--overwrite", "--split", "test") == 0
    assert tfds.builder_from_directory(str(tmp_path / "out")).info.splits["test"].num_examples == 3
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_one_build_at_a_time_and_a_dead_one_is_cleared(tmp_path):
    out, work = tmp_path / "out", tmp_path / ".out.building"
    with build_folder(out):
        with pytest.raises(BuildError, match="One build at a time"):
            with build_folder(out):
                pass
        (work / "done").mkdir()
    assert out.is_dir()
    assert not work.exists()
    (work / "portraits").mkdir(parents=True)  # As a killed build leaves it.
    out.rmdir()
    with build_folder(out):
        assert [path.name for path in work.iterdir()] == ["lock"]
        (work / "done").mkdir()
    assert out.is_dir()


def test_a_replacement_killed_between_its_renames_is_undone(tmp_path):
    old = tmp_path / ".out.building" / "replaced"
    old.mkdir(parents=True)
    (old / "dataset_info.json").write_text("old")
    with pytest.raises(BuildError, match="has content"):
        with build_folder(tmp_path / "out"):
            pass
    assert everything(tmp_path / "out") == {"dataset_info.json": b"old"}


@pytest.mark.slow
def test_a_killed_build_leaves_no_half_output_and_a_second_run_completes(portraits, tmp_path):
    arguments = ["-m", "pipelines.portraits", str(portraits / "list.csv"), str(tmp_path / "out"), "--size", "64"]
    process = subprocess.Popen([sys.executable, *arguments], cwd=ROOT, stderr=subprocess.DEVNULL)
    while process.poll() is None and not list(tmp_path.glob(".out.building/**/rejects.csv")):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert [path.name for path in tmp_path.iterdir()] == [".out.building"]
    run = subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert len(read(tmp_path / "out", "train")) == 4


@pytest.mark.root
def test_a_full_disk_is_a_plain_error_and_leaves_nothing(portraits, tmp_path, capsys):
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], check=True)
    try:
        assert main([str(portraits / "list.csv"), str(disk / "out"), "--size", "64"]) == 1
        assert "No space left on device. Make room or choose another disk." in capsys.readouterr().err
        assert list(disk.iterdir()) == []
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.slow
def test_tfds_build_knows_the_folder(portraits, tmp_path):
    shutil.copytree(portraits, tmp_path / "photos")
    (tmp_path / "photos" / "list.csv").rename(tmp_path / "photos" / "portraits.csv")
    # What ``tfds build`` runs; the ``tfds`` command itself also imports Beam.
    code = (
        "import sys, simple_parsing; from tensorflow_datasets.scripts.cli.build import Args;"
        "parser = simple_parsing.ArgumentParser(); parser.add_arguments(Args, dest='args');"
        "parser.parse_args(sys.argv[1:]).args.execute()"
    )
    command = [sys.executable, "-c", code, "--config", "128px"]
    places = ["--manual_dir", str(tmp_path / "photos"), "--data_dir", str(tmp_path / "data")]
    run = subprocess.run([*command, *places], cwd=ROOT / "pipelines" / "portraits", capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    folder = tmp_path / "data" / "portraits" / "128px" / "1.0.0"
    assert len(read(folder, "train")) == 4
    assert read(folder, "test")[0]["crop"].shape == (128, 128, 3)
    assert (folder / "rejects.csv").is_file()
