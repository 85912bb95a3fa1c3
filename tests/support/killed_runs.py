"""Runs of the real script in processes of their own, some of which kill themselves with SIGKILL.

    python tests/support/killed_runs.py SHARDS FOLDER

Libraries are imported once; every run is a fork of this process, whose TensorFlow has not started yet. Written to
stdout: how each ended.
"""

import dataclasses
import os
import signal
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path[:0] = [str(Path(__file__).resolve().parents[2]), str(Path(__file__).resolve().parent)]

import keras  # noqa: E402
from made_up_batches import SMALLEST_64  # noqa: E402

import pipelines.load  # noqa: E402
import train_keras  # noqa: E402
from keras_uncover.models import config  # noqa: E402
from keras_uncover.training import saving, setup  # noqa: E402

# Swaps of one family without post-processing, not compiled: what is tested is their order and their chance.
EASY = dict(augment=False, plain=True, shares={"mesh": 1.0})
SETTINGS = "--task classify --preset tiny --steps-per-epoch 3 --epochs 4 --batch-size 4 --genuine 0.5 --deterministic"


class Killer(keras.callbacks.Callback):
    """Kills its process after a step, or within the evaluation of an epoch."""

    def __init__(self, step=None, evaluation=None):
        super().__init__()
        self.step, self.evaluation = step, evaluation

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if self.epoch * 3 + batch + 1 == self.step:
            os.kill(os.getpid(), signal.SIGKILL)

    def on_test_batch_begin(self, batch, logs=None):
        if self.epoch == self.evaluation:
            os.kill(os.getpid(), signal.SIGKILL)


def kill_in_checkpoint(step):
    """Kill the process when the file of a checkpoint is half on the disk."""
    usual = saving.hash_file

    def hash_file(path):
        if f"step-{step:010d}" in str(path):
            os.truncate(path, os.path.getsize(path) // 2)
            os.kill(os.getpid(), signal.SIGKILL)
        return usual(path)

    saving.hash_file = hash_file


def easy_load(load):
    """``load`` for ``EASY`` swaps."""
    return lambda config, *arguments, **options: load(
        dataclasses.replace(config, **EASY), *arguments, compiled=False, **options
    )


def run(arguments, step=None, evaluation=None, checkpoint=None):
    """Train in a fork; returns how it ended: 0, or minus the signal that ended it."""
    sys.stdout.flush()
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 1
    try:
        os.dup2(2, 1)
        pipelines.load.load = easy_load(pipelines.load.load)
        config.model_config = lambda name: SMALLEST_64
        usual = setup.callbacks
        setup.callbacks = lambda *a, **k: [*usual(*a, **k), Killer(step, evaluation)]
        if checkpoint:
            kill_in_checkpoint(checkpoint)
        train_keras.main(arguments)
        code = 0
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
    finally:
        sys.stderr.flush()
        os._exit(code)


def main(shards, folder, random_step):
    whole, broken = (os.path.join(folder, name) for name in ("whole", "broken"))
    settings = SETTINGS.split()
    print("whole", run([shards, whole, *settings]))
    print("step", run([shards, broken, *settings], step=int(random_step)))
    print("checkpoint", run([shards, broken, "--resume"], checkpoint=6))
    print("evaluation", run([shards, broken, "--resume"], evaluation=2))
    # The newest checkpoint lost a bit since: the one before is taken.
    with open(os.path.join(broken, "checkpoints", "step-0000000006", saving.STATE), "r+b") as file:
        file.seek(10_000)
        byte = file.read(1)[0]
        file.seek(10_000)
        file.write(bytes([byte ^ 1]))
    print("end", run([shards, broken, "--resume"]))


if __name__ == "__main__":
    main(*sys.argv[1:])
