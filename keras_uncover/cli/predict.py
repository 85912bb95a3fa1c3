"""``keras-uncover predict``: answers for photos."""

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from keras_uncover.cli.common import (
    DONE,
    FOUND,
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
from keras_uncover.files import hash_regular
from keras_uncover.images.headers import PHOTO_SUFFIXES
from keras_uncover.overwriting import OverwriteError

EXAMPLES = """\
examples:
  keras-uncover predict examples/fake_1.jpg --out answer
  keras-uncover predict photos/ --csv answers.csv
  keras-uncover predict "photos/*.jpg" --json | jq .verdict
"""
MORE_EXAMPLES = """\
  keras-uncover predict photos/ --out answer --heatmap --jobs 2
  keras-uncover predict upload.jpg --top-face --fail-on fake || echo "look at this one"
"""
EXIT_CODES = """
exit codes:
  0  every photo was answered
  1  an output could not be written
  2  the command line is wrong
  3  some inputs were refused; the others are answered
  4  weights are missing or altered, or there is no such preset
  10 a verdict that --fail-on names was given, whether inputs were refused or not
"""
FAILS_ON = {"fake": ("fake",), "uncertain": ("fake", "uncertain")}


def add(commands):
    """Add the command to the parser of all."""
    parser = add_command(
        commands,
        "predict",
        "answer for photos",
        "Say for every face in the photos whether it was swapped in. A picture that is generated\n"
        "as a whole counts as genuine. Recovered faces are a model's guess and may show nobody.",
        EXAMPLES + MORE_EXAMPLES + EXIT_CODES,
    )
    suffixes = " ".join(PHOTO_SUFFIXES)
    parser.add_argument("photos", nargs="+", metavar="PHOTO", help=f"file, folder (its {suffixes} files) or glob")
    parser.add_argument("--out", metavar="DIR", help="write target, donor, mask, re-swap and a figure for each face")
    parser.add_argument("--heatmap", action="store_true", help="also write the whole photo with the mask laid over it")
    parser.add_argument("--json", action="store_true", help="write one JSON object a face and line to stdout")
    parser.add_argument("--csv", metavar="FILE", help="write one row a face to FILE; - is stdout")
    parser.add_argument(
        "--top-face", action="store_true",
        help="answer for the largest face only, not for up to 8; the count of the others is told"
    )
    parser.add_argument(
        "--jobs", type=whole(1, 64), default=1, metavar="N",
        help="photos that are worked on at a time, in threads; order and answers stay the same (default: %(default)s)",
    )
    parser.add_argument(
        "--fail-on", choices=tuple(FAILS_ON),
        help="end with exit code 10 if a face that is answered is fake, or fake or uncertain"
    )
    add_overwrite(parser)
    add_preset(parser)
    add_threshold(parser)
    parser.set_defaults(run=run, fail=parser.error)


def run(arguments):
    """Answer the photos; returns the exit code."""
    inputs = check_arguments(arguments)
    from keras_uncover.presets.weights import WeightsError

    try:
        uncoverer = load_uncoverer(arguments.preset, arguments.threshold)
        return answer_photos(uncoverer, inputs.photos, arguments)
    except WeightsError as error:
        complain(error)
        return WEIGHTS


def check_arguments(arguments):
    """Find all that is wrong with the command line before any work is done; returns ``Inputs``."""
    from keras_uncover.inference.outputs import check_pictures, name_outputs, prepare_folder

    if arguments.json and arguments.csv == "-":
        arguments.fail("--json and --csv - both write to stdout; give --csv a file")
    if arguments.heatmap and arguments.out is None:
        arguments.fail("--heatmap needs the folder to write into; add --out DIR")
    if arguments.csv not in (None, "-"):
        if arguments.csv.lower().endswith(PHOTO_SUFFIXES):
            arguments.fail(
                f"--csv names the file to write; received the photo {arguments.csv!r}. Put photos before --csv FILE"
            )
    try:
        inputs = collect_photos(arguments.photos)
    except InputError as error:
        arguments.fail(str(error))
    if arguments.csv not in (None, "-"):
        check_writable(arguments, "csv", inputs.photos, replaced=False)
    for folder, photos, others in inputs.left_out:
        if others or not photos:
            say(f"{folder}: {photos} photos; {others} other files are left out")
    if arguments.out is not None:
        try:
            prepare_folder(arguments.out)
            check_pictures(
                name_outputs(inputs.photos, arguments.out), arguments.out, arguments.heatmap, arguments.overwrite
            )
        except OverwriteError as error:
            arguments.fail(f"--out: {error}")
        except OSError as error:
            arguments.fail(f"--out must be a folder that can be written; {arguments.out!r}: {error.strerror}")
    return inputs


def ask(uncoverer, photo, **options):
    """The ``Result`` of a photo, or the ``ImageError`` that refuses it."""
    from keras_uncover.images.decode import ImageError

    try:
        return uncoverer(photo, **options)
    except ImageError as error:
        return error


def ask_all(uncoverer, photos, jobs=1, **options):
    """Yield each photo, in order, with what ``ask`` gives for it; up to ``jobs`` are worked on at a time.

    The first photo is answered alone: it is what the networks are compiled on.
    """
    question = partial(ask, uncoverer, **options)
    if jobs == 1:
        yield from ((photo, question(photo)) for photo in photos)
        return
    yield photos[0], question(photos[0])
    waiting = deque()
    with ThreadPoolExecutor(jobs) as pool:
        try:
            for photo in photos[1:]:
                waiting.append((photo, pool.submit(question, photo)))
                if len(waiting) > jobs:
                    photo, answer = waiting.popleft()
                    yield photo, answer.result()
            while waiting:
                photo, answer = waiting.popleft()
                yield photo, answer.result()
        finally:
            for _, answer in waiting:
                answer.cancel()


def answer_photos(uncoverer, photos, arguments):
    """Answer every photo and write what was asked for; returns the exit code."""
    from keras_uncover.cli.console import Console
    from keras_uncover.inference import outputs
    from keras_uncover.inference.records import RecordWriter, error_record, to_records

    console = Console(len(photos), talks=not arguments.json and arguments.csv is None)
    stems = {} if arguments.out is None else outputs.name_outputs(photos, arguments.out)
    writer, refused = RecordWriter(arguments.json, arguments.csv), 0
    options = {"max_faces": 1} if arguments.top_face else {}
    try:
        console.count(0)
        for number, (photo, result) in enumerate(ask_all(uncoverer, photos, arguments.jobs, **options), 1):
            if isinstance(result, Exception):
                refused += 1
                console.refuse(photo, result)
                writer.write(error_record(photo, result.sha256 or hash_regular(photo), result))
            else:
                paths = None
                if arguments.out is not None:
                    paths = outputs.write_pictures(
                        arguments.out, stems[photo], result, arguments.heatmap, arguments.overwrite
                    )
                for record in to_records(result, paths):
                    writer.write(record)
                    console.tell(record)
            console.count(number)
    finally:
        writer.close()
    console.finish(refused)
    if any(console.verdicts[verdict] for verdict in FAILS_ON.get(arguments.fail_on, ())):
        return FOUND
    return REFUSED if refused else DONE
