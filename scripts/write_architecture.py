"""Write docs/architecture.md: the rooms of the library, the arrows between them, and how data walk through them.

    python -m scripts.write_architecture            # write it
    python -m scripts.write_architecture --check    # exit 1 where it is not what the source says

No room is imported: the arrows are read from the imports of every file, wherever they stand.
"""

import argparse
import ast
import sys
from pathlib import Path

from keras_uncover.refusals import end_in_words

ROOT = Path(__file__).resolve().parents[1]
PAGE, LIBRARY = ROOT / "docs" / "architecture.md", ROOT / "keras_uncover"
FRONT = ("__init__", "__main__")  # the public names and the command: they hold nothing themselves
WALKS = {
    "A photo to its JSON line (`keras-uncover predict`)":
        "cli, inference, images, faces, models, inference, images, files, cli",
    "A portrait to its record in a shard": "pipelines, images, faces, models, ops, pipelines",
    "Records to a training batch": "pipelines, swaps, ops, pipelines",
    "A training step": "train_keras.py, training, models, ops, training",
    "Weights to a model": "inference, models, presets, models, inference",
    "A photo's bytes in the SavedModel": "export, faces, models, inference, export",
}
HEAD = """\
# Architecture

Made by `scripts/write_architecture.py` from the imports of every file; `tests/repository/test_rooms.py` holds which
arrows there may be. A room imports from rooms below it alone, so there is no circle.
"""


def library_rooms():
    """Every file of the library by its room; a module beside the rooms is a room of one file."""
    found = {}
    for path in sorted(LIBRARY.rglob("*.py")):
        found.setdefault(Path(path.relative_to(LIBRARY).parts[0]).stem, []).append(path)
    return found


def rooms_imported(path, rooms):
    """Those of ``rooms`` that a file imports."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"), str(path))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            package, room = (*name.split("."), "")[:2]
            if package == "keras_uncover" and room in rooms:
                yield room


def say_what_it_holds(paths):
    """The first line of a room's own words."""
    first = next((path for path in paths if path.name == "__init__.py"), paths[0])
    return (ast.get_docstring(ast.parse(first.read_text("utf-8"))) or "").split("\n")[0].replace("``", "`")


def find_arrows():
    """Room to the sorted rooms that it imports."""
    rooms = library_rooms()
    return {
        room: sorted({other for path in paths for other in rooms_imported(path, rooms)} - {room})
        for room, paths in rooms.items()
        if room not in FRONT
    }


def find_levels(arrows):
    """The rooms by level: the lowest import nothing, every other room imports from the level below it.

    Raises:
        ValueError: the arrows make a circle.
    """
    levels, left = [], dict(arrows)
    while left:
        level = sorted(room for room, below in left.items() if not set(below) & left.keys())
        if not level:
            raise ValueError(f"Rooms must not import each other in a circle; received {sorted(left)}.")
        levels.append(level)
        left = {room: below for room, below in left.items() if room not in level}
    return levels


def build():
    """The page's text."""
    arrows, rooms = find_arrows(), library_rooms()
    levels = find_levels(arrows)
    edges = [f"    {room} --> {other}" for room in sorted(arrows) for other in arrows[room]]
    picture = ["```mermaid", "flowchart TD", *edges, "```"]
    drawn = ["```text", *("   ".join(level) for level in reversed(levels)), "```"]
    table = ["| room | imports | holds |", "|---|---|---|"]
    for room in sum(levels, []):
        table.append(f"| `{room}` | {', '.join(arrows[room]) or '-'} | {say_what_it_holds(rooms[room])} |")
    walks = ["| walk | rooms |", "|---|---|"]
    walks += [f"| {name} | {walk.replace(', ', ' → ')} |" for name, walk in WALKS.items()]
    count = len(edges)
    return "\n".join([
        HEAD, f"## The rooms of `keras_uncover`\n\n{len(arrows)} rooms, {len(levels)} levels, {count} arrows.\n",
        *drawn, "", *picture, "", *table, "", "## Walks\n", *walks, "",
    ])


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where the page is out of date")
    options, text = parser.parse_args(arguments), build()
    if not options.check:
        PAGE.write_text(text, "utf-8")
    elif not PAGE.is_file() or PAGE.read_text("utf-8") != text:
        print("docs/architecture.md is out of date; run python -m scripts.write_architecture", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(end_in_words("write_architecture", main))
