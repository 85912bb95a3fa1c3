"""What each part of the recipe is worth: ``tiny`` trained for a fixed budget, each time with one thing changed.

    python benchmarks/ablations.py SHARDS_64 --identity FOLDER [--only detect/whole reconstruct/no_identity ...]

SHARDS_64 holds crops of 64 px (``python -m pipelines.portraits PHOTOS SHARDS_64 --size 64``); FOLDER is what
``scripts/convert_embedders.py`` writes of the MobileNet. Variants of ``detect`` are classifiers that never saw a family
of swaps; those of ``reconstruct`` are reconstructors that all start from one ``detect/whole``. Measured as
``evaluate_keras.py`` does, on the ``validation`` people; the test people are not looked at. Runs that are there already
are not trained again, and results of several calls come together.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import evaluate_keras  # noqa: E402
from keras_uncover.evaluation import report, scoring  # noqa: E402
from keras_uncover.swaps.families import FAMILIES  # noqa: E402
from pipelines.fixed_swaps import POSTS  # noqa: E402

RESULT = ROOT / "benchmarks" / "results" / "ablations.json"
# Name: what is changed, as arguments of train_keras.py.
DETECT = {"whole": [], **{f"without_{family}": ["--leave-out", family] for family in FAMILIES}}
RECONSTRUCT = {
    "whole": [],
    "no_closed_form": [],  # --init takes the classifier in place of what scripts/fit_geometry.py made of it
    "no_identity": [],  # --identity is left out
    "no_flow_loss": ["--weigh", "flow=0", "seen=0"],
    "half_genuine": ["--genuine", "0.5"],
}
VARIANTS = [*(f"detect/{name}" for name in DETECT), *(f"reconstruct/{name}" for name in RECONSTRUCT)]


def parse_arguments(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shards", help="shards with crops of 64 px")
    parser.add_argument("--identity", required=True, metavar="FOLDER", help="face descriptor for the identity loss")
    parser.add_argument("--detect-steps", type=int, default=1500, help="of each classifier (%(default)s)")
    parser.add_argument("--steps", type=int, default=600, help="of each reconstructor (%(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", choices=VARIANTS, default=VARIANTS, metavar="VARIANT",
                        help=f"some of {', '.join(VARIANTS)}")
    parser.add_argument("--runs", default=str(ROOT / "runs" / "ablations"), help="folder of the runs (%(default)s)")
    parser.add_argument("--json", default=str(RESULT), metavar="FILE")
    return parser.parse_args(arguments)


def run_script(*words):
    subprocess.run([sys.executable, *map(str, words)], check=True, cwd=ROOT)


def train(variant, options):
    """The run folder of a variant, trained unless it is there, and what it starts from, too."""
    task, name = variant.split("/")
    run = Path(options.runs) / variant
    if (run.with_suffix(".done")).exists():
        return run
    recipe = ["--preset", "tiny", "--seed", options.seed]
    if task == "detect":
        recipe += ["--task", "classify", "--steps", options.detect_steps, "--genuine", "0.5", *DETECT[name]]
    else:
        detector, start = train("detect/whole", options), Path(options.runs) / "start"
        if name != "no_closed_form" and not start.exists():
            run_script("-m", "scripts.fit_geometry", options.shards, start, "--preset", "tiny", "--init", detector)
        recipe += ["--task", "reconstruct", "--steps", options.steps, "--steps-per-epoch", options.steps]
        recipe += ["--init", detector if name == "no_closed_form" else start, *RECONSTRUCT[name]]
        recipe += [] if name == "no_identity" else ["--identity", options.identity]
    run_script("train_keras.py", options.shards, run, *recipe)
    run.with_suffix(".done").touch()
    return run


def measure(run, shards):
    """The numbers that a variant is judged by, of the validation people: detection of each family, and the rest."""
    setting = evaluate_keras.prepare(str(run), shards, "validation", None, 1)
    reconstructs = setting.uncoverer.config["kind"] == "reconstructor"
    bench = evaluate_keras.make_bench(setting, shards) if reconstructs else None
    genuine = setting.score(setting.photos(range(POSTS)), "genuine photos", scoring.score_genuine)
    fakes, families = evaluate_keras.measure_families(setting, genuine, bench)
    whole = report.family_numbers(genuine, scoring.join_common(fakes[name] for name in setting.mixed))
    numbers = {"auc": whole["detection"]["auc"]}
    numbers.update({f"auc_{name}": family["detection"]["auc"] for name, family in families.items()})
    if reconstructs:
        numbers["iou"] = whole["localisation"]["iou"]
        for role in ("target", "donor"):
            numbers[f"{role}_distance"] = whole[role]["distance"]
            numbers[f"{role}_distance_over_best_baseline"] = whole[role]["distance_over_best_baseline"]
        numbers["target_l1_closed"] = whole["target"]["l1_closed"]
        numbers["genuine_mask_area"] = report.genuine_numbers(genuine)["mask_area"]
    return numbers


def write_value(entry):
    """``0.912 [0.88, 0.94]`` of a number with its interval, or the number alone."""
    if isinstance(entry, dict):
        low, high = entry["interval"]
        return f"{entry['value']:.3f} [{low:.3f}, {high:.3f}]"
    return f"{entry:.3f}"


def print_table(variants):
    """One table a task, a row a variant."""
    for task in ("detect", "reconstruct"):
        rows = {name: row for name, row in variants.items() if name.startswith(task)}
        if rows:
            columns = list(next(iter(rows.values())))
            print(f"| {task} | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|", sep="\n")
            for name, row in rows.items():
                print(f"| {name.split('/')[1]} | {' | '.join(write_value(row[column]) for column in columns)} |")


def main(arguments=None):
    options = parse_arguments(arguments)
    path = Path(options.json)
    kept = json.loads(path.read_text()) if path.is_file() else {"variants": {}}
    about = {"preset": "tiny", "split": "validation", "seed": options.seed, "steps": options.steps,
             "detect_steps": options.detect_steps}
    for variant in options.only:
        kept = {**about, "variants": {**kept["variants"], variant: measure(train(variant, options), options.shards)}}
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(kept, indent=1) + "\n")
    print_table(kept["variants"])


if __name__ == "__main__":
    main()
