"""What is the user's error ends in one sentence and an exit code; what is a bug keeps its traceback."""

import errno
import re
from pathlib import Path

import pytest

from keras_uncover.cli.inputs import InputError
from keras_uncover.images.decode import ImageError
from keras_uncover.presets.weights import WeightsError
from keras_uncover.refusals import DamagedData, DataError, OptionError, Refusal, end_in_words, explain

ROOT = next(parent for parent in Path(__file__).parents if (parent / "setup.cfg").exists())


def foreign(name, words, module="tensorflow.python.framework.errors_impl"):
    """An error as another package raises it."""
    return type(name, (Exception,), {"__module__": module})(words)


MEMORY = "The memory must hold .*Use a smaller --batch-size"
NODE = "Graph execution error:\n\nDetected at node Conv2D defined at (most recent call last):\n  a.py\n"


@pytest.mark.parametrize(
    "error, code, words",
    [
        (Refusal("It must; received that. Do this."), 1, "It must; received that. Do this."),
        (OptionError("no"), 2, "no"),
        (OptionError("in user code:\n\n    File a.py, line 1, in f  *\n\n    OptionError: no; do b\n"), 2, "no; do b"),
        (InputError("no photo"), 2, "no photo"),
        (DataError("no split"), 3, "no split"),
        (DamagedData("cut"), 3, "cut"),
        (ImageError("A rule", "that", "A hint."), 3, "A rule; received that. A hint."),
        (WeightsError("A rule.", "that", "A hint."), 4, "A rule. Received: that. A hint."),
        (FileNotFoundError(errno.ENOENT, "No such file", "here"), 1, ".*here"),
        (MemoryError("Unable to allocate 9. GiB"), 1, MEMORY),
        (foreign("ResourceExhaustedError", NODE + "OOM when allocating tensor with shape[9]\n\t [[node]]"), 1,
         "The memory must hold .*received: OOM when allocating tensor with shape.9.. Use a smaller --batch-size"),
        (foreign("XlaRuntimeError", "RESOURCE_EXHAUSTED: Out of memory allocating 9 b.", "jaxlib._jax"), 1, MEMORY),
        (foreign("InternalError", "Failed to call ThenRnnForward: CUDA_ERROR_OUT_OF_MEMORY"), 1, MEMORY),
        (foreign("ResourceExhaustedError", "a; No space left on device"), 1, "A file could not be written.*Make room"),
        (foreign("DataLossError", "corrupted record at 7"), 3, "A file of the data is cut or damaged.*at 7. Make"),
        (foreign("PermissionDeniedError", "x/y; Permission denied"), 1, "A file could not be opened.*x/y; Permission"),
        (ModuleNotFoundError("No module named 'onnxruntime'", name="onnxruntime"), 1, r'.*pip install "\.\[onnx\]"'),
    ],
    ids=lambda value: f"{type(value).__name__}" if isinstance(value, Exception) else "",
)
def test_an_error_of_the_user_is_a_sentence_and_an_exit_code(capsys, error, code, words):
    def main():
        raise error

    assert end_in_words("program", main) == code
    said = capsys.readouterr().err
    assert re.fullmatch(f"program: {words}.*\n", said), said


@pytest.mark.parametrize(
    "error",
    [ValueError("shapes differ"), KeyError("crop"), RuntimeError("odd"), ModuleNotFoundError("no", name="pipelines.x"),
     foreign("InvalidArgumentError", "Incompatible shapes"), foreign("NotFoundError", "No registered 'Odd' OpKernel"),
     foreign("InternalError", "cuDNN failed")],
    ids=lambda error: type(error).__name__,
)
def test_a_bug_keeps_its_traceback(error):
    def main():
        raise error

    assert explain(error) is None
    with pytest.raises(type(error)):
        end_in_words("program", main)


def test_what_ends_well_or_is_interrupted_has_its_code(capsys):
    def interrupted():
        raise KeyboardInterrupt

    assert end_in_words("program", lambda: None) == 0
    assert end_in_words("program", lambda code: code, 7) == 7
    assert end_in_words("program", interrupted) == 130 and capsys.readouterr().err == "program: interrupted\n"


def test_the_memory_of_this_machine_is_told_too(capsys):
    import tensorflow as tf

    assert end_in_words("program", lambda: tf.zeros([1 << 45]) and None) == 1
    assert re.match("program: The memory must hold .*OOM when allocating tensor", capsys.readouterr().err)


def test_every_program_ends_so():
    """``command.run`` of the builders does it for them; the command line and the Space have their own ends."""
    programs = [*ROOT.glob("*.py")]
    programs += [path for room in ("pipelines", "export", "scripts") for path in (ROOT / room).rglob("*.py")]
    programs = [path for path in programs if '\nif __name__ == "__main__":' in path.read_text("utf-8")]
    assert len(programs) > 20
    others = [path for path in programs if not re.search(r"end_in_words\(|command\.run\(", path.read_text("utf-8"))]
    assert [path.name for path in others if path.name != "app.py"] == []
