"""Packs of faces: they come back, photographs are drawn half of the time, and other files are refused in words."""

import csv

import numpy as np
import pytest
from drawn_faces import faces, mean_points
from loaded_script import load_script
from PIL import Image
from portrait_files import portrait

from keras_uncover.faces.finder import Face, FaceFinder
from keras_uncover.ops.geometry import ANCHORS
from keras_uncover.ops.mesh import mean_mesh
from keras_uncover.refusals import DataError
from pipelines.packs import SIDE, VIEW, chances, read_pack, write_pack


def rows(size=48):
    drawn = faces(3, size)
    crops = np.round(drawn["crop"] * 255).astype("uint8")
    return list(zip(crops, drawn["points"] / size, (True, False, False), ("Ada", "Zoé", "한 지민")))


def test_a_pack_comes_back(tmp_path):
    written = rows()
    write_pack(tmp_path / "train.npz", written, 95)
    assert [file.name for file in tmp_path.iterdir()] == ["train.npz"]
    pack = read_pack(tmp_path / "train.npz")
    assert pack["crops"].dtype == np.uint8 and pack["crops"].shape == (3, 48, 48, 3)
    difference = np.abs(pack["crops"].astype(int) - np.stack([row[0] for row in written]))
    assert difference.mean() < 3  # JPEG; channels out of order would differ by tens
    points = np.stack([row[1] for row in written]) * 48
    assert pack["points"].dtype == np.float32 and np.abs(pack["points"] - points).max() < 0.05
    assert pack["camera"].tolist() == [True, False, False] and pack["person"].tolist() == ["Ada", "Zoé", "한 지민"]


def test_crops_of_several_sizes_become_as_large_as_the_largest(tmp_path):
    write_pack(tmp_path / "train.npz", [rows(32)[0], rows(48)[1]], 95)
    pack = read_pack(tmp_path / "train.npz")
    assert pack["crops"].shape == (2, 48, 48, 3)
    assert np.abs(pack["points"][0] - rows(32)[0][1] * 48).max() < 0.05


def test_half_of_the_draws_are_photographs():
    camera = np.array([True, False, False, False, True, False])
    found = chances(camera)
    assert np.allclose(found, np.where(camera, 1 / 4, 1 / 8)) and found.dtype == np.float32
    for alone in (np.ones(4, bool), np.zeros(4, bool)):
        assert np.allclose(chances(alone), 1 / 4)


def write_no_photos(path):
    np.savez(path, data=np.zeros(9, "uint8"), lengths=[9], points=np.zeros((1, 478, 2)), camera=[True], person=["a"])


def write_half(path):
    write_pack(path, rows(), 90)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def write_array(path):
    with open(path, "wb") as file:
        np.save(file, np.zeros(3))


@pytest.mark.parametrize("write", [
    lambda path: None, lambda path: path.write_text("no pack"), lambda path: path.touch(), write_array, write_half,
    lambda path: np.savez(path, crop=np.zeros(3)), write_no_photos,
], ids=["absent", "text", "empty", "array", "cut", "other arrays", "no photos"])
def test_a_foreign_file_is_refused_in_words(tmp_path, write):
    write(tmp_path / "train.npz")
    with pytest.raises(DataError, match="A pack is a file that scripts.pack_faces wrote; .*train.npz cannot be read"):
        read_pack(tmp_path / "train.npz")


class OneFace:
    """Finds the mean face in every photo that is not of one colour."""

    def find(self, photo, max_faces):
        points = np.concatenate([mean_points(len(photo), 1.5), np.zeros((478, 1), "float32")], -1)
        return [Face((0, 0, *photo.shape[1::-1]), 0.9, points, 1.0)] if photo.std() else []


@pytest.mark.parametrize("finder", [OneFace, pytest.param(FaceFinder, marks=pytest.mark.slow)])
def test_faces_are_packed_and_what_shows_none_is_named(tmp_path, capsys, monkeypatch, finder):
    """Two portraits, one of them of a validation person, and a wall."""
    for number in (0, 1):  # All of one size, for which networks are compiled once.
        Image.fromarray(portrait(number, (256, 256))).save(tmp_path / f"p{number}.jpg")
    Image.new("RGB", (256, 256), "grey").save(tmp_path / "wall.png")
    (tmp_path / "bad.jpg").write_bytes(b"no photo")
    splits = {"file": "split", "p0.jpg": "train", "p1.jpg": "validation", "wall.png": "train", "bad.jpg": "train"}
    with open(tmp_path / "list.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(splits.items())
    script = load_script("scripts/pack_faces.py")
    monkeypatch.setattr(script, "FaceFinder", finder)
    assert not script.main([str(tmp_path / "packs"), "--photographs", str(tmp_path / "list.csv")])
    said = capsys.readouterr().err
    assert "wall.png is left out: A packed photo must show a face" in said and "bad.jpg is left out: " in said
    assert "nobody is in the split test" in said
    assert sorted(file.name for file in (tmp_path / "packs").iterdir()) == ["train.npz", "validation.npz"]
    for split, person in (("train", "p0"), ("validation", "p1")):
        pack = read_pack(tmp_path / "packs" / f"{split}.npz")
        assert pack["crops"].shape == (1, SIDE, SIDE, 3) and pack["person"] == [person] and pack["camera"].all()
        # Eyes and mouth lie where the mean face has them in a crop of this view.
        anchors = (mean_mesh().points[list(ANCHORS)] - 0.5) / VIEW + 0.5
        assert np.abs(pack["points"][0, list(ANCHORS)] / SIDE - anchors).max() < 0.03
        assert pack["crops"].std() > 20
    with pytest.raises(DataError, match="needs --portraits, --photographs or both; received neither"):
        script.main([str(tmp_path / "packs")])
