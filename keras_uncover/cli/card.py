"""``keras-uncover card``: what a preset is."""

import sys

from keras_uncover.cli.common import DONE, WEIGHTS, add_command, complain
from keras_uncover.escapes import for_stdout


def add(commands):
    """Add the command to the parser of all."""
    parser = add_command(
        commands,
        "card",
        "tell what a preset is, how well it does and what it must not be used for",
        "Print a preset's card: its data, licence, measured numbers, failures and forbidden uses.\n"
        "Without NAME, list the presets that ship.",
        "examples:\n  keras-uncover card\n  keras-uncover card small\n"
        "\nexit codes:\n  0  printed\n  4  there is no such preset, or it has no card\n",
    )
    parser.add_argument("name", nargs="?", metavar="NAME|DIR", help="a preset that ships, or a preset folder")
    parser.set_defaults(run=run)


def run(arguments):
    """Print the card; returns the exit code."""
    from keras_uncover.cli.cards import list_cards, read_card
    from keras_uncover.presets.weights import WeightsError

    try:
        text = list_cards() if arguments.name is None else read_card(arguments.name)
    except WeightsError as error:
        complain(error)
        return WEIGHTS
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")  # A card is UTF-8; the terminal may not be.
    print("\n".join(map(for_stdout, text.rstrip("\n").split("\n"))), flush=True)
    return DONE
