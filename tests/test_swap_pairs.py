"""The builder of ready-made fakes: splits, masks, records, refusals, and a data set that is whole or not at all."""

import contextlib
import csv
import io
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
from keras import ops
from PIL import Image

from keras_uncover.geometry import cut_crops, invert_transform, sample, transform_points
from keras_uncover.images import decode_image, read_bytes
from keras_uncover.swaps import DRAWS, make_swaps
from pipelines.look import load_finder
from pipelines.pictures import hash_pixels
from pipelines.portraits.record import make_record as make_portrait
from pipelines.swap_pairs import swap_pairs_dataset_builder
from pipelines.swap_pairs.__main__ import main
from pipelines.swap_pairs.record import make_record

ROOT = Path(__file__).parent.parent
DATA = Path(__file__).parent / "data" / "portraits"
SIZE = 64
SPLITS = ("train", "validation", "test")
# (split folder, fake, portrait of the target, portrait of the donor); a_b is a name with an underscore.
FAKES = [
    ("train", "p0_Zoé.png", "p0", "p1"),
    ("train", "Zoé_a_b.webp", "p1", "p2"),
    ("train", "a_b_p0.jpg", "p2", "p0"),
    ("valid", "p3_p4.png", "p3", "p4"),
    ("test", "p5_p6.png", "p5", "p6"),
    ("test", "한_p5.png", "p7", "p5"),
]
IDS = {"p1": "Zoé", "p2": "a_b", "p7": "한"}


def read(shards, split):
    return list(tfds.builder_from_directory(str(shards)).as_dataset(split=split).as_numpy_iterator())


def read_rejects(shards):
    with open(shards / "rejects.csv", encoding="utf-8", newline="") as file:
        return {line["file"]: (line["rule"], line["reason"]) for line in csv.DictReader(file)}


def everything(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def save(path, pixels, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)


# A data set in the seed paper's layout, made by the project's own swap


@pytest.fixture(scope="session")
def people():
    """Photo, face and record of each test portrait."""
    found = {}
    for path in sorted(DATA.glob("*.jpg")):
        photo = decode_image(read_bytes(path))
        face = load_finder().find(photo)[0]
        found[path.stem] = (photo, face, make_portrait(photo, face, SIZE))
    return found


def swap_faces(targets, donors):
    """Whole-face swaps of full strength in one batch: crops of fakes beside their masks ``(n, size, size, 4)``."""
    scales = {"crop": 255, "texture": 255, "hull": 255, "uv": 65535, "points": 1}
    batches = [{key: np.stack([record[key] for _, _, record in each]).astype("float32") / np.float32(scale)
                for key, scale in scales.items()} for each in (targets, donors)]
    draws = np.random.default_rng(0).random((len(targets), DRAWS), "float32")
    swap = make_swaps(*batches, ops.convert_to_tensor(draws), {"mesh": 1.0}, plain=True)
    return ops.convert_to_numpy(ops.concatenate([swap["input"], swap["mask"]], axis=-1))


def paste(crop, photo, matrix):
    """A swapped crop and its mask laid over the photo at the photo's resolution: fake and true mask, uint8."""
    height, width = photo.shape[:2]
    xs, ys = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    points = np.stack([xs, ys], -1).reshape(1, -1, 2).astype("float32")
    places = transform_points(invert_transform(matrix[None]), points) * SIZE
    layer = ops.convert_to_numpy(sample(crop[None], places, border="zero")).reshape(height, width, 4)
    mask = layer[..., 3:]
    fake = np.round(photo * (1 - mask) + 255 * layer[..., :3] * mask).clip(0, 255).astype("uint8")
    return fake, np.round(255 * mask).astype("uint8")


def cut_out(photo, face, spread):
    """Alpha of a face and ``spread`` times its surroundings, uint8 0 or 255."""
    points = face.points[:468, :2]
    grown = points.mean(0) + (points - points.mean(0)) * spread
    hull = cv2.convexHull(grown.round().astype("int32"))
    return cv2.fillConvexPoly(np.zeros(photo.shape[:2], "uint8"), hull, 255)


@pytest.fixture(scope="session")
def seed_layout(people, tmp_path_factory):
    """train, valid and test, donors on nothing (alpha) but for valid, where they are on black. Only to be read."""
    folder = tmp_path_factory.mktemp("swaps") / "dataset"
    crops = swap_faces([people[target] for *_, target, _ in FAKES], [people[donor] for *_, donor in FAKES])
    for crop, (part, name, target, donor) in zip(crops, FAKES):
        fake, mask = paste(crop, people[target][0], people[target][2]["crop_to_photo"])
        options = {".jpg": {"quality": 92}, ".webp": {"lossless": True}}.get(Path(name).suffix, {})
        save(folder / part / "df" / name, fake, **options)
        save(folder / "masks" / f"{name}.png", mask[..., 0])
        (folder / part / "src").mkdir(exist_ok=True)
        if target == "p3":
            save(folder / part / "src" / "p3.PNG", people[target][0])
        else:
            shutil.copy(DATA / f"{target}.jpg", folder / part / "src" / f"{IDS.get(target, target)}.jpg")
        photo, face, _ = people[donor]
        alpha = cut_out(photo, face, 1.1 if part == "valid" else 1.5)[..., None]
        if part == "valid":
            save(folder / part / "segmented_face" / f"{donor}.png", photo * (alpha > 0))
        else:
            save(folder / part / "src_remb" / f"{IDS.get(donor, donor)}.png", np.concatenate([photo, alpha], -1))
    # Person p5 is in test: what is in train of theirs must go.
    shutil.copy(folder / "test" / "src" / "p5.jpg", folder / "train" / "src" / "p5.jpg")
    shutil.copy(folder / "train" / "df" / "p0_Zoé.png", folder / "train" / "df" / "p5_Zoé.png")
    return folder


@pytest.fixture(scope="session")
def swap_shards(seed_layout, tmp_path_factory):
    """The data set as shards at 64 px and what was said. Only to be read."""
    folder, said = tmp_path_factory.mktemp("data") / "shards", io.StringIO()
    with contextlib.redirect_stderr(said):
        assert main([str(seed_layout), str(folder), "--size", "64"]) == 0, said.getvalue()
    return folder, said.getvalue()


@pytest.fixture(scope="session")
def records(swap_shards):
    return {split: read(swap_shards[0], split) for split in SPLITS}


# Splits


def assert_apart(groups):
    for first, second in (("train", "validation"), ("train", "test"), ("validation", "test")):
        assert not groups[first] & groups[second]


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
            made = make_record(photos[0], fake_face, photos[1], photos[2], donor_face, SIZE)
            for key, photo in zip(("input_sha256", "target_sha256", "donor_sha256"), photos):
                assert stored.pop(key).decode() == made.pop(key) == hash_pixels(photo)
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
    one, two = (make_record(photo, face, target, photo, face, SIZE) for target in (photo, larger))
    assert np.abs(one["target"].astype(float) - two["target"]).mean() < 1.5
    np.testing.assert_array_equal(one["input"], two["input"])


def test_metadata_tells_nothing_of_this_machine(seed_layout, swap_shards):
    for path in swap_shards[0].iterdir():
        data = path.read_bytes()
        for place in (str(seed_layout), str(swap_shards[0]), str(ROOT)):
            assert place.encode() not in data, path.name
    info = json.loads((swap_shards[0] / "dataset_info.json").read_text())
    assert (info["name"], info["version"]) == ("swap_pairs", "1.0.0")
    assert not list(swap_shards[0].parent.glob(".*"))


# Refusals


@pytest.fixture(scope="module")
def mixed(seed_layout, people, tmp_path_factory):
    """A data set without split folders: one good fake and one of each kind that is refused."""
    folder = tmp_path_factory.mktemp("mixed")
    df, src, remb = folder / "df", folder / "src", folder / "src_remb"
    photo = people["p5"][0]
    wall = np.tile(np.arange(256, dtype="uint8")[:, None, None], (1, 256, 3))
    save(df / "t_d.png", np.asarray(Image.open(seed_layout / "test" / "df" / "p5_p6.png")))
    for file in ("t.jpg", "w.jpg", "twice.jpg", "twice.png"):
        (src / file).parent.mkdir(exist_ok=True)
        shutil.copy(seed_layout / "test" / "src" / "p5.jpg", src / file)
    save(src / "wide.png", np.concatenate([photo, photo], axis=1))
    (src / "cut.jpg").write_bytes((DATA / "p5.jpg").read_bytes()[:4000])
    for file in ("d.png", "e.png", "t.png"):
        remb.mkdir(exist_ok=True)
        shutil.copy(seed_layout / "test" / "src_remb" / "p6.png", remb / file)
    save(remb / "wall.png", wall)
    save(remb / "far.png", cv2.resize(people["p0"][0], (48, 48), interpolation=cv2.INTER_AREA))
    save(df / "w_d.png", wall)
    save(df / "w_e.png", np.concatenate([photo, people["p6"][0]], axis=1))
    save(df / "t_t.png", photo)
    for name in ("t_e", "t_wall", "t_far", "t_x", "x_d", "fake", "twice_d", "wide_d", "cut_d"):
        shutil.copy(df / "t_d.png", df / f"{name}.png")
    save(df / "t_d.webp", photo, lossless=True)
    (df / "w_d.jpg").touch()
    (df / "notes.txt").write_text("no picture")
    return folder


def test_every_file_is_a_record_or_a_named_refusal(mixed, tmp_path, capsys):
    assert main([str(mixed), str(tmp_path / "out"), "--size", "64", "--split", "test"]) == 0
    assert [record["file"].decode() for record in read(tmp_path / "out", "test")] == ["df/t_d.png"]
    rejects = read_rejects(tmp_path / "out")
    rules = {
        "df/cut_d.png": ("unreadable", "its target src/cut.jpg"),
        "df/fake.png": ("bad_name", "--pattern"),
        "df/notes.txt": ("not_a_picture", "suffix"),
        "df/t_d.webp": ("duplicate", "its target photo"),
        "df/t_e.png": ("duplicate", "df/t_d.png"),
        "df/t_far.png": ("too_small", "its donor src_remb/far.png"),
        "df/t_t.png": ("bad_name", "both t"),
        "df/t_wall.png": ("no_face", "its donor src_remb/wall.png"),
        "df/t_x.png": ("donor_missing", "donor x"),
        "df/twice_d.png": ("bad_name", "src/twice.jpg or src/twice.png"),
        "df/w_d.jpg": ("unreadable", "df/w_d.jpg"),
        "df/w_d.png": ("no_face", "no face"),
        "df/w_e.png": ("several_faces", "2 faces"),
        "df/wide_d.png": ("other_shape", "512 x 256"),
        "df/x_d.png": ("target_missing", "target x"),
    }
    assert {file: rule for file, (rule, _) in rejects.items()} == {file: rule for file, (rule, _) in rules.items()}
    for file, (_, words) in rules.items():
        assert words in rejects[file][1], file
    assert str(mixed) not in (tmp_path / "out" / "rejects.csv").read_text()
    said = capsys.readouterr().err
    assert "test             1 fakes of 1 targets and 1 donors" in said
    assert "refused         15 files (bad_name 3, " in said


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--pattern", "{donor}"], "The pattern is a file's name"),
        (["--pattern", "{donor}-{target}"], "No fake is left"),
        (["--size", "8"], "--size is a number from 16 to 1,024; received 8"),
        (["--validation", "2"], "The validation share is 0 to 0.9; received 2.0"),
    ],
)
def test_nothing_to_build_is_an_error_and_leaves_nothing(mixed, tmp_path, capsys, arguments, words):
    assert main([str(mixed), str(tmp_path / "out"), *arguments]) == 1
    said = capsys.readouterr().err
    assert words in said
    assert "Traceback" not in said
    assert list(tmp_path.iterdir()) == []


def test_a_missing_data_set_is_an_error(tmp_path, capsys):
    assert main([str(tmp_path / "nowhere"), str(tmp_path / "out")]) == 1
    assert "there is no folder at" in capsys.readouterr().err


# Whole or not at all


def build(dataset, out, *extra):
    return main([str(dataset), str(out), "--size", "64", "--split", "test", "--limit", "2", *extra])


def test_a_failure_leaves_no_half_output_and_a_second_run_completes(seed_layout, tmp_path, monkeypatch):
    made = []

    def fail_at_second(*arguments):
        made.append(arguments)
        if len(made) == 2:
            raise RuntimeError("the power is gone")
        return make_record(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(swap_pairs_dataset_builder, "make_record", fail_at_second)
        with pytest.raises(RuntimeError, match="the power is gone"):
            build(seed_layout, tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
    assert build(seed_layout, tmp_path / "out", "--workers", "2") == 0
    before = everything(tmp_path / "out")
    assert len(read(tmp_path / "out", "test")) == 2
    assert build(seed_layout, tmp_path / "out") == 1
    assert everything(tmp_path / "out") == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.slow
def test_a_killed_build_leaves_no_half_output_and_a_second_run_completes(seed_layout, tmp_path):
    arguments = ["-m", "pipelines.swap_pairs", str(seed_layout), str(tmp_path / "out"), "--size", "64"]
    process = subprocess.Popen([sys.executable, *arguments], cwd=ROOT, stderr=subprocess.DEVNULL)
    while process.poll() is None and not list(tmp_path.glob(".out.building/**/rejects.csv")):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert [path.name for path in tmp_path.iterdir()] == [".out.building"]
    run = subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert len(read(tmp_path / "out", "train")) == 3


@pytest.mark.slow
def test_tfds_build_knows_the_folder(seed_layout, tmp_path):
    # What ``tfds build`` runs; the ``tfds`` command itself also imports Beam.
    code = (
        "import sys, simple_parsing; from tensorflow_datasets.scripts.cli.build import Args;"
        "parser = simple_parsing.ArgumentParser(); parser.add_arguments(Args, dest='args');"
        "parser.parse_args(sys.argv[1:]).args.execute()"
    )
    command = [sys.executable, "-c", code, "--config", "128px"]
    places = ["--manual_dir", str(seed_layout), "--data_dir", str(tmp_path / "data")]
    run = subprocess.run([*command, *places], cwd=ROOT / "pipelines" / "swap_pairs", capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    folder = tmp_path / "data" / "swap_pairs" / "128px" / "1.0.0"
    assert len(read(folder, "train")) == 3
    assert read(folder, "test")[0]["input"].shape == (128, 128, 3)
    assert (folder / "rejects.csv").is_file()
