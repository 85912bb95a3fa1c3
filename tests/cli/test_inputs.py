"""From arguments to photos: files, folders, globs."""

import hashlib
import os
from pathlib import Path

import pytest

from keras_uncover.cli.inputs import InputError, collect_photos
from keras_uncover.files import hash_regular
from keras_uncover.images.headers import PHOTO_SUFFIXES


@pytest.fixture(autouse=True)
def empty_folder(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)


def touch(*names):
    for name in names:
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def test_a_folder_gives_its_photos_by_name_and_counts_the_rest():
    touch("in/b.PNG", "in/a.jpeg", "in/c.webp", "in/.hidden.jpg", "in/notes.txt", "in/deep/d.png", "in/e.jpg/f.png")
    inputs = collect_photos(["in"])
    assert inputs.photos == ["in/a.jpeg", "in/b.PNG", "in/c.webp"]
    assert inputs.left_out == [("in", 3, 2)]


def test_a_broken_link_named_like_a_photo_is_kept_to_be_refused():
    touch("in/a.png")
    os.symlink("nowhere", "in/b.jpg")
    assert collect_photos(["in"]).photos == ["in/a.png", "in/b.jpg"]


def test_the_order_is_as_given_and_each_file_comes_once():
    touch("in/b.png", "in/a.png", "in/c.jpg", "z.png")
    os.symlink("in/b.png", "link.png")
    photos = collect_photos(["z.png", "in/c.jpg", "in/*.png", "./in/a.png", "in", "link.png", "z.png"]).photos
    assert photos == ["z.png", "in/c.jpg", "in/a.png", "in/b.png"]


def test_a_glob_stands_for_files_and_folders_as_in_a_shell():
    touch("in/deep/d.png", "in/deep/notes.txt", "in/a.png", "in/b.txt", "in/.hidden.png")
    inputs = collect_photos(["in/*"])
    assert inputs.photos == ["in/a.png", "in/b.txt", "in/deep/d.png"]
    assert inputs.left_out == [("in/deep", 1, 1)]


def test_a_file_with_glob_characters_in_its_name_is_that_file():
    touch("a[1].png", "a1.png", "what*.png", "whatever.png")
    assert collect_photos(["a[1].png", "what*.png"]).photos == ["a[1].png", "what*.png"]
    assert collect_photos(["a[1-3].png"]).photos == ["a1.png"]


def test_a_missing_file_is_kept_to_be_refused():
    assert collect_photos(["gone.png"]).photos == ["gone.png"]


@pytest.mark.parametrize("argument, reason", [("no*.png", "'no.*' matches nothing"), ("empty", "no photo.*'empty'")])
def test_an_argument_that_gives_nothing_is_an_error(argument, reason):
    os.mkdir("empty")
    with pytest.raises(InputError, match=reason):
        collect_photos([argument])
    touch("a.png")
    assert collect_photos(["empty", "a.png"]).left_out == [("empty", 0, 0)]


def test_hash_of_a_file_and_of_what_is_none():
    touch("a")
    os.mkfifo("pipe")
    assert hash_regular("a") == hashlib.sha256(b"x").hexdigest()
    assert [hash_regular(name) for name in (".", "gone", "pipe")] == [None] * 3


def test_every_usual_suffix_in_small_letters_or_capitals_is_a_photo():
    touch("in/a.jfif", "in/b.JPE", "in/c.JFIF", "in/d.Jpeg", "in/e.gif")
    assert collect_photos(["in"]).photos == ["in/a.jfif", "in/b.JPE", "in/c.JFIF", "in/d.Jpeg"]


def test_the_builders_take_the_same_suffixes():
    from pipelines.portraits.sources import PICTURES
    from pipelines.swap_pairs.names import parse_pattern
    from pipelines.swap_pairs.sources import SUFFIXES

    assert set(PHOTO_SUFFIXES) == set(SUFFIXES) <= PICTURES
    assert parse_pattern("{target}_{donor}.JFIF", SUFFIXES) == parse_pattern("{target}_{donor}", SUFFIXES)


@pytest.mark.parametrize(
    "pattern, found",
    [
        ("in/**/*.png", ["in/a.png", "in/deep/b.png", "in/deep/er/c.png"]),
        ("**/*.png", ["in/a.png", "in/deep/b.png", "in/deep/er/c.png"]),
        ("in/**", ["in/a.png", "in/deep/b.png", "in/deep/er/c.png", "in/deep/notes.txt"]),
        ("i*/**/er/*", ["in/deep/er/c.png"]),
        ("in/**/deep/**/*.png", ["in/deep/b.png", "in/deep/er/c.png"]),
        ("in/d**/*.png", ["in/deep/b.png"]),
    ],
)
def test_two_stars_stand_for_folders_however_deep(pattern, found, tmp_path):
    touch("in/a.png", "in/deep/b.png", "in/deep/er/c.png", "in/deep/notes.txt", "in/.hidden/d.png", "in/deep/.e.png")
    for name in ("one", "two"):  # Links in a circle, of which every way would be another path.
        os.symlink(tmp_path / "in", f"in/deep/{name}")
    assert collect_photos([pattern]).photos == found
    if not pattern.startswith("**"):
        assert collect_photos([f"{tmp_path}/{pattern}"]).photos == [f"{tmp_path}/{name}" for name in found]
