"""How many faces are found, how well the mesh agrees with a reference, and how long a photo takes.

    python benchmarks/find_faces.py FACES_DIR [--json FILE] [--limit N]

FACES_DIR holds portraits of one person each, ``faces.csv`` (with a column ``file``), and ``landmarks.npz`` with
``names`` (file names without suffix) and ``points`` ``(n, 478, 2)`` in pixels, for instance MediaPipe's own answers.
"""

import argparse
import json
import os
import platform
import sys
import time

import keras
import numpy as np
from PIL import Image

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))

from keras_uncover.faces.detection import EYE_LEFT, EYE_RIGHT  # noqa: E402
from keras_uncover.faces.finder import FaceFinder  # noqa: E402
from pipelines.build.lists import read_list  # noqa: E402


def read_reference(folder):
    """Names of the photos in ``faces.csv`` and ``{name: points}``."""
    files = [row["file"] for row in read_list(os.path.join(folder, "faces.csv"))]
    with np.load(os.path.join(folder, "landmarks.npz")) as stored:
        points = dict(zip(stored["names"].tolist(), stored["points"].astype("float32")))
    missing = [name for name in files if os.path.splitext(name)[0] not in points]
    if missing:
        raise SystemExit(f"landmarks.npz must hold every file of faces.csv. Missing: {len(missing)}, {missing[:5]}.")
    return files, points


def mesh_error(points, reference):
    """Mean distance of the points over the distance between the outer corners of the reference's eyes."""
    eyes = np.linalg.norm(reference[EYE_LEFT] - reference[EYE_RIGHT])
    return float(np.mean(np.linalg.norm(points[:, :2] - reference, axis=1)) / eyes)


def measure(folder, files, reference):
    """Run the finder over the photos; of several faces the largest is compared."""
    finder, errors, missed, several, seconds = FaceFinder(), {}, [], [], []
    for name in files:
        photo = np.asarray(Image.open(os.path.join(folder, name)).convert("RGB"))
        start = time.perf_counter()
        faces = finder.find(photo)
        seconds.append(time.perf_counter() - start)
        if not faces:
            missed.append(name)
            continue
        if len(faces) > 1:
            several.append(name)
        errors[name] = mesh_error(faces[0].points, reference[os.path.splitext(name)[0]])
    return summarise(files, errors, missed, several, seconds)


def summarise(files, errors, missed, several, seconds):
    values = list(errors.values())
    error = {
        f"mesh_error_{name}": round(float(np.percentile(values, percent)), 5)
        for name, percent in (("median", 50), ("p95", 95), ("p99", 99))
    }
    worst = sorted(errors, key=errors.get)[-3:]
    return {
        "photos": len(files), "found_share": round(1 - len(missed) / len(files), 5), "missed": missed,
        "several": several, **error, "mesh_error_worst": {name: round(errors[name], 5) for name in worst},
        "seconds_first": round(seconds[0], 3), "seconds_median": round(float(np.median(seconds[1:])), 4),
        "seconds_p95": round(float(np.percentile(seconds[1:], 95)), 4),
        "keras": keras.__version__, "backend": keras.backend.backend(), "machine": platform.machine(),
        "cpus": os.cpu_count(),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("faces", help="folder with portraits, faces.csv and landmarks.npz")
    parser.add_argument("--json", help="write the result to this file")
    parser.add_argument("--limit", type=int, help="only the first photos")
    options = parser.parse_args()
    files, reference = read_reference(options.faces)
    result = measure(options.faces, files[: options.limit], reference)
    for name, value in result.items():
        print(f"{name:18s} {value}")
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            file.write(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
