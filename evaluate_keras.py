"""Measure a classifier or reconstructor on people it has never seen, beside baselines that need no network.

    python evaluate_keras.py small SHARDS
    python evaluate_keras.py runs/mine SHARDS --split validation --json numbers.json --figures figures
    python evaluate_keras.py runs/mine SHARDS --calibrate 0.05
    python evaluate_keras.py small --photos my/photos --swaps my/swaps --out report

MODEL is a preset's name, a preset folder or a run folder. The headline mixes all swap families but `self`: one
full-strength swap of a whole face a person and family, post-processed by a draw that a genuine photo of the same
person shares. Baselines get the true mask and landmarks; those that need training people take them from --train, else
from the train split of SHARDS. Identity is judged by a network that was never part of a loss. Intervals are 95 %, over
people in both roles.
"""

import argparse
import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

from keras_uncover.backend import settle, settle_or_exit
from keras_uncover.escapes import Parser, for_stdout
from keras_uncover.evaluation import material_options
from keras_uncover.overwriting import FIGURES, WRITTEN_BY, check_or_exit
from keras_uncover.process import open_closed_streams
from keras_uncover.refusals import DamagedData, DataError, end_in_words

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


def parse_arguments(arguments=None):
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", metavar="MODEL", help="preset name, preset folder or run folder")
    parser.add_argument("shards", nargs="?", metavar="SHARDS", help="folder of TFRecord shards")
    parser.add_argument("--split", default="test", help="whose people are measured (%(default)s)")
    parser.add_argument("--train", metavar="SHARDS", help="whose train split the baselines learn from (SHARDS)")
    parser.add_argument("--pairs", type=int, metavar="N", help="fakes a family; default one a person")
    parser.add_argument("--seed", type=int, default=1, help="of pairs, swaps and post-processing (%(default)s)")
    parser.add_argument("--json", metavar="FILE", help="write every number there")
    parser.add_argument("--figures", metavar="DIR", help="draw ROC, DET, reliability, confusion, robustness, families "
                        "and the best and worst answers there")
    parser.add_argument("--calibrate", type=float, metavar="RATE", help="fit p_fake and a threshold with this rate of "
                        "false alarms on the validation people, measure it on SPLIT, write both into MODEL, and end")
    parser.add_argument("--overwrite", action="store_true", help="let FILE and the figures replace files that this "
                        "program did not write")
    material_options.add_options(parser)
    options = parser.parse_args(arguments)
    material_options.check_options(parser, options)
    folder = Path(options.figures or "")
    figures = [folder / f"{name}.{kind}" for name, kinds in FIGURES.items() for kind in kinds]
    figures = figures if options.figures else []
    check_or_exit(parser, [*figures, *material_options.material_outputs(options)], options.overwrite)
    check_or_exit(parser, [options.json] if options.json else [], options.overwrite, replaced=False)
    return options


if __name__ == "__main__":
    open_closed_streams()
    parse_arguments()  # Answers --help, or refuses the command line, before Keras is loaded, which takes seconds.
    settle_or_exit("evaluate_keras.py")

from keras_uncover.evaluation import cost as costs  # noqa: E402
from keras_uncover.evaluation import report, scoring, tables  # noqa: E402
from keras_uncover.evaluation.baselines import TRAINED, TrainFaces  # noqa: E402
from keras_uncover.evaluation.calibration import describe_calibration, write_calibration  # noqa: E402
from keras_uncover.evaluation.gallery import Gallery  # noqa: E402
from keras_uncover.evaluation.material_run import measure_material  # noqa: E402
from keras_uncover.evaluation.material_tables import describe_material  # noqa: E402
from keras_uncover.evaluation.robustness import conditions, damage_batch  # noqa: E402
from keras_uncover.faces.identity import Judge  # noqa: E402
from keras_uncover.inference.scores import count_scores  # noqa: E402
from keras_uncover.inference.uncoverer import Uncoverer  # noqa: E402
from keras_uncover.models.autoencoder import load_autoencoder  # noqa: E402
from keras_uncover.presets.weights import WeightsError  # noqa: E402
from keras_uncover.swaps.synthesis import FAMILIES  # noqa: E402
from keras_uncover.terminal import Progress  # noqa: E402
from pipelines.fixed_swaps import (  # noqa: E402
    POSTS,
    count_pairs,
    fixed_swaps,
    genuine_photos,
    mixed_swaps,
    read_people,
)
from pipelines.records import open_builder  # noqa: E402
from pipelines.schema import PORTRAIT  # noqa: E402

LINEAR = ("mesh", "affine")  # families that a strength below one weakens exactly
STRENGTHS = (0.75, 0.5)


@dataclass
class Setting:
    """Who is measured on whom: a model, the people of a split, and the families of fakes that can be made."""

    uncoverer: Uncoverer
    people: dict
    seed: int
    pairs: int | None
    resynthesise: object = None
    progress: Progress = field(default_factory=Progress)

    @property
    def families(self):
        """All families; ``resynth`` only with an autoencoder to pass through."""
        return [name for name in FAMILIES if name != "resynth" or self.resynthesise]

    @property
    def mixed(self):
        """Families of the headline: those with somebody else's face."""
        return [name for name in self.families if name != "self"]

    def fakes(self, families, **options):
        """Batches of one family's fixed swaps, or, given several, of one fake a person, the families in turn."""
        options = {"seed": self.seed, "resynthesise": self.resynthesise, **options}
        if isinstance(families, str):
            return fixed_swaps(self.people, families, pairs=self.pairs, **options)
        return mixed_swaps(self.people, families, **options)

    def photos(self, numbers=(None,)):
        """Batches of everybody's own photo, under each of some post-processing draws."""
        return (batch for number in numbers for batch in genuine_photos(self.people, self.seed, number))

    def headline_batches(self):
        """Everybody's own photo under every post-processing draw, then the fakes of the headline."""
        yield from self.photos(range(POSTS))
        for family in self.mixed:
            yield from self.fakes(family, post_processed=True)

    def score(self, batches, words, score=scoring.score_fakes, **options):
        """Rows of all batches."""
        batches = self.progress.follow(batches, words)
        return scoring.join(score(self.uncoverer, batch, **options) for batch in batches)


def prepare(model, shards, split, pairs, seed, calibrated=True):
    """Load the model and the people; say what is missing."""
    open_builder(shards, split, PORTRAIT)  # What is not there is told before the networks are loaded.
    uncoverer = Uncoverer.from_preset(model, calibrated=calibrated)
    setting = Setting(uncoverer, read_people(shards, split, size=uncoverer.size), seed, pairs)
    try:
        setting.resynthesise = load_autoencoder()
    except WeightsError as error:
        setting.progress.warn(f"the family resynth is left out: {error}")
    return setting


def make_bench(setting, train):
    """Judge, gallery, and what the baselines learn from training people."""
    judge, faces = Judge.from_preset("judge"), None
    try:
        faces = TrainFaces(read_people(train, "train", size=setting.uncoverer.size), setting.seed)
    except DamagedData:
        raise
    except DataError as error:
        setting.progress.warn(f"the baselines {', '.join(TRAINED)} are null: {error}")
    setting.progress.say("judge, gallery and baselines: ready")
    return scoring.Bench(judge, Gallery(setting.people, judge, setting.seed), faces)


def detection_rows(setting):
    """Scores of the headline's photos and fakes: what a calibration is fitted to.

    Returns: dict of ``p_fake``, ``person`` and ``donor_person``, the last empty for genuine photos.
    """
    return setting.score(setting.headline_batches(), "detection", scoring.score_detection)


def calibrate(model, shards, rate, split="test", pairs=None, seed=1):
    """Fit a calibration on the validation people, measure it on another split's, write it into the preset.

    Returns: the entries of ``config.json`` that were written.
    """
    setting = prepare(model, shards, "validation", pairs, seed, calibrated=False)
    rows = {"validation": detection_rows(setting)}
    if split != "validation":
        setting.people = read_people(shards, split, size=setting.uncoverer.size)
        rows[split] = detection_rows(setting)
    return write_calibration(
        model, rate, rows, shards=Path(shards).resolve().name, seed=seed, families=setting.mixed
    )


def measure_families(setting, genuine, bench):
    """Rows of every family's fakes, and the numbers of each family."""
    options = dict(post_processed=True)
    fakes = {name: setting.score(setting.fakes(name, **options), name, bench=bench) for name in setting.families}
    numbers = {name: report.family_numbers(genuine, rows) for name, rows in fakes.items()}
    if "resynth" in fakes:
        painted = (scoring.own_genuine(batch) for batch in setting.fakes("resynth", **options))
        painted = setting.score(painted, "genuine photos, painted again", scoring.score_genuine)
        numbers["resynth"]["detection_against_painted"] = report.detection(painted, fakes["resynth"])
    return fakes, numbers


def measure_strengths(setting, genuine):
    """Weaker fakes, and fakes with the masks and strengths of training: one a person, the families in turn."""
    kinds = {f"strength_{strength:g}": (LINEAR, {"strength": strength}) for strength in STRENGTHS}
    kinds["as_in_training"] = (setting.mixed, {"plain": False})
    return {
        name: report.condition_numbers(
            genuine, setting.score(setting.fakes(families, post_processed=True, **options), name)
        )
        for name, (families, options) in kinds.items()
    }


def measure_robustness(setting, fakes):
    """Everybody's photo and one fake under one kind of damage at a time."""
    numbers = {}
    for name, condition in conditions().items():
        photos = (damage_batch(batch, *condition, setting.seed) for batch in setting.photos())
        genuine = setting.score(photos, f"{name}, genuine", scoring.score_genuine)
        hurt = (damage_batch(batch, *condition, setting.seed) for batch in fakes)
        numbers[name] = report.condition_numbers(genuine, setting.score(hurt, f"{name}, fakes"))
    return numbers


def evaluate(model, shards, split="test", train=None, pairs=None, seed=1, figures=None):
    """Every number of a model on one split, ready for JSON."""
    setting = prepare(model, shards, split, pairs, seed)
    uncoverer, people = setting.uncoverer, setting.people
    reconstructs = uncoverer.config["kind"] == "reconstructor"
    cost = costs.measure_cost(uncoverer, people["crop"])
    bench = make_bench(setting, train or shards) if reconstructs else None
    genuine = setting.score(setting.photos(range(POSTS)), "genuine photos", scoring.score_genuine)
    fakes, families = measure_families(setting, genuine, bench)
    headline = scoring.join_common(fakes[name] for name in setting.mixed)
    one_each = list(setting.fakes(setting.mixed))
    reswap = None
    if reconstructs:
        rows = setting.score([*setting.photos(), *one_each], "re-swap", scoring.score_reswap)
        reswap = report.reswap_numbers(rows)
    numbers = {
        "model": uncoverer.name,
        "kind": uncoverer.config["kind"],
        "weights_sha256": uncoverer.weights_sha256,
        "judge": report.FEATURES if reconstructs else None,
        "split": split,
        "n_people": len(people["person"]),
        "n_pairs": count_pairs(len(people["person"]), pairs),
        "seed": seed,
        "families_mixed": setting.mixed,
        "n_genuine": len(genuine["p_fake"]),
        "scores": count_scores(genuine["p_fake"], headline["p_fake"]),
        **report.family_numbers(genuine, headline),
        "genuine": report.genuine_numbers(genuine),
        "reswap": reswap,
        "families": families,
        "strengths": measure_strengths(setting, genuine),
        "robustness": measure_robustness(setting, one_each),
        "fits": bench.faces.fits() if bench and bench.faces else None,
        "cost": cost,
        "warnings": setting.progress.warnings,
    }
    if figures:
        draw_figures(figures, setting, bench, numbers, genuine, fakes)
    return numbers


def draw_figures(folder, setting, bench, numbers, genuine, fakes):
    """Draw curves and tables, and for a reconstructor examples: the best, the median and the worst, made once more."""
    # Import matplotlib, which numbers alone do without.
    from keras_uncover.evaluation import condition_figures, detection_figures, examples
    from keras_uncover.evaluation import figures as evaluation_figures

    headline, uncoverer = scoring.join_common(fakes[name] for name in setting.mixed), setting.uncoverer
    detection_figures.save_detection(folder, numbers, genuine, headline, uncoverer.threshold, uncoverer.band)
    condition_figures.save_robustness(folder, numbers)
    condition_figures.save_families(folder, numbers)
    if bench is None:
        return
    chosen = examples.choose({name: fakes[name] for name in setting.mixed})
    best = numbers["target"]["best_baseline"]
    cells = []
    for rank, family, row, distances in chosen:
        swap = next(iter(setting.fakes(family, rows=[row], post_processed=True)))
        cells.append((f"{rank}\n{family}", distances, examples.pictures(setting.uncoverer, swap, bench.faces, best)))
    evaluation_figures.save_examples(folder, cells, best)
    setting.progress.say(f"figures in {folder}")


def main(arguments=None):
    open_closed_streams()
    options = parse_arguments(arguments)
    settle()
    if material_options.wants_material(options):
        numbers = measure_material(**material_options.material_arguments(options))
        print("\n".join(map(for_stdout, describe_material(numbers))))
    elif options.calibrate is None:
        names = ("model", "shards", "split", "train", "pairs", "seed", "figures")
        numbers = evaluate(**{name: getattr(options, name) for name in names})
        print("\n".join(map(for_stdout, tables.describe(numbers))))
    else:
        names = ("model", "shards", "split", "pairs", "seed")
        numbers = calibrate(rate=options.calibrate, **{name: getattr(options, name) for name in names})
        print(describe_calibration(numbers))
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump({**WRITTEN_BY, **numbers}, file, indent=1, allow_nan=False)
            file.write("\n")


if __name__ == "__main__":
    sys.exit(end_in_words("evaluate_keras.py", main))
