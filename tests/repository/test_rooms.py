"""The rooms of the project and what each may import, read from the source of every file.

A room ends in something on disk and the next begins from it, so no room calls back. The library names no backend:
everything that trains or predicts is ``keras.ops``.
"""

import ast
import subprocess
import sys
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

import pytest
from loaded_script import load_script

ROOT = Path(__file__).parents[2]
BACKENDS = ("tensorflow", "jax", "torch")
# Shards are written with the help of the networks that find faces, never of those that judge them.
TRAINED = tuple(
    f"keras_uncover.{name}"
    for name in (
        "Uncoverer", "inference", "training", "evaluation", "models.classifier", "models.encoder",
        "models.reconstructor",
    )
)


@dataclass(frozen=True)
class Room:
    """What the files of a room may import beside the standard library; ``may=None`` is everything.

    Attributes:
        may: top-level packages.
        never: dotted names that stay forbidden, with all below them.
        only_in: package to the file of the room that may import it, or a pattern of several.
        only_inside: package to the one function that may import it.
        in_place: whether layers, losses and ops may be written there.
    """

    may: tuple | None
    never: tuple = ()
    only_in: dict = field(default_factory=dict)
    only_inside: dict = field(default_factory=dict)
    in_place: bool = True


SCRIPT = Room(
    ("keras", "numpy", "keras_uncover", "pipelines"), only_inside={"tensorflow": "choose_strategy"}, in_place=False
)
ASIDE = Room(None, never=("benchmarks", "scripts", "tests"))
ROOMS = {
    "keras_uncover": Room(
        ("keras", "numpy", "PIL", "cv2", "h5py", "keras_uncover"),
        only_in={"matplotlib": "*figures.py", "gradio": "demo/app.py", "tensorboard": "training/callbacks.py"},
    ),
    "pipelines": Room(
        ("tensorflow", "tensorflow_datasets", "etils", "tqdm", "numpy", "cv2", "keras", "keras_uncover", "pipelines"),
        never=TRAINED,
        only_in={"apache_beam": "distributed.py"},
    ),
    "train_keras.py": SCRIPT,
    "evaluate_keras.py": SCRIPT,
    "export": Room(
        ("tensorflow", "keras", "numpy", "keras_uncover", "export", "tensorflow_serving", "grpc", "requests"),
        never=("keras_uncover.training.losses", "keras_uncover.swaps.augment"),
        only_in={"onnxruntime": "onnx.py", "ai_edge_litert": "litert.py"},
    ),
    "app.py": Room(("keras_uncover",)),
    "benchmarks": ASIDE,
    "scripts": ASIDE,
    "tests": Room(None, never=("benchmarks", "tests")),
}
FILES, INSTALLED = ("hashlib", "fcntl"), ("keras_uncover", "pipelines", "export")  # hashes and locks have one home
LEFT_BY_BUILDS = ("build", "dist")
# Every arrow between the rooms of the library, lowest rooms first: room to what it imports. Modules beside the rooms
# are rooms of one file; ``__init__`` is the public front.
INNER = {
    "escapes": (),
    "files": (),
    "ops": (),
    "overwriting": (),
    "process": ("escapes",),
    "refusals": ("process",),
    "terminal": ("process",),
    "backend": ("refusals",),
    "images": ("files", "refusals"),
    "presets": ("files", "overwriting", "refusals"),
    "swaps": ("ops", "refusals"),
    "models": ("backend", "ops", "presets", "process", "refusals"),
    "faces": ("backend", "models", "ops", "presets", "process"),
    "training": ("backend", "files", "models", "ops", "overwriting", "presets", "process", "refusals", "terminal"),
    "inference": (
        "backend", "escapes", "faces", "files", "images", "models", "ops", "overwriting", "presets", "process",
        "swaps",
    ),
    "demo": ("files", "images", "inference", "process"),
    "evaluation": (
        "faces", "files", "images", "inference", "ops", "overwriting", "presets", "refusals", "swaps", "terminal",
    ),
    "cli": (
        "backend", "demo", "escapes", "faces", "files", "images", "inference", "overwriting", "presets", "process",
        "refusals", "terminal", "training",
    ),
    "__main__": ("cli",),
    "__init__": ("images", "inference", "presets"),
}


def python_files(root):
    """Every Python file of a checkout as a path below ``root``; virtual environments and builds are not of it."""
    for place in sorted(root.iterdir()):
        if place.is_dir() and not place.name.startswith(".") and place.name not in LEFT_BY_BUILDS:
            if not (place / "pyvenv.cfg").exists():
                yield from (path.relative_to(root) for path in sorted(place.rglob("*.py")))
        elif place.suffix == ".py":
            yield place.relative_to(root)


def imports_of(tree, path):
    """Yield ``(dotted name, line, names of the enclosing functions)`` of each import, wherever it stands."""

    def visit(node, inside):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            inside = (*inside, node.name)
        for name in names_imported(node, path):
            yield name, node.lineno, inside
        for child in ast.iter_child_nodes(node):
            yield from visit(child, inside)

    return visit(tree, ())


def names_imported(node, path):
    """Dotted names that one node imports; ``?`` where only running it would tell."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        base = path.parts[:-1][: len(path.parts) - node.level] if node.level else ()
        module = (*base, node.module) if node.module else base
        return [".".join((*module, alias.name)) for alias in node.names]
    if isinstance(node, ast.Call) and called_name(node) in ("import_module", "__import__"):
        first = node.args[0] if node.args else None
        return [first.value] if isinstance(first, ast.Constant) else ["?"]
    return []


def called_name(call):
    """Last part of the name that is called, or None."""
    return getattr(call.func, "attr", getattr(call.func, "id", None))


def import_offence(name, inside, path, room):
    """Why a room may not import a name, or None."""
    top = name.split(".")[0]
    if top in FILES and path.parts[0] in INSTALLED and path.as_posix() != "keras_uncover/files.py":
        return f"imports {name} outside of keras_uncover/files.py"
    if any(f"{name}.".startswith(f"{banned}.") for banned in room.never):
        return f"imports {name}"
    if top in ("pickle", "cPickle", "dill", "cloudpickle", "joblib"):
        return f"imports {name}: pickled data runs code"
    if room.may is None or top in room.may or top in sys.stdlib_module_names:
        return None
    if top in room.only_in:
        there = room.only_in[top]
        return None if fnmatch(path.as_posix(), f"*/{there}") else f"imports {name} outside of {there}"
    if top in room.only_inside:
        within = room.only_inside[top]
        return None if within in inside else f"imports {name} outside of {within}()"
    return f"imports {name}"


def inner_offence(name, path):
    """Why a file of the library may not import a name of another of its rooms, or None."""
    if path.parts[0] != "keras_uncover" or not name.startswith("keras_uncover."):
        return None
    here, there = Path(path.parts[1]).stem, name.split(".")[1]
    if here == there or there.startswith("__") or there in INNER.get(here, ()):
        return None
    return f"imports {name}: {here} may not import {there}" if here in INNER else f"imports {name} in an unknown room"


def call_offence(node):
    """Why a call is allowed nowhere, or None."""
    name = called_name(node)
    if name == "Lambda":
        return "makes a Lambda layer, which saves code instead of a configuration"
    for keyword in node.keywords:
        value = getattr(keyword.value, "value", None)
        if (keyword.arg, value) in (("allow_pickle", True), ("safe_mode", False)):
            return f"calls {name} with {keyword.arg}={value}, which lets a file run code"
    return None


def in_place_offences(tree):
    """Yield ``(line, words)`` where layers, losses or ops are used and not only the library's own pieces."""
    parts = ("layers", "losses", "ops")
    modules = {"keras"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {alias.asname for alias in node.names if alias.name == "keras" and alias.asname}
    for node in ast.walk(tree):
        names = names_imported(node, Path())
        if any(name.split(".")[:2] in [["keras", part] for part in parts] for name in names):
            yield node.lineno, f"imports {', '.join(names)}"
        used = isinstance(node, ast.Attribute) and node.attr in parts and getattr(node.value, "id", None) in modules
        if used:
            yield node.lineno, f"uses keras.{node.attr}"


def find_offences(root):
    """Every break of the rules below ``root``, as ``file:line: words``."""
    offences = []
    for path in python_files(root):
        room = ROOMS.get(path.parts[0])
        if room is None:
            offences.append(f"{path}:1: belongs to no room")
            continue
        tree = ast.parse((root / path).read_text("utf-8"), str(path))
        found = [(line, import_offence(name, inside, path, room)) for name, line, inside in imports_of(tree, path)]
        found += [(line, inner_offence(name, path)) for name, line, inside in imports_of(tree, path)]
        found += [(node.lineno, call_offence(node)) for node in ast.walk(tree) if isinstance(node, ast.Call)]
        found += [] if room.in_place else in_place_offences(tree)
        offences += [f"{path}:{line}: {words}" for line, words in found if words]
    return offences


def test_every_file_keeps_to_its_room():
    assert len([path for path in python_files(ROOT) if path.parts[0] == "keras_uncover"]) > 5
    assert find_offences(ROOT) == []


def test_the_page_of_the_architecture_is_what_the_imports_say(capsys):
    script = load_script("scripts/write_architecture.py")
    assert script.main(["--check"]) == 0, capsys.readouterr().err
    arrows = {room: set(below) for room, below in script.find_arrows().items()}
    assert arrows == {room: set(below) for room, below in INNER.items() if not room.startswith("__")}
    with pytest.raises(ValueError, match="in a circle; received"):
        script.find_levels({"a": ["b"], "b": ["a"], "c": []})


def test_a_walk_enters_few_rooms_and_none_three_times():
    for name, walk in load_script("scripts/write_architecture.py").WALKS.items():
        rooms = walk.split(", ")
        assert len(set(rooms)) <= 7 and all(rooms.count(room) <= 2 for room in rooms), name


def test_the_rooms_of_the_library_are_those_on_disk_and_make_no_circle():
    found = {Path(path.parts[1]).stem for path in python_files(ROOT) if path.parts[0] == "keras_uncover"}
    assert found == INNER.keys()
    left = dict(INNER)
    while left:
        free = [room for room, below in left.items() if not set(below) & left.keys()]
        assert free, f"a circle among {sorted(left)}"
        left = {room: below for room, below in left.items() if room not in free}


@pytest.mark.parametrize(
    "file, source, words",
    [
        ("keras_uncover/ops/a.py", "from keras_uncover.models.layers import Warp", "ops may not import models"),
        ("pipelines/build/a.py", "import fcntl", "outside of keras_uncover/files.py"),
        ("keras_uncover/faces/a.py", "def f():\n    import keras_uncover.training.losses", "may not import training"),
        ("keras_uncover/new/a.py", "from keras_uncover.ops import ssim", "in an unknown room"),
        ("keras_uncover/a.py", "import tensorflow as tf", "a.py:1: imports tensorflow"),
        ("keras_uncover/a.py", "def f():\n    if x:\n        import tensorflow.io", "a.py:3: imports tensorflow.io"),
        ("keras_uncover/models/a.py", "from jax import numpy", "imports jax.numpy"),
        ("keras_uncover/a.py", "class A:\n    def f(self):\n        from torch import nn", "a.py:3: imports torch.nn"),
        ("keras_uncover/a.py", "import importlib\nimportlib.import_module('tensorflow')", "a.py:2: imports tensorflow"),
        ("keras_uncover/a.py", "__import__(name)", "imports ?"),
        ("keras_uncover/a.py", "import matplotlib.pyplot", "imports matplotlib.pyplot outside of *figures.py"),
        ("keras_uncover/a.py", "import tensorboard", "imports tensorboard outside of training/callbacks.py"),
        ("keras_uncover/cli/main.py", "def main():\n    import gradio", "imports gradio outside of demo/app.py"),
        ("keras_uncover/a.py", "from pipelines import load", "imports pipelines.load"),
        ("keras_uncover/a.py", "import export.client", "imports export.client"),
        ("keras_uncover/a.py", "from scripts.x import y", "imports scripts.x.y"),
        ("keras_uncover/a.py", "import train_keras", "imports train_keras"),
        ("keras_uncover/a.py", "from .. import tests", "imports tests"),
        ("keras_uncover/a.py", "import requests", "imports requests"),
        ("pipelines/a.py", "import export", "imports export"),
        ("pipelines/a.py", "import train_keras", "imports train_keras"),
        ("pipelines/a.py", "import apache_beam as beam", "imports apache_beam outside of distributed.py"),
        ("pipelines/a.py", "from keras_uncover import Uncoverer", "imports keras_uncover.Uncoverer"),
        ("pipelines/a.py", "from keras_uncover import inference", "imports keras_uncover.inference"),
        ("pipelines/a.py", "from keras_uncover.models.classifier import build_classifier", "models.classifier"),
        ("train_keras.py", "import tensorflow", "imports tensorflow outside of choose_strategy()"),
        ("train_keras.py", "def main():\n    import tensorflow", "train_keras.py:2: imports tensorflow outside"),
        ("train_keras.py", "import keras\nkeras.layers.Dense(3)", "train_keras.py:2: uses keras.layers"),
        ("train_keras.py", "import keras as k\nk.ops.mean(3)", "train_keras.py:2: uses keras.ops"),
        ("evaluate_keras.py", "from keras import losses", "imports keras.losses"),
        ("evaluate_keras.py", "from keras.ops import mean", "imports keras.ops.mean"),
        ("evaluate_keras.py", "import export", "imports export"),
        ("export/a.py", "from pipelines.load import load", "imports pipelines.load.load"),
        ("export/a.py", "import train_keras", "imports train_keras"),
        ("export/a.py", "import onnxruntime", "imports onnxruntime outside of onnx.py"),
        ("export/a.py", "from keras_uncover.training.losses import Loss", "imports keras_uncover.training.losses.Loss"),
        ("app.py", "import gradio", "imports gradio"),
        ("app.py", "import numpy", "imports numpy"),
        ("scripts/a.py", "import benchmarks.b", "imports benchmarks.b"),
        ("benchmarks/a.py", "from scripts import b", "imports scripts.b"),
        ("tests/a.py", "from benchmarks import b", "imports benchmarks.b"),
        ("scripts/a.py", "import pickle", "imports pickle: pickled data runs code"),
        ("keras_uncover/a.py", "import keras\nkeras.layers.Lambda(f)", "a.py:2: makes a Lambda layer"),
        ("tests/a.py", "Lambda(f)", "makes a Lambda layer"),
        ("tests/a.py", "np.load(f, allow_pickle=True)", "calls load with allow_pickle=True"),
        ("export/a.py", "keras.saving.load_model(f, safe_mode=False)", "calls load_model with safe_mode=False"),
        ("setup.py", "import setuptools", "setup.py:1: belongs to no room"),
        ("utils/a.py", "", "belongs to no room"),
    ],
)
def test_an_offence_is_reported(tmp_path, file, source, words):
    path = tmp_path / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(source)
    offences = find_offences(tmp_path)
    assert len(offences) == 1
    assert words in offences[0]


@pytest.mark.parametrize(
    "file, source",
    [
        ("keras_uncover/ops/a.py", "import os, keras, numpy, cv2\nfrom . import b\nkeras.layers.Add()"),
        ("keras_uncover/models/a.py", "from ..ops.geometry import sample\nfrom . import layers"),
        ("keras_uncover/inference/figures.py", "from matplotlib.figure import Figure"),
        ("keras_uncover/demo/app.py", "import gradio"),
        ("pipelines/a.py", "import tensorflow, pipelines.load\nfrom keras_uncover.faces.finder import FaceFinder"),
        ("train_keras.py", "import keras\ndef choose_strategy():\n    import tensorflow\nkeras.utils.f(1)"),
        ("export/a.py", "import tensorflow, keras\nfrom keras_uncover import Uncoverer"),
        ("benchmarks/a.py", "import torch, pipelines, export.client"),
        ("venv/lib/a.py", "import torch"),
        ("build/lib/a.py", "import torch"),
    ],
)
def test_what_is_allowed_is_not_reported(tmp_path, file, source):
    path = tmp_path / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(source)
    if path.relative_to(tmp_path).parts[0] == "venv":
        (tmp_path / "venv" / "pyvenv.cfg").touch()
    assert find_offences(tmp_path) == []


@pytest.mark.parametrize("action", ["", "; keras_uncover.cli.main.main(['--help'])"])
def test_help_loads_neither_backend_nor_matplotlib(action):
    report = "import atexit, sys; atexit.register(lambda: print('LOADED', *sys.modules)); import keras_uncover.cli.main"
    run = subprocess.run([sys.executable, "-c", report + action], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    loaded = set(run.stdout.split("LOADED")[-1].split())
    assert "keras_uncover.cli.main" in loaded
    assert not loaded & {*BACKENDS, "keras", "matplotlib", "gradio"}
