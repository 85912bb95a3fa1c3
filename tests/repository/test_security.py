"""SECURITY.md names tests that exist, and dependencies have the floors that it gives."""

import ast
import configparser
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "SECURITY.md").read_text("utf-8")
NAMED = sorted(set(re.findall(r"`(test_\w+\.py)::(test_\w+)`", TEXT)))


def requirements():
    """Floors of ``setup.cfg`` by package, as tuples of numbers."""
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    lines = config["options"]["install_requires"].split() + config["options.extras_require"]["demo"].split()
    found = (re.fullmatch(r"([\w-]+)>=([\d.]+)", line) for line in lines)
    return {name: tuple(map(int, floor.split("."))) for name, floor in (match.groups() for match in found)}


def test_there_are_promises():
    assert len(NAMED) > 30
    for heading in ("Reporting", "What is promised", "What is not promised", "Dependencies"):
        assert re.search(rf"^## {heading}", TEXT, re.MULTILINE)


@pytest.mark.parametrize("file", sorted({file for file, _ in NAMED}))
def test_the_tests_that_promises_name_exist(file):
    (path,) = (ROOT / "tests").rglob(file)
    tree = ast.parse(path.read_text("utf-8"))
    there = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert {test for named, test in NAMED if named == file} <= there


def test_every_promise_names_its_test():
    promised = TEXT.split("## What is promised")[1].split("## What is not promised")[0]
    items = re.split(r"^- ", promised, flags=re.MULTILINE)[1:]
    assert len(items) > 15
    assert [item for item in items if "::test_" not in item] == []


@pytest.mark.parametrize("package, least", [
    ("keras", (3, 15, 1)), ("pillow", (12, 3)), ("gradio", (6, 20)), ("tensorflow", (2, 21)), ("numpy", (2, 1)),
])
def test_floors_exclude_known_holes(package, least):
    floor = requirements()[package]
    assert floor >= least
    named = re.search(rf"^\| `{package}` \| ([\d.]+) \|", TEXT, re.MULTILINE)
    if named:
        assert tuple(map(int, named[1].split("."))) == floor


def test_the_installed_packages_are_not_below_the_floors():
    from importlib import metadata

    for package, floor in requirements().items():
        try:
            version = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
        assert tuple(int(part) for part in re.findall(r"\d+", version)[: len(floor)]) >= floor, package


def test_what_is_not_promised_is_said():
    words = TEXT.split("## What is not promised")[1].lower()
    for needed in ("without a proxy", "foreign savedmodels", "pip_audit", "versions that were run"):
        assert needed in words
