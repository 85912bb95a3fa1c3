"""Damaged, cut and missing shards and banks are named; data that do not fit are refused before anything is built."""

import shutil
import types

import numpy as np
import pytest
import tensorflow as tf

import evaluate_keras
import train_keras
from keras_uncover.refusals import DamagedData, DataError, OptionError, end_in_words
from pipelines import bank as packing
from pipelines.bank import read_bank
from pipelines.damage import damage_named
from pipelines.fixed_swaps import read_people
from pipelines.records import StoredRecords, index_file, iterate_records, open_records
from pipelines.schema import PORTRAIT


def cut(path):
    path.write_bytes(path.read_bytes()[:-3])


def cut_between_records(path):
    start, length = index_file(str(path))[-1]
    path.write_bytes(path.read_bytes()[: start - 12])


def flip(path):
    start, length = index_file(str(path))[1]
    data = bytearray(path.read_bytes())
    data[start + length // 2] ^= 1
    path.write_bytes(data)


def empty(path):
    path.write_bytes(b"")


def double(path):
    path.write_bytes(2 * path.read_bytes())


def remove(path):
    path.unlink()


def scribble(path):
    path.write_text("nothing of the kind")


@pytest.fixture
def copy(shards, tmp_path):
    """A copy of the shards, and the path of its file of the train split."""
    shutil.copytree(shards, tmp_path / "copy")
    (file,) = (tmp_path / "copy").glob("*-train*")
    return tmp_path / "copy", file


def train(folder, run, *words, preset="tiny"):
    arguments = [folder, run, "--preset", preset, "--steps", 2, "--batch-size", 4, "--autoencoder", "none"]
    arguments += ["--genuine", 0.5, *words]
    return end_in_words("train_keras.py", train_keras.main, [str(argument) for argument in arguments])


@pytest.mark.parametrize("damage", [cut, cut_between_records, flip, empty, double, remove, scribble])
def test_a_damaged_shard_is_named_by_all_that_read_it(copy, tmp_path, capsys, damage):
    folder, file = copy
    damage(file)
    with pytest.raises(DamagedData, match=f"{file.name}.*(Copy|dataset_info.json says)"):
        list(iterate_records(folder, "train", keys=("crop",)))
    with pytest.raises(DamagedData, match=file.name):
        read_people(folder, "train")
    with pytest.raises(DamagedData, match=file.name), damage_named(folder):
        list(open_records(folder, "train", ("crop",), cache=False).batches(tf.data.Dataset.range(4), 2))
    assert packing.main([str(folder), str(tmp_path / "bank.npz"), "--split", "train"]) == 3
    assert train(folder, tmp_path / "run") == 3
    said = capsys.readouterr().err
    assert said.count(file.name) >= 2 and "Traceback" not in said
    assert not (tmp_path / "run").exists() and not (tmp_path / "bank.npz").exists()
    assert len(list(iterate_records(folder, "test", keys=("person",)))) == 2  # The other files are as sound as before.


@pytest.mark.parametrize("name", ["dataset_info.json", "features.json"])
@pytest.mark.parametrize("damage", [cut, empty, scribble, remove])
def test_what_tfds_wrote_beside_them_is_named_too(copy, tmp_path, capsys, name, damage):
    folder, _ = copy
    damage(folder / name)
    assert train(folder, tmp_path / "run") in (1, 3)
    said = capsys.readouterr().err
    assert said.startswith("train_keras.py: ") and str(folder) in said and said.count("\n") == 1


@pytest.mark.parametrize("damage", [flip, cut])
def test_a_damaged_file_of_unpacked_records_is_named(shards, tmp_path, damage):
    start = tmp_path / "unpacked"
    open_records(shards, "test", PORTRAIT, str(start))
    (file,) = tmp_path.glob("unpacked-test-*.tfrecord")
    damage(file)
    with pytest.raises(DamagedData, match=f"{file.name}.*(Remove it|Copy it)"), damage_named(shards, unpacked=start):
        records = StoredRecords([str(file)], lambda stored: stored)
        [records.read(number) for number in range(records.count)]


def test_an_error_that_comes_of_no_file_stays_what_it_was(shards):
    with pytest.raises(tf.errors.InvalidArgumentError), damage_named(shards, unpacked="memory"):
        tf.debugging.assert_equal(1, 2)


def shorten(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def wipe(path):
    data = bytearray(path.read_bytes())
    data[: len(data) // 2 : 50] = bytes(-(-(len(data) // 2) // 50))
    path.write_bytes(data)


@pytest.mark.parametrize("damage", [shorten, wipe, empty, scribble])
def test_a_damaged_bank_is_named(bank, tmp_path, capsys, damage):
    path = tmp_path / "copy.npz"
    shutil.copy(bank, path)
    damage(path)
    with pytest.raises(DamagedData, match="A bank must be whole; .*copy.npz cannot be read"):
        read_bank(path, "train", ("crop", "texture", "uv", "hull", "points", "person"))
    assert train(path, tmp_path / "run") == 3 and "copy.npz" in capsys.readouterr().err


def test_what_does_not_fit_is_a_sentence_before_anything_is_built(shards, bank, tmp_path, capsys):
    for data in (shards, bank):
        for words, code, said in (
            ((), 3, f"the model's side, 128 px; {data} holds 64 px. Build others: python -m pipelines.portraits"),
            (("--preset", "tiny", "--batch-size", "64"), 3, "holds 4 records; a batch needs 32 of them. Use a smaller"),
            (("--preset", "tiny", "--genuine", "0.9"), 2, "no more genuine photos than fakes"),
        ):
            assert train(data, tmp_path / "run", *words, preset="small") == code
            assert said in capsys.readouterr().err
    pairs = tmp_path / "pairs.npz"
    np.savez(pairs, input=np.zeros((2, 64, 64, 3), "uint8"), split=np.array(["train", "validation"]))
    assert train(shards, tmp_path / "run", "--swap-pairs", pairs, "--mix", "1", preset="small") == 3
    assert f"{pairs} holds 64 px. Build others: python -m pipelines.swap_pairs" in capsys.readouterr().err
    assert train(tmp_path / "none", tmp_path / "run") == 3 and "Build it first" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.fixture
def size(monkeypatch):
    """Function that gives every preset another side, and no networks."""

    def set_size(pixels):
        stand_in = types.SimpleNamespace(size=pixels)
        monkeypatch.setattr(evaluate_keras.Uncoverer, "from_preset", lambda *_, **options: stand_in)

    return set_size


def test_a_split_that_is_not_there_is_told(shards, tmp_path, capsys, size):
    size(128)
    packing.main([str(shards), str(tmp_path / "part.npz"), "--split", "train"])
    assert train(tmp_path / "part.npz", tmp_path / "run") == 3
    assert "split must be one of ['train'] in" in (said := capsys.readouterr().err) and "build a data set" in said
    assert end_in_words("evaluate_keras.py", evaluate_keras.main, ["small", str(shards), "--split", "dev"]) == 3
    assert "received 'dev'" in capsys.readouterr().err


def test_evaluation_tells_what_does_not_fit(shards, tmp_path, capsys, size):
    assert end_in_words("evaluate_keras.py", evaluate_keras.main, ["no/such/preset", str(shards)]) == 4
    assert "A preset is one of" in capsys.readouterr().err
    size(128)
    for data, said in ((tmp_path, "has none. Build it first"), (shards, f"128 px; {shards} holds 64 px. Build others")):
        assert end_in_words("evaluate_keras.py", evaluate_keras.main, ["small", str(data)]) == 3
        assert said in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--steps", "--epochs", "--batch-size", "--keep", "--parts", "--steps-per-epoch"])
def test_numbers_of_nothing_are_refused(option, capsys):
    with pytest.raises(SystemExit) as stop:
        train_keras.parse_arguments(["shards", "run", option, "0"])
    assert stop.value.code == 2 and "must be a whole number from 1" in capsys.readouterr().err


def test_data_errors_are_value_errors():
    """Who calls the library may go on to catch what it has always raised."""
    assert issubclass(DataError, ValueError) and issubclass(OptionError, ValueError)
