"""What several test files share."""

import contextlib
import csv
import fcntl
import inspect
import io
import os
import shutil
from pathlib import Path

import pytest

PORTRAITS = Path(__file__).parent / "data" / "portraits"
# Names as people give them, and a split each: enough in every split to make a batch of.
LISTED = {
    "Zoé Müller.jpg": ("p0.jpg", "train"),
    "한 지민.jpg": ("p1.jpg", "train"),
    "more/Ada, Countess.jpg": ("p2.jpg", "train"),
    "more/p3.jpg": ("p3.jpg", "train"),
    "p4.jpg": ("p4.jpg", "validation"),
    "p5.jpg": ("p5.jpg", "validation"),
    "p6.jpg": ("p6.jpg", "test"),
    "p7.jpg": ("p7.jpg", "test"),
}


def pytest_collection_modifyitems(items):
    """On another backend skip the tests that call TensorFlow, themselves or by a fixture: tapes, tf.data, its XLA."""
    if os.environ.get("KERAS_BACKEND", "tensorflow") == "tensorflow":
        return
    for item in items:
        defined = map(item._fixtureinfo.name2fixturedefs.get, item.fixturenames)
        fixtures = [found[-1].func for found in defined if found]
        if any("tensorflow" in inspect.getsource(code) for code in (item.function, *fixtures)):
            item.add_marker(pytest.mark.skip(reason="needs the TensorFlow backend"))


@pytest.fixture(scope="session")
def portraits(tmp_path_factory):
    """A folder of eight portraits and ``list.csv``, which gives each a split. Only to be read."""
    folder = tmp_path_factory.mktemp("portraits")
    for name, (source, _) in LISTED.items():
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(PORTRAITS / source, folder / name)
    with open(folder / "list.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("file", "split"), *((name, split) for name, (_, split) in LISTED.items())])
    return folder


@pytest.fixture(scope="session")
def shards(portraits, tmp_path_factory):
    """The eight portraits as shards at 64 px: train 4, validation 2, test 2. Only to be read."""
    from pipelines.portraits.__main__ import main

    folder = tmp_path_factory.mktemp("data") / "shards"
    assert main([str(portraits / "list.csv"), str(folder), "--size", "64"]) == 0
    return folder


@pytest.fixture(scope="session")
def bank(shards, tmp_path_factory):
    """Those shards as a packed bank. Only to be read."""
    from pipelines.bank import main

    path = tmp_path_factory.mktemp("bank") / "bank.npz"
    assert main([str(shards), str(path)]) == 0
    return path


@pytest.fixture(scope="session")
def people():
    """Photo, face and record at 64 px of each test portrait. Only to be read."""
    from seed_layout import read_people

    return read_people()


@pytest.fixture(scope="session")
def seed_layout(people, tmp_path_factory):
    """Ready-made fakes in split folders. Only to be read."""
    from seed_layout import write_seed_layout

    folder = tmp_path_factory.mktemp("swaps") / "dataset"
    write_seed_layout(folder, people)
    return folder


@pytest.fixture(scope="session")
def swap_shards(seed_layout, tmp_path_factory):
    """Those fakes as shards at 64 px (train 3, validation 1, test 2), and what was said. Only to be read."""
    from pipelines.swap_pairs.__main__ import main

    folder, said = tmp_path_factory.mktemp("data") / "shards", io.StringIO()
    with contextlib.redirect_stderr(said):
        assert main([str(seed_layout), str(folder), "--size", "64"]) == 0, said.getvalue()
    return folder, said.getvalue()


@pytest.fixture(scope="session")
def served(tmp_path_factory):
    """A folder of versions with version 1 of the preset ``small``, which takes a minute to export. Only to be read.

    Where pytest-xdist runs several processes, the first that asks exports for all.
    """
    from export.saved_model import export

    several = "PYTEST_XDIST_WORKER" in os.environ
    shared = tmp_path_factory.getbasetemp().parent if several else tmp_path_factory.mktemp("shared")
    folder = shared / "served" / "keras_uncover"
    with open(shared / "served.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            export("small", folder)
    return folder
