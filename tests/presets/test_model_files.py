"""Model files from elsewhere: nothing in them runs; what is altered, cut, swapped or too large is refused with 4."""

import ast
import json
import shutil
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from keras_uncover.cli import main
from keras_uncover.models.build import build_from_folder, build_model
from keras_uncover.models.config import TINY
from keras_uncover.presets import KINDS, preset_folder, shipped_configs, weights
from keras_uncover.presets.arrays import MOST_BYTES, ArraysError, check_arrays
from keras_uncover.presets.schema import check_arch, check_config
from keras_uncover.presets.weights import (
    CONFIG,
    MANIFEST,
    WEIGHTS,
    WeightsError,
    load_verified,
    load_weights,
    save_preset,
)
from keras_uncover.training.setup import run_config

ROOT = Path(__file__).parents[2]
PHOTO = ROOT / "examples" / "fake_1.jpg"


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """A tiny preset. Only to be read."""
    keras.utils.set_random_seed(3)
    folder = tmp_path_factory.mktemp("presets") / "tiny"
    save_preset(build_model("classify", TINY), folder, run_config("classify", TINY, "tiny", {}))
    return folder


@pytest.fixture
def folder(sound, tmp_path):
    return shutil.copytree(sound, tmp_path / "tiny")


def sign(folder):
    """Make the manifest fit, as whoever hands a whole folder on can."""
    (folder / MANIFEST).write_text(json.dumps({name: weights._digest(folder, name) for name in (CONFIG, WEIGHTS)}))


def flip(folder):
    data = bytearray((folder / WEIGHTS).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / WEIGHTS).write_bytes(data)


def cut(folder):
    data = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(data[: len(data) // 2])


def cut_and_sign(folder):
    cut(folder)
    sign(folder)


def swap(folder):
    shutil.copy(preset_folder("classifier") / WEIGHTS, folder)


def swap_and_sign(folder):
    swap(folder)
    sign(folder)


def enlarge(folder):
    with open(folder / WEIGHTS, "r+b") as file:
        file.truncate(weights.MAX_BYTES + 1)


def fill_with(data):
    def fill(folder):
        (folder / WEIGHTS).write_bytes(data)
        sign(folder)

    return fill


# Unpickled, it would end the process with 77.
TRAP = b"cbuiltins\nexec\n(S'raise SystemExit(77)'\ntR."


@pytest.mark.parametrize("spoil, words", [
    (flip, "The file was altered"), (cut, "The file was altered"), (cut_and_sign, "must fit the model"),
    (swap, "The file was altered"), (swap_and_sign, "must fit the model"), (enlarge, "must not exceed 67108864 bytes"),
    (fill_with(TRAP), "must fit the model"), (fill_with(b"PK\3\4 no archive"), "must fit the model"),
    (fill_with(b""), "must fit the model"),
], ids=lambda value: getattr(value, "__name__", ""))
def test_weights_that_are_not_those_of_the_manifest_or_the_network_end_with_4(folder, spoil, words, capsys):
    spoil(folder)
    assert main.main(["predict", str(PHOTO), "--preset", str(folder)]) == 4
    said = capsys.readouterr()
    assert words in said.err and said.out == ""


def test_a_sound_folder_is_read(folder):
    model, config = build_from_folder(folder)
    assert config["kind"] == "classifier" and model.count_params() > 1000


@pytest.mark.parametrize("name", ["model.keras", "model.h5", "model.pkl", "saved_model", "checkpoint.npz"])
def test_models_in_other_formats_are_refused_unopened(name, tmp_path, capsys, monkeypatch):
    path = tmp_path / name
    if name == "model.keras":
        keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).save(path)
    elif name == "saved_model":
        (path / "variables").mkdir(parents=True)
        (path / "saved_model.pb").write_bytes(b"graph")
    else:
        path.write_bytes(TRAP)
    monkeypatch.setattr(keras.models, "load_model", lambda *arguments, **options: pytest.fail("it was opened"))
    assert main.main(["predict", str(PHOTO), "--preset", str(path)]) == 4
    assert "A preset is one of" in capsys.readouterr().err


def alter(folder, **changes):
    """Change fields of the configuration, and sign it. ``a__b`` is the field b of a."""
    config = json.loads((folder / CONFIG).read_text())
    for place, value in changes.items():
        *path, last = place.split("__")
        fields = config
        for name in path:
            fields = fields.setdefault(name, {})
        fields[last] = value
    (folder / CONFIG).write_text(json.dumps(config))
    sign(folder)


@pytest.mark.parametrize("change, words", [
    ({"format": 2}, "format must be 1"), ({"format": True}, "format must be a whole number"),
    ({"name": ["tiny"]}, "name must be a short text"), ({"arch": []}, "arch must be an object"),
    ({"arch__size": 10**9}, "arch.size must be"), ({"arch__widths": [10**6] * 3}, "arch.widths must be"),
    ({"arch__widths": [[1]] * 3}, "arch.widths must be"), ({"arch__blocks": [1] * 99}, "arch.blocks must be"),
    ({"arch__stem": "4"}, "arch must be that of a network"), ({"arch__stem": 0}, "arch.stem must be"),
    ({"arch__stem": 5}, "arch must be that of a network"),
    ({"arch__class_name": "Lambda"}, "arch must be that of a network"),
    ({"threshold": "0.5"}, "threshold must be a finite"),
    ({"threshold": 0.5, "calibration": "trust me"}, "calibration must be an object"),
    ({"threshold": 0.5, "calibration__temperature": 1}, "calibration.split must be present"),
], ids=str)
def test_a_configuration_that_does_not_follow_the_schema_ends_with_4(folder, change, words, capsys):
    alter(folder, **change)
    assert main.main(["predict", str(PHOTO), "--preset", str(folder)]) == 4
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    "text", ['{"a": NaN}', '{"a": -Infinity}', "[" * 200_000, '{"a": ' * 200_000, "\x00", '{"a": 1']
)
def test_text_that_is_no_json_is_a_weights_error(folder, text):
    (folder / CONFIG).write_text(text)
    sign(folder)
    with pytest.raises(WeightsError, match="JSON file must be readable"):
        load_verified(folder)


def test_shipped_configurations_follow_the_schema():
    for name, config in shipped_configs().items():
        check_arch(config, name)
        if config["kind"] in KINDS.values():
            check_config(config, name)


def make_weights(path, spoil):
    with h5py.File(path, "w") as file:
        file["layers/dense/vars/0"] = np.zeros((4, 3), "float32")
        spoil(file["layers/dense/vars"], path.parent)
    return path


def link_outside(group, folder):
    (folder / "secret").write_bytes(b"12345678")
    group["1"] = h5py.ExternalLink(str(folder / "other.h5"), "/x")


def link_softly(group, folder):
    group["1"] = h5py.SoftLink("/layers/dense/vars/0")


def store_outside(group, folder):
    (folder / "secret").write_bytes(bytes(100))
    group.create_dataset("1", (25,), "float32", external=[(str(folder / "secret"), 0, 100)])


def borrow(group, folder):
    layout = h5py.VirtualLayout((3,), "float32")
    layout[:] = h5py.VirtualSource(str(folder / "other.h5"), "x", (3,))
    group.create_virtual_dataset("1", layout)


def state_terabytes(group, folder):
    group.create_dataset("1", (2**20, 2**20), "float32", chunks=(1024, 1024), compression=9)


def hold_objects(group, folder):
    group.create_dataset("1", (2,), h5py.string_dtype(), data=["a", "b"])


@pytest.mark.parametrize("spoil, words", [
    (link_outside, "link to elsewhere"), (link_softly, "link to elsewhere"), (store_outside, "lie in another file"),
    (borrow, "lie in another file"), (state_terabytes, f"more than {MOST_BYTES:,} bytes"), (hold_objects, "no numbers"),
], ids=lambda value: getattr(value, "__name__", ""))
def test_a_weights_file_that_reaches_outside_of_itself_is_refused(spoil, words, folder, tmp_path):
    with pytest.raises(ArraysError, match=words):
        check_arrays(make_weights(tmp_path / "weights.h5", spoil))
    with h5py.File(folder / WEIGHTS, "a") as file:
        spoil(file["layers"], tmp_path)
    sign(folder)
    with pytest.raises(WeightsError, match=f"must fit the model.*{words}"):
        load_weights(build_model("classify", TINY), folder)


FORBIDDEN = {
    "load_model", "model_from_json", "model_from_config", "deserialize_keras_object", "enable_unsafe_deserialization",
    "TFSMLayer", "unsafe_load", "literal_eval_with_names",
}
OWN_FILES = ("export/check.py", "export/litert.py", "export/onnx.py")  # load what the same command has just written


def calls_of(path):
    """Names that a file calls: ``(name, whether it is called by itself, text of the call)``."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", None))
            yield name, isinstance(node.func, ast.Name), ast.unparse(node.func)


def offences(path):
    """Calls by which a file of a model could run code."""
    for name, alone, text in calls_of(path):
        if name in FORBIDDEN or (alone and name in ("eval", "exec", "compile")) or text == "tf.saved_model.load":
            yield f"{path.name} calls {text}"


def test_no_code_of_ours_builds_a_model_from_a_file():
    """Of pickled data, Lambda layers and ``allow_pickle`` ``test_rooms.py`` keeps all files free."""
    found = []
    for room in ("keras_uncover", "pipelines", "export"):
        for path in sorted((ROOT / room).rglob("*.py")):
            if path.relative_to(ROOT).as_posix() not in OWN_FILES:
                found += offences(path)
    for path in ROOT.glob("*.py"):
        found += offences(path)
    assert found == []


def test_such_a_call_would_be_seen(tmp_path):
    path = tmp_path / "a.py"
    path.write_text("import keras\nkeras.models.load_model(f)\nexec(code)\nmodel.compile(x)\ntf.saved_model.load(f)\n")
    calls = ("keras.models.load_model", "exec", "tf.saved_model.load")
    assert list(offences(path)) == [f"a.py calls {call}" for call in calls]


def kinds_of(model):
    """Names of the classes of all layers, those inside of models among them."""
    for layer in model.layers:
        yield type(layer).__name__
        yield from kinds_of(layer) if isinstance(layer, keras.Model) else ()


def test_no_network_has_a_layer_that_is_code():
    for model in (build_model("classify", TINY), build_model("reconstruct", TINY)):
        names = set(kinds_of(model))
        assert "Lambda" not in names and len(names) > 5


def test_the_files_of_a_preset_are_read_and_hashed_once(monkeypatch):
    read, names = weights._read_checked, []

    def note(folder, name):
        names.append(name)
        return read(folder, name)

    monkeypatch.setattr(weights, "_read_checked", note)
    build_from_folder("classifier")
    assert names.count(weights.WEIGHTS) == names.count(weights.CONFIG) == 1
