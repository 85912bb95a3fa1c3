"""Turn a training run into a preset that ships: float16 weights, configuration, manifest and card.

    python scripts/ship_preset.py runs/small small SHARDS

What ships is measured, not the run: ``evaluate_keras.py`` runs on the new preset and the ``test`` split of SHARDS, its
numbers go into the card and into ``benchmarks/results/evaluate_NAME.json``.
"""

import argparse
import hashlib
import json
from pathlib import Path

import tensorflow_datasets as tfds

from evaluate_keras import evaluate
from keras_uncover.presets import build_from_folder
from keras_uncover.weights import save_preset

ROOT = Path(__file__).parents[1]
PRESETS = ROOT / "keras_uncover" / "presets"
PURPOSE = {
    "classifier": "says whether the face in an aligned crop was swapped in (`p_fake`)",
    "reconstructor": "says whether the face in an aligned crop was swapped in, where, and recovers target and donor",
}


def read_splits(shards):
    """People of each split, and the SHA-256 of all names by split, sorted, one a line."""
    builder = tfds.builder_from_directory(str(shards))
    people = {
        split: sorted(row["person"].decode() for row in builder.as_dataset(split=split).as_numpy_iterator())
        for split in sorted(builder.info.splits)
    }
    lines = "".join(f"{split} {name}\n" for split, names in people.items() for name in names)
    return {split: len(names) for split, names in people.items()}, hashlib.sha256(lines.encode()).hexdigest()


def number(entry):
    """A measured value with its interval as text."""
    if not isinstance(entry, dict):
        return f"{entry:.3f}"
    return f"{entry['value']:.3f} [{entry['interval'][0]:.3f}, {entry['interval'][1]:.3f}]"


def number_rows(numbers):
    """Table rows of the card: every number of an evaluation, clean and post-processed side by side."""
    both = numbers["clean"], numbers["post_processed"]
    for key in both[0]["detection"]:
        yield f"mesh and affine, {key}", *(number(side["detection"][key]) for side in both)
    for family in both[0]["families"]:
        rows = [side["families"][family] for side in both]
        yield f"{family}, auc", *(number(side["detection"]["auc"]) for side in rows)
        for key in rows[0]:
            if key != "detection":
                yield f"{family}, {key}", *(number(side[key]) for side in rows)
    for key in both[0]["genuine"]:
        yield f"genuine, {key}", *(number(side["genuine"][key]) for side in both)


def write_card(config, name, numbers, note):
    """The card's text; ``note`` is a sentence of its own, or empty."""
    trained = config["trained"]
    flags = ("task", "preset", "genuine", "batch_size", "steps", "steps_per_epoch", "learning_rate", "seed")
    command = f"train_keras.py SHARDS {trained['run']} " + " ".join(
        f"--{flag.replace('_', '-')} {trained[flag]}" for flag in flags
    )
    command += f" --init {trained['init']}" if trained.get("init") else ""
    people = ", ".join(f"{count} {split}" for split, count in trained["people"].items())
    table = "\n".join(f"| {' | '.join(row)} |" for row in number_rows(numbers))
    return f"""# {name}

A {config["kind"]} for crops of {config["arch"]["size"]} px: it {PURPOSE[config["kind"]]}.
Licence: MIT.

- **Data**: generated portraits of people who do not exist (SelfishGene/SFHQ-T2I-dataset and SelfishGene/SFHQ-dataset,
  MIT; faker-js/assets-person-portrait, CC0-1.0), one a person: {people}. Fakes are synthesised in the training batch
  by `keras_uncover/swaps.py`, families mesh, affine and self. Split hash `{trained["split_sha256"][:16]}`.
- **Made by**: `{command}`
{f"- **Note**: {note}" if note else "- **Note**: none"}
- **Calibration**: none; the threshold is 0.5 and `uncertain` is never said.
- **Not measured**: camera photographs, swaps made by face-generating networks, video frames, groups of people by age,
  sex or skin.
- **Must not be used** to say who somebody is, to accuse, or as proof of anything; a recovered face is a guess.

Measured by `evaluate_keras.py` on the test people, seed {numbers["seed"]}, {numbers["n_pairs"]} fakes a family, whole
faces at full strength; intervals are 95 % over people. `*_copy` and `*_masked_copy` are baselines with the true mask:
the input itself, and the input inside the mask on grey.

| | clean | post-processed |
|---|---|---|
{table}
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("name")
    parser.add_argument("shards")
    parser.add_argument("--note", default="", help="a sentence for the card")
    arguments = parser.parse_args()
    model, config = build_from_folder(arguments.run)
    people, digest = read_splits(arguments.shards)
    config["name"] = arguments.name
    trained = config["trained"]
    paths = {key: Path(trained[key]).name for key in ("shards", "run", "init") if trained.get(key)}
    config["trained"] = {**trained, **paths, "people": people, "split_sha256": digest}
    folder = PRESETS / arguments.name
    save_preset(model, folder, config, half=True)
    numbers = evaluate(str(folder), arguments.shards)
    results = ROOT / "benchmarks" / "results" / f"evaluate_{arguments.name}.json"
    results.write_text(json.dumps(numbers, indent=1) + "\n")
    (folder / "card.md").write_text(write_card(config, arguments.name, numbers, arguments.note))
    print(f"{folder.relative_to(ROOT)} and {results.relative_to(ROOT)} written")


if __name__ == "__main__":
    main()
