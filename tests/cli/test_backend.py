"""The user's own settings of Keras: what the library does about them, and what its commands refuse."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import keras
import numpy as np
import pytest

from keras_uncover.backend import OWN, BackendError, chosen_backend, own_settings, read_settings, settings_file
from keras_uncover.cli import doctor
from keras_uncover.cli.doctor import FAIL, NOTE
from keras_uncover.models.classifier import build_classifier
from keras_uncover.models.config import ModelConfig

ROOT = Path(__file__).parents[2]
SMALLEST = ModelConfig("smallest", size=32, stem=4, widths=(8, 8), blocks=(1, 1))


@pytest.fixture(params=["float16", "float64"])
def odd_settings(request):
    """Channels first and another float, as a user's ``keras.json`` sets them; afterwards as they were."""
    before, policy = {name: getattr(keras.config, name)() for name in OWN}, keras.config.dtype_policy()
    keras.config.set_image_data_format("channels_first")
    keras.config.set_floatx(request.param)
    keras.config.set_dtype_policy(request.param)
    yield request.param
    for name, value in before.items():
        getattr(keras.config, f"set_{name}")(value)
    keras.config.set_dtype_policy(policy)


def test_networks_are_the_same_whatever_the_users_settings(odd_settings):
    model = build_classifier(SMALLEST)
    layers = [layer for inner in model.layers for layer in getattr(inner, "layers", [inner])]
    assert {layer.data_format for layer in layers if hasattr(layer, "data_format")} == {"channels_last"}
    assert {weight.dtype for weight in model.weights} == {"float32"}
    with own_settings(exact=True):
        answer = model.predict_on_batch(np.full((2, 32, 32, 3), 0.5, "float32"))
    assert answer["p_fake"].shape == (2, 1) and answer["p_fake"].dtype == np.float32
    assert (keras.config.floatx(), keras.config.image_data_format()) == (odd_settings, "channels_first")
    assert keras.config.dtype_policy().name == odd_settings, "the program around us finds its settings as they were"


def test_the_last_thread_that_leaves_sets_the_settings_back(odd_settings):
    inside, leave = threading.Event(), threading.Event()

    def hold():
        with own_settings():
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    inside.wait(10)
    with own_settings():
        assert keras.config.image_data_format() == "channels_last"
    assert keras.config.image_data_format() == "channels_last", "the other thread still needs it"
    leave.set()
    thread.join()
    assert keras.config.image_data_format() == "channels_first" and keras.config.floatx() == odd_settings


def test_a_mixed_policy_is_kept_for_training_and_set_aside_for_answers():
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        with own_settings():
            assert keras.config.dtype_policy().name == "mixed_bfloat16"
        with own_settings(exact=True):
            assert keras.config.dtype_policy().name == "float32"
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
    finally:
        keras.config.set_dtype_policy(policy)


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A function that writes ``keras.json`` as Keras finds it; Keras seems not to be imported yet."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.delitem(sys.modules, "keras")

    def write(**settings):
        (tmp_path / "keras.json").write_text(json.dumps(settings))

    return write


def test_settings_are_read_as_keras_reads_them(home, monkeypatch):
    assert read_settings() == {} and chosen_backend() == ("tensorflow", str(settings_file()))
    home(backend="torch")
    assert chosen_backend() == ("torch", str(settings_file()))
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    assert chosen_backend() == ("jax", "KERAS_BACKEND")
    monkeypatch.setenv("KERAS_BACKEND", "")
    assert chosen_backend()[0] == "torch"
    settings_file().write_text("{cut")
    assert read_settings() == {}
    for wrong in ({"floatx": "bfloat16"}, {"image_data_format": "first"}, {"epsilon": 1}):
        home(**wrong)
        with pytest.raises(BackendError, match=next(iter(wrong))):
            read_settings()


def test_the_doctor_tells_what_is_set_aside_and_what_will_not_do(home):
    home(image_data_format="channels_first", floatx="float16", backend="tensorflow")
    found = doctor.check_settings()
    assert found.state == NOTE and "floatx float16, image_data_format channels_first" in found.words
    home(backend="openvino")
    found = doctor.check_settings()
    assert found.state == FAIL and "received 'openvino' from" in found.words


COMMANDS = {
    "predict": ["-m", "keras_uncover", "predict", "examples/fake_1.jpg"],
    "match": ["-m", "keras_uncover", "match", "examples/fake_1.jpg", "--gallery", "examples"],
    "demo": ["-m", "keras_uncover", "demo"],
    "doctor": ["-m", "keras_uncover", "doctor"],
    "train": ["train_keras.py", "shards", "run"],
    "evaluate": ["evaluate_keras.py", "small", "shards"],
    "portraits": ["-m", "pipelines.portraits", "photos", "shards"],
    "show": ["-m", "pipelines.show", "shards"],
    "export": ["-m", "export.saved_model", "small", "served"],
    "script": ["scripts/fit_geometry.py", "shards", "out"],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_backend_that_will_not_do_is_a_sentence_and_exit_code_2(name, tmp_path):
    """Neither Keras nor the backend is imported for it, so each takes no longer than Python's start."""
    (tmp_path / "keras.json").write_text('{"backend": "openvino"}')
    environment = {**os.environ, "KERAS_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    environment.pop("KERAS_BACKEND", None)
    if name in ("predict", "export"):
        environment["KERAS_BACKEND"] = "numpy"
    done = subprocess.run([sys.executable, *COMMANDS[name]], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 2 and "Traceback" not in done.stderr, done.stderr
    said = [line for line in done.stderr.splitlines() if "backend" in line and "received" in line]
    assert len(said) == 1 and ("numpy" if name in ("predict", "export") else "openvino") in said[0]
