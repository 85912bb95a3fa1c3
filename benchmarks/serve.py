"""What an answer costs through each interface: cold start, latency, photos a second, memory, and where the time goes.

    python benchmarks/serve.py SERVED_DIR [--doors python saved_model grpc rest parts] [--cores 1 2] [--json FILE]

Each interface is measured in a process of its own that may use the first one or two cores; gRPC and REST through the
stand-in server of the tests, on the same cores as its client. Without --json nothing is written; a file that is there
keeps the interfaces that are not measured now. Latency is that of a request of 1, 4 or 16 photos, the bundled examples
in turn; ``python`` answers one photo after the other. ``parts`` times the steps of the graph one by one, a photo each.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from itertools import cycle, islice
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
EXAMPLES = sorted((ROOT / "examples").glob("*.jpg"))
# Requests of each size; the first answer has warmed everything up before.
ROUNDS = {1: 30, 4: 8, 16: 3}
DOORS = ("python", "saved_model", "grpc", "rest", "parts")


def open_python(served):
    """The library in this process."""
    from keras_uncover import Uncoverer

    uncoverer = Uncoverer.from_preset(str(newest(served) / "assets.extra" / "preset"))
    return lambda photos: [uncoverer(photo) for photo in photos], None


def open_saved_model(served):
    """The SavedModel in this process."""
    import tensorflow as tf

    answer = tf.saved_model.load(str(newest(served))).signatures["serving_default"]
    return lambda photos: answer(photo_bytes=tf.constant(photos)), None


def open_server(served, door):
    """The stand-in server, warm-up included, and a client in this process."""
    from export.servers import GrpcServer, RestServer
    from export.signatures import NONE

    server = subprocess.Popen([sys.executable, str(ROOT / "tests" / "support" / "model_server.py"), str(served)],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    said = json.loads(server.stdout.readline())
    if door == "grpc":
        client = GrpcServer(f"127.0.0.1:{said['grpc']}", "keras_uncover", 600, 2**28)
    else:
        client = RestServer(f"http://127.0.0.1:{said['rest']}", "keras_uncover", 600)
    fields = tuple(NONE)
    return lambda photos: client.predict("serving_default", photos, fields), server


def newest(served):
    """The highest version."""
    return max((path for path in Path(served).iterdir() if path.name.isdigit()), key=lambda path: int(path.name))


def measure_door(served, door):
    """Times and memory of one interface."""
    start = time.perf_counter()
    if door in ("grpc", "rest"):
        ask, server = open_server(served, door)
    else:
        ask, server = {"python": open_python, "saved_model": open_saved_model}[door](served)
    result = {"load_s": round(time.perf_counter() - start, 2)}
    photos = [path.read_bytes() for path in EXAMPLES]
    start = time.perf_counter()
    ask(photos[:1])
    result["first_s"] = round(time.perf_counter() - start, 2)
    for photo in photos:
        ask([photo])
    source = cycle(photos)
    for size, rounds in ROUNDS.items():
        seconds = []
        for _ in range(rounds):
            batch = list(islice(source, size))
            start = time.perf_counter()
            ask(batch)
            seconds.append(time.perf_counter() - start)
        result[f"batch_{size}"] = {
            "median_ms": round(1000 * float(np.median(seconds)), 1),
            "p99_ms": round(1000 * float(np.percentile(seconds, 99)), 1),
            "photos_per_s": round(size * rounds / sum(seconds), 2), "requests": rounds,
        }
    result["peak_mib"] = round(peak(server.pid) if server else peak("self"))
    if server:
        server.kill()
    return result


def peak(process):
    """The most memory that a process has held, MiB."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def measure_parts(served, door):
    """Milliseconds of each step of the graph for one photo, a fake one, where every step is taken."""
    import tensorflow as tf

    from export import fields, signatures
    from export.graph import decode, faces, pictures
    from keras_uncover.faces.alignment import align_points
    from keras_uncover.faces.detection import region_of_detection
    from keras_uncover.faces.finder import MAX_CANDIDATES, letterbox_matrices, letterboxes, place_faces

    model = signatures.Served(str(newest(served) / "assets.extra" / "preset"))
    uncoverer, finder = model.uncoverer, model.uncoverer.finder

    def detect(photo):
        matrices = letterbox_matrices(*tf.unstack(tf.shape(photo)[:2]))
        seen = finder.detector(letterboxes(photo, matrices), training=False)
        places, scores = place_faces(seen["regressors"], seen["logits"], matrices, MAX_CANDIDATES)
        return tf.gather_nd(region_of_detection(places), tf.where(scores > 0))

    def reswap(crops, points):
        outputs = uncoverer.model(crops, training=False)
        batch = {name: tf.clip_by_value(outputs[name], 0, 1) for name in ("target", "donor")}
        donor_points, _ = faces.find_in_crops(batch["donor"], finder.mesh)
        batch |= {"crop": crops, "mask": outputs["mask"], "points": points}
        return uncoverer.reswap({**batch, "donor_points": donor_points / uncoverer.size}, training=False)

    def draw(crops):
        return [pictures.encode_pictures(crops, kind, "x") for kind in fields.PICTURES]

    data = tf.constant(EXAMPLES[0].read_bytes())
    photo = decode.decode_photo(data)[0]
    _, points, _ = faces.find_faces(photo, finder.detector, finder.mesh)
    crops, unit, _ = align_points(photo, points[:1], uncoverer.size)
    steps = {
        "decode": (decode.decode_photo, (data,)),
        "find: letterboxes, detector, suppression": (detect, (photo,)),
        "mesh": (lambda photo, regions: faces.look_at_regions(photo, regions, finder.mesh), (photo, detect(photo))),
        "align": (lambda photo, points: align_points(photo, points, uncoverer.size), (photo, points[:1])),
        "network": (lambda crops: uncoverer.model(crops, training=False), (crops,)),
        "network, donor's mesh and re-swap": (reswap, (crops, unit)),
        "5 PNG files": (draw, (crops,)),
    }
    result = {}
    for name, (function, inputs) in steps.items():
        graph = tf.function(function, autograph=False)
        for _ in range(3):
            graph(*inputs)
        seconds = []
        for _ in range(30):
            start = time.perf_counter()
            tf.nest.map_structure(lambda value: value.numpy(), graph(*inputs))
            seconds.append(time.perf_counter() - start)
        result[name] = round(1000 * float(np.median(seconds)), 2)
    return {"median_ms": result, "peak_mib": round(peak("self"))}


def run_apart(served, door, cores):
    """Measure in a process of its own."""
    command = [sys.executable, __file__, served, "--measure", door, str(cores)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{door} on {cores} cores failed:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("served")
    parser.add_argument("--doors", nargs="+", choices=DOORS, default=DOORS)
    parser.add_argument("--cores", nargs="+", type=int, default=(1, 2))
    parser.add_argument("--json", help="write the result to this file")
    parser.add_argument("--measure", nargs=2, metavar=("DOOR", "CORES"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        door, cores = options.measure
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(cores)])
        print(json.dumps((measure_parts if door == "parts" else measure_door)(options.served, door)))
        return
    path = Path(options.json) if options.json else None
    report = json.loads(path.read_text()) if path and path.is_file() else {"doors": {}}
    for cores in options.cores:
        for door in options.doors:
            found = run_apart(options.served, door, cores)
            report["doors"].setdefault(door, {})[f"{cores}_cores"] = found
            print(door, cores, json.dumps(found), flush=True)
    record = json.loads((newest(options.served) / "assets.extra" / "export.json").read_text())
    report |= {"photos": [f"{path.stat().st_size} bytes" for path in EXAMPLES], "machine": platform.machine(),
               "made_with": record["made_with"], "weights_sha256": record["weights_sha256"]["preset"]}
    if path:
        path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
