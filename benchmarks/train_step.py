"""What a training step costs: images a second, peak memory, distance to the machine's limit, waiting for data.

    python benchmarks/train_step.py [--shards SHARDS] [--only small] [--missing] [--seconds 6] [--json FILE]

Every row is a process of its own, which trains by ``fit`` on one batch that lies ready, so that only the step is
timed; the row with ``data`` reads SHARDS beside it, and tells the share of a step that was spent waiting for a batch.
The floating-point operations of a step are those of its convolutions and matrix products, forwards and backwards,
counted by TensorFlow's profiler from the graph. The limit is what a matrix product of 2048 x 2048 reaches in the same
process. The JSON file is written after every row, and rows that are not measured anew stay in it as they were: a run
that was cut off goes on with --missing.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]

USUAL = dict(backend="tensorflow", precision="float32", replicas=1, xla=False, per_call=1, data=False)
WAYS = {
    "tensorflow": {},
    "tensorflow, 8 steps an execution": dict(per_call=8),
    "tensorflow, XLA": dict(xla=True),
    "tensorflow, bfloat16": dict(precision="mixed_bfloat16"),
    "tensorflow, float16": dict(precision="mixed_float16"),
    "tensorflow, 2 replicas": dict(replicas=2),
    "tensorflow, 2 replicas, 8 steps": dict(replicas=2, per_call=8),
    "jax": dict(backend="jax"),
    "jax, 8 steps an execution": dict(backend="jax", per_call=8),
    "jax, bfloat16": dict(backend="jax", precision="mixed_bfloat16"),
    "tensorflow, data": dict(data=True),
}
BATCH = {"tiny": 16, "small": 16, "base": 8}
# Left out: float16, for which processors without AVX-512 have no kernels, but for one number; and of the dearest preset
# the rows that would only say again what those of the others say.
LEFT_OUT = {
    "tiny": (),
    "small": ("tensorflow, float16",),
    "base": ("tensorflow, float16", "tensorflow, 2 replicas, 8 steps", "jax, 8 steps an execution"),
}


def parse_arguments(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shards", help="folder of TFRecord shards, for the row with data of the preset of their size")
    parser.add_argument("--only", default="", help="rows that begin so, such as small/jax")
    parser.add_argument("--task", choices=("classify", "reconstruct"), default="reconstruct")
    parser.add_argument("--missing", action="store_true", help="only rows that the JSON file has no numbers of")
    parser.add_argument("--seconds", type=float, default=6.0, help="timed seconds a row (%(default)s)")
    parser.add_argument("--limit", type=float, default=240.0, help="seconds until a row is given up (%(default)s)")
    parser.add_argument("--json", default=str(Path(__file__).parent / "results" / "train_step.json"), metavar="FILE")
    parser.add_argument("--row", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def machine():
    """What the numbers belong to."""
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {"processor": names[0].split(":")[1].strip() if names else platform.processor(),
            "cores": len(os.sched_getaffinity(0))}


def split_cpu(replicas):
    """Make logical devices of the processor; TensorFlow can before its first operation alone."""
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * replicas)


def build(row, task):
    """The compiled model of a row, and one batch for it."""
    import keras
    from made_up_batches import for_task, make_batch

    import train_keras
    from keras_uncover.models.config import model_config
    from keras_uncover.training.setup import Plan

    words = ["shards", "run", "--task", task, "--preset", row["preset"], "--batch-size", str(row["batch"]),
             "--precision", row["precision"], "--steps-per-execution", str(row["per_call"]),
             "--strategy", "mirrored" if row["replicas"] > 1 else "one"]
    words += ["--xla", "on"] if row["xla"] else []
    options = train_keras.parse_arguments(words)
    scope, _ = train_keras.choose_strategy(options)
    with scope:
        model = train_keras.build(options, Plan(8000, 8000, row["batch"], row["per_call"]))
    batch = for_task(make_batch(model_config(row["preset"]), row["batch"]), task)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return model, tf.data.Dataset.from_tensors(batch).repeat()
    return model, repeat(batch)


def repeat(batch):
    while True:
        yield batch


def time_steps(model, batches, row, seconds):
    """Seconds a step of ``fit``, after a warm-up."""
    import keras

    class Clock(keras.callbacks.Callback):
        """Stops ``fit`` when the time is over; the first executions, which compile, are not timed."""

        count = 0
        warm = 3 if row["per_call"] == 1 else 1

        def on_train_batch_end(self, batch, logs=None):
            float(logs["loss"])  # Waits for the step.
            self.count += 1
            if self.count == self.warm:
                self.first = time.perf_counter()
            self.last = time.perf_counter()
            if self.count > self.warm + 1 and self.last - self.first > seconds:
                self.model.stop_training = True

    clock = Clock()
    model.fit(batches, steps_per_epoch=8000, epochs=1, verbose=0, shuffle=False, callbacks=[clock])
    return (clock.last - clock.first) / (clock.count - clock.warm) / row["per_call"]


def time_waiting(model, shards, row, task, seconds):
    """Seconds a step with real data, and the share of them in which the step waited for its batch."""
    from pipelines.config import BatchConfig
    from pipelines.load import load

    batches = iter(load(BatchConfig(shards, row["batch"], task=task, autoencoder="autoencoder"), "train"))
    for _ in range(6):
        model.train_on_batch(*next(batches))
    waited, steps, started = 0.0, 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        asked = time.perf_counter()
        batch = next(batches)
        waited += time.perf_counter() - asked
        model.train_on_batch(*batch)
        steps += 1
    spent = time.perf_counter() - started
    return spent / steps, waited / spent


def count_operations(row, task):
    """Floating-point operations of the convolutions and matrix products of one step, by TensorFlow's profiler."""
    import tensorflow as tf
    from made_up_batches import for_task, make_batch

    from keras_uncover.models.build import build_model
    from keras_uncover.models.config import model_config
    from keras_uncover.training import compiling

    config = model_config(row["preset"])
    model = build_model(task, config)
    compiling.compile_model(model, task, 1000, 1e-3, jit_compile=False)
    batch = for_task(make_batch(config, row["batch"]), task)
    compiling.prepare_state(model, batch)
    batch = tf.nest.map_structure(tf.constant, batch)
    graph = tf.function(lambda *data: model.train_step(data)).get_concrete_function(*batch).graph
    found = tf.compat.v1.profiler.profile(
        graph, cmd="op", options={**tf.compat.v1.profiler.ProfileOptionBuilder.float_operation(), "output": "none"}
    )
    kinds = {child.name: child.float_ops for child in walk(found)}
    return sum(count for name, count in kinds.items() if "Conv2D" in name or "MatMul" in name)


def walk(node):
    """The nodes of a profile, each kind of op once."""
    for child in node.children:
        yield child
        yield from walk(child)


def measure_limit(seconds=2.0):
    """Floating-point operations a second of a float32 matrix product of 2048 x 2048: the best of some."""
    import keras
    import numpy as np

    one = keras.ops.convert_to_tensor(np.random.default_rng(0).random((2048, 2048), "float32"))
    best, started = float("inf"), time.perf_counter()
    while time.perf_counter() - started < seconds:
        begun = time.perf_counter()
        keras.ops.convert_to_numpy(keras.ops.matmul(one, one)[0, 0])
        best = min(best, time.perf_counter() - begun)
    return 2 * 2048**3 / best


def measure_row(row, task, seconds, shards):
    """All numbers of one row."""
    from keras_uncover.evaluation.cost import peak_memory

    if row["replicas"] > 1:
        split_cpu(row["replicas"])
    limit = measure_limit()
    model, batches = build(row, task)
    result = {}
    if row["data"]:
        step, result["waiting"] = time_waiting(model, shards, row, task, seconds)
    else:
        step = time_steps(model, batches, row, seconds)
    result.update(ms=1000 * step, images_per_second=row["batch"] / step, peak_mb=peak_memory(), limit=limit)
    if {key: row[key] for key in USUAL} == USUAL:
        result["operations"] = count_operations(row, task)
    return result


def list_rows(options):
    """Name and description of every row that was asked for."""
    from keras_uncover.models.config import model_config

    for preset in BATCH:
        for way, changed in WAYS.items():
            row = {**USUAL, **changed, "preset": preset, "batch": BATCH[preset]}
            name = f"{preset}/{way}"
            fits = not row["data"] or (options.shards and stored_size(options.shards) == model_config(preset).size)
            if name.startswith(options.only) and way not in LEFT_OUT[preset] and fits:
                yield name, row


def stored_size(shards):
    """Pixels of the side of the crops in a folder of shards."""
    features = json.loads((Path(shards) / "features.json").read_text("utf-8"))["featuresDict"]["features"]
    return int(features["crop"]["image"]["shape"]["dimensions"][0])


def run_row(row, options):
    """Measure a row in a process of its own."""
    environ = {**os.environ, "KERAS_BACKEND": row["backend"], "JAX_PLATFORMS": "cpu"}
    command = [sys.executable, __file__, "--row", json.dumps(row), "--task", options.task]
    command += ["--seconds", str(options.seconds)]
    command += ["--shards", options.shards] if options.shards else []
    try:
        run = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=options.limit)
    except subprocess.TimeoutExpired:
        return {"error": f"took more than {options.limit:.0f} s"}
    if run.returncode:
        return {"error": run.stderr.strip().splitlines()[-1][:200]}
    return json.loads(run.stdout.splitlines()[-1])


def print_table(rows):
    """The rows as Markdown."""
    print("| preset | way | images/s | ms a step | peak MB | GFLOP/s | of the limit | waiting |")
    print("|---" * 8 + "|")
    operations = {name.split("/")[0]: row["operations"] for name, row in rows.items() if row.get("operations")}
    for name, row in rows.items():
        preset, way = name.split("/")
        if "error" in row:
            print(f"| {preset} | {way} | fails: {row['error']} | | | | | |")
            continue
        speed = operations.get(preset, float("nan")) / row["ms"] * 1000
        waiting = f"{100 * row['waiting']:.1f} %" if "waiting" in row else ""
        print(f"| {preset} | {way} | {row['images_per_second']:.1f} | {row['ms']:.0f} | {row['peak_mb']:,.0f} "
              f"| {speed / 1e9:.1f} | {speed / row['limit']:.2f} | {waiting} |")


def main(arguments=None):
    options = parse_arguments(arguments)
    if options.row:
        print(json.dumps(measure_row(json.loads(options.row), options.task, options.seconds, options.shards)))
        return
    path = Path(options.json)
    report = json.loads(path.read_text("utf-8")) if path.exists() else {"rows": {}}
    report.update(machine=machine(), task=options.task)
    for name, row in list_rows(options):
        if options.missing and "ms" in report["rows"].get(name, {}):
            continue
        report["rows"][name] = run_row(row, options)
        print(name, report["rows"][name], flush=True)
        path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print_table(report["rows"])


if __name__ == "__main__":
    main()
