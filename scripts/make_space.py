"""Put a Hugging Face Space together: a folder that can be pushed as it is.

    python scripts/make_space.py space-folder

It holds ``README.md`` with the front matter, ``requirements.txt``, ``app.py``, the licence and the package with its
presets. Nothing is sent anywhere.
"""

import argparse
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def make_space(folder):
    """Write the Space; refuses a folder that holds something.

    Raises:
        FileExistsError: as said.
    """
    folder = Path(folder)
    if folder.exists() and any(folder.iterdir()):
        raise FileExistsError(f"A Space is written into a new folder; {folder} holds something. Name another.")
    shutil.copytree(ROOT / "keras_uncover", folder / "keras_uncover", ignore=shutil.ignore_patterns("__pycache__"))
    for path in (ROOT / "space" / "README.md", ROOT / "space" / "requirements.txt", ROOT / "app.py", ROOT / "LICENSE"):
        shutil.copy(path, folder / path.name)
    return folder


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", help="a new folder")
    try:
        print(f"{str(make_space(parser.parse_args().folder))!r}: push it to a Space with the SDK Gradio")
    except FileExistsError as error:
        print(ascii(str(error))[1:-1], file=sys.stderr)  # no name reaches the terminal raw
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
