"""Whom ``kills.py`` kills: what each runs, when it has begun to write, and what must be whole at any moment."""

import contextlib
import csv
import dataclasses
import hashlib
import json
import os
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
PORTRAITS = ROOT / "tests" / "data" / "portraits"


class Broken(Exception):
    """What must not be: something half-written that looks whole, or a start that did not complete."""


def hashes(folder, left_out=()):
    """SHA-256 of every file below a folder by its name there."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(Path(folder).rglob("*")) if path.is_file() and path.name not in left_out
    }


class Builder:
    """``pipelines.portraits``: a data set is there whole or not at all, also where it replaces an older one."""

    def __init__(self, folder):
        import pipelines.portraits.portraits_dataset_builder  # noqa: F401  for the forks

        self.out, self.turn = folder / "out", 0

    def run(self):
        from pipelines.portraits.__main__ import main

        extra = ["--overwrite"] if self.out.is_dir() else []
        return main([str(PORTRAITS), str(self.out), "--size", "64", *extra])

    def begun(self):
        with contextlib.suppress(FileNotFoundError):  # The builder removes folders meanwhile.
            return any(self.out.parent.glob(".out.building/**/rejects.csv"))
        return False

    def remember(self):
        self.whole = {path.name: path.stat().st_size for path in self.out.iterdir()}
        self.reset()

    def check(self):
        if self.out.exists():
            found = {path.name: path.stat().st_size for path in self.out.iterdir()}
            if found != self.whole:
                raise Broken(f"a data set of {sorted(found)} in place of {sorted(self.whole)}")

    def finish(self):
        self.check()
        if not self.out.exists() or list(self.out.parent.glob(".*")):
            raise Broken(f"a second run left {sorted(os.listdir(self.out.parent))}")
        self.turn += 1
        if self.turn % 2:  # every other data set is to be replaced
            self.reset()

    def reset(self):
        shutil.rmtree(self.out, ignore_errors=True)


class Trainer:
    """``train_keras.py``: every start goes on by ``--resume`` and ends with the same weights to the bit."""

    SETTINGS = (
        "--task classify --preset tiny --steps-per-epoch 3 --epochs 4 --batch-size 4 --genuine 0.5 --deterministic"
    )

    def __init__(self, folder):
        import pipelines.load

        # Swaps of one family without post-processing, not compiled: a start takes seconds.
        easy, usual = dict(augment=False, plain=True, shares={"mesh": 1.0}), pipelines.load.load
        pipelines.load.load = lambda config, *arguments, **options: usual(
            dataclasses.replace(config, **easy), *arguments, compiled=False, **options
        )
        import train_keras  # noqa: F401

        self.shards, self.out = folder / "shards", folder / "run"

    def prepare(self):
        from pipelines.portraits.__main__ import main

        photos = shutil.copytree(PORTRAITS, self.shards.with_name("photos"))
        splits = ["train"] * 4 + ["validation"] * 2 + ["test"] * 2  # enough of them in every split
        names = sorted(path.name for path in photos.glob("*.jpg"))
        with open(photos / "list.csv", "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("file", "split"), *zip(names, splits)])
        return main([str(photos / "list.csv"), str(self.shards), "--size", "64"])

    def run(self):
        import train_keras

        arguments = ["--resume"] if (self.out / "run.json").is_file() else self.SETTINGS.split()
        train_keras.main([str(self.shards), str(self.out), *arguments])
        return 0

    def begun(self):
        return (self.out / "run.json").is_file()

    def state(self):
        import h5py
        import numpy as np

        found = {}
        for name in ("model", "best"):
            with h5py.File(self.out / name / "model.weights.h5") as file:
                file.visititems(lambda key, item: found.update(
                    {f"{name}/{key}": np.asarray(item).tobytes()} if isinstance(item, h5py.Dataset) else {}))
        return found

    def remember(self):
        self.whole = self.state()
        shutil.rmtree(self.out)

    def check(self):
        from keras_uncover.presets.weights import WeightsError, load_verified
        from keras_uncover.training.saving import CheckpointError, list_checkpoints, read_note

        try:
            for path in list_checkpoints(self.out):
                read_note(path)
            for path in (self.out / "model", self.out / "best"):
                if path.exists():
                    load_verified(path)
        except (CheckpointError, WeightsError) as error:
            raise Broken(str(error)) from error

    def finish(self):
        self.check()
        if self.state() != self.whole:
            raise Broken("the run ended with other weights than the one that nothing disturbed")
        shutil.rmtree(self.out)


class Exporter:
    """``export.saved_model``: a version is there whole or not at all; what a killed export left is cleared away."""

    def __init__(self, folder):
        import export.saved_model  # noqa: F401

        self.preset, self.out = folder / "tiny", folder / "served"

    def prepare(self):
        return make_tiny(self.preset)

    def run(self):
        from export.saved_model import main

        return main([str(self.preset), str(self.out)])

    def begun(self):
        return any(self.out.glob(".writing-*/model/*"))

    def remember(self):
        self.whole = set(hashes(self.out / "1"))
        shutil.rmtree(self.out)

    def check(self):
        from export.serving.versions import versions

        for version in versions(self.out):
            found = hashes(self.out / str(version))
            record = json.loads((self.out / str(version) / "assets.extra" / "export.json").read_text())["files"]
            listed = {name: digest for name, digest in found.items() if name != "assets.extra/export.json"}
            if set(found) != self.whole or listed != record:
                raise Broken(f"version {version} is not whole")

    def finish(self):
        self.check()
        left = sorted(os.listdir(self.out))
        if not left or not all(name.isdigit() for name in left):
            raise Broken(f"a second run left {left}")
        shutil.rmtree(self.out)


class Predict:
    """``keras-uncover predict`` on a folder: every picture that is there is whole, and a second run writes the rest."""

    def __init__(self, folder):
        import keras_uncover.inference.uncoverer  # noqa: F401

        self.preset, self.out, self.csv = folder / "tiny", folder / "answers", folder / "answers.csv"

    def prepare(self):
        return make_tiny(self.preset)

    def run(self):
        from keras_uncover.cli import main as cli

        names = [str(PORTRAITS), "--preset", str(self.preset), "--threshold", "0", "--heatmap"]
        return cli.main(["predict", *names, "--out", str(self.out), "--csv", str(self.csv)])

    def begun(self):
        return any(self.out.glob("*.png"))

    def remember(self):
        self.whole = hashes(self.out)
        shutil.rmtree(self.out)

    def check(self):
        from keras_uncover.inference.records import CSV_HEADER

        found = hashes(self.out)
        half = [name for name, digest in found.items() if name.endswith(".png") and self.whole.get(name) != digest]
        if half:
            raise Broken(f"pictures that are not those of a whole run: {half}")
        text = self.csv.read_text("utf-8") if self.csv.is_file() else ""
        whole = all(len(row) == len(CSV_HEADER) for row in csv.reader(text.splitlines()))
        if text and not (text.endswith("\n") and whole):
            raise Broken(f"half a row: {text[-80:]!r}")

    def finish(self):
        if hashes(self.out) != self.whole:
            raise Broken(f"a second run left {sorted(set(hashes(self.out)) ^ set(self.whole))}")
        shutil.rmtree(self.out)


VICTIMS = {"builder": Builder, "trainer": Trainer, "exporter": Exporter, "predict": Predict}


def make_tiny(folder):
    """A preset of the smallest size with new weights, the same at every start."""
    import keras

    from keras_uncover.models.build import build_model, save_network
    from keras_uncover.models.config import TINY
    from keras_uncover.training.setup import run_config

    keras.utils.set_random_seed(0)
    config = {**run_config("reconstruct", TINY, "tiny", {}), "threshold": None}
    save_network(build_model("reconstruct", TINY), folder, config)
    return 0
