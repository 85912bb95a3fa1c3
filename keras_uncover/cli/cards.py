"""Cards: what a preset is made of, how well it does, and what it must not be used for."""

from pathlib import Path

from keras_uncover.presets import preset_folder, shipped_configs
from keras_uncover.presets.weights import WeightsError

CARD = "card.md"


def list_cards():
    """One line a preset that ships: its name, its kind, and the side of the pictures that it sees where it says so."""
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
