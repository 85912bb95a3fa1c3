"""Time and memory of the portraits builder on a folder of very many files, and that none of them is lost.

    python benchmarks/many_files.py [--files 20000] [--scenes 10] [--workers 2] [--json FILE]

The folder is made for it: every tenth file is a small JPEG without a face, each with other pixels; the others are cut
short, empty, too small or no picture, which takes less time to find out; the portraits of the tests are among them.
The builder runs in a process of its own, whose memory is looked at every second.
"""

import argparse
import csv
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import cv2
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
PORTRAITS = ROOT / "tests" / "data" / "portraits"
# What a file is named and the rule by which it is to be refused.
REFUSED = {"cut.jpg": "unreadable", "empty.png": "unreadable", "tiny.jpg": "unreadable", "notes.txt": "not_a_picture"}
SCENE = ("scene.jpg", "no_face")


def parse_arguments(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=20_000, help="files beside the portraits (%(default)s)")
    parser.add_argument("--scenes", type=int, default=10, metavar="N", help="every Nth is a scene (%(default)s)")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", default=str(ROOT / "benchmarks" / "results" / "many_files.json"), metavar="FILE")
    return parser.parse_args(arguments)


def make_scene(rng):
    """A small picture of coloured patches, as the bytes of a JPEG."""
    height, width = rng.integers(64, 200, 2)
    patches = rng.integers(0, 256, (*rng.integers(2, 9, 2), 3), "uint8")
    pixels = cv2.resize(patches, (int(width), int(height)), interpolation=cv2.INTER_CUBIC)
    return cv2.imencode(".jpg", pixels)[1].tobytes()


def fill(folder, count, scenes):
    """Write the files, a thousand in a folder, and the portraits; returns the rule for each file by its name."""
    rng, rules = np.random.default_rng(0), {}
    whole = make_scene(rng)
    contents = {
        "cut.jpg": whole[: len(whole) // 2], "empty.png": b"", "notes.txt": b"no picture",
        "tiny.jpg": cv2.imencode(".jpg", np.zeros((8, 8, 3), "uint8"))[1].tobytes(),
    }
    for number in range(count):
        kind, rule = SCENE if number % scenes == 0 else list(REFUSED.items())[number % len(REFUSED)]
        name = f"{number // 1000:03d}/한 {number:06d} {kind}"
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(make_scene(rng) if kind == SCENE[0] else contents[kind])
        rules[name] = rule
    places = sorted(folder.iterdir())
    for number, portrait in enumerate(sorted(PORTRAITS.glob("*.jpg"))):
        shutil.copy(portrait, places[number * len(places) // 8] / portrait.name)
    return rules


def resident(process):
    """Memory that a process holds now, in MiB; 0 when it has ended."""
    try:
        pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def build(folder, shards, workers):
    """Run the builder; returns seconds, processor seconds and a list of memory by the second."""
    command = [sys.executable, "-m", "pipelines.portraits", str(folder), str(shards), "--workers", str(workers)]
    start, before, memory = time.perf_counter(), os.times(), []
    process = subprocess.Popen(command, cwd=ROOT)
    while process.poll() is None:
        memory.append(resident(process))
        time.sleep(1)
    if process.returncode:
        raise SystemExit(f"The build failed with exit status {process.returncode}.")
    after = os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return time.perf_counter() - start, used, [each for each in memory if each]


def check(shards, rules):
    """Refuse a result in which a file is neither a record nor refused by its rule.

    Returns: number of records, of scenes that passed for a face, and of refusals by rule.
    """
    with open(shards / "rejects.csv", encoding="utf-8", newline="") as file:
        rejects = {line["file"]: line["rule"] for line in csv.DictReader(file)}
    wrong = [name for name, rule in rules.items() if rule != SCENE[1] and rejects.get(name) != rule]
    if wrong:
        raise SystemExit(f"Refused by another rule than expected, or lost: {wrong[:5]}.")
    info = json.loads((shards / "dataset_info.json").read_text())
    records = sum(int(length) for split in info["splits"] for length in split["shardLengths"])
    portraits = len(list(PORTRAITS.glob("*.jpg")))
    if records + len(rejects) != len(rules) + portraits:
        raise SystemExit(f"{records} records and {len(rejects)} refusals of {len(rules)} files and the portraits.")
    passed = sum(rejects.get(name) != rule for name, rule in rules.items())
    return records, passed, dict(Counter(rejects.values()))


def main(arguments=None):
    options = parse_arguments(arguments)
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as work:
        folder, shards = Path(work) / "photos", Path(work) / "shards"
        folder.mkdir()
        rules = fill(folder, options.files, options.scenes)
        seconds, used, memory = build(folder, shards, options.workers)
        records, passed, refused = check(shards, rules)
    quarters = [round(float(np.median(part))) for part in np.array_split(memory, 4)]
    report = {
        "files": options.files, "scenes": sum(rule == SCENE[1] for rule in rules.values()), "records": records,
        "refused": refused, "scenes_taken_for_faces": passed, "workers": options.workers,
        "seconds": round(seconds, 1), "processor_seconds": round(used, 1),
        "files_per_second": round(options.files / seconds, 1),
        "files_per_processor_second": round(options.files / used, 1),
        "memory_mib_by_quarter": quarters, "memory_mib_most": round(max(memory)),
        "machine": platform.machine(), "cores": len(os.sched_getaffinity(0)), "load_before": round(load, 2),
    }
    for name, value in report.items():
        print(f"{name:28} {value}")
    Path(options.json).write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
