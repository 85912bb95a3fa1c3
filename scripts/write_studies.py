"""Write into a preset's card why its numbers are what they are: ablations, families left out, bounds.

    python -m scripts.write_studies small [--check]

The tables are those of ``benchmarks/results/ablations.json`` and ``bounds.json`` (``benchmarks/ablations.py`` and
``benchmarks/bounds.py`` write them). They take the place of those that the card has, or come to its end. With --check
nothing is written, and the exit code is 1 where the card has others.
"""

import argparse
import json
import sys
from pathlib import Path

from keras_uncover.escapes import Parser
from keras_uncover.refusals import end_in_words


def parse_arguments(arguments=None):
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="of a preset that ships")
    parser.add_argument("--check", action="store_true", help="write nothing, only say whether the card has the tables")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    parse_arguments()  # Answers --help, or refuses the command line, before Keras is loaded, which takes seconds.

from keras_uncover.evaluation.tables import number, to_markdown  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PRESETS = ROOT / "keras_uncover" / "presets"
BEGIN, END = "<!-- made by scripts/write_studies.py -->", "<!-- end of what was made -->"
CHANGES = {
    "whole": "nothing: the recipe",
    "no_closed_form": "geometry and texture start from mean faces, not from `scripts/fit_geometry.py`",
    "no_identity": "no identity loss",
    "no_flow_loss": "no loss on where the donor is read, nor on its recoloured pixels",
    "half_genuine": "half of a batch genuine, not a quarter",
}
SAYS = """What is left is geometry, which is hidden in a fake. *Target*: the regression that leads the baselines knows
the true landmarks; with those that can be found on the fake it falls behind the answer on `mesh`. On `affine`
the face lies in the donor's shape, and nothing but the surroundings tells the target's; regressions are laid
where the true mesh lies even so. *Donor*: the fake's pixels read by the true flow are far nearer than any
answer, so what is missing is not in the pixels. Told the donor's true shape, the mesh that can be found comes
just to nine tenths of the best baseline on `mesh`; the shape that can be estimated from the face errs by four
fifths of what the mean shape does. On `affine` nothing has to be moved, and whoever does not know that loses
to the masked copy.
"""
FOUND = """A family that was left out is found nearly as well as when it was seen: all of them are graphics, and this
says nothing of swaps made by face-generating networks. The identity loss brings target and donor nearer to
their people by the judge, which it does not know, and costs L1; the start in closed form brings both nearer
at no cost; either by less than the intervals are wide. Neither the loss on the flow nor the share of genuine
photos made a difference that could be told within so few steps.
"""
COLUMNS = {
    "auc": "detection AUC", "iou": "mask IoU", "target_distance": "target: distance",
    "target_distance_over_best_baseline": "over best baseline", "donor_distance": "donor: distance",
    "donor_distance_over_best_baseline": "over best baseline", "target_l1_closed": "target: L1 closed",
    "genuine_mask_area": "genuine: mask area",
}


def describe_left_out(found):
    """How well a classifier finds a family that it has never seen."""
    variants = {name.split("/")[1]: row for name, row in found["variants"].items() if name.startswith("detect/")}
    families = [name.removeprefix("without_") for name in variants if name.startswith("without_")]
    rows = [
        [f"`{family}`", *(number(variants[name][f"auc_{family}"]) for name in ("whole", f"without_{family}"))]
        for family in families
    ]
    words = (f"**Families left out.** Classifiers `tiny` (64 px), {found['detect_steps']:,} steps each; "
             "AUC on fakes of a "
             "family, by one that was trained on all and by one that never saw it:")
    return [words, "", to_markdown([["family", "seen", "never seen"], *rows]), ""]


def describe_ablations(found):
    """What each part of a reconstructor's recipe is worth."""
    variants = {name.split("/")[1]: row for name, row in found["variants"].items() if name.startswith("reconstruct/")}
    rows = [[CHANGES[name], *(number(row[key]) for key in COLUMNS)] for name, row in variants.items()]
    words = (f"**Parts of the recipe.** Reconstructors `tiny` (64 px), {found['steps']:,} steps each from the same "
             "classifier, "
             "one thing changed:")
    return [words, "", to_markdown([["changed", *COLUMNS.values()], *rows]), "", FOUND]


def describe_bounds(found):
    """Which knowledge brings one how near to both people."""
    lines = ["**Bounds.** The judge's distance to the truth of whole fakes, by what is known; rows with *true* are "
             "told what can only be found, and the closed form is the preset's geometry before any training:"]
    families = found["families"]
    shape_errors = "error of shapes, over the eyes' distance"
    for part, name in (("target", "target"), ("donor", "donor"), ("shape_errors", shape_errors)):
        rows = [
            [row, *("" if of[part].get(row) is None else f"{of[part][row]:.3f}" for of in families.values())]
            for row in families["mesh"][part]
        ]
        lines += ["", to_markdown([[name, *(f"`{family}`" for family in families)], *rows])]
    return [*lines, "", SAYS]


def describe(name):
    """The section's text for a preset; bounds of another preset are left out."""
    lines = ["## Why", "", "On the validation people, seed 1; the test people were not looked at.", ""]
    ablations, bounds = (json.loads((RESULTS / f"{study}.json").read_text()) for study in ("ablations", "bounds"))
    lines += [*describe_left_out(ablations), *describe_ablations(ablations)]
    if bounds["preset"] == name:
        lines += describe_bounds(bounds)
    return "\n".join([BEGIN, *lines, END])


def put_in(card, section):
    """A card's text with the section in the place of the one it had, or at its end."""
    if BEGIN not in card:
        return f"{card.rstrip()}\n\n{section}\n"
    before, rest = card.split(BEGIN, 1)
    return before + section + rest.split(END, 1)[1]


def main(arguments=None):
    options = parse_arguments(arguments)
    path = PRESETS / options.name / "card.md"
    card = path.read_text("utf-8")
    new = put_in(card, describe(options.name))
    if options.check and new != card:
        words = f"The card of {options.name} is out of date; run python -m scripts.write_studies {options.name}"
        print(words, file=sys.stderr)
        return 1
    if not options.check:
        path.write_text(new, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(end_in_words("write_studies", main))
