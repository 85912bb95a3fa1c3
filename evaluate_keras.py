"""Measure a classifier or reconstructor on people it has never seen, beside baselines that need no network.

    python evaluate_keras.py small SHARDS --split test
    python evaluate_keras.py runs/small SHARDS --split validation --json numbers.json

MODEL is a preset's name, a preset folder or a run folder. Fakes are full-strength swaps of whole faces, one a person
and family, of a stated seed; genuine photos are the same people's. Both get the same post-processing draws.
Intervals are 95 %, over people.
"""

import argparse
import json
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from keras_uncover import evaluation  # noqa: E402
from keras_uncover.swaps import FAMILIES  # noqa: E402
from keras_uncover.uncoverer import Uncoverer  # noqa: E402
from pipelines.pairs import fixed_swaps, read_people  # noqa: E402


def parse_arguments(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", metavar="MODEL", help="preset name, preset folder or run folder")
    parser.add_argument("shards", metavar="SHARDS", help="folder of TFRecord shards")
    parser.add_argument("--split", default="test")
    parser.add_argument("--pairs", type=int, help="fakes a family; default one a person")
    parser.add_argument("--seed", type=int, default=1, help="of pairs, swaps and post-processing (%(default)s)")
    parser.add_argument("--json", metavar="FILE", help="write every number there")
    return parser.parse_args(arguments)


def measure(uncoverer, people, seed, pairs, post_processed):
    """All rows of one condition: genuine photos, and fakes by family."""
    options = dict(seed=seed, pairs=pairs, post_processed=post_processed)
    batches = {family: list(fixed_swaps(people, family, **options)) for family in FAMILIES}
    genuine = evaluation.join(
        evaluation.score_genuine(uncoverer, batch["target"], batch["person"]) for batch in batches["mesh"]
    )
    fakes = {name: evaluation.join(evaluation.score_swaps(uncoverer, b) for b in bs) for name, bs in batches.items()}
    swapped = evaluation.join([{k: fakes[name][k] for k in ("p_fake", "person")} for name in ("mesh", "affine")])
    return {
        "detection": evaluation.detection(genuine, swapped),
        "families": {
            name: {"detection": evaluation.detection(genuine, rows), **evaluation.summarise(rows)}
            for name, rows in fakes.items()
        },
        "genuine": evaluation.summarise(genuine),
    }


def describe(name, condition):
    """One condition's numbers as lines of text."""
    found = condition["detection"]
    low, high = found["auc"]["interval"]
    yield f"{name}: AUC {found['auc']['value']:.3f} [{low:.3f}, {high:.3f}], EER {found['eer']:.3f}, " + (
        f"TPR at 1 % FPR {found['tpr_at_fpr_1']:.3f} (mesh and affine against genuine)"
    )
    for family, rows in condition["families"].items():
        yield f"  {family}: AUC {rows['detection']['auc']['value']:.3f}"
        for key, entry in rows.items():
            if key != "detection":
                yield f"    {key:24} {entry['value']:.4f} [{entry['interval'][0]:.4f}, {entry['interval'][1]:.4f}]"
    for key, entry in condition["genuine"].items():
        yield f"  genuine {key:20} {entry['value']:.4f} [{entry['interval'][0]:.4f}, {entry['interval'][1]:.4f}]"


def evaluate(model, shards, split="test", seed=1, pairs=None):
    """Every number of a model on one split, ready for JSON."""
    uncoverer = Uncoverer.from_preset(model)
    people = read_people(shards, split)
    total = len(people["person"])
    report = {
        "model": uncoverer.name,
        "kind": uncoverer.config["kind"],
        "weights_sha256": uncoverer.weights_sha256,
        "split": split,
        "n_people": total,
        "n_pairs": min(pairs or total, total),
        "seed": seed,
    }
    for name, post_processed in (("clean", False), ("post_processed", True)):
        report[name] = measure(uncoverer, people, seed, pairs, post_processed)
        print("\n".join(describe(name, report[name])), flush=True)
    return report


def main(arguments=None):
    options = parse_arguments(arguments)
    report = evaluate(options.model, options.shards, options.split, options.seed, options.pairs)
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(report, file, indent=1)


if __name__ == "__main__":
    main()
