"""Names that files import of each other exist. Scripts and benchmarks import most of theirs after ``--help``, and no
test starts some of them, so a module that moved would be noticed by whoever runs one first.
"""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
OURS = ("keras_uncover", "pipelines", "export", "scripts", "benchmarks")
FILES = sorted(path for name in OURS for path in (ROOT / name).rglob("*.py")) + sorted(ROOT.glob("*.py"))


def source_of(module):
    """The file of a dotted name, or None where there is none."""
    place = ROOT / Path(*module.split("."))
    return next((path for path in (place.with_suffix(".py"), place / "__init__.py") if path.is_file()), None)


def names_bound(path):
    """Names that a file binds outside of functions and classes."""
    names, left = set(), [ast.parse(path.read_text("utf-8"))]
    while left:
        node = left.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names.update((alias.asname or alias.name).split(".")[0] for alias in node.names)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        else:
            left.extend(ast.iter_child_nodes(node))
    return names


def missing(path):
    """Names of ours that a file imports and that are nowhere, as dotted names."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (a.name for a in node.names if a.name.split(".")[0] in OURS and not source_of(a.name))
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module.split(".")[0] in OURS:
            source = source_of(node.module)
            bound = names_bound(source) if source else set()
            lazy = "__getattr__" in bound
            for alias in node.names:
                if not (lazy or alias.name in bound or source_of(f"{node.module}.{alias.name}")):
                    yield f"{node.module}.{alias.name}"


def test_every_name_that_is_imported_exists():
    assert len(FILES) > 100
    assert {str(path.relative_to(ROOT)): found for path in FILES if (found := list(missing(path)))} == {}


@pytest.mark.parametrize("line, words", [
    ("from pipelines.build.splits import SPLITS", ["pipelines.build.splits.SPLITS"]),
    ("import keras_uncover.nowhere", ["keras_uncover.nowhere"]),
    ("def f():\n    from pipelines.nowhere import a, b", ["pipelines.nowhere.a", "pipelines.nowhere.b"]),
    ("from pipelines.schema import SPLITS\nfrom keras_uncover.presets import weights\nimport numpy", []),
])
def test_a_name_that_is_nowhere_is_found(tmp_path, line, words):
    (tmp_path / "a.py").write_text(line)
    assert list(missing(tmp_path / "a.py")) == words
