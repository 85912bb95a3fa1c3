"""The portraits builder by Apache Beam: the same data set as without it. Most needs the extra ``beam``."""

import shutil
import sys

import numpy as np
import pytest
import tensorflow_datasets as tfds
from seed_layout import PORTRAITS
from shard_files import assert_same_data, everything, read_rejects, run_command, run_tfds_build, save, small_disk

from pipelines.portraits import record as portraits_record
from pipelines.portraits.__main__ import main
from pipelines.portraits.rows import face_of, face_row, portrait_of, portrait_row, read_rows, write_rows
from pipelines.portraits.sources import list_portraits

TWO_PROCESSES = "--direct_running_mode=multi_processing --direct_num_workers=2"


@pytest.fixture(scope="session")
def distributed():
    """The module that needs Beam."""
    pytest.importorskip("apache_beam")
    from pipelines.portraits import distributed

    return distributed


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """A list in which one picture is in two splits, and nothing of validation can be used."""
    folder = tmp_path_factory.mktemp("mixed")
    for name in ("p0", "p3", "p5"):
        shutil.copy(PORTRAITS / f"{name}.jpg", folder / f"{name}.jpg")
    shutil.copy(folder / "p3.jpg", folder / "again.jpg")
    shutil.copy(folder / "p3.jpg", folder / "and again.jpg")
    save(folder / "wall.png", np.full((200, 300, 3), 120, "uint8"))
    (folder / "cut.jpg").write_bytes((folder / "p0.jpg").read_bytes()[:3000])
    lines = ["p3.jpg,train", "wall.png,validation", "again.jpg,test", "cut.jpg,validation", "p0.jpg,train",
             "p3.jpg,test", "p5.jpg,test", "and again.jpg,train"]
    (folder / "list.csv").write_text("\n".join(["file,split", *lines]))
    return folder / "list.csv"


# The same data set


def test_records_are_the_same_as_without_beam(distributed, portraits, shards, tmp_path, monkeypatch):
    monkeypatch.setattr(distributed, "PER_FILE", 3)  # Several lists, several groups.
    assert main([str(portraits / "list.csv"), str(tmp_path / "out"), "--size", "64", "--beam"]) == 0
    assert_same_data(shards, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_refusals_and_what_is_said_are_the_same_as_without_beam(distributed, mixed, tmp_path, capsys):
    said = []
    for name, extra in (("without", []), ("with", ["--beam"])):
        assert main([str(mixed), str(tmp_path / name), "--size", "64", *extra]) == 0
        said.append(capsys.readouterr().err.replace(str(tmp_path / name), "OUT"))
    assert_same_data(tmp_path / "without", tmp_path / "with")
    for words in ("train            2 portraits of 2 people", "validation       0 portraits of 0 people",
                  "test             1 portraits of 1 people", "(duplicate 2, no_face 1, split 1, unreadable 1)"):
        assert words in said[1]
    assert said[0] == said[1]
    assert read_rejects(tmp_path / "with")["again.jpg"] == ("duplicate", "the same pixels as p3.jpg")


def test_nothing_left_is_an_error_and_leaves_nothing(distributed, tmp_path, capsys):
    save(tmp_path / "in" / "wall.png", np.full((200, 300, 3), 120, "uint8"))
    assert main([str(tmp_path / "in"), str(tmp_path / "out"), "--beam"]) == 1
    assert "wall.png: no face was found" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_shards_are_as_many_as_tfds_is_told(distributed, portraits, shards, tmp_path):
    from pipelines.portraits.portraits_dataset_builder import Builder, FaceConfig

    config = FaceConfig(name="64px", size=64, source=str(portraits / "list.csv"))
    options = distributed.read_options("--runner=DirectRunner")
    builder = Builder(data_dir=str(tmp_path), config=config)
    builder.download_and_prepare(
        download_config=tfds.download.DownloadConfig(beam_options=options, num_shards=2, try_download_gcs=False)
    )
    folder = tmp_path / "portraits" / "64px" / "1.0.0"
    assert sorted(path.name for path in folder.iterdir() if "train" in path.name) == [
        f"portraits-train.tfrecord-0000{k}-of-00002" for k in range(2)
    ]
    assert not (folder / "survey").exists()
    files, people = ([record["file"] for record in tfds.builder_from_directory(str(place)).as_dataset(
        split="train", shuffle_files=False).as_numpy_iterator()] for place in (folder, shards))
    assert files == people


@pytest.mark.slow
def test_workers_in_processes_of_their_own_do_the_same(distributed, portraits, shards, tmp_path):
    run = run_command("portraits", portraits / "list.csv", tmp_path / "out", "--size", "64", "--beam",
                      "--beam-options", TWO_PROCESSES)
    assert run.returncode == 0, run.stderr
    assert_same_data(shards, tmp_path / "out")


@pytest.mark.slow
def test_tfds_build_takes_options_of_beam(distributed, portraits, tmp_path):
    for name, options in (("without", []), ("with", [f"--beam_pipeline_options=runner={distributed.DIRECT_RUNNER}"])):
        run = run_tfds_build("portraits", portraits, tmp_path / name, *options)
        assert run.returncode == 0, run.stderr
    assert_same_data(*(tmp_path / name / "portraits" / "128px" / "1.0.0" for name in ("without", "with")))


# Disturbed


def test_a_failure_of_a_worker_leaves_nothing(distributed, portraits, tmp_path, monkeypatch):
    def fail(*_):
        raise RuntimeError("the power is gone")

    monkeypatch.setattr(portraits_record, "make_record", fail)
    with pytest.raises(RuntimeError, match="the power is gone"):
        main([str(portraits / "list.csv"), str(tmp_path / "out"), "--size", "64", "--beam"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.root
@pytest.mark.parametrize("size", ["4k", "64k"])
def test_a_full_disk_is_a_plain_error_and_leaves_nothing(distributed, portraits, tmp_path, capsys, size):
    with small_disk(tmp_path / "disk", size) as disk:
        assert main([str(portraits / "list.csv"), str(disk / "out"), "--size", "64", "--beam"]) == 1
        assert "No space left on device. Make room or choose another disk." in capsys.readouterr().err
        assert list(disk.iterdir()) == []


# Options


@pytest.mark.parametrize("words", ["", "--runner=DirectRunner", "--runner=direct --direct_num_workers=2"])
def test_the_direct_runner_is_the_one_that_fetches_nothing(distributed, words):
    options = distributed.read_options(words).get_all_options(drop_default=True)
    assert options["runner"] == distributed.DIRECT_RUNNER


@pytest.mark.parametrize(
    "words, reason",
    [("--runner=NoSuchRunner", "Unexpected pipeline runner: NoSuchRunner"), ("--runner=no.Such", "No module named"),
     ("--streaming --runner='", "No closing quotation")],
)
def test_options_that_beam_cannot_use_are_refused(distributed, portraits, tmp_path, capsys, words, reason):
    assert main([str(portraits), str(tmp_path / "out"), "--beam", "--beam-options", words]) == 1
    said = capsys.readouterr().err
    assert f'Beam cannot use --beam-options "{words}"' in said
    assert reason in said
    assert list(tmp_path.iterdir()) == []


def test_beam_that_is_not_installed_is_named(portraits, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    monkeypatch.delitem(sys.modules, "pipelines.portraits.distributed", raising=False)
    assert main([str(portraits), str(tmp_path / "out"), "--beam"]) == 1
    said = capsys.readouterr().err
    assert '--beam needs apache_beam; none is installed. Run python -m pip install ".[beam]"' in said


@pytest.mark.parametrize(
    "arguments, words",
    [(["--beam-options", "--runner=DirectRunner"], "Add --beam"), (["--beam", "--workers", "2"], "by --beam-options")],
)
def test_options_that_do_not_go_together_are_refused(portraits, tmp_path, capsys, arguments, words):
    assert main([str(portraits), str(tmp_path / "out"), *arguments]) == 1
    assert words in capsys.readouterr().err


# What workers leave for each other


def test_portraits_and_faces_come_back_from_a_file_unchanged(portraits, people, tmp_path):
    found, _ = list_portraits(portraits / "list.csv")
    faces = [face for _, face, _ in people.values()]
    rows = [{**portrait_row(n, portrait), **face_row(face)} for n, (portrait, face) in enumerate(zip(found, faces))]
    write_rows(tmp_path / "rows", rows)
    again = read_rows(tmp_path / "rows")
    assert [portrait_of(row) for row in again] == found
    for row, face in zip(again, faces, strict=True):
        np.testing.assert_array_equal(face_of(row).points, face.points)
        assert (face_of(row).box, face_of(row).score, face_of(row).presence) == (face.box, face.score, face.presence)
    assert list(everything(tmp_path)) == ["rows"]
