"""Time and memory of the portraits builder on a folder of very many files, and that none of them is lost.

    python benchmarks/many_files.py [--files 20000] [--workers 2] [--json benchmarks/results/many_files.json]

The folder is made for it: small JPEGs without a face, each with other pixels, one in fifty cut short, one in fifty no
picture, and the portraits of the tests among them. The builder runs in a process of its own, whose memory is looked at
every second.
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
KINDS = {"cut.jpg": 7, "notes.txt": 31}  # Every fiftieth file, from these on.


def parse_arguments(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=20_000, help="files beside the portraits (%(default)s)")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", default=str(ROOT / "benchmarks" / "results" / "many_files.json"), metavar="FILE")
    return parser.parse_args(arguments)


def make_scene(rng):
    """A small picture of coloured patches, as JPEG bytes."""
    height, width = rng.integers(64, 200, 2)
    patches = rng.integers(0, 256, (*rng.integers(2, 9, 2), 3), "uint8")
    return cv2.imencode(".jpg", cv2.resize(patches, (int(width), int(height)), interpolation=cv2.INTER_CUBIC))[1]


def fill(folder, count):
    """Write the files, a thousand in a folder; returns the rule by which each is to be refused, by its name."""
    rng, rules = np.random.default_rng(0), {}
    for number in range(count):
        kind = next((kind for kind, place in KINDS.items() if number % 50 == place), "scene.jpg")
        name = f"{number // 1000:03d}/한 {number:06d} {kind}"
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        data = make_scene(rng).tobytes()
        path.write_bytes(data[: len(data) // 2] if kind == "cut.jpg" else data)
        rules[name] = {"cut.jpg": "unreadable", "notes.txt": "not_a_picture"}.get(kind, "no_face")
    for place, portrait in enumerate(sorted(PORTRAITS.glob("*.jpg"))):
        shutil.copy(portrait, folder / f"{place * (count // 1000) // 8:03d}" / portrait.name)
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
    """Refuse a result in which a file is neither a record nor a refusal by its rule; returns the refusals counted."""
    with open(shards / "rejects.csv", encoding="utf-8", newline="") as file:
        rejects = {line["file"]: line["rule"] for line in csv.DictReader(file)}
    # A scene that passes for a face (three or so in a thousand) is refused by another rule.
    lost = [name for name, rule in rules.items() if name not in rejects]
    wrong = [name for name, rule in rules.items() if rule != "no_face" and rejects.get(name) != rule]
    if wrong:
        raise SystemExit(f"Refused by another rule than expected: {wrong[:5]}.")
    info = json.loads((shards / "dataset_info.json").read_text())
    records = sum(int(length) for split in info["splits"] for length in split["shardLengths"])
    if records + len(rejects) != len(rules) + len(list(PORTRAITS.glob("*.jpg"))):
        raise SystemExit(f"{records} records and {len(rejects)} refusals of {len(rules)} files and the portraits.")
    return records, len(lost), dict(Counter(rejects.values()))


def main(arguments=None):
    options = parse_arguments(arguments)
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as work:
        folder, shards = Path(work) / "photos", Path(work) / "shards"
        folder.mkdir()
        rules = fill(folder, options.files)
        seconds, used, memory = build(folder, shards, options.workers)
        records, passed, refused = check(shards, rules)
    quarters = [round(float(np.median(part))) for part in np.array_split(memory, 4)]
    report = {
        "files": options.files, "workers": options.workers, "records": records, "scenes_taken_for_faces": passed,
        "refused": refused, "seconds": round(seconds, 1), "processor_seconds": round(used, 1),
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
