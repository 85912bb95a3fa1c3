"""The largest that a file may ask for: declared megapixels that are refused, and the largest photo that is admitted.

    python benchmarks/hostile/bombs.py refuse FILE             # what one process takes for one file, as JSON
    python benchmarks/hostile/bombs.py gate FILE
    python benchmarks/hostile/bombs.py answer VERSION SIGNATURE FILE
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
from files import PHOTOS, save
from fuzz import forget_peak, fuzz, peak
from PIL import Image

DECLARED = 20_000  # pixels a side: 400 megapixels
ADMITTED = 7_071  # pixels a side: 49,999,041 of the 50,000,000
ADMITTED_CMYK = 6_123  # 37,491,129 of the 37,500,000
MB = 10**6
MOST_SECONDS, MOST_MB, MOST_SERVED = 0.05, 50, 500
CMYK = "JPEG, progressive, CMYK"
LARGEST = ("JPEG", "JPEG, progressive", CMYK, "PNG", "PNG, large", "WebP")
ROADS = ("gate", "detect", "serving_default")
FORMATS = {"JPEG": "JPEG", "PNG": "PNG", "WebP": "WEBP"}


def make_bomb(container):
    """A file below 50 KB that declares 400 megapixels."""
    side = DECLARED - 1
    options = {"lossless": True} if container == "WebP" else {}
    data = bytearray(save(Image.new("RGB", (16, 16)), FORMATS[container], **options))
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


def make_largest(kind):
    """A photo of the admitted size, a face tiled over it, in the ways of storing it that cost the most memory."""
    face = Image.open(PHOTOS[0]).convert("RGB").resize((707, 707))
    side = ADMITTED_CMYK if kind == CMYK else ADMITTED
    pixels = np.tile(np.asarray(face), (11, 11, 1))[:side, :side]
    if kind == "PNG, large":  # Noise cannot be packed: near the most bytes that a file may have.
        pixels[:1550] = np.random.default_rng(0).integers(0, 256, (1550, side, 3), "uint8")
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    if kind.startswith("JPEG"):
        picture = picture.convert("CMYK") if kind == CMYK else picture
        return save(picture, "JPEG", quality=60, subsampling=0, progressive=kind != "JPEG")
    picture.putalpha(200)
    options = {"quality": 40, "method": 0} if kind == "WebP" else {"compress_level": 1}
    return save(picture, "WEBP" if kind == "WebP" else "PNG", **options)


def run_apart(*arguments):
    """What a process of its own says, as JSON."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, __file__, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise SystemExit(f"hostile: {' '.join(map(str, arguments))} ended with {done.returncode}: {done.stderr[-500:]}")
    return json.loads(done.stdout.splitlines()[-1])


def refuse(path):
    """Time and memory of refusing one file, in this process."""
    from keras_uncover.images.decode import ImageError, decode_image, read_bytes

    best, before = [], forget_peak()
    for _ in range(5):
        started = time.perf_counter()
        try:
            decode_image(read_bytes(path))
            words = None
        except ImageError as error:
            words = f"{error.rule}; received {error.received}"
        best.append(time.perf_counter() - started)
    return {"words": words, "seconds": max(best), "megabytes": (peak() - before) / MB}


def measure_bombs():
    """All three bombs, each in a fresh process; and words on those that were not refused in time and memory."""
    found, failed = {}, []
    with tempfile.TemporaryDirectory() as folder:
        for container in FORMATS:
            path = Path(folder, "bomb")
            path.write_bytes(make_bomb(container))
            said = run_apart("refuse", path)
            found[container] = {"bytes": path.stat().st_size, "refused": said["words"],
                                "milliseconds": round(1000 * said["seconds"], 2),
                                "megabytes": round(said["megabytes"], 2)}
            by_header = said["words"] is not None and "400,000,000 pixels" in said["words"]
            if not (by_header and said["seconds"] < MOST_SECONDS and said["megabytes"] < MOST_MB):
                failed.append(container)
    return found, f"not refused within {MOST_SECONDS} s and {MOST_MB} MB: {failed}" if failed else None


def answer(version, signature, path):
    """Memory that a signature takes above the loaded model for one photo, in this process, after a small one."""
    import tensorflow as tf

    ask = tf.saved_model.load(version).signatures[signature]
    data = tf.constant([Path(path).read_bytes()])
    ask(photo_bytes=tf.constant([PHOTOS[0].read_bytes()]))
    before, started = forget_peak(), time.perf_counter()
    said = ask(photo_bytes=data)
    return {"megabytes": (peak() - before) / MB, "seconds": time.perf_counter() - started, "loaded": before / MB,
            "error": said["error"].numpy()[0].decode()}


def gate(path):
    """The same of the library's gate."""
    from keras_uncover.images.decode import decode_image, read_bytes

    decode_image(PHOTOS[0].read_bytes())
    data = read_bytes(path)
    before, started = forget_peak(), time.perf_counter()
    decode_image(data)
    return {"megabytes": (peak() - before) / MB, "seconds": time.perf_counter() - started}


def measure_largest(version):
    """The largest photos through the gate and through two signatures, each in a fresh process."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "largest")
        for kind in LARGEST:
            path.write_bytes(make_largest(kind))
            side = ADMITTED_CMYK if kind == CMYK else ADMITTED
            size = round(path.stat().st_size / MB, 1)
            found[kind] = {"pixels": side**2, "file_megabytes": size, "gate": run_apart("gate", path)}
            for signature in ("detect", "serving_default"):
                found[kind][signature] = run_apart("answer", version, signature, path)
            for road in ROADS:
                found[kind][road] = {key: round(value, 1) if isinstance(value, float) else value
                                     for key, value in found[kind][road].items()}
    return found


def measure_served(version, cases, seed, timeout):
    """Damaged files and the largest photos through a SavedModel; and words on what must not be."""
    if version is None:
        raise SystemExit("hostile: served needs --version DIR; python -m export.saved_model small DIR writes one")
    largest, files = measure_largest(version), fuzz("served", cases, seed, timeout, version)
    over = [kind for kind, each in largest.items() if each["serving_default"]["megabytes"] > MOST_SERVED]
    refused = [kind for kind, each in largest.items() if each["serving_default"]["error"]]
    failures = [words for words, bad in (
        (f"above {MOST_SERVED} MB for the largest photo: {over}", over), (f"refused: {refused}", refused),
        (f"{len(files['failed'])} cases failed: {files['failed'][:5]}", files["failed"]),
    ) if bad]
    return {"largest_photo": largest, "files": files}, "; ".join(failures) or None


if __name__ == "__main__":
    print(json.dumps({"refuse": refuse, "answer": answer, "gate": gate}[sys.argv[1]](*sys.argv[2:])))
