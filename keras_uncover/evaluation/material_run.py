"""From folders of pictures to a report on disk: what ``evaluate_keras.py MODEL --photos DIR --swaps DIR`` does."""

import json
from pathlib import Path

from keras_uncover.evaluation.material import CLIPS, PHOTO, MaterialError, read_material
from keras_uncover.evaluation.material_answers import Answers, Examiner, examine_all
from keras_uncover.evaluation.material_options import NUMBERS, OUT, REPORT
from keras_uncover.evaluation.material_report import material_numbers
from keras_uncover.evaluation.material_tables import to_page
from keras_uncover.faces.identity import SAME_PERSON, Judge
from keras_uncover.files import write_whole
from keras_uncover.inference.uncoverer import Uncoverer
from keras_uncover.overwriting import WRITTEN_BY
from keras_uncover.terminal import Progress

ANSWERS = "answers.jsonl"


def measure_material(model, photos=None, swaps=None, out=OUT, reference=None, clips=CLIPS, figures=None):
    """Measure a model on folders of pictures and write answers, numbers, tables and a figure.

    Args:
        model: name of a preset, or a preset or run folder.
        photos, swaps: folders, as ``read_material`` takes them; one may be None.
        out: folder of the report. Answers that it holds already are not asked for again.
        reference: the source of photos that gives thresholds and that swaps are ranked against; None for all.
        clips: as ``read_material`` takes it.
        figures: folder of the figure; None for ``out``.

    Returns: the numbers.

    Raises:
        MaterialError: a folder is missing or empty, or another run writes to ``out``.
        WeightsError: there is no such model.
    """
    material = read_material(photos, swaps, clips)
    sources = sorted({picture.group for picture in material.pictures if picture.role == PHOTO})
    if reference is not None and reference not in sources:
        raise MaterialError(f"--reference is a source of --photos ({', '.join(sources)}); received {reference!r}.")
    progress, out = Progress(), Path(out)
    uncoverer = Uncoverer.from_preset(model)
    recovers = uncoverer.config["kind"] == "reconstructor"
    examiner = Examiner(uncoverer, Judge.from_preset() if recovers else None)
    out.mkdir(parents=True, exist_ok=True)
    with Answers(out / ANSWERS) as answers:
        examined = list(examine_all(examiner, material, answers, lambda all_of: progress.count(all_of, "pictures")))
    numbers = describe_run(uncoverer, photos, swaps) | material_numbers(examined, reference)
    numbers["left_out"] += material.left_out
    numbers = rounded(numbers)
    write_whole(out / NUMBERS, json.dumps({**WRITTEN_BY, **numbers}, indent=1, allow_nan=False) + "\n")
    write_whole(out / REPORT, to_page(numbers))
    # Import matplotlib, which numbers alone do without.
    from keras_uncover.evaluation.material_figures import save_material

    save_material(figures or out, numbers)
    progress.say(f"{NUMBERS} and {REPORT} are in {out}, the figure in {figures or out}")
    return numbers


def rounded(value):
    """The same numbers to five digits: more would only make the file longer."""
    if isinstance(value, dict):
        return {key: rounded(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [rounded(entry) for entry in value]
    return float(f"{value:.5g}") if isinstance(value, float) else value


def describe_run(uncoverer, photos, swaps):
    """What was measured on what."""
    return {
        "model": uncoverer.name,
        "kind": uncoverer.config["kind"],
        "weights_sha256": uncoverer.weights_sha256,
        "threshold": uncoverer.threshold,
        "band": None if uncoverer.band is None else list(uncoverer.band),
        "same_person": SAME_PERSON if uncoverer.config["kind"] == "reconstructor" else None,
        "material": " and ".join(Path(folder).resolve().name for folder in (photos, swaps) if folder is not None),
    }
