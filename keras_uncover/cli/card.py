"""``keras-uncover card``: what a preset is made of, how well it does, and what it must not be used for."""

import sys
from pathlib import Path

from keras_uncover.cli.common import DONE, WEIGHTS, add_command, complain
from keras_uncover.escapes import for_stdout

CARD = "card.md"


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


def list_cards():
    """One line a preset that ships: its name, its kind, and the side of the pictures that it sees where it says so."""
    from keras_uncover.presets import shipped_configs

    lines = []
    for name, config in shipped_configs().items():
        size = config["arch"].get("size")
        lines.append(f"{name:16} {config['kind']:16} {'' if size is None else f'{size} px'}".rstrip())
    return "\n".join(lines)


def read_card(name):
    """The text of a preset's card.

    Args:
        name: name of a preset that ships, or a preset folder.

    Raises:
        WeightsError: there is no such preset, or it has no card.
    """
    from keras_uncover.presets import preset_folder, shipped_configs
    from keras_uncover.presets.weights import WeightsError

    try:
        folder = preset_folder(name)
    except WeightsError as error:
        raise WeightsError(
            f"A card is that of a preset, {', '.join(shipped_configs())}, or of a preset folder.", repr(str(name)),
            "keras-uncover card, without a name, lists the presets.",
        ) from error
    path = Path(folder) / CARD
    if not path.is_file():
        raise WeightsError(
            f"A published preset has a {CARD}.", f"{folder}, which has none",
            "A training run gets one when it is published; its config.json says how it was trained.",
        )
    return path.read_text("utf-8")
