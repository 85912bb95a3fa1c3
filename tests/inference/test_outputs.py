"""Pictures in a folder: which are written, their names, their marks, and what is never overwritten."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from keras_uncover.images.provenance import read_mark
from keras_uncover.inference.answers import FaceAnswer, Result
from keras_uncover.inference.outputs import name_outputs, prepare_folder, write_pictures

SIZE = 32
ALL = ["a_donor.png", "a_figure.png", "a_mask.png", "a_reswap.png", "a_target.png"]


@pytest.fixture(autouse=True)
def empty_folder(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    os.mkdir("answer")


def make_result(*verdicts):
    faces = []
    for index, verdict in enumerate(verdicts):
        levels = {"crop": 0.1, "target": 0.2, "donor": 0.4, "reswap_image": 0.6}
        pictures = {name: np.full((SIZE, SIZE, 3), level, "float32") for name, level in levels.items()}
        pictures["mask"] = np.full((SIZE, SIZE), 0.8, "float32")
        answer = FaceAnswer(
            face_index=index, bbox=(1.0, 2.0, 30.0, 40.0), verdict=verdict, p_fake=0.5, threshold=0.5, mask_area=0.8,
            reswap={"ssim": 0.9, "residual": 0.1}, model="tiny", **pictures,
        )
        faces.append(answer)
    return Result("a.png", "ab" * 32, faces, np.full((64, 64, 3), 128, "uint8"))


def listing(folder="answer"):
    return sorted(os.listdir(folder))


def save_photo(name):
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (64, 64)).save(name)
    return name


@pytest.mark.parametrize("verdict", ["fake", "uncertain"])
def test_every_picture_is_written_and_marked(verdict):
    (paths,) = write_pictures("answer", "a", make_result(verdict))
    assert listing() == ALL and sorted(path.name for path in paths.values()) == ALL
    for kind, path in paths.items():
        mark = read_mark(path)
        assert (mark["kind"], mark["model"], mark["verdict"], mark["face_index"]) == (kind, "tiny", verdict, 0)
        assert mark["input_sha256"] == "ab" * 32
    for kind, level in (("target", 51), ("donor", 102), ("reswap", 153), ("mask", 204)):
        with Image.open(paths[kind]) as picture:
            assert picture.getpixel((5, 5)) == (level,) * 3, kind


def test_a_genuine_face_gets_no_donor_and_no_reswap():
    (paths,) = write_pictures("answer", "a", make_result("genuine"))
    assert list(paths) == ["target", "mask", "figure"]
    assert listing() == ["a_figure.png", "a_mask.png", "a_target.png"]


def test_no_face_gets_the_figure_only():
    (paths,) = write_pictures("answer", "a", make_result("no_face"))
    assert list(paths) == ["figure"] and listing() == ["a_figure.png"]


def test_a_model_without_pictures_gets_the_figure_only():
    result = make_result("fake")
    for name in ("mask", "target", "donor", "reswap_image"):
        setattr(result.main, name, None)
    (paths,) = write_pictures("answer", "a", result)
    assert list(paths) == ["figure"] and listing() == ["a_figure.png"]


def test_a_second_run_replaces_the_first_and_leaves_no_old_donor():
    write_pictures("answer", "a", make_result("fake"))
    write_pictures("answer", "a", make_result("genuine"))
    assert listing() == ["a_figure.png", "a_mask.png", "a_target.png"]
    assert {read_mark(f"answer/{name}")["verdict"] for name in listing()} == {"genuine"}


def test_a_strangers_file_of_such_a_name_is_not_removed():
    save_photo("answer/a_donor.png")
    Path("answer/a_reswap.png").write_text("words")
    before = Path("answer/a_donor.png").read_bytes()
    write_pictures("answer", "a", make_result("genuine"))
    assert Path("answer/a_donor.png").read_bytes() == before
    assert Path("answer/a_reswap.png").read_text() == "words"


def test_several_faces_are_numbered():
    first, second = write_pictures("answer", "a", make_result("fake", "genuine"))
    assert (first["mask"].name, second["mask"].name) == ("a_face0_mask.png", "a_face1_mask.png")
    assert len(listing()) == len(first) + len(second) == 5 + 3


def test_a_single_photo_keeps_its_name():
    assert name_outputs(["x/a.b.png", "c.jpg"], "answer") == {"x/a.b.png": "a.b", "c.jpg": "c"}


@pytest.mark.parametrize(
    "photos", [("x/a.png", "y/a.png"), ("a.png", "a.jpg"), ("x/A.png", "y/a.png"), ("two.png", "two_face0.png")]
)
def test_photos_whose_outputs_would_meet_are_told_apart(photos):
    names = name_outputs(photos, "answer")
    assert len({name.lower() for name in names.values()}) == 2
    assert all(name.startswith(Path(photo).stem + "-") for photo, name in names.items())
    assert name_outputs(photos[::-1], "answer") == names, "names do not depend on the order"


def test_an_output_never_overwrites_an_input():
    photos = [save_photo("a.png"), save_photo("a_target.png"), save_photo("b_face0_mask.png"), save_photo("b.png")]
    names = name_outputs(photos, ".")
    assert names["a.png"].startswith("a-") and names["b.png"].startswith("b-")
    assert names["a_target.png"] == "a_target"
    # In another folder they are in nobody's way.
    assert name_outputs(photos, "answer")["a.png"] == "a"


def test_a_long_name_is_cut():
    photo = "n" * 240 + ".png"
    stem = name_outputs([photo], "answer")[photo]
    write_pictures("answer", stem, make_result("fake"))
    assert len(listing()) == 5 and len(stem) < 140


def test_a_folder_is_made_and_tried(tmp_path):
    prepare_folder("new/deep")
    assert listing("new/deep") == []
    Path("file").write_text("words")
    with pytest.raises(OSError):
        prepare_folder("file/below")
