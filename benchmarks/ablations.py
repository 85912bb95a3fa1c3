"""What each part of the recipe is worth: the preset ``tiny`` trained for a fixed budget, each time with one thing changed.

    python benchmarks/ablations.py SHARDS_64 --identity FOLDER [--steps 1500] [--only whole no_identity]

SHARDS_64 holds crops of 64 px (``python -m pipelines.portraits PHOTOS SHARDS_64 --size 64``); FOLDER is what
``scripts/convert_embedders.py`` writes of the MobileNet. Everything is measured by ``evaluate_keras.py`` on the
``validation`` people; the test people are not looked at. Runs that are there already are not trained again.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RESULT = ROOT / "benchmarks" / "results" / "ablations.json"
# Name: what is changed, as arguments of train_keras.py; None takes --identity out.
VARIANTS = {
    "whole": [],
    "no_identity": None,
    "no_morphs": ["--morphs", "0"],
    "half_genuine": ["--genuine", "0.5"],
    "without_affine": ["--leave-out", "affine"],
    "without_pyramid": ["--leave-out", "pyramid"],
    "without_resynth": ["--leave-out", "resynth"],
    "without_self": ["--leave-out", "self"],
}


def parse_arguments(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shards", help="shards with crops of 64 px")
    parser.add_argument("--identity", required=True, metavar="FOLDER", help="face descriptor for the identity loss")
    parser.add_argument("--steps", type=int, default=1500, help="of each run (%(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", choices=VARIANTS, default=list(VARIANTS), help="some of the variants")
    parser.add_argument("--runs", default=str(ROOT / "runs" / "ablations"), help="folder of the runs (%(default)s)")
    parser.add_argument("--json", default=str(RESULT), metavar="FILE")
    return parser.parse_args(arguments)


def run_script(script, *arguments):
    subprocess.run([sys.executable, str(ROOT / script), *map(str, arguments)], check=True, cwd=ROOT)


def measure(name, options):
    """Train a variant unless it is there, and return the numbers of the validation people."""
    run = Path(options.runs) / name
    numbers = run.with_suffix(".json")
    if not numbers.is_file():
        changes = VARIANTS[name]
        recipe = ["--preset", "tiny", "--steps", options.steps, "--seed", options.seed, "--morphs", "0.2"]
        recipe += [] if changes is None else ["--identity", options.identity, *changes]
        run_script("train_keras.py", options.shards, run, *recipe)
        run_script("evaluate_keras.py", run, options.shards, "--split", "validation", "--json", numbers)
    return json.loads(numbers.read_text())


def pick(numbers):
    """The numbers that a variant is judged by: headline, and detection of each family."""
    return {
        "auc": numbers["detection"]["auc"],
        "iou": numbers["localisation"]["iou"],
        "target_distance": numbers["target"]["distance"],
        "target_distance_copy": numbers["baselines"]["target"]["copy"]["distance"],
        "donor_distance": numbers["donor"]["distance"],
        "donor_distance_masked_copy": numbers["baselines"]["donor"]["masked_copy"]["distance"],
        "genuine_mask_area": numbers["genuine"]["mask_area"],
        **{f"auc_{name}": family["detection"]["auc"] for name, family in numbers["families"].items()},
    }


def write_value(entry):
    """``0.912 [0.88, 0.94]`` of a number with its interval, or the number alone."""
    if isinstance(entry, dict):
        low, high = entry["interval"]
        return f"{entry['value']:.3f} [{low:.3f}, {high:.3f}]"
    return f"{entry:.3f}"


def main(arguments=None):
    options = parse_arguments(arguments)
    Path(options.runs).mkdir(parents=True, exist_ok=True)
    report = {"steps": options.steps, "seed": options.seed, "preset": "tiny", "split": "validation", "variants": {}}
    for name in options.only:
        report["variants"][name] = pick(measure(name, options))
        Path(options.json).write_text(json.dumps(report, indent=1) + "\n")
    columns = list(next(iter(report["variants"].values())))
    print(f"| variant | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|", sep="\n")
    for name, row in report["variants"].items():
        print(f"| {name} | {' | '.join(write_value(row[column]) for column in columns)} |")


if __name__ == "__main__":
    main()
