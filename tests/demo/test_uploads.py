"""Photos that visitors brought: each is read for one session alone, and goes when that session ends."""

import os

import pytest

from keras_uncover.demo.uploads import NotYours, Uploads
from keras_uncover.images.decode import ImageError


def bring(folder, name, folders=("ab12",)):
    path = folder.joinpath(*folders, name)
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_bytes(b"photo")
    return path


def test_a_file_is_read_for_the_first_session_alone_and_goes_with_it(tmp_path):
    sample = bring(tmp_path, "sample.jpg")
    uploads = Uploads(tmp_path)
    mine, theirs = bring(tmp_path, "mine.jpg"), bring(tmp_path, "theirs.jpg")
    for path, session in ((mine, "a"), (mine, "a"), (theirs, "b"), (sample, "a"), (sample, "b")):
        assert uploads.read(str(path), session) == b"photo"
    with pytest.raises(NotYours):
        uploads.read(str(theirs), "a")
    uploads.forget("a")
    assert not mine.exists() and theirs.exists() and sample.exists()
    uploads.forget("b")
    assert not theirs.exists() and sample.exists()
    uploads.forget("b")


def test_nothing_is_kept_of_files_that_are_gone(tmp_path):
    uploads = Uploads(tmp_path)
    path = bring(tmp_path, "a.jpg")
    uploads.read(str(path), "never ended")
    path.unlink()
    uploads.forget("another")
    assert not uploads.held


@pytest.mark.parametrize("session", [None, ""])
def test_a_single_question_leaves_nothing(tmp_path, session):
    uploads = Uploads(tmp_path)
    path = bring(tmp_path, "a.jpg")
    assert uploads.read(str(path), session) == b"photo"
    assert not path.parent.exists() and tmp_path.exists()
    with pytest.raises(NotYours):
        uploads.read(str(path), session)


def test_samples_are_free_where_they_lie(tmp_path):
    sample, other = bring(tmp_path, "s.jpg", ("samples",)), bring(tmp_path, "config.json", ("samples",))
    (tmp_path / "uploads").mkdir()
    uploads = Uploads(tmp_path / "uploads", tmp_path / "samples")
    assert uploads.read(str(sample), "a") == b"photo" and sample.exists()
    with pytest.raises(NotYours):
        uploads.read(str(other), "a")


def test_what_lies_elsewhere_or_is_no_file_is_refused_in_the_same_words(tmp_path):
    folder = tmp_path / "uploads"
    folder.mkdir()
    uploads, outside = Uploads(folder), bring(tmp_path, "outside.jpg")
    (folder / "link.jpg").symlink_to(outside)
    (folder / "away").symlink_to(outside.parent)
    os.mkfifo(folder / "pipe.jpg")
    names = (
        str(outside), f"{folder}/../ab12/outside.jpg", "outside.jpg", f"{folder}/link.jpg",
        f"{folder}/away/outside.jpg", f"{folder}/pipe.jpg", str(folder), f"{folder}/none.jpg",
        "/dev/zero", "", "a\0b", f"{folder}/\ud800", None, 0,
    )
    said = set()
    for name in names:
        with pytest.raises(NotYours) as refused:
            uploads.read(name, "a")
        said.add(str(refused.value))
    assert len(said) == 1 and str(tmp_path) not in said.pop()
    uploads.forget("a")
    assert outside.exists()


def test_the_gates_limits_hold_and_its_words_name_no_folder(tmp_path):
    uploads = Uploads(tmp_path)
    large, empty = bring(tmp_path, "large.jpg"), bring(tmp_path, "empty.jpg")
    empty.write_bytes(b"")
    for path, words in ((large, "at most 4 bytes"), (empty, "has content")):
        with pytest.raises(ImageError, match=words) as refused:
            uploads.read(str(path), "a", max_bytes=4)
        assert path.name in str(refused.value) and str(tmp_path) not in str(refused.value)
