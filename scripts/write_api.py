"""Write docs/api.md, the reference of the public parts, from the docstrings in the source.

    python -m scripts.write_api            # write it
    python -m scripts.write_api --check    # exit 1 where it is not what the source says

Nothing is imported: the source is read, so this needs no backend. ``test_docs.py`` keeps the page up to date.
"""

import argparse
import ast
import sys
from pathlib import Path

from keras_uncover.refusals import end_in_words

ROOT = Path(__file__).parents[1]


def parse_arguments(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where the page is out of date")
    return parser.parse_args(arguments)


PAGE = ROOT / "docs" / "api.md"
# In the order of the page: what users and trainers call; the other modules are the insides of these.
MODULES = {
    "Answering": (
        "keras_uncover/inference/uncoverer.py", "keras_uncover/inference/answers.py",
        "keras_uncover/images/decode.py", "keras_uncover/faces/finder.py", "keras_uncover/inference/likeness.py",
        "keras_uncover/faces/identity.py",
    ),
    "What leaves the product": (
        "keras_uncover/inference/records.py", "keras_uncover/inference/outputs.py",
        "keras_uncover/images/provenance.py", "keras_uncover/inference/figures.py",
        "keras_uncover/images/overlays.py", "keras_uncover/demo/page.py",
        "keras_uncover/demo/report.py", "keras_uncover/inference/scores.py", "keras_uncover/demo/app.py",
    ),
    "Presets": (
        "keras_uncover/presets/__init__.py", "keras_uncover/presets/weights.py",
        "keras_uncover/inference/calibration.py", "keras_uncover/inference/self_test.py",
    ),
    "Networks and training": (
        "keras_uncover/models/config.py", "keras_uncover/models/classifier.py",
        "keras_uncover/models/reconstructor.py", "keras_uncover/swaps/synthesis.py", "keras_uncover/swaps/augment.py",
        "keras_uncover/training/losses.py", "keras_uncover/training/metrics.py",
        "keras_uncover/training/compiling.py", "keras_uncover/training/setup.py",
    ),
    "Evaluation": (
        "keras_uncover/evaluation/scoring.py", "keras_uncover/evaluation/report.py",
        "keras_uncover/evaluation/ranking.py", "keras_uncover/evaluation/calibration.py",
        "keras_uncover/evaluation/material.py", "keras_uncover/evaluation/material_run.py",
    ),
}
HEAD = """\
# API reference

Made from the docstrings by `scripts/write_api.py`. `Uncoverer`, `ImageError` and `WeightsError` can be imported from
`keras_uncover` itself. Names that begin with an underscore, and modules that are not listed, are insides and may
change at any time.
"""


def build():
    """The page's text."""
    parts = [HEAD]
    for title, paths in MODULES.items():
        parts.append(f"## {title}\n")
        for path in paths:
            parts.append(describe_module(ROOT / path))
    return "\n".join(parts)


def describe_module(path):
    """A module's own words, then its public classes and functions."""
    tree = ast.parse(path.read_text("utf-8"), str(path))
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    lines = [f"### `{name}`\n", quote(ast.get_docstring(tree))]
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and is_public(node):
            lines.append(describe_class(node))
        elif isinstance(node, ast.FunctionDef) and is_public(node):
            lines.append(f"#### `{sign(node)}`\n\n{quote(ast.get_docstring(node))}")
    return "\n".join(lines)


def is_public(node):
    """Whether users may call it: it has a plain name and a docstring."""
    return not node.name.startswith("_") and ast.get_docstring(node) is not None


def describe_class(node):
    """A class with its public methods."""
    lines = [f"#### class `{node.name}`\n", quote(ast.get_docstring(node))]
    for method in node.body:
        called = isinstance(method, ast.FunctionDef) and (is_public(method) or method.name == "__call__")
        if called and ast.get_docstring(method):
            lines.append(f"##### `{node.name}.{sign(method)}`\n\n{quote(ast.get_docstring(method))}")
    return "\n".join(lines)


def sign(node):
    """A function's name and arguments, without ``self``."""
    arguments = ast.unparse(node.args)
    for first in ("self", "cls"):
        arguments = arguments.removeprefix(f"{first}, ") if arguments != first else ""
    return f"{node.name}({arguments})"


def quote(text):
    """A docstring as it stands: its lines and columns carry meaning."""
    return f"```text\n{text}\n```\n"


def main(arguments=None):
    options = parse_arguments(arguments)
    text = build()
    if not options.check:
        PAGE.write_text(text, "utf-8")
        print(f"{PAGE.relative_to(ROOT)}: {text.count('####')} entries")
    elif PAGE.read_text("utf-8") != text:
        print("docs/api.md is out of date; run python -m scripts.write_api", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(end_in_words("write_api", main))
