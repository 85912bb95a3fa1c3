"""The portraits builder: every file is a record or a named refusal."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from shard_files import read, read_rejects, save

from pipelines.build.screening import load_finder
from pipelines.portraits.__main__ import main

DATA = Path(__file__).parents[1] / "data" / "portraits"


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
    assert "Nothing is left" in (said := capsys.readouterr().err)
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
