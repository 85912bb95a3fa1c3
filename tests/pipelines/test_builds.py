"""Both builders: a data set is there whole or not at all, whatever disturbs the build."""

import collections
import hashlib
import shutil
import sys
from typing import NamedTuple

import pytest
import tensorflow_datasets as tfds
from shard_files import everything, kill_while_writing, read, run_command, run_tfds_build, small_disk

from keras_uncover.images.decode import decode_image
from pipelines.portraits import __main__ as portraits_command
from pipelines.portraits import record as portraits_record
from pipelines.swap_pairs import __main__ as swap_pairs_command
from pipelines.swap_pairs import record as swap_pairs_record


class Case(NamedTuple):
    """A builder and what it is given; ``train`` is the number of its records there, ``image`` a key of a record."""

    package: str
    command: object
    record: object
    source: str
    folder: str
    train: int
    image: str

    def build(self, out, *extra):
        return self.command.main([self.source, str(out), "--size", "64", "--limit", "3", *extra])


@pytest.fixture(params=["portraits", "swap_pairs"])
def case(request):
    if request.param == "portraits":
        folder = request.getfixturevalue("portraits")
        found = portraits_command, portraits_record, str(folder / "list.csv"), str(folder), 4, "crop"
    else:
        folder = str(request.getfixturevalue("seed_layout"))
        found = swap_pairs_command, swap_pairs_record, folder, folder, 3, "input"
    return Case(request.param, *found)


def fail_at(number, make):
    made = []

    def maker(*arguments):
        made.append(arguments)
        if len(made) == number:
            raise RuntimeError("the power is gone")
        return make(*arguments)

    return maker


def test_an_existing_output_is_refused_and_kept(case, tmp_path, capsys):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("keep")
    for extra, words in (([], "new or empty folder"), (["--overwrite"], "no dataset_info.json")):
        assert case.build(tmp_path / "out", *extra) == 1
        assert words in capsys.readouterr().err
    assert everything(tmp_path / "out") == {"mine.txt": b"keep"}


def test_a_failure_leaves_no_half_output_and_a_second_run_completes(case, tmp_path, monkeypatch):
    make_record = case.record.make_record
    with monkeypatch.context() as patch:
        patch.setattr(case.record, "make_record", fail_at(3, make_record))
        with pytest.raises(RuntimeError, match="the power is gone"):
            case.build(tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "out").mkdir()
    assert case.build(tmp_path / "out", "--workers", "2") == 0
    before = everything(tmp_path / "out")
    with monkeypatch.context() as patch:
        patch.setattr(case.record, "make_record", fail_at(2, make_record))
        with pytest.raises(RuntimeError, match="the power is gone"):
            case.build(tmp_path / "out", "--overwrite")
    assert case.build(tmp_path / "out") == 1
    assert everything(tmp_path / "out") == before
    assert case.build(tmp_path / "out", "--overwrite", "--split", "test") == 0
    assert tfds.builder_from_directory(str(tmp_path / "out")).info.splits["test"].num_examples == 3
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_every_picture_is_decoded_once(case, tmp_path, monkeypatch):
    decoded = collections.Counter()

    def decode(data):
        decoded[hashlib.sha256(data).hexdigest()] += 1
        return decode_image(data)

    for name, module in list(sys.modules.items()):
        if name.startswith("pipelines.") and hasattr(module, "decode_image"):
            monkeypatch.setattr(module, "decode_image", decode)
    assert case.build(tmp_path / "out") == 0
    # Three portraits; or three fakes, their three targets and their three donors.
    assert sorted(decoded.values()) == [1] * {"portraits": 3, "swap_pairs": 9}[case.package]
    assert not list((tmp_path / "out").glob("drafts*"))


@pytest.mark.slow
def test_a_killed_build_leaves_no_half_output_and_a_second_run_completes(case, tmp_path):
    arguments = [case.package, case.source, tmp_path / "out", "--size", "64"]
    kill_while_writing(*arguments)
    assert [path.name for path in tmp_path.iterdir()] == [".out.building"]
    run = run_command(*arguments)
    assert run.returncode == 0, run.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert len(read(tmp_path / "out", "train")) == case.train


@pytest.mark.root
@pytest.mark.parametrize("size", ["4k", "16k", "40k"])
def test_a_full_disk_is_a_plain_error_and_leaves_nothing(case, tmp_path, capsys, size):
    with small_disk(tmp_path / "disk", size) as disk:
        assert case.build(disk / "out") == 1
        said = capsys.readouterr().err
        assert "No space left on device. Make room or choose another disk." in said
        assert "Traceback" not in said
        assert list(disk.iterdir()) == []


@pytest.mark.slow
def test_tfds_build_knows_the_folder(case, tmp_path):
    shutil.copytree(case.folder, tmp_path / "photos")
    listed = tmp_path / "photos" / "list.csv"
    if listed.exists():
        listed.rename(listed.with_name("portraits.csv"))
    run = run_tfds_build(case.package, tmp_path / "photos", tmp_path)
    assert run.returncode == 0, run.stderr
    folder = tmp_path / case.package / "128px" / "1.0.0"
    assert len(read(folder, "train")) == case.train
    assert read(folder, "test")[0][case.image].shape == (128, 128, 3)
    assert (folder / "rejects.csv").is_file()
