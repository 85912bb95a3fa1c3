"""Options with which ``evaluate_keras.py`` measures pictures of the user's own. Importing this loads no Keras."""

from pathlib import Path

from keras_uncover.evaluation.material import CLIPS

OUT, NUMBERS, REPORT, FIGURES = "material", "numbers.json", "report.md", ("material.png", "material.pdf")

DESCRIPTION = """\
A model is measured on photos and on results of swap tools:

  python evaluate_keras.py small --photos my/photos --swaps my/swaps --out report

  my/photos/CAMERA/any-name.jpg            a genuine photo; each folder is a source
  my/swaps/TOOL/ID_result.png              what a swap tool made; each folder is a tool
  my/swaps/TOOL/ID_target.png              the picture that it changed
  my/swaps/TOOL/ID_donor.png               whose face it put there
  my/swaps/TOOL/clip10_00012_result.png    frame 12 of the film clip10; a folder TOOL/CLIP does as well

Targets and donors may be missing, and so may --photos or --swaps. The largest face of each picture is measured. A scene
is a clip or a target picture; each scene has the same weight, and intervals are over scenes. --out gets report.md,
numbers.json, material.png and answers.jsonl, from which the same command resumes a run that was cut off. Files that are
no photo or show no face are listed there with the reason.
"""


def add_options(parser):
    """Add the options of pictures of the user's own."""
    group = parser.add_argument_group("pictures of your own, in place of SHARDS", DESCRIPTION)
    group.add_argument("--photos", metavar="DIR", help="genuine photos, or a folder of them for each source")
    group.add_argument("--swaps", metavar="DIR", help="results of a swap tool, or a folder of them for each tool")
    group.add_argument("--out", metavar="DIR", help=f"folder of the report ({OUT})")
    group.add_argument(
        "--reference", metavar="SOURCE", help="the source of --photos whose scores give the thresholds of 1, 5 and "
        "10 %% false alarms, and that swaps are ranked against (all photos)",
    )
    group.add_argument(
        "--clips", metavar="REGEX", help="what the ID of a film's frame looks like; the first group is the clip; "
        f"\"\" for no films ({CLIPS.replace('%', '%%')})",
    )


def wants_material(options):
    """Whether pictures of the user's own are to be measured."""
    return options.photos is not None or options.swaps is not None


def check_options(parser, options):
    """Refuse a command line that mixes shards and pictures of the user's own, or names neither."""
    material = [name for name in ("photos", "swaps", "out", "reference", "clips") if getattr(options, name) is not None]
    if (options.shards is None) == (not wants_material(options)):
        parser.error("give SHARDS, or --photos and --swaps; see --help")
    if options.shards is not None and material:
        parser.error(f"--{material[0]} is of pictures of your own, which --photos and --swaps name in place of SHARDS")
    if options.shards is None:
        for name in ("split", "train", "pairs", "seed", "calibrate"):
            if getattr(options, name) != parser.get_default(name):
                parser.error(f"--{name} is of SHARDS; pictures of your own are measured without it")
    if options.reference is not None and options.photos is None:
        parser.error("--reference is a source of --photos; give --photos DIR")


def material_arguments(options):
    """The arguments of ``measure_material``, defaults left out."""
    names = ("model", "photos", "swaps", "out", "reference", "clips", "figures")
    return {name: getattr(options, name) for name in names if getattr(options, name) is not None}


def material_outputs(options):
    """The files that a report takes the place of; none where shards are measured."""
    if not wants_material(options):
        return []
    figures = [] if options.figures else FIGURES
    return [Path(options.out or OUT) / name for name in (NUMBERS, REPORT, *figures)]
