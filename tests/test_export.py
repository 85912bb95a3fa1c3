"""A SavedModel answers as its preset does, in a process that has only TensorFlow."""

import subprocess
import sys

import numpy as np
import pytest

from export import saved_model
from keras_uncover.presets import build_from_folder

READER = """
import sys
import numpy as np, tensorflow as tf
served = tf.saved_model.load(sys.argv[1]).signatures["crops"](crops=tf.constant(np.load(sys.argv[2])))
np.savez(sys.argv[3], **{name: value.numpy() for name, value in served.items()})
assert "keras_uncover" not in sys.modules
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    assert saved_model.main(["small", str(folder)]) == 0
    return folder


def test_another_process_gets_the_same_answers(served, tmp_path):
    crops = np.random.default_rng(3).random((3, 128, 128, 3), "float32")
    np.save(tmp_path / "crops.npy", crops)
    command = [sys.executable, "-c", READER, served / "1", tmp_path / "crops.npy", tmp_path / "answers.npz"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    model, _ = build_from_folder("small")
    expected = model(crops, training=False)
    with np.load(tmp_path / "answers.npz") as answers:
        assert set(answers) == {"p_fake", "mask", "target", "donor", "flow", "seen"}
        for name in answers:
            np.testing.assert_allclose(answers[name], expected[name], atol=1e-4)


def test_versions_count_up_and_are_never_overwritten(served, capsys):
    assert saved_model.next_version(served) == 2
    assert saved_model.main(["small", str(served), "--version", "1"]) == 1
    assert "never overwritten" in capsys.readouterr().err
    assert sorted(path.name for path in served.iterdir()) == ["1"]


def test_a_version_that_answers_otherwise_is_not_moved_into_place(tmp_path, monkeypatch):
    write = saved_model.write_signatures

    def write_another(model, folder):
        model.get_layer("verdict").get_layer("logit").bias.assign_add([1.0])
        write(model, folder)
        model.get_layer("verdict").get_layer("logit").bias.assign_sub([1.0])

    monkeypatch.setattr(saved_model, "write_signatures", write_another)
    with pytest.raises(saved_model.ExportError, match="p_fake differs by"):
        saved_model.export("classifier", tmp_path / "served")
    assert list((tmp_path / "served").iterdir()) == []


def test_an_unknown_preset_is_refused(tmp_path, capsys):
    assert saved_model.main(["no_such", str(tmp_path)]) == 4
    assert "A preset is one of" in capsys.readouterr().err
