"""Damaged files through a door, each case watched: what crashes, hangs or takes memory is named by its number.

A worker process opens the files and says a line a case; if it dies or falls silent, the case that it was at is noted
and another worker goes on behind it. Workers: ``gate`` (the library's image gate) and ``served`` (a SavedModel's
signature ``detect``, in a process with TensorFlow alone, each damaged file beside a sound one in a batch).

    python benchmarks/hostile/fuzz.py gate SEED FIRST LAST        # what the watcher starts; also shows single cases
"""

import json
import os
import resource
import selectors
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from files import PHOTOS, make_case, make_corpus

MIB = 2**20
ROOM = 4096 * MIB  # address space that a worker may take beyond what it starts with
ALLOWED = 64 * MIB  # memory that any case may take, and ...
PER_PIXEL = 20  # ... bytes for each pixel that its header states: a WebP's decoder holds four pictures of four bytes


def peak():
    """Most memory that this process held since ``forget_peak``, bytes."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def forget_peak():
    """Let the kernel count the most memory from now on; returns what is held now, bytes."""
    Path("/proc/self/clear_refs").write_text("5")
    return peak()


def stated_pixels(data):
    """Width times height by a file's header where the gate would decode so many, else 0."""
    from keras_uncover.images.decode import MAX_PIXELS, MAX_SIDE
    from keras_uncover.images.headers import name_format, read_frame

    try:
        width, height, _ = read_frame(data, name_format(data))
    except (KeyError, ValueError):
        return 0
    return width * height if max(width, height) <= MAX_SIDE and width * height <= MAX_PIXELS else 0


def open_gate():
    """Function of a case to ``(outcome, words)`` through the library's gate; files with a name lie in a folder."""
    import numpy as np

    from keras_uncover.images.decode import MAX_PIXELS, MIN_SIDE, ImageError, decode_image, read_bytes

    folder = tempfile.TemporaryDirectory()

    def ask(data, suffix):
        source = data
        if suffix is not None:
            source = Path(folder.name, f"photo{suffix}")
            source.write_bytes(data)
        try:
            pixels = decode_image(read_bytes(source))
        except ImageError as error:
            if "MemoryError" in str(error):
                return "memory", str(error)
            return "refused", error.rule if error.rule and error.received and error.hint else "an error without words"
        sound = pixels.dtype == np.uint8 and pixels.ndim == 3 and pixels.shape[2] == 3 and pixels.flags.c_contiguous
        if not sound or min(pixels.shape[:2]) < MIN_SIDE or pixels.size > 3 * MAX_PIXELS:
            return "wrong", f"{pixels.dtype} {pixels.shape}"
        return "answered", ""

    ask.folder = folder  # lives as long as the function
    return ask


def open_served(version):
    """Function of a case to ``(outcome, words)`` through a SavedModel, which is asked together for a sound photo."""
    import tensorflow as tf

    detect = tf.saved_model.load(version).signatures["detect"]
    sound = PHOTOS[1].read_bytes()
    expected = detect(photo_bytes=tf.constant([sound]))["p_fake"].numpy()[0]

    def ask(data, suffix):
        answer = {key: value.numpy() for key, value in detect(photo_bytes=tf.constant([data, sound])).items()}
        if answer["error"][1] or abs(answer["p_fake"][1] - expected) > 1e-5:
            return "wrong", f"the sound photo beside it was answered {answer['p_fake'][1]}"
        code = answer["error_code"][0].decode()
        return ("refused", code) if code else ("answered", "")

    return ask


def work(door, seed, first, last, version=None):
    """Ask for the cases from ``first`` to before ``last`` and say a line of JSON for each."""
    files = make_corpus()
    ask = open_gate() if door == "gate" else open_served(version)
    for name in list(files)[:3]:
        ask(files[name], None)  # what is loaded at the first call is no case's memory
    if door == "gate":
        taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (taken + ROOM, taken + ROOM))
    print(json.dumps({"ready": True}), flush=True)
    for number in range(first, last):
        damage, data, suffix = make_case(number, seed, files)
        before, started = forget_peak(), time.perf_counter()
        try:
            outcome, words = ask(data, suffix)
        except Exception as error:  # what the door must never raise, whatever it is
            outcome, words = "raised", f"{type(error).__name__}: {error}"[:300]
        seconds, grown = time.perf_counter() - started, peak() - before
        if door == "gate" and grown > ALLOWED + PER_PIXEL * stated_pixels(data):
            outcome, words = "memory", f"{grown // MIB} MiB for {stated_pixels(data):,} pixels"
        print(json.dumps([number, damage, outcome, words, round(seconds, 4), grown]), flush=True)


class Worker:
    """A worker process and what it says."""

    def __init__(self, door, seed, first, last, version):
        command = [sys.executable, __file__, door, str(seed), str(first), str(last), *([version] if version else [])]
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
        self.errors = tempfile.TemporaryFile()
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.errors, env=environment)
        self.waiter = selectors.DefaultSelector()
        self.waiter.register(self.process.stdout, selectors.EVENT_READ)
        self.rest, self.patience = b"", 1800  # until it is ready, which takes a busy machine long

    def lines(self):
        """Yield what it says, line by line; ends where it has ended, or said nothing for ``patience`` seconds."""
        while self.waiter.select(self.patience):
            piece = os.read(self.process.stdout.fileno(), 65_536)
            if not piece:
                return
            *whole, self.rest = (self.rest + piece).split(b"\n")
            yield from map(json.loads, whole)

    def end(self):
        """End it. Returns words on how it ended: ``hang`` where it had to be killed."""
        try:
            code = self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            code = "hang"
        self.process.stdout.close()
        self.errors.seek(0)
        said = self.errors.read().decode(errors="replace").strip().splitlines()[-1:]
        self.errors.close()
        return code, " ".join(said)


def fuzz(door, cases, seed, timeout, version=None):
    """Run cases; returns a dict of counts and of the cases that failed, each with its number.

    Args:
        door: ``gate`` or ``served``. cases: how many. timeout: seconds of silence that count as a hang.
        version: folder of a SavedModel's version, for ``served``.
    """
    outcomes, damages, failed, seconds, grown = Counter(), {}, [], [0.0], [0]
    first, started = 0, time.perf_counter()
    while first < cases:
        worker, ready = Worker(door, seed, first, cases, version), False
        for line in worker.lines():
            if not ready:
                ready, worker.patience = True, timeout
                continue
            number, damage, outcome, words, took, more = line
            first = number + 1
            outcomes[outcome] += 1
            damages.setdefault(damage, Counter())[outcome] += 1
            seconds.append(took)
            grown.append(more)
            if outcome not in ("answered", "refused"):
                failed.append({"case": number, "damage": damage, "outcome": outcome, "words": words})
        code, said = worker.end()
        if first < cases:
            if not ready:
                raise SystemExit(f"hostile: the worker did not start ({code}): {said}")
            outcome = "hang" if code == "hang" else "crash"
            outcomes[outcome] += 1
            failed.append({"case": first, "outcome": outcome, "words": f"exit status {code}: {said}"[:300]})
            first += 1
    return {
        "cases": cases, "seed": seed, **{key: outcomes[key] for key in ("answered", "refused")},
        **{key: outcomes[key] for key in ("raised", "wrong", "crash", "hang", "memory")}, "failed": failed,
        "by_damage": {key: dict(sorted(value.items())) for key, value in sorted(damages.items())},
        "slowest_seconds": round(max(seconds), 3), "largest_growth_mib": round(max(grown) / MIB, 1),
        "seconds": round(time.perf_counter() - started, 1),
    }


if __name__ == "__main__":
    work(sys.argv[1], *map(int, sys.argv[2:5]), *sys.argv[5:])
