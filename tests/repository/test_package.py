"""What the wheel carries beside the code."""

import configparser
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "keras_uncover"


def test_every_file_of_the_package_is_packed():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    patterns = config["options.package_data"]["keras_uncover"].split()
    found = (path.relative_to(PACKAGE) for path in PACKAGE.rglob("*") if path.is_file())
    files = [path for path in found if "__pycache__" not in path.parts]
    others = [path for path in files if path.suffix != ".py"]
    assert len(others) > 10
    left_out = [
        str(path) for path in others
        if not any(fnmatch(str(path), pattern) and len(Path(pattern).parts) == len(path.parts) for pattern in patterns)
    ]
    assert left_out == []
    folders = {path.parent for path in files if path.suffix == ".py"}
    assert all((PACKAGE / folder / "__init__.py").is_file() for folder in folders)
