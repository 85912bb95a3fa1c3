"""The packed bank equals the shards, and NumPy alone can read it."""

import subprocess
import sys

import numpy as np
import tensorflow_datasets as tfds

from pipelines.bank import main


def test_the_bank_equals_the_shards(shards, bank):
    builder = tfds.builder_from_directory(str(shards))
    expected = [
        {**record, "split": split.encode()}
        for split in builder.info.splits
        for record in builder.as_dataset(split=split, shuffle_files=False).as_numpy_iterator()
    ]
    with np.load(bank) as arrays:
        assert set(arrays) == set(expected[0])
        for key in arrays:
            stored = arrays[key]
            assert len(stored) == 8
            for row, record in zip(stored, expected):
                if stored.dtype.kind == "U":
                    assert row == record[key].decode()
                else:
                    assert stored.dtype == record[key].dtype
                    np.testing.assert_array_equal(row, record[key])
        assert "한 지민" in arrays["person"]


def test_numpy_alone_reads_it(bank):
    code = (
        "import sys, numpy; arrays = numpy.load(sys.argv[1]); print(sum(arrays[key].nbytes for key in arrays));"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code, str(bank)], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert int(run.stdout) > 8 * 64 * 64 * (3 + 3 + 4 + 1)


def test_one_split_and_its_order(shards, tmp_path, capsys):
    assert main([str(shards), str(tmp_path / "b.npz"), "--split", "test", "validation"]) == 0
    assert "test 2, validation 2" in capsys.readouterr().out
    with np.load(tmp_path / "b.npz") as arrays:
        assert arrays["split"].tolist() == ["test"] * 2 + ["validation"] * 2
        assert set(arrays["person"][:2]) == {"p6", "p7"}


def test_what_cannot_be_packed_is_an_error_and_leaves_nothing(shards, tmp_path, capsys):
    (tmp_path / "old.npz").write_bytes(b"old")
    for arguments, words in (
        ([shards, tmp_path / "old.npz"], "new file named *.npz"),
        ([shards, tmp_path / "bank.zip"], "new file named *.npz"),
        ([tmp_path, tmp_path / "b.npz"], "dataset_info.json"),
        ([shards, tmp_path / "b.npz", "--split", "dev"], "received dev"),
    ):
        assert main(list(map(str, arguments))) == 1
        assert words in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["old.npz"]
    assert main([str(shards), str(tmp_path / "old.npz"), "--split", "test", "--overwrite"]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["old.npz"]


def test_a_failure_leaves_no_half_bank(shards, tmp_path, monkeypatch):
    import pipelines.bank

    def fail(*_):
        raise OSError("No space left on device")

    monkeypatch.setattr(pipelines.bank, "add_array", fail)
    assert main([str(shards), str(tmp_path / "b.npz")]) == 1
    assert list(tmp_path.iterdir()) == []
