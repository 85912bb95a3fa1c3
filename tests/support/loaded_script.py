"""A script or benchmark of the repository as a module. None of them is part of a package."""

import importlib.util
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def load_script(place):
    """The module of a file, such as ``scripts/fit_geometry.py``."""
    spec = importlib.util.spec_from_file_location(Path(place).stem, ROOT / place)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
