"""The largest that a file may ask for: declared megapixels that are refused, and the largest photo that is admitted.

    python benchmarks/hostile_bombs.py refuse FILE             # what one process takes for one file, as JSON
    python benchmarks/hostile_bombs.py answer VERSION FILE ...
"""

import json
import os
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path

import numpy as np
from hostile_files import PHOTOS, save
from hostile_fuzz import MIB, forget_peak, fuzz, peak
from PIL import Image

DECLARED = 20_000  # pixels a side: 400 megapixels
ADMITTED = (7_071, 7_071)  # 49,999,041 pixels of the 50,000,000
MOST_SECONDS, MOST_MIB, MOST_SERVED_MIB = 0.05, 50, 500
FORMATS = {"JPEG": "JPEG", "PNG": "PNG", "WebP": "WEBP"}


def make_bomb(container):
    """A file below 50 KB that declares 400 megapixels."""
    side = DECLARED - 1
    data = bytearray(save(Image.new("RGB", (16, 16)), FORMATS[container], **({"lossless": True} if container == "WebP" else {})))
    if container == "JPEG":
        place = data.index(b"\xff\xc0") + 5
        data[place : place + 4] = struct.pack(">HH", DECLARED, DECLARED)
    elif container == "PNG":
        data[16:24] = struct.pack(">II", DECLARED, DECLARED)
        data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    else:
        canvas = b"VP8X" + struct.pack("<I", 10) + bytes(4) + 2 * side.to_bytes(3, "little")
        data = b"RIFF" + struct.pack("<I", len(data) - 8 + len(canvas)) + b"WEBP" + canvas + data[12:]
    return bytes(data)


def make_largest(container):
    """A photo of the admitted size, a face tiled over it, with the transparency that costs the most where there is any."""
    face = Image.open(PHOTOS[0]).convert("RGB").resize((707, 707))
    pixels = np.tile(np.asarray(face), (11, 11, 1))[: ADMITTED[1], : ADMITTED[0]]
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    if container == "JPEG":
        return save(picture, "JPEG", quality=60)
    picture.putalpha(200)
    options = {"compress_level": 1} if container == "PNG" else {"quality": 40, "method": 0}
    return save(picture, FORMATS[container], **options)


def run_apart(*arguments):
    """What a process of its own says, as JSON."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run([sys.executable, __file__, *map(str, arguments)], capture_output=True, text=True, env=environment)
    if done.returncode:
        raise SystemExit(f"hostile: {' '.join(map(str, arguments))} ended with {done.returncode}: {done.stderr[-500:]}")
    return json.loads(done.stdout.splitlines()[-1])


def refuse(path):
    """Time and memory of refusing one file, in this process."""
    from keras_uncover.images import ImageError, decode_image, read_bytes

    best, before = [], forget_peak()
    for _ in range(5):
        started = time.perf_counter()
        try:
            decode_image(read_bytes(path))
            words = None
        except ImageError as error:
            words = f"{error.rule}; received {error.received}"
        best.append(time.perf_counter() - started)
    return {"words": words, "seconds": max(best), "mib": (peak() - before) / MIB}


def measure_bombs():
    """All three bombs, each in a fresh process; and words on those that were not refused in time and memory."""
    found, failed = {}, []
    with tempfile.TemporaryDirectory() as folder:
        for container in FORMATS:
            path = Path(folder, "bomb")
            path.write_bytes(make_bomb(container))
            said = run_apart("refuse", path)
            found[container] = {"bytes": path.stat().st_size, "refused": said["words"],
                                "milliseconds": round(1000 * said["seconds"], 2), "mib": round(said["mib"], 2)}
            by_header = said["words"] is not None and "400,000,000 pixels" in said["words"]
            if not (by_header and said["seconds"] < MOST_SECONDS and said["mib"] < MOST_MIB):
                failed.append(container)
    return found, f"not refused within {MOST_SECONDS} s and {MOST_MIB} MiB: {failed}" if failed else None


def answer(version, path):
    """Memory that the signatures take above the loaded model for one photo, in this process, after a small one."""
    import tensorflow as tf

    signatures = tf.saved_model.load(version).signatures
    data, found = tf.constant([Path(path).read_bytes()]), {}
    small = tf.constant([PHOTOS[0].read_bytes()])
    for name in ("detect", "serving_default"):
        signatures[name](photo_bytes=small)
        before, started = forget_peak(), time.perf_counter()
        said = signatures[name](photo_bytes=data)
        found[name] = {"mib": (peak() - before) / MIB, "seconds": time.perf_counter() - started,
                       "error": said["error"].numpy()[0].decode(), "found": bool(said["found"].numpy()[0])}
    return {**found, "loaded_mib": before / MIB}


def measure_served(version, cases, seed, timeout):
    """Damaged files and the largest photos through a SavedModel; and words on what must not be."""
    if version is None:
        raise SystemExit("hostile: served needs --version DIR; python -m export.saved_model small DIR writes one")
    largest = {}
    with tempfile.TemporaryDirectory() as folder:
        for container in FORMATS:
            path = Path(folder, "largest")
            path.write_bytes(make_largest(container))
            said = run_apart("answer", version, path)
            largest[container] = {
                "file_mib": round(path.stat().st_size / MIB, 1), "loaded_mib": round(said["loaded_mib"]),
                **{name: {"mib": round(said[name]["mib"]), "seconds": round(said[name]["seconds"], 1),
                          "error": said[name]["error"]} for name in ("detect", "serving_default")},
            }
    over = [name for name, each in largest.items()
            if max(each[key]["mib"] for key in ("detect", "serving_default")) > MOST_SERVED_MIB]
    refused = [name for name, each in largest.items() if each["serving_default"]["error"]]
    files = fuzz("served", cases, seed, timeout, version)
    failures = [words for words, bad in (
        (f"above {MOST_SERVED_MIB} MiB for the largest photo: {over}", over), (f"refused: {refused}", refused),
        (f"{len(files['failed'])} cases failed: {files['failed'][:5]}", files["failed"]),
    ) if bad]
    return {"largest_photo": largest, "files": files}, "; ".join(failures) or None


if __name__ == "__main__":
    print(json.dumps({"refuse": refuse, "answer": answer}[sys.argv[1]](*sys.argv[2:])))
