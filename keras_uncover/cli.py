"""The command line: ``keras-uncover predict PHOTO...``, ``keras-uncover card [NAME]``, ``keras-uncover plot RUN``.

Data goes to stdout, words for people to stderr. Keras is imported only when there is a photo to answer.
"""

import argparse
import gc
import os
import sys
from importlib import metadata

from keras_uncover.inputs import PHOTO_SUFFIXES, InputError, collect_photos, hash_file

DEFAULT_PRESET = "small"
DONE, FAILED, USAGE, REFUSED, WEIGHTS, INTERRUPTED, PIPE = 0, 1, 2, 3, 4, 130, 141

EXAMPLES = """\
examples:
  keras-uncover predict examples/fake_1.jpg --out answer
  keras-uncover predict photos/ --csv answers.csv
  keras-uncover predict "photos/*.jpg" --json | jq .verdict
"""

EXIT_CODES = """
exit codes:
  0  every photo was answered
  1  an output could not be written
  2  the command line is wrong
  3  some inputs were refused; the others are answered
  4  weights are missing or altered, or there is no such preset
"""


def main(argv=None):
    """Run a command.

    Args:
        argv: list of str, or None for the process's own arguments.

    Returns: the exit code. Raises SystemExit for ``--help``, ``--version`` and a wrong command line, as argparse does.
    """
    arguments = build_parser().parse_args(argv)
    try:
        return arguments.run(arguments)
    except KeyboardInterrupt:
        print("keras-uncover: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our data has left. Python would complain when it flushes stdout at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE
    except OSError as error:
        print(f"keras-uncover: {error}", file=sys.stderr)
        return FAILED


def build_parser():
    """The parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="keras-uncover",
        description="Say whether a face in a photo was swapped in, show where, and recover both source images.",
        epilog=EXAMPLES + "  keras-uncover card small\n\nkeras-uncover COMMAND --help tells more.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"keras-uncover {read_version()}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    add_predict(commands)
    add_card(commands)
    add_plot(commands)
    return parser


def read_version():
    """The installed version, or words where this is a bare checkout."""
    try:
        return metadata.version("keras-uncover")
    except metadata.PackageNotFoundError:
        return "(not installed)"


def add_predict(commands):
    """Add the command ``predict``."""
    parser = commands.add_parser(
        "predict",
        help="answer for photos",
        description="Say for every face in the photos whether it was swapped in. A picture that is generated\n"
        "as a whole counts as genuine. Recovered faces are a model's guess and may show nobody.",
        epilog=EXAMPLES + EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    suffixes = " ".join(PHOTO_SUFFIXES)
    parser.add_argument("photos", nargs="+", metavar="PHOTO", help=f"file, folder (its {suffixes} files) or glob")
    parser.add_argument("--out", metavar="DIR", help="write target, donor, mask, re-swap and a figure for each face")
    parser.add_argument("--json", action="store_true", help="write one JSON object a face and line to stdout")
    parser.add_argument("--csv", metavar="FILE", help="write one row a face to FILE; - is stdout")
    parser.add_argument(
        "--preset", default=DEFAULT_PRESET, metavar="NAME|DIR", help="weights to answer with (default: %(default)s)"
    )
    parser.add_argument(
        "--threshold", type=probability, metavar="P", help="p_fake from which on a face is called fake, 0 to 1"
    )
    parser.set_defaults(run=predict, fail=parser.error)


def add_card(commands):
    """Add the command ``card``."""
    parser = commands.add_parser(
        "card",
        help="tell what a preset is, how well it does and what it must not be used for",
        description="Print a preset's card: its data, licence, measured numbers, failures and forbidden uses.\n"
        "Without NAME, list the presets that ship.",
        epilog="examples:\n  keras-uncover card\n  keras-uncover card small\n"
        "\nexit codes:\n  0  printed\n  4  there is no such preset, or it has no card\n",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", nargs="?", metavar="NAME|DIR", help="a preset that ships, or a preset folder")
    parser.set_defaults(run=card)


def card(arguments):
    """Run ``card``; returns the exit code."""
    from keras_uncover.cards import list_cards, read_card
    from keras_uncover.weights import WeightsError

    try:
        text = list_cards() if arguments.name is None else read_card(arguments.name)
    except WeightsError as error:
        print(f"keras-uncover: {error}", file=sys.stderr)
        return WEIGHTS
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")  # A card is UTF-8; the terminal may not be.
    print(text.rstrip("\n"), flush=True)
    return DONE


def add_plot(commands):
    """Add the command ``plot``."""
    parser = commands.add_parser(
        "plot",
        help="draw the curves of a training run",
        description="Draw every loss and metric of a run over its epochs, training beside validation.",
        epilog="examples:\n  keras-uncover plot runs/mine\n  keras-uncover plot runs/mine --out curves.pdf\n"
        "\nexit codes:\n  0  drawn\n  1  the picture could not be written, or RUN has no history\n",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", metavar="RUN", help="folder that train_keras.py wrote")
    parser.add_argument("--out", metavar="FILE", help="picture to write (default: RUN/curves.png)")
    parser.set_defaults(run=plot)


def plot(arguments):
    """Run ``plot``; returns the exit code."""
    from keras_uncover.run_figures import draw_history, read_history

    path = arguments.out or os.path.join(arguments.folder, "curves.png")
    try:
        history = read_history(arguments.folder)
        draw_history(history, os.path.basename(os.path.abspath(arguments.folder))).savefig(path, dpi=120)
    except ValueError as error:
        print(f"keras-uncover: {error}", file=sys.stderr)
        return FAILED
    print(path)
    return DONE


def probability(text):
    """A number from 0 to 1, for argparse."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 <= value <= 1.0:  # Refuses NaN, too.
        raise argparse.ArgumentTypeError(f"must be a number from 0 to 1; received {text!r}")
    return value


def predict(arguments):
    """Run ``predict``; returns the exit code."""
    inputs = check_arguments(arguments)
    # Building networks makes millions of objects that all stay: looking for garbage among them costs seconds.
    gc.set_threshold(200_000, 20, 100)
    from keras_uncover.console import hushed_start
    from keras_uncover.weights import WeightsError

    try:
        with hushed_start():
            uncoverer = load_uncoverer(arguments.preset, arguments.threshold)
        return answer_photos(uncoverer, inputs.photos, arguments)
    except WeightsError as error:
        print(f"keras-uncover: {error}", file=sys.stderr)
        return WEIGHTS


def check_arguments(arguments):
    """Find all that is wrong with the command line before any work is done; returns ``Inputs``."""
    from keras_uncover.outputs import prepare_folder

    if arguments.json and arguments.csv == "-":
        arguments.fail("--json and --csv - both write to stdout; give --csv a file")
    if arguments.csv not in (None, "-"):
        check_csv_path(arguments)
    try:
        inputs = collect_photos(arguments.photos)
    except InputError as error:
        arguments.fail(str(error))
    for folder, photos, others in inputs.left_out:
        if others or not photos:
            print(f"{folder}: {photos} photos; {others} other files are left out", file=sys.stderr)
    if arguments.out is not None:
        try:
            prepare_folder(arguments.out)
        except OSError as error:
            arguments.fail(f"--out must be a folder that can be written; {arguments.out!r}: {error.strerror}")
    return inputs


def check_csv_path(arguments):
    """Refuse a ``--csv`` that cannot be written or would overwrite a photo."""
    path = arguments.csv
    folder = os.path.dirname(path) or "."
    if path.lower().endswith(PHOTO_SUFFIXES):
        arguments.fail(f"--csv names the file to write; received the photo {path!r}. Put photos before --csv FILE")
    if os.path.isdir(path) or not os.access(path if os.path.exists(path) else folder, os.W_OK):
        arguments.fail(f"--csv must be a file that can be written; received {path!r}")


def load_uncoverer(preset, threshold):
    """The ``Uncoverer`` of a preset; imports Keras."""
    from keras_uncover.uncoverer import Uncoverer

    return Uncoverer.from_preset(preset, threshold=threshold)


def answer_photos(uncoverer, photos, arguments):
    """Answer every photo and write what was asked for; returns the exit code."""
    from keras_uncover import outputs
    from keras_uncover.answers import error_record, to_records
    from keras_uncover.console import Console
    from keras_uncover.images import ImageError

    console = Console(len(photos), talks=not arguments.json and arguments.csv is None)
    stems = {} if arguments.out is None else outputs.name_outputs(photos, arguments.out)
    writer = outputs.RecordWriter(arguments.json, arguments.csv)
    refused = 0
    try:
        for number, photo in enumerate(photos, 1):
            console.count(number)
            try:
                result = uncoverer(photo)
            except ImageError as error:
                refused += 1
                console.refuse(photo, error)
                writer.write(error_record(photo, hash_file(photo), error))
                continue
            paths = None if arguments.out is None else outputs.write_pictures(arguments.out, stems[photo], result)
            for record in to_records(result, paths):
                writer.write(record)
                console.tell(record)
    finally:
        writer.close()
    console.finish(refused)
    return REFUSED if refused else DONE
