"""Whose folder it is, whether it can be written, and what of a checkpoint is trusted. On either backend."""

import json
import resource
import subprocess
import sys
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from keras_uncover.files import fingerprint_data
from keras_uncover.training import compiling, run_folder
from keras_uncover.training.run_folder import RunError, check_room, cut_history, hold_folder, open_run, read_settings
from keras_uncover.training.saving import (
    NOTE,
    STATE,
    CheckpointError,
    averaged,
    find_checkpoint,
    list_checkpoints,
    pair_averages,
    prune_checkpoints,
    restore_checkpoint,
    save_checkpoint,
)

SETTINGS = {"shards": "/data/shards", "batch_size": 16, "seed": 0, "strategy": "auto"}
DATA = {"shards": "ab" * 32}


def build(seed=0):
    """A small compiled model after three steps, so that weights, averages and moments differ."""
    keras.utils.set_random_seed(seed)
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(4), keras.layers.BatchNormalization()])
    model.compile(keras.optimizers.AdamW(0.1, use_ema=True, ema_momentum=0.5), "mse")
    compiling.prepare_state(model)
    rng = np.random.default_rng(seed)
    for _ in range(3):
        model.train_on_batch(rng.random((8, 6), "float32"), rng.random((8, 4), "float32"))
    return model


def state(model):
    return [keras.ops.convert_to_numpy(v) for v in (*model.variables, *model.optimizer.variables)]


def start(folder, settings=SETTINGS, data=DATA, resume=False):
    with open_run(folder, settings, data, resume) as path:
        return path


def test_a_run_is_noted_and_goes_on_with_its_own_settings(tmp_path):
    folder = start(tmp_path / "runs" / "one")
    start(folder, {**SETTINGS, "shards": "/moved/shards", "strategy": "mirrored"}, resume=True)
    note = json.loads((folder / "run.json").read_text())
    assert (note["settings"], note["data"], len(note["starts"])) == (SETTINGS, DATA, 2)
    assert read_settings(folder) == SETTINGS


def test_a_used_folder_is_refused(tmp_path):
    folder = start(tmp_path / "one")
    before = (folder / "run.json").read_text()
    with pytest.raises(RunError, match="must be new; .*one holds a run already. Go on with it by --resume, or choose"):
        start(folder)
    with pytest.raises(RunError, match="--resume needs the folder of a run; there is no .*two.run.json"):
        read_settings(tmp_path / "two")
    assert (folder / "run.json").read_text() == before


def test_a_folder_with_files_of_a_runs_names_is_refused(tmp_path):
    (tmp_path / "history.csv").write_text("of my own")
    with pytest.raises(RunError, match="holds history.csv, which a run writes"):
        with open_run(tmp_path, {}, {}):
            pass
    assert [path.name for path in tmp_path.iterdir()] == ["history.csv"]


@pytest.mark.parametrize(
    "settings, data, words",
    [
        ({**SETTINGS, "batch_size": 32}, DATA, "batch_size was 16 and is 32. Leave the option out"),
        ({**SETTINGS, "seed": 1, "batch_size": 8}, DATA, "batch_size was 16 and is 8; seed was 0 and is 1"),
        (SETTINGS, {"shards": "cd" * 32}, "data of shards was 'abab"),
        (SETTINGS, {**DATA, "swap_pairs": "ef" * 32}, "data of swap_pairs was None"),
    ],
)
def test_another_configuration_is_refused(tmp_path, settings, data, words):
    folder = start(tmp_path / "one")
    with pytest.raises(RunError, match=f"configuration that it was started with; of .*one, {words}"):
        start(folder, settings, data, resume=True)


def test_a_folder_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="must be one that can be written; .*file.one: Not a directory. Choose another"):
        start(tmp_path / "file" / "one")


def test_two_processes_do_not_write_one_run(tmp_path):
    with open_run(tmp_path / "one", SETTINGS, DATA) as folder:
        with pytest.raises(RunError, match="another one is training in .*one. Wait for its end"):
            start(folder, resume=True)
    start(folder, resume=True)
    # A process that was killed leaves no lock behind.
    code = ("import os, signal, sys; from keras_uncover.training.run_folder import hold_folder\n"
            "with hold_folder(sys.argv[1]): os.kill(os.getpid(), signal.SIGKILL)")
    assert subprocess.run([sys.executable, "-c", code, str(folder)]).returncode == -9
    with hold_folder(folder):
        pass


def test_a_disk_that_is_too_full_is_refused_before_the_first_step(tmp_path, monkeypatch):
    model = build()
    check_room(tmp_path / "new" / "run", model, keep=3)
    monkeypatch.setattr(run_folder.shutil, "disk_usage", lambda path: SimpleNamespace(free=5_000_000))
    with pytest.raises(RunError, match="needs 17 MB for 5 checkpoints and its networks; .*run has 5 MB free. Make"):
        check_room(tmp_path / "new" / "run", model, keep=3)


def test_a_checkpoint_restores_everything_to_the_bit(tmp_path):
    model = build()
    save_checkpoint(model, tmp_path, {"step": 3, "epoch": 1})
    other = build(seed=1)
    assert not all(np.array_equal(a, b) for a, b in zip(state(model), state(other)))
    assert find_checkpoint(tmp_path)["step"] == 3
    restore_checkpoint(other, tmp_path, 3)
    assert all(np.array_equal(a, b) for a, b in zip(state(model), state(other), strict=True))
    assert int(other.optimizer.iterations) == 3


@pytest.mark.parametrize("damage", ["cut", "flip", "no note", "no state", "torn note"])
def test_a_damaged_newest_checkpoint_falls_back_to_the_one_before(tmp_path, capsys, damage):
    model = build()
    for step in (1, 2):
        save_checkpoint(model, tmp_path, {"step": step})
    path = list_checkpoints(tmp_path)[-1]
    content = (path / STATE).read_bytes()
    if damage == "cut":
        (path / STATE).write_bytes(content[:-1])
    elif damage == "flip":
        (path / STATE).write_bytes(content[:5000] + bytes([content[5000] ^ 1]) + content[5001:])
    elif damage == "torn note":
        (path / NOTE).write_text((path / NOTE).read_text()[:20])
    else:
        (path / (NOTE if damage == "no note" else STATE)).unlink()
    assert find_checkpoint(tmp_path)["step"] == 1
    assert "passed over: step-0000000002" in capsys.readouterr().err
    # The step is trained again, and its checkpoint written over the damaged one.
    save_checkpoint(model, tmp_path, {"step": 2})
    assert find_checkpoint(tmp_path)["step"] == 2
    for path in list_checkpoints(tmp_path):
        (path / NOTE).write_text("{}")
    with pytest.raises(CheckpointError, match="One checkpoint at least must be whole; all 2 in .* are damaged"):
        find_checkpoint(tmp_path)


def test_the_last_and_the_best_checkpoints_stay(tmp_path):
    assert find_checkpoint(tmp_path) is None
    model = build()
    for step in (10, 20, 30, 40):
        save_checkpoint(model, tmp_path, {"step": step})
        prune_checkpoints(tmp_path, 2, best=10)
    assert [path.name for path in list_checkpoints(tmp_path)] == [f"step-{step:010d}" for step in (10, 30, 40)]


def test_a_checkpoint_that_cannot_be_written_is_a_clear_error_and_leaves_the_others(tmp_path):
    model = build()
    save_checkpoint(model, tmp_path, {"step": 1})
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        words = "step 2 could not be written: File too large. step-0000000001 is whole. Make room"
        with pytest.raises(CheckpointError, match=words):
            save_checkpoint(model, tmp_path, {"step": 2})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [path.name for path in tmp_path.glob("checkpoints/*")] == ["step-0000000001"]
    assert find_checkpoint(tmp_path)["step"] == 1


def test_averages_come_and_go_without_a_trace():
    model = build()
    before, averages = state(model), [keras.ops.convert_to_numpy(a) for _, a in pair_averages(model.optimizer)]
    with averaged(model):
        assert all(np.array_equal(keras.ops.convert_to_numpy(w), a) for w, a in zip(model.trainable_weights, averages))
    assert all(np.array_equal(a, b) for a, b in zip(before, state(model)))
    assert not np.array_equal(before[0], averages[0])


def test_a_history_is_cut_where_the_run_goes_on(tmp_path):
    path = tmp_path / "history.csv"
    cut_history(tmp_path, 3)
    path.write_text("epoch,loss\n0,3.5\n1,2.5\n2,1.5\n3,0.")
    cut_history(tmp_path, 2)
    assert path.read_text() == "epoch,loss\n0,3.5\n1,2.5\n"
    cut_history(tmp_path, 0)
    assert not path.exists()


def test_a_fingerprint_tells_data_apart_wherever_they_lie(tmp_path):
    for name, content in (("a", b"one"), ("b", b"one"), ("c", b"two"), ("d", b"onetwo")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "shard").write_bytes(content)
    a, b, c, d = (fingerprint_data(tmp_path / name) for name in "abcd")
    assert a == b and len({a, c, d}) == 3
    (tmp_path / "b" / "more").write_bytes(b"")
    assert fingerprint_data(tmp_path / "b") != a
    assert fingerprint_data(tmp_path / "a" / "shard") == fingerprint_data(tmp_path / "b" / "shard")
    with pytest.raises(FileNotFoundError):
        fingerprint_data(tmp_path / "nothing")
