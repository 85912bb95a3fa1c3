"""The builder of ready-made fakes: every file is a record or a named refusal."""

import shutil

import cv2
import numpy as np
import pytest
from PIL import Image
from seed_layout import PORTRAITS
from shard_files import read, read_rejects, save

from pipelines.swap_pairs.__main__ import main


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
    (src / "cut.jpg").write_bytes((PORTRAITS / "p5.jpg").read_bytes()[:4000])
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
        (["--pattern", "{donor}-{target}"], "Nothing is left"),
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
