"""The folder of a run: whose configuration it belongs to, that it can be written, and that nobody else writes it.

``RUN/run.json`` holds the settings that decide the result, the fingerprints of the data, and for every start the
versions, the state of the code and the machine. ``RUN/history.csv`` has a row an epoch, through every stop and start.
"""

import contextlib
import csv
import datetime
import io
import json
import math
import os
import platform
import shutil
import subprocess
from importlib import metadata
from pathlib import Path

import numpy as np

from keras_uncover.files import lock, write_whole
from keras_uncover.refusals import Refusal

NOTE, LOCK, HISTORY = "run.json", ".lock", "history.csv"
WRITTEN = (HISTORY, "samples", "checkpoints", "best", "model", "tensorboard")  # beside them
PACKAGES = ("keras-uncover", "keras", "tensorflow", "jax", "jaxlib", "numpy", "h5py", "tensorflow-datasets")
# What may change when a run goes on: where things lie, how they are computed to the same end, what is kept.
FREE = ("shards", "swap_pairs", "run", "resume", "strategy", "cache", "keep", "hosts", "host")


class RunError(Refusal, RuntimeError):
    """A run folder that cannot be used."""


def read_settings(folder):
    """The settings of the run that a folder holds.

    Raises:
        RunError: it holds none.
    """
    path = Path(folder) / NOTE
    try:
        return json.loads(path.read_text("utf-8"))["settings"]
    except FileNotFoundError:
        raise RunError(
            f"--resume needs the folder of a run; there is no {path}. Leave --resume out to start one."
        ) from None
    except (ValueError, KeyError) as error:
        raise RunError(f"{path} must be what train_keras.py wrote; it cannot be read: {error}.") from error


def compare_settings(folder, settings, data):
    """Refuse to go on with a run by other settings or data than it was started with."""
    note = json.loads((Path(folder) / NOTE).read_text("utf-8"))
    old = {**note["settings"], **{f"data of {key}": value for key, value in note["data"].items()}}
    new = {**settings, **{f"data of {key}": value for key, value in data.items()}}
    changed = [
        f"{key} was {old.get(key)!r} and is {new.get(key)!r}"
        for key in sorted({*old, *new} - set(FREE)) if old.get(key) != new.get(key)
    ]
    if changed:
        raise RunError(
            f"A run goes on with the configuration that it was started with; of {folder}, {'; '.join(changed)}. "
            "Leave the option out to take the run's own, or start another run, with --init from this one."
        )


@contextlib.contextmanager
def open_run(folder, settings, data, resume=False):
    """Make the folder of a new run, or check that of one that goes on, and note the start.

    Args:
        folder: path.
        settings: dict for JSON: what was asked for.
        data: dict, name to fingerprint.
        resume: whether the folder must hold a run already, of the same settings and data, or none.

    Returns: context with the ``pathlib.Path`` of the folder; within it no other process can open the run.

    Raises:
        RunError: the folder belongs to another configuration, is in use, or cannot be written.
    """
    folder = Path(folder)
    if resume:
        compare_settings(folder, settings, data)
    elif not (folder / NOTE).exists() and (there := [name for name in WRITTEN if os.path.lexists(folder / name)]):
        raise RunError(
            f"A run folder must be new; {folder} holds {', '.join(there)}, which a run writes. Choose another name."
        )
    elif (folder / NOTE).exists():
        raise RunError(
            f"A run folder must be new; {folder} holds a run already. Go on with it by --resume, or choose another "
            "name."
        )
    with contextlib.ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            stack.enter_context(hold_folder(folder))
            note = json.loads((folder / NOTE).read_text("utf-8")) if resume else None
            note = note or {"format": 1, "settings": settings, "data": data, "starts": []}
            note["starts"].append(describe_environment())
            write_whole(folder / NOTE, json.dumps(note, indent=2) + "\n")
            remove_leftovers(folder)
        except OSError as error:
            raise RunError(
                f"The run's folder must be one that can be written; {folder}: {error.strerror or error}. Choose "
                "another."
            ) from error
        yield folder


@contextlib.contextmanager
def hold_folder(folder):
    """Keep other processes out of a run's folder; one that was killed leaves no lock behind.

    Raises:
        RunError: another process holds it.
    """
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(lock(Path(folder) / LOCK))
        except BlockingIOError:
            raise RunError(
                f"A run is written by one process; another one is training in {folder}. Wait for its end."
            ) from None
        yield


def remove_leftovers(folder):
    """Remove what a killed process had begun to write; only while the folder is held."""
    names = (".*.partial", "checkpoints/.*", ".model.*", ".best.*")
    for path in [found for name in names for found in folder.glob(name)]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def check_room(folder, model, keep):
    """Refuse a disk on which the checkpoints of a run will not fit, before its first step.

    Args:
        model: compiled, its optimizer built.
        keep: checkpoints that stay, beside the best one and the one that is being written.
    """
    weights, optimizer = (sum(map(count_bytes, some)) for some in (model.variables, model.optimizer.variables))
    state = weights + optimizer
    needed = (keep + 2) * state + 4 * weights + (16 << 20)
    place = Path(folder).absolute()
    free = shutil.disk_usage(next(part for part in (place, *place.parents) if part.exists())).free
    if free < needed:
        raise RunError(
            f"A run of this size needs {needed / 1e6:,.0f} MB for {keep + 2} checkpoints and its networks; {folder} "
            f"has {free / 1e6:,.0f} MB free. Make room, keep fewer with --keep, or choose another disk."
        )


def count_bytes(variable):
    """Bytes of a Keras variable."""
    return math.prod(variable.shape) * np.dtype(variable.dtype).itemsize


def package_versions():
    """Versions of what is installed of ``PACKAGES``."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            pass
    return found


def git_state():
    """Commit of the checkout that the code was loaded from, and whether it was changed; None where there is none."""

    def ask(*words):
        run = subprocess.run(["git", *words], cwd=Path(__file__).parent, capture_output=True, text=True, timeout=20)
        return run.stdout.strip() if run.returncode == 0 else None

    try:
        commit = ask("rev-parse", "HEAD")
        return None if commit is None else {"commit": commit, "changed": bool(ask("status", "--porcelain", "-uno"))}
    except (OSError, subprocess.TimeoutExpired):
        return None


def describe_environment():
    """What a run notes at every start: dict for JSON."""
    import keras  # only here: a run's settings and history are read without it

    return {
        "time": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "backend": keras.backend.backend(),
        "precision": keras.config.dtype_policy().name,
        "python": platform.python_version(),
        "versions": package_versions(),
        "git": git_state(),
        "machine": {
            "system": platform.platform(), "cores": os.cpu_count(), "devices": keras.distribution.list_devices(),
        },
    }


def cut_history(folder, epochs):
    """Drop the rows of a history after so many epochs, and a last row that was cut off: they are trained again."""
    path = Path(folder) / HISTORY
    if not path.exists():
        return
    lines = path.read_text("utf-8").splitlines(keepends=True)
    rows = list(csv.DictReader(line for line in lines if line.endswith("\n")))
    kept = [row for row in rows if None not in row.values() and int(row["epoch"]) < epochs]
    if not kept:
        os.remove(path)
        return
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(kept)
    write_whole(path, text.getvalue())


def read_history(run):
    """The history of a run: dict, name to a list of floats, one an epoch.

    Raises:
        FileNotFoundError: it has none. ValueError: it has no row, or a cell that is no number.
    """
    path = Path(run) / HISTORY
    if not path.is_file():
        raise FileNotFoundError(f"A run has a {HISTORY} from its first epoch on; there is no {path}.")
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    if not rows:
        raise ValueError(f"{path} must have a row an epoch; it has none.")
    return {key: [float(row[key]) for row in rows] for key in rows[0]}
