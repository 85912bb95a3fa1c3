"""Turn a training run into a preset that ships: float16 weights, configuration, manifest and card.

    python -m scripts.ship_preset runs/small small SHARDS --calibrate 0.05

The preset is measured, not the run: ``evaluate_keras.py`` calibrates the new preset on the ``validation`` people of
SHARDS where that is asked for, and measures it on the ``test`` people; its numbers go into the card and into
``benchmarks/results/evaluate_NAME.json``. Without RUN's name, ``-``, the shipped preset is measured again as it is.
``scripts/write_studies.py`` adds the explanation of the numbers to the new card.
"""

import argparse
import json
import sys
from pathlib import Path

from keras_uncover.backend import settle_or_exit
from keras_uncover.escapes import Parser
from keras_uncover.refusals import end_in_words


def parse_arguments(arguments=None):
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", help="run folder; - to measure the shipped preset again")
    parser.add_argument("name")
    parser.add_argument("shards")
    parser.add_argument("--calibrate", type=float, metavar="RATE", help="wanted rate of false alarms")
    parser.add_argument("--note", default="", help="a sentence for the card")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    parse_arguments()  # Answers --help, or refuses the command line, before Keras is loaded, which takes seconds.
    settle_or_exit("ship_preset.py")

from evaluate_keras import calibrate, evaluate  # noqa: E402
from keras_uncover.evaluation import tables as report_text  # noqa: E402
from keras_uncover.evaluation.calibration import describe_calibration  # noqa: E402
from keras_uncover.files import hash_bytes  # noqa: E402
from keras_uncover.inference.self_test import record_answers  # noqa: E402
from keras_uncover.models.build import build_from_folder, save_network  # noqa: E402
from keras_uncover.swaps.families import leave_out  # noqa: E402
from keras_uncover.training.setup import plain_names  # noqa: E402
from pipelines.config import choose_shares  # noqa: E402
from pipelines.records import find_builder, iterate_records  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
PRESETS = ROOT / "keras_uncover" / "presets"
AS_IT_IS = "-"
PURPOSE = {
    "classifier": "says whether the face in an aligned crop was swapped in (`p_fake`)",
    "reconstructor": "says whether the face in an aligned crop was swapped in, where, and recovers target and donor",
}
FLAGS = (
    "task", "preset", "genuine", "morphs", "batch_size", "steps", "steps_per_epoch", "learning_rate", "seed",
    "identity", "perceptual", "leave_out", "init",
)
JUDGED = """

Baselines have the true mask and landmarks; the best one is chosen by these very numbers, which favours it. Distances
are those of the preset `judge`. Ranks are in a gallery of all these people's own photos, mirrored, recoloured and
re-encoded, because there is one photo a person: with other photos of them ranks would be lower. Role swaps: answers
nearer to the other person's photo than to their own. Replications: answers nearer to what they were given than to the
truth."""


def read_splits(shards):
    """People of each split, and the SHA-256 of all names by split, sorted, one a line."""
    people = {
        split: sorted(row["person"].decode() for row in iterate_records(shards, split, keys=("person",)))
        for split in sorted(find_builder(shards).info.splits)
    }
    lines = "".join(f"{split} {name}\n" for split, names in people.items() for name in names)
    return {split: len(names) for split, names in people.items()}, hash_bytes(lines.encode())


def describe_scores(config):
    """The card's line on what ``p_fake`` and the threshold are worth."""
    if config.get("calibration") is None:
        return "none; the threshold is 0.5 and `uncertain` is never said."
    return "; ".join(describe_calibration(config).splitlines()) + "."


def write_flag(flag, value):
    """A flag of ``train_keras.py`` with its value or values."""
    return " ".join([f"--{flag.replace('_', '-')}", *map(str, value if isinstance(value, list) else [value])])


def write_card(config, name, numbers, note):
    """The card's text; ``note`` is a sentence of its own, or empty."""
    trained = config["trained"]
    words = [write_flag(flag, trained[flag]) for flag in FLAGS if trained.get(flag)]
    command = " ".join([f"train_keras.py SHARDS {trained['run']}", *words])
    people = ", ".join(f"{count} {split}" for split, count in trained["people"].items())
    families = ", ".join(trained.get("families", ("mesh", "affine", "self")))
    tables = "\n\n".join(report_text.to_markdown(rows) for rows in report_text.tables(numbers))
    return f"""# {name}

A {config["kind"]} for crops of {config["arch"]["size"]} px: it {PURPOSE[config["kind"]]}.
Licence: MIT.

- **Data**: generated portraits of people who do not exist (SelfishGene/SFHQ-T2I-dataset and SelfishGene/SFHQ-dataset,
  MIT; faker-js/assets-person-portrait, CC0-1.0), one a person: {people}. Fakes are synthesised in the training batch
  by `keras_uncover/swaps/synthesis.py`, families {families}. Split hash `{trained["split_sha256"][:16]}`.
- **Made by**: `{command}`
{f"- **Note**: {note}" if note else "- **Note**: none"}
- **Calibration**: {describe_scores(config)}
- **Not measured**: camera photographs, swaps made by face-generating networks, video frames, groups of people by age,
  sex or skin.
- **Must not be used** to say who somebody is, to accuse, or as proof of anything; a recovered face is a guess.

Measured by `evaluate_keras.py` on {numbers["n_people"]} {numbers["split"]} people, seed {numbers["seed"]}:
{numbers["n_pairs"]} full-strength whole-face fakes a family and {numbers["n_genuine"]} genuine photos, everybody under
eight post-processing draws. The headline mixes {", ".join(numbers["families_mixed"])}. Intervals are 95 %, over people
in both roles.{JUDGED if numbers["judge"] else ""}

{tables}

{numbers["cost"]["parameters"]:,} parameters.
"""


def main(arguments=None):
    options = parse_arguments(arguments)
    folder = PRESETS / options.name
    if options.run != AS_IT_IS:
        publish(options.run, folder, options.shards)
    if options.calibrate is not None:
        calibrate(str(folder), options.shards, options.calibrate)
    numbers = evaluate(str(folder), options.shards)
    results = ROOT / "benchmarks" / "results" / f"evaluate_{options.name}.json"
    results.write_text(json.dumps(numbers, indent=1, allow_nan=False) + "\n")
    record_answers(folder, numbers)
    config = json.loads((folder / "config.json").read_text())
    (folder / "card.md").write_text(write_card(config, options.name, numbers, options.note))
    print(f"{folder.relative_to(ROOT)} and {results.relative_to(ROOT)} written")


def publish(run, folder, shards):
    """Write a run's network as a preset without calibration, which is one of other weights."""
    model, config = build_from_folder(run, calibrated=False)
    people, digest = read_splits(shards)
    trained = config["trained"]
    families = list(choose_shares(leave_out(trained.get("leave_out", ())), trained.get("autoencoder")))
    facts = {"families": families, "people": people, "split_sha256": digest}
    config["name"], config["trained"] = folder.name, {**trained, **plain_names(trained), **facts}
    save_network(model, folder, config, half=True)


if __name__ == "__main__":
    sys.exit(end_in_words("ship_preset", main))
