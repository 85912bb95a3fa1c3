"""Hostile input, faults and load: what is tried, what came of it, and the table that the docs show.

    python benchmarks/hostile fuzz                       # 20,000 damaged files through the image gate
    python benchmarks/hostile bombs                      # small files that declare 400 megapixels
    python benchmarks/hostile served --version served/1  # damaged files and the largest photo through a SavedModel
    python benchmarks/hostile kills                      # kill -9 of builder, trainer, exporter and batch prediction
    python benchmarks/hostile load --version served/1    # memory over thousands of photos: library, demo, client
    python benchmarks/hostile table                      # write the results' table into docs/security_figures.md

Each part writes its results under its own name into benchmarks/results/hostile.json and leaves the others as they are.
The exit code is 1 where a part found what must not be.
"""

import argparse
import json
import os
import platform
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import table  # noqa: E402

PARTS = ("fuzz", "bombs", "served", "kills", "load", "table")


def parse_arguments(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--cases", type=int, help="damaged files (fuzz: 20000, served: 1000)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--timeout", type=float, default=60, help="seconds of silence that are a hang (%(default)s)")
    parser.add_argument("--version", metavar="DIR", help="a SavedModel, as export.saved_model wrote it")
    parser.add_argument("--kills", type=int, default=20, metavar="N", help="of each victim (%(default)s)")
    parser.add_argument("--victims", nargs="+", metavar="NAME", help="builder trainer exporter predict; default: all")
    parser.add_argument("--roads", nargs="+", metavar="NAME", help="library demo client; default: all")
    parser.add_argument("--photos", type=int, nargs=2, default=(2000, 500), metavar=("LIBRARY", "OTHERS"))
    parser.add_argument("--json", default=str(ROOT / "benchmarks" / "results" / "hostile.json"), metavar="FILE")
    parser.add_argument("--page", default=str(ROOT / "docs" / "security_figures.md"), metavar="FILE")
    parser.add_argument("--check", action="store_true", help="table: only say whether the page has it")
    return parser.parse_args(arguments)


def run_part(options):
    """Results of a part, and words on what it found that must not be, or None."""
    if options.part == "fuzz":
        from fuzz import fuzz

        found = fuzz("gate", options.cases or 20_000, options.seed, options.timeout)
        return found, f"{len(found['failed'])} cases failed: {found['failed'][:5]}" if found["failed"] else None
    if options.part == "bombs":
        from bombs import measure_bombs

        return measure_bombs()
    if options.part == "served":
        from bombs import measure_served

        return measure_served(options.version, options.cases or 1000, options.seed, options.timeout)
    if options.part == "kills":
        from kills import kill_all

        return kill_all(options.kills, options.seed, options.victims)
    from load import measure_load

    return measure_load(options.version, options.photos, options.roads)


def store(path, part, found):
    """Put a part's results into the file of all, with what they were measured on."""
    path = Path(path)
    results = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    cores = len(os.sched_getaffinity(0))
    machine = {"machine": platform.machine(), "cores": cores, "python": platform.python_version()}
    older = results.get(part, {}) if part in ("kills", "load") else {}  # parts of which some may be run alone
    results[part] = {**older, **found, "measured_on": machine}
    path.write_text(json.dumps(dict(sorted(results.items())), indent=1) + "\n", encoding="utf-8")


def main(arguments=None):
    options = parse_arguments(arguments)
    if options.part == "table":
        return table.write(options.json, options.page, options.check)
    found, failure = run_part(options)
    store(options.json, options.part, found)
    for name, value in found.items():
        print(f"{name:20} {value}")
    if failure:
        print(f"hostile: {failure}", file=sys.stderr)
    return 1 if failure else 0


if __name__ == "__main__":
    sys.exit(main())
