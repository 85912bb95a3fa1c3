"""A folder that is there whole or not at all."""

import pytest
from shard_files import everything

from pipelines.build.folders import BuildError, build_folder


def test_one_build_at_a_time_and_a_dead_one_is_cleared(tmp_path):
    out, work = tmp_path / "out", tmp_path / ".out.building"
    with build_folder(out):
        with pytest.raises(BuildError, match="One build at a time"):
            with build_folder(out):
                pass
        (work / "done").mkdir()
    assert out.is_dir()
    assert not work.exists()
    (work / "portraits").mkdir(parents=True)  # As a killed build leaves it.
    out.rmdir()
    with build_folder(out):
        assert [path.name for path in work.iterdir()] == ["lock"]
        (work / "done").mkdir()
    assert out.is_dir()


def test_a_replacement_killed_between_its_renames_is_undone(tmp_path):
    old = tmp_path / ".out.building" / "replaced"
    old.mkdir(parents=True)
    (old / "dataset_info.json").write_text("old")
    with pytest.raises(BuildError, match="has content"):
        with build_folder(tmp_path / "out"):
            pass
    assert everything(tmp_path / "out") == {"dataset_info.json": b"old"}
