"""Images a second of the data pipeline, beside three other ways of reading the same pictures.

    python benchmarks/data.py --shards SHARDS [--seconds 10] [--json benchmarks/results/data.json]
    python benchmarks/data.py --shards SHARDS --only batch step     some rows only; the others stay in the JSON

SHARDS is a folder written by ``python -m pipelines.portraits``. The others read its crops, written out as PNG files:
the bare limit of TensorFlow's decoder on all cores, a plain Python and OpenCV loader, and Keras's own
``image_dataset_from_directory``. Beside the wall clock stands the processor time, all threads together: on a machine
that does something else as well, only that one can be compared.

The last row trains a reconstructor from the whole batch: how long a step waits for its data, and how long it takes on
one batch, again and again, when no data are made beside it. On a machine without an accelerator both share the cores.

The JSON holds an entry for each size of crop; rows are added to the entry of the same machine and batch size.
"""

import argparse
import dataclasses
import json
import os
import platform
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import cv2  # noqa: E402
import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

from keras_uncover.models import config  # noqa: E402
from keras_uncover.training import compiling, setup  # noqa: E402
from pipelines.config import BatchConfig  # noqa: E402
from pipelines.load import load, shuffle_numbers  # noqa: E402
from pipelines.records import open_records, read_records  # noqa: E402
from pipelines.schema import PORTRAIT  # noqa: E402

WARM_UP = 6  # batches that are not timed: compiling, filling of buffers
STEP = "training step, reconstruct"


def parse_arguments(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shards", required=True, help="folder of TFRecord shards")
    parser.add_argument("--split", default="train")
    parser.add_argument("--seconds", type=float, default=10.0, help="timed seconds a row (%(default)s)")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--only", nargs="+", metavar="WORD", help="only rows whose name holds one of these")
    parser.add_argument("--preset", default="small", help="network of the training step (%(default)s)")
    parser.add_argument("--json", default=str(Path(__file__).parent / "results" / "data.json"), metavar="FILE")
    return parser.parse_args(arguments)


def machine():
    """What the numbers belong to."""
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {
        "processor": names[0].split(":")[1].strip() if names else platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "gpus": len(tf.config.list_physical_devices("GPU")),
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
    }


def measure(batches, images, seconds):
    """Consume batches of so many images each for a while.

    Returns: dict of images a second by the wall clock and by processor seconds, and cores kept busy.
    """
    batches = iter(batches)
    for _ in range(WARM_UP):
        next(batches)
    count, wall, processor = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - wall < seconds or not count:
        next(batches)
        count += images
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    return {"per_second": count / wall, "per_cpu_second": count / processor, "cores": processor / wall}


def write_crops(shards, split, folder):
    """Write the crops of a split as PNG files; returns their paths and side."""
    records, _ = read_records(shards, split, keys=("crop",))
    paths = []
    for number, record in enumerate(records.as_numpy_iterator()):
        paths.append(os.path.join(folder, f"{number:06d}.png"))
        if not cv2.imwrite(paths[-1], record["crop"][..., ::-1]):
            raise SystemExit(f"{paths[-1]} could not be written; is the disk full?")
    return paths, record["crop"].shape[0]


def bare_decode(paths, batch_size):
    """Only TensorFlow's decoder, from bytes in memory, on all cores."""
    files = tf.data.Dataset.from_tensor_slices([Path(path).read_bytes() for path in paths]).repeat()
    return files.map(tf.io.decode_png, tf.data.AUTOTUNE).batch(batch_size).prefetch(2)


def opencv_loader(paths, batch_size):
    """A loop as people write it: read, RGB, float, stack."""
    rng = np.random.default_rng(0)
    while True:
        chosen = rng.choice(len(paths), batch_size)
        yield np.stack([cv2.imread(paths[k])[..., ::-1].astype("float32") / 255.0 for k in chosen])


def keras_loader(folder, size, batch_size):
    """``image_dataset_from_directory`` as documented."""
    data = keras.utils.image_dataset_from_directory(
        folder, labels=None, label_mode=None, image_size=(size, size), batch_size=batch_size, verbose=False
    )
    return data.repeat().prefetch(2)


def read_only(options, cache):
    """Our records in batches: crop, texture, uv map and hull."""
    records = open_records(options.shards, options.split, PORTRAIT, cache)
    return records.batches(shuffle_numbers(records.count, 0), options.batch_size).prefetch(2)


def list_rows(options, folder, paths, size):
    """Yield the name of each row and a function that makes its batches, called only when their turn comes."""
    batch = options.batch_size
    usual = BatchConfig(options.shards, batch, autoencoder="autoencoder")

    def load_split(**changes):
        return lambda: load(dataclasses.replace(usual, **changes), options.split)

    yield "bare PNG decode, all cores", lambda: bare_decode(paths, batch)
    yield "Python and OpenCV", lambda: opencv_loader(paths, batch)
    yield "image_dataset_from_directory", lambda: keras_loader(folder, size, batch)
    yield "reading records (4 images each)", lambda: read_only(options, cache=False)
    yield "reading records, cached", lambda: read_only(options, cache=True)
    yield "reading and swaps", load_split(augment=False)
    yield "whole batch, classify", load_split(task="classify")
    yield "whole batch, reconstruct", load_split()
    yield STEP, load_split()


def make_network(preset, size):
    """A reconstructor as ``train_keras.py`` trains it, for crops of this size."""
    setup.seed_everything(0)
    model = setup.build_model("reconstruct", dataclasses.replace(config.model_config(preset), size=size))
    compiling.compile_model(model, "reconstruct", 1000, 1e-3)
    return model


def measure_steps(batches, model, seconds):
    """Train for a while, first on fresh batches, then on one again and again.

    Returns: dict of the milliseconds that a step takes, those of it that it waits for its batch, the share of these,
    and the milliseconds that a step takes with no data made beside it.
    """
    stream = iter(batches)

    def train(batch):
        images, truths, weights = batch
        model.train_on_batch(images, truths, weights)

    for _ in range(WARM_UP):
        train(next(stream))
    count, waited, start = 0, 0.0, time.perf_counter()
    while time.perf_counter() - start < seconds or not count:
        before = time.perf_counter()
        batch = next(stream)
        waited += time.perf_counter() - before
        train(batch)
        count += 1
    step, wait = 1e3 * (time.perf_counter() - start) / count, 1e3 * waited / count
    del stream  # and with it what makes batches in the background
    time.sleep(1.0)
    alone, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds or not alone:
        train(batch)
        alone += 1
    alone = 1e3 * (time.perf_counter() - start) / alone
    return {"step_ms": step, "wait_ms": wait, "wait_share": wait / step, "step_alone_ms": alone}


def measure_row(name, make, size, options):
    """Measure one row, of crops of this size, and say what was found."""
    if name == STEP:
        row = measure_steps(make(), make_network(options.preset, size), options.seconds)
        words = (
            "{:34}{step_ms:>7,.0f} ms, {wait_ms:,.1f} ms of it wait for data ({:.1%}); {step_alone_ms:,.0f} ms alone"
        )
        print(words.format(name, row["wait_share"], **row), flush=True)
    else:
        row = measure(make(), options.batch_size, options.seconds)
        print("{:34}{per_second:>10,.0f}{per_cpu_second:>14,.0f}{cores:>7.2f}".format(name, **row), flush=True)
    return {key: round(value, 4 if key == "wait_share" else 2) for key, value in row.items()}


def add_rows(path, entry):
    """Add the rows of an entry to those that the JSON file holds for the same size, machine and batch size.

    An entry of another machine or batch size is replaced: its rows cannot stand beside these.
    """
    path, report = Path(path), {}
    if path.exists():
        report = json.loads(path.read_text(encoding="utf-8"))
    old = report.get(str(entry["size"]), {})
    apart = {"rows", "load_before"}
    if {key: old.get(key) for key in entry if key not in apart} == {k: v for k, v in entry.items() if k not in apart}:
        entry = {**entry, "rows": {**old["rows"], **entry["rows"]}}
    report[str(entry["size"])] = entry
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def main(arguments=None):
    options = parse_arguments(arguments)
    rows, found = {}, machine()
    load_before = round(os.getloadavg()[0], 2)
    print("{processor}, {cores} cores, {gpus} GPUs, load {} at the start".format(load_before, **found))
    print(f"{'':34}{'images/s':>10}{'a CPU-second':>14}{'cores':>7}")
    with tempfile.TemporaryDirectory() as folder:
        paths, size = write_crops(options.shards, options.split, folder)
        for name, make in list_rows(options, folder, paths, size):
            if not options.only or any(word in name for word in options.only):
                rows[name] = measure_row(name, make, size, options)
    if not rows:
        raise SystemExit(f"--only takes words of the rows' names; received {' '.join(options.only)}.")
    entry = {"size": size, "machine": found, "batch_size": options.batch_size, "split": options.split}
    add_rows(options.json, {**entry, "load_before": load_before, "rows": rows})


if __name__ == "__main__":
    main()
