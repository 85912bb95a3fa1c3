"""The command line: ``keras-uncover COMMAND``.

Data goes to stdout, words for people to stderr. Keras is imported only when there is a photo to answer.
"""

import argparse
import os
import sys
from importlib import metadata

from keras_uncover.cli import card, demo, doctor, match, plot, predict
from keras_uncover.cli.common import INTERRUPTED, PIPE, complain, say
from keras_uncover.escapes import Parser
from keras_uncover.process import ended_by_term, open_closed_streams, use_cache
from keras_uncover.refusals import explain

COMMANDS = (predict, match, demo, doctor, card, plot)  # in the order of --help


def main(argv=None):
    """Run a command.

    Args:
        argv: list of str, or None for the process's own arguments.

    Returns: the exit code. Raises SystemExit for ``--help``, ``--version`` and a wrong command line, as argparse does,
    and at SIGTERM.
    """
    open_closed_streams()
    arguments = build_parser().parse_args(argv)
    use_cache()
    try:
        with ended_by_term():
            return arguments.run(arguments)
    except KeyboardInterrupt:
        say("keras-uncover: interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our data has left. Python would complain when it flushes stdout at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE
    except Exception as error:
        found = explain(error)
        if found is None:
            raise
        complain(found[1])
        return found[0]


def build_parser():
    """The parser of all commands."""
    parser = Parser(
        prog="keras-uncover",
        description="Say whether a face in a photo was swapped in, show where, and recover both source images.",
        epilog=f"{predict.EXAMPLES}{match.EXAMPLE}  keras-uncover demo\n  keras-uncover doctor\n"
        "  keras-uncover card small\n\nkeras-uncover COMMAND --help tells more.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"keras-uncover {read_version()}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add(commands)
    return parser


def read_version():
    """The installed version, or words where this is a bare checkout."""
    try:
        return metadata.version("keras-uncover")
    except metadata.PackageNotFoundError:
        return "(not installed)"
