"""Photos that visitors brought go when the last session that holds them ends."""

from keras_uncover.demo.uploads import Uploads


def bring(folder, name):
    path = folder / "ab12" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"photo")
    return path


def test_files_go_with_their_last_session(tmp_path):
    sample = bring(tmp_path, "sample.jpg")
    uploads = Uploads(tmp_path)
    mine, ours = bring(tmp_path, "mine.jpg"), bring(tmp_path, "ours.jpg")
    for path, session in ((mine, "a"), (ours, "a"), (ours, "b"), (sample, "a")):
        uploads.note(path, session)
    uploads.forget("a")
    assert not mine.exists() and ours.exists() and sample.exists()
    uploads.forget("b")
    assert not ours.exists() and sample.exists()
    uploads.forget("b")


def test_what_lies_elsewhere_is_left_alone(tmp_path):
    folder = tmp_path / "uploads"
    folder.mkdir()
    uploads, outside = Uploads(folder), tmp_path / "outside.jpg"
    outside.write_bytes(b"photo")
    uploads.note(outside, "a")
    uploads.note(folder / ".." / "outside.jpg", "a")
    uploads.forget("a")
    assert outside.exists()


def test_an_empty_folder_goes_with_its_file(tmp_path):
    uploads = Uploads(tmp_path)
    path = bring(tmp_path, "a.jpg")
    uploads.note(path, "a")
    uploads.forget("a")
    assert not path.parent.exists() and tmp_path.exists()
