"""The command in a process of its own: imports, pipes, closed streams, forks, ``python -m``."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from keras_uncover import process

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "tests" / "support"), str(ROOT)])}


def start(*arguments, **options):
    """Run Python in a process of its own, from wherever the tests run."""
    return subprocess.run([sys.executable, *arguments], stderr=subprocess.PIPE, text=True, env=ENVIRONMENT, **options)


def test_the_parser_is_built_without_heavy_imports():
    code = (
        "import sys; from keras_uncover.cli import main; main.build_parser();"
        "print([m for m in ('keras', 'tensorflow', 'jax', 'matplotlib', 'numpy') if m in sys.modules])"
    )
    done = start("-c", code, stdout=subprocess.PIPE)
    assert done.stdout.strip() == "[]", done.stderr


def test_a_reader_that_leaves_early_is_no_trouble(tmp_path):
    code = (
        "import sys; from keras_uncover.cli import main; from stand_in import ByBrightness, photo;"
        "from keras_uncover.cli import predict;"
        "predict.load_uncoverer = lambda preset, threshold: ByBrightness(threshold);"
        "names = [photo(f'{k}.png') for k in range(9)];"
        "sys.exit(main.main(['predict', '--json', *names]))"
    )
    reader, writer = os.pipe()
    os.close(reader)
    done = start("-c", code, stdout=writer, cwd=tmp_path)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


# Three photos, the second refused; a native library writes to stderr by its number.
NOISY = """
import contextlib, os, sys
from keras_uncover.cli import main as cli
from keras_uncover.cli import predict
from stand_in import ByBrightness, photo

class Noisy(ByBrightness):
    def __call__(self, *arguments, **options):
        with contextlib.suppress(OSError):
            os.write(2, b"native words")
        return super().__call__(*arguments, **options)

predict.load_uncoverer = lambda preset, threshold: Noisy(threshold)
open("b.jpg", "w").write("no photo")
sys.exit(cli.main(["predict", photo("a.png"), "b.jpg", photo("c.png"), *sys.argv[1:]]))
"""


@pytest.mark.parametrize(
    "closed, lines", [("2>&-", 3), ("<&- 2>&-", 3), ("2>/dev/full", 3), (">&- 2>&-", 0), (">&-", 0)]
)
def test_closed_streams_stop_nothing_and_spoil_no_file(tmp_path, closed, lines):
    command = shlex.join([sys.executable, "-c", NOISY, "--json", "--csv", "out.csv"])
    done = subprocess.run(
        ["sh", "-c", f"{command} {closed}"], stdout=subprocess.PIPE, text=True, cwd=tmp_path, env=ENVIRONMENT,
        check=False,
    )
    assert done.returncode == 3
    assert [json.loads(line)["file"] for line in done.stdout.splitlines()] == ["a.png", "b.jpg", "c.png"][:lines]
    rows = (tmp_path / "out.csv").read_text().splitlines()
    assert len(rows) == 4 and "native" not in "".join(rows)


PROGRAMS = [
    "keras_uncover/cli/main.py", "export/client.py", "export/saved_model.py", "export/onnx.py", "export/litert.py",
    "pipelines/build/command.py", "pipelines/bank.py", "train_keras.py", "evaluate_keras.py",
]


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_program_opens_closed_streams_and_prints_to_stderr_by_one_function(program):
    text = (ROOT / program).read_text("utf-8")
    assert "    open_closed_streams()\n" in text and "file=sys.stderr" not in text


def test_networks_are_refused_in_a_process_that_was_forked_after_they_were_loaded(monkeypatch):
    monkeypatch.setattr(process, "NETWORKS", {})
    process.claim_process()
    process.claim_process()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            process.claim_process()
        except RuntimeError as error:
            code = 7 if str(os.getppid()) in str(error) and "after the fork" in str(error) else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    process.claim_process()


@pytest.mark.parametrize("ask", [
    "Uncoverer.from_preset('classifier')", "FaceFinder()", "Judge.from_preset()", "load_autoencoder()",
    "Uncoverer.__new__(Uncoverer)('x.jpg')", "Uncoverer.__new__(Uncoverer).predict([])",
    "FaceFinder.__new__(FaceFinder).find(None)", "FaceFinder.__new__(FaceFinder).points_in(None, None)",
    "Judge(None).describe(None, None)",
])
def test_no_network_is_made_loaded_or_asked_in_a_forked_process(monkeypatch, ask):
    from keras_uncover.faces.finder import FaceFinder
    from keras_uncover.faces.identity import Judge
    from keras_uncover.inference.uncoverer import Uncoverer
    from keras_uncover.models.autoencoder import load_autoencoder

    names = {"FaceFinder": FaceFinder, "Judge": Judge, "load_autoencoder": load_autoencoder, "Uncoverer": Uncoverer}
    monkeypatch.setattr(process, "NETWORKS", {"process": os.getpid() + 1})
    with pytest.raises(RuntimeError, match="Networks run in the process that loaded the first of them"):
        eval(ask, names)


@pytest.mark.slow
def test_a_forked_process_does_not_hang():
    code = (
        "import os, signal\n"
        "from keras_uncover import Uncoverer\n"
        "uncoverer = Uncoverer.from_preset('classifier')\n"
        "if os.fork() == 0:\n"
        "    signal.alarm(60)\n"
        "    for ask in (lambda: uncoverer('examples/fake_1.jpg'), lambda: Uncoverer.from_preset('classifier')):\n"
        "        try: ask()\n"
        "        except RuntimeError as error: print(error, flush=True)\n"
        "    os._exit(0)\n"
        "print(os.wait()[1])\n"
    )
    done = start("-c", code, stdout=subprocess.PIPE, cwd=ROOT)
    assert done.stdout.count("forked from") == 2 and done.stdout.endswith("\n0\n"), done.stderr


def test_the_package_runs_as_a_module():
    done = start("-m", "keras_uncover", "predict", stdout=subprocess.PIPE)
    assert done.returncode == 2 and "usage: keras-uncover predict" in done.stderr


def test_help_has_examples_and_exit_codes():
    done = start("-m", "keras_uncover", "predict", "--help", stdout=subprocess.PIPE)
    assert "keras-uncover predict examples/fake_1.jpg --out answer" in done.stdout
    assert "3  some inputs were refused" in done.stdout and (done.returncode, done.stderr) == (0, "")
    assert "examples:" in start("-m", "keras_uncover", "--help", stdout=subprocess.PIPE).stdout
    assert start("-m", "keras_uncover", "--version", stdout=subprocess.PIPE).stdout.startswith("keras-uncover ")
