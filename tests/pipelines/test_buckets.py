"""Portraits and shards in a bucket. TensorFlow's file system in memory, reached the same way, stands in for one."""

import uuid

import pytest
from etils.epath import backend, gpath, register
from seed_layout import PORTRAITS
from shard_files import assert_same_data

from keras_uncover.images.decode import ImageError
from pipelines.build.buckets import read_picture, replace_files
from pipelines.build.folders import BuildError, as_path
from pipelines.portraits.__main__ import main


class InMemory(type(backend.tf_backend)):
    """Renames a folder as buckets do, one file at a time; TensorFlow's own would lose what is in it."""

    def rename(self, path, dst):
        if not self.isdir(path):
            return super().rename(path, dst)
        self.makedirs(dst, exist_ok=True)
        for name in self.listdir(path):
            self.rename(f"{path}/{name}", f"{dst}/{name}")
        self.rmtree(path)


@pytest.fixture
def bucket(monkeypatch):
    """A new bucket, ``ram://``, that epath knows as it knows ``gs://``."""
    monkeypatch.setattr(gpath, "_URI_PREFIXES", (*gpath._URI_PREFIXES, "ram://"))
    monkeypatch.setattr(gpath, "_URI_SCHEMES", gpath._URI_SCHEMES | {"ram"})
    monkeypatch.setitem(gpath._URI_MAP_ROOT, "ram://", "/ram/")
    monkeypatch.setattr(backend, "tf_backend", InMemory())
    monkeypatch.setitem(gpath._PREFIX_TO_BACKEND, "ram", backend.tf_backend)
    monkeypatch.setitem(register._URI_PREFIXES_TO_CLS, "ram://", gpath.PosixGPath)
    folder = as_path(f"ram://{uuid.uuid4().hex}")
    folder.mkdir(parents=True)
    return folder


def fill(bucket, portraits):
    """The eight portraits and their list."""
    (bucket / "more").mkdir()
    for path in portraits.rglob("*.*"):
        (bucket / path.relative_to(portraits)).write_bytes(path.read_bytes())
    return str(bucket / "list.csv")


def fetch(folder, target):
    target.mkdir()
    for path in folder.iterdir():
        (target / path.name).write_bytes(path.read_bytes())
    return target


@pytest.mark.parametrize("extra", [[], ["--beam"]])
def test_a_build_in_a_bucket_is_the_same(bucket, portraits, shards, tmp_path, extra):
    if extra:
        pytest.importorskip("apache_beam")
    listed = fill(bucket, portraits)
    assert main([listed, str(bucket / "out"), "--size", "64", *extra]) == 0
    assert_same_data(shards, fetch(bucket / "out", tmp_path / "local"))
    assert sorted(path.name for path in bucket.iterdir() if path.name.startswith((".", "out"))) == ["out"]


def test_an_existing_data_set_is_kept_until_the_new_one_is_complete(bucket, portraits, tmp_path, capsys):
    listed = fill(bucket, portraits)
    assert main([listed, str(bucket / "out"), "--size", "64", "--limit", "2"]) == 0
    before = {path.name: path.read_bytes() for path in (bucket / "out").iterdir()}
    assert main([listed, str(bucket / "out"), "--size", "64"]) == 1
    assert "new or empty folder" in capsys.readouterr().err
    (bucket / "bad.csv").write_text("file,split\nlist.csv,train\n")
    assert main([str(bucket / "bad.csv"), str(bucket / "out"), "--size", "64", "--overwrite"]) == 1
    assert "list.csv" in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in (bucket / "out").iterdir()} == before
    assert main([listed, str(bucket / "out"), "--size", "64", "--limit", "1", "--split", "test", "--overwrite"]) == 0
    names = {path.name for path in (bucket / "out").iterdir()}
    assert "portraits-test.tfrecord-00000-of-00001" in names
    assert "portraits-train.tfrecord-00000-of-00001" not in names


def test_what_makes_it_a_data_set_goes_first_and_comes_last(bucket, monkeypatch):
    for folder, names in (("old", ("dataset_info.json", "x")), ("new", ("a", "dataset_info.json", "z"))):
        (bucket / folder).mkdir()
        for name in names:
            (bucket / folder / name).write_text(folder)
    seen = []
    for name in ("unlink", "rmtree", "rename"):
        def spy(path, *arguments, name=name, method=getattr(gpath.PosixGPath, name), **options):
            seen.append((name, path.name))
            return method(path, *arguments, **options)

        monkeypatch.setattr(gpath.PosixGPath, name, spy)
    replace_files(bucket / "new", bucket / "old")
    assert seen[:2] == [("unlink", "dataset_info.json"), ("rmtree", "old")]
    assert seen[2:] == [("rename", "a"), ("rename", "z"), ("rename", "dataset_info.json")]
    assert {path.name: path.read_text() for path in (bucket / "old").iterdir()} == dict.fromkeys(
        ("a", "dataset_info.json", "z"), "new")


def test_pictures_that_cannot_be_read_are_refused(bucket, monkeypatch):
    (bucket / "empty.jpg").write_bytes(b"")
    for name in ("gone.jpg", "empty.jpg"):
        with pytest.raises(ImageError):
            read_picture(bucket / name)
    monkeypatch.setattr("pipelines.build.buckets.MAX_BYTES", 10)  # No more than that is fetched.
    monkeypatch.setattr("pipelines.build.buckets.read_bytes", lambda data: data)
    (bucket / "large.jpg").write_bytes(bytes(1000))
    assert len(read_picture(bucket / "large.jpg")) == 11


def test_pictures_in_a_bucket_are_read_as_they_are(bucket):
    data = (PORTRAITS / "p0.jpg").read_bytes()
    (bucket / "p0.jpg").write_bytes(data)
    assert read_picture(bucket / "p0.jpg") == data == read_picture(PORTRAITS / "p0.jpg")


@pytest.mark.parametrize(
    "photos, words",
    [("{bucket}", "named by a CSV"), ("{bucket}/none.csv", "there is nothing at"), ("http://a/b", "or in a bucket"),
     ("s3://a/b", "cannot be reached")],
)
def test_what_is_no_list_in_a_bucket_is_refused(bucket, tmp_path, capsys, photos, words):
    assert main([photos.format(bucket=bucket), str(tmp_path / "out")]) == 1
    assert words in capsys.readouterr().err


def test_an_output_that_cannot_be_reached_is_refused(portraits, capsys):
    for shards, words in (("s3://a/b", "cannot be reached"), ("http://a/b", "or in a bucket")):
        assert main([str(portraits), shards]) == 1
        assert words in capsys.readouterr().err
    with pytest.raises(BuildError, match="received ftp://a"):
        as_path("ftp://a")
