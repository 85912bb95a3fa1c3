"""Put a Hugging Face Space together: a folder that can be pushed as it is.

    python -m scripts.make_space space-folder

It holds ``README.md`` with the front matter, ``requirements.txt``, ``app.py``, the licence and the package with its
presets. Nothing is sent anywhere.
"""

import argparse
import shutil
import sys
from pathlib import Path

from keras_uncover.escapes import Parser, for_stdout
from keras_uncover.refusals import end_in_words

ROOT = Path(__file__).parents[1]


def parse_arguments(arguments=None):
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", help="a new folder")
    return parser.parse_args(arguments)


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


def main(arguments=None):
    print(for_stdout(f"{make_space(parse_arguments(arguments).folder)}: push it to a Space with the SDK Gradio"))


if __name__ == "__main__":
    sys.exit(end_in_words("make_space", main))
