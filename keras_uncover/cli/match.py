"""``keras-uncover match``: whom the recovered faces look like, among photos that the user brings."""

import sys

from keras_uncover.cli.common import (
    DONE,
    REFUSED,
    WEIGHTS,
    add_command,
    add_overwrite,
    add_preset,
    add_threshold,
    check_writable,
    complain,
    load_uncoverer,
    say,
    whole,
)
from keras_uncover.cli.inputs import InputError, collect_photos
from keras_uncover.escapes import to_json
from keras_uncover.images.headers import PHOTO_SUFFIXES

EXAMPLE = "  keras-uncover match examples/fake_1.jpg --gallery examples/truth\n"


def add(commands):
    """Add the command to the parser of all."""
    parser = add_command(
        commands,
        "match",
        "rank reference photos by likeness to the recovered faces",
        "Rank the photos of a folder by their likeness to the recovered target and to the recovered\n"
        "donor of a photo's largest face. The nearest is a lead and no identification; what the mark\n"
        "of the judge is worth is told beside it. Nothing leaves this machine.",
        f"examples:\n{EXAMPLE}"
        "  keras-uncover match photo.jpg --gallery people/ --top 3 --figure ranking.png --json\n"
        "\nexit codes:\n  0  ranked\n  1  the figure could not be written\n  2  the command line is wrong\n"
        "  3  the photo was refused or shows no face, or reference photos were refused\n"
        "  4  weights are missing or altered, or there is no such preset\n",
    )
    parser.add_argument("photo", metavar="PHOTO", help="the photo whose sources are looked for")
    parser.add_argument(
        "--gallery", required=True, nargs="+", metavar="DIR", help="reference photos: folders, files or globs"
    )
    parser.add_argument(
        "--top", type=whole(1, 100), default=5, metavar="N", help="how many to name (default: %(default)s)"
    )
    parser.add_argument("--figure", metavar="FILE.png", help="draw the ranking")
    parser.add_argument("--json", action="store_true", help="write one JSON object to stdout")
    add_overwrite(parser)
    add_preset(parser)
    add_threshold(parser)
    parser.set_defaults(run=run, fail=parser.error)


def run(arguments):
    """Rank; returns the exit code."""
    if arguments.figure is not None:
        if not arguments.figure.lower().endswith(".png"):
            arguments.fail(f"--figure is a PNG; received {arguments.figure!r}. End it in .png")
    try:
        photos = collect_photos(arguments.gallery).photos
    except InputError as error:
        arguments.fail(f"--gallery: {error}")
    if arguments.figure is not None:
        check_writable(arguments, "figure", [arguments.photo, *photos])
    from keras_uncover.presets.weights import WeightsError

    try:
        return match(arguments, photos)
    except WeightsError as error:
        complain(error)
        return WEIGHTS


def load_matcher(preset, threshold):
    """An ``Uncoverer`` and the ``Matcher`` that goes with it; imports Keras."""
    uncoverer = load_uncoverer(preset, threshold)
    from keras_uncover.faces.identity import Judge
    from keras_uncover.inference.likeness import Matcher

    return uncoverer, Matcher(uncoverer, Judge.from_preset("judge"))


def match(arguments, photos):
    """Answer the photo, describe the gallery and tell the ranking; returns the exit code."""
    uncoverer, matcher = load_matcher(arguments.preset, arguments.threshold)
    from keras_uncover.images.decode import ImageError
    from keras_uncover.inference.likeness import ROLES, rank

    try:
        result = uncoverer(arguments.photo, max_faces=1)
    except ImageError as error:
        complain(f"{arguments.photo}: refused. {error}")
        return REFUSED
    if result.verdict == "no_face" or result.target is None:
        reason = "no face was found" if result.verdict == "no_face" else "this preset recovers no faces"
        complain(f"{arguments.photo}: {reason}, so there is nobody to look for")
        return REFUSED
    references, refused = read_gallery(matcher, photos)
    if not references:
        suffixes = ", ".join(PHOTO_SUFFIXES)
        complain(f"no reference photo could be read, of {len(photos)}; a gallery holds {suffixes} files")
        return REFUSED
    features = matcher.describe(result.main)
    found = {role: rank(features[role], references, role, arguments.top) for role in ROLES}
    tell(arguments, uncoverer, result, found, len(references), refused)
    if arguments.figure is not None and any(found.values()):
        from keras_uncover.inference.figures import save_ranking

        crops = {str(reference.file): reference.crop for reference in references}
        pictures = {"target": result.target, "donor": result.donor}
        save_ranking(arguments.figure, pictures, found, crops, result.model)
    return REFUSED if refused else DONE


def read_gallery(matcher, photos):
    """References of all photos that can be read; each refusal is told. Returns them and the number of refusals."""
    from keras_uncover.cli.console import Console
    from keras_uncover.images.decode import ImageError

    console, references = Console(len(photos), talks=False), []
    console.count(0)
    for number, path in enumerate(photos, 1):
        try:
            references.append(matcher.read(path))
        except ImageError as error:
            console.refuse(path, error)
        console.count(number)
    if console.counts:
        console.say(f"{len(references)} reference photos")
    return references, len(photos) - len(references)


def tell(arguments, uncoverer, result, found, n_references, n_refused):
    """Write the ranking: as JSON to stdout, or as words."""
    from keras_uncover.faces.identity import SAME_PERSON
    from keras_uncover.inference.likeness import NO_LEAD, describe_judge, describe_match, describe_recovered
    from keras_uncover.presets import preset_folder
    from keras_uncover.presets.weights import load_verified

    judge, recovered = load_verified(preset_folder("judge")).get("measured"), uncoverer.config.get("recovered")
    if recovered is not None and recovered["weights_sha256"] != uncoverer.weights_sha256:
        recovered = None  # Measured with other weights, it says nothing of these.
    notes = [NO_LEAD, describe_judge(judge), *(describe_recovered(recovered, role) for role in found if found[role])]
    record = {
        "file": arguments.photo, "sha256": result.sha256, "verdict": result.verdict, "p_fake": result.p_fake,
        "threshold": result.threshold, "model": result.model, "n_references": n_references, "n_refused": n_refused,
        "same_person_mark": SAME_PERSON, "error_rates": {"judge": judge, "recovered": recovered}, **found,
        "notes": notes,
    }
    if arguments.json:
        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
        print(to_json(record), flush=True)
    else:
        for line in describe_match(record):
            say(line)
