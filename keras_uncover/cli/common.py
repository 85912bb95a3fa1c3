"""What commands share: exit codes, and the types and options of several of them."""

import argparse
import os

from keras_uncover.backend import check_backend
from keras_uncover.escapes import escape
from keras_uncover.overwriting import OverwriteError, check_output
from keras_uncover.process import tell

DEFAULT_PRESET = "small"
DONE, FAILED, USAGE, REFUSED, WEIGHTS, FOUND, INTERRUPTED, PIPE = 0, 1, 2, 3, 4, 10, 130, 141


def add_command(commands, name, summary, description, epilog):
    """A new command's parser; its epilog keeps its lines."""
    return commands.add_parser(
        name, help=summary, description=description, epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def add_preset(parser):
    """Add the option ``--preset``."""
    parser.add_argument(
        "--preset", default=DEFAULT_PRESET, metavar="NAME|DIR", help="weights to answer with (default: %(default)s)"
    )


def add_threshold(parser):
    """Add the option ``--threshold``."""
    parser.add_argument(
        "--threshold", type=probability, metavar="P", help="p_fake from which on a face is called fake, 0 to 1"
    )


def probability(text):
    """A number from 0 to 1, for argparse."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 <= value <= 1.0:  # Refuses NaN, too.
        raise argparse.ArgumentTypeError(f"must be a number from 0 to 1; received {text!r}")
    return value


def whole(low, high):
    """A type for argparse: a whole number from ``low`` to ``high``."""

    def number(text):
        value = int(text) if text.isdecimal() else low - 1
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"must be a whole number from {low} to {high}; received {text!r}")
        return value

    return number


def add_overwrite(parser):
    """Add the option ``--overwrite``."""
    parser.add_argument(
        "--overwrite", action="store_true",
        help="let outputs take the place of inputs and of files that this program did not write",
    )


def check_writable(arguments, option, inputs, replaced=True):
    """Refuse an option's file that cannot be written, or that something else wrote; names what was given.

    Args:
        inputs, replaced: as for ``overwriting.check_output``.
    """
    path = getattr(arguments, option)
    try:
        check_output(path, inputs, arguments.overwrite, replaced)
    except OverwriteError as error:
        arguments.fail(f"--{option}: {error}")
    folder = os.path.dirname(path) or "."
    if os.path.isdir(path) or not os.access(path if os.path.exists(path) else folder, os.W_OK):
        arguments.fail(f"--{option} must be a file that can be written; received {path!r}")


def say(words):
    """A line for the person at the terminal."""
    tell(escape(words))


def complain(error):
    """An error that ends a command, told as all of them are."""
    say(f"keras-uncover: {error}")


def load_uncoverer(preset, threshold=None):
    """The ``Uncoverer`` of a preset; imports Keras, with its start-up notes held back.

    Raises: WeightsError; BackendError before Keras is imported.
    """
    check_backend()
    import gc

    # Building networks makes millions of objects that all stay: looking for garbage among them costs seconds.
    gc.set_threshold(200_000, 20, 100)
    from keras_uncover.process import hushed_start

    with hushed_start():
        from keras_uncover.inference.uncoverer import Uncoverer

        return Uncoverer.from_preset(preset, threshold=threshold)
