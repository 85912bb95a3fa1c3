"""What the tests of the builders share: reading data sets, and running builds that are disturbed."""

import contextlib
import csv
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

ROOT = Path(__file__).parents[2]
SIZE = 64
SPLITS = ("train", "validation", "test")


def read(shards, split):
    """All records of a split, in their order."""
    return list(tfds.builder_from_directory(str(shards)).as_dataset(split=split).as_numpy_iterator())


def read_rejects(shards):
    with open(shards / "rejects.csv", encoding="utf-8", newline="") as file:
        return {line["file"]: (line["rule"], line["reason"]) for line in csv.DictReader(file)}


def everything(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def assert_same_data(one, other):
    """Two data sets are the same but for the order of keys in a record, which protocol buffers leave open."""
    first, second = everything(one), everything(other)
    assert first.keys() == second.keys()
    assert all(first[name] == second[name] for name in first if "tfrecord" not in name)
    for split in tfds.builder_from_directory(str(one)).info.splits:
        for record, again in zip(read(one, split), read(other, split), strict=True):
            assert record.keys() == again.keys()
            for key in record:
                np.testing.assert_array_equal(record[key], again[key], err_msg=key)


def assert_apart(groups):
    """No value is in two splits; ``groups`` maps splits to sets."""
    for first, second in (("train", "validation"), ("train", "test"), ("validation", "test")):
        assert not groups[first] & groups[second]


def assert_nothing_of_this_machine(shards, *places):
    """No file of a data set holds the name of a folder of this machine, and nothing is left beside it."""
    for path in shards.iterdir():
        data = path.read_bytes()
        for place in (*places, shards, ROOT):
            assert str(place).encode() not in data, path.name
    assert not list(shards.parent.glob(".*"))


def save(path, pixels, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)


def run_command(package, *arguments):
    """A builder's command line in a process of its own."""
    command = [sys.executable, "-m", f"pipelines.{package}", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def kill_while_writing(package, *arguments):
    """Start a builder's command line and kill it when it has begun to write records."""
    command = [sys.executable, "-m", f"pipelines.{package}", *map(str, arguments)]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
    beside = Path(arguments[1]).parent
    while process.poll() is None and not list(beside.glob(".*.building/**/rejects.csv")):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL


def run_tfds_build(package, manual_dir, data_dir, *options):
    """What ``tfds build`` runs in a builder's folder; the ``tfds`` command itself also imports what the extra
    ``beam`` installs."""
    code = (
        "import sys, simple_parsing; from tensorflow_datasets.scripts.cli.build import Args;"
        "parser = simple_parsing.ArgumentParser(); parser.add_arguments(Args, dest='args');"
        "parser.parse_args(sys.argv[1:]).args.execute()"
    )
    places = ["--config", "128px", "--manual_dir", str(manual_dir), "--data_dir", str(data_dir)]
    folder = ROOT / "pipelines" / package
    command = [sys.executable, "-c", code, *places, *options]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


@contextlib.contextmanager
def small_disk(folder, size):
    """A file system of so many bytes, as ``mount`` reads them, in a new folder. Needs the rights of root."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)
