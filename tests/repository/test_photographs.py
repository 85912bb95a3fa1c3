"""Photographs of real people teach verdict and region alone: nothing that recovers a face is ever trained on packs."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[2]
READERS = {"scripts/pack_faces.py", "scripts/train_on_one_gpu.py", "scripts/ship_detector.py"}
RECOVERING = (
    "keras_uncover.models.reconstructor", "keras_uncover.models.autoencoder", "keras_uncover.training",
    "keras_uncover.models.build",
)


def imported(path):
    """Dotted names of modules, and of what is taken from them, that a file imports anywhere."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_packs_are_read_by_scripts_that_know_no_reconstructor():
    files = [path for path in ROOT.rglob("*.py") if path.relative_to(ROOT).parts[0] not in ("tests", "build", "dist")]
    names = {path.relative_to(ROOT).as_posix(): list(imported(path)) for path in files}
    readers = {place for place, found in names.items() if any(n.startswith("pipelines.packs") for n in found)}
    assert readers == READERS
    for place in readers:
        assert not [name for name in names[place] if name.startswith(RECOVERING)], place
