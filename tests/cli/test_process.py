"""The command in a process of its own: imports, pipes, ``python -m``."""

import os
import subprocess
import sys
from pathlib import Path


def start(*arguments, **options):
    """Run Python in a process of its own, from wherever the tests run."""
    root = Path(__file__).resolve().parents[2]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root / "tests" / "support"), str(root)])}
    return subprocess.run([sys.executable, *arguments], stderr=subprocess.PIPE, text=True, env=environment, **options)


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


def test_the_package_runs_as_a_module():
    done = start("-m", "keras_uncover", "predict", stdout=subprocess.PIPE)
    assert done.returncode == 2 and "usage: keras-uncover predict" in done.stderr


def test_help_has_examples_and_exit_codes():
    done = start("-m", "keras_uncover", "predict", "--help", stdout=subprocess.PIPE)
    assert "keras-uncover predict examples/fake_1.jpg --out answer" in done.stdout
    assert "3  some inputs were refused" in done.stdout and (done.returncode, done.stderr) == (0, "")
    assert "examples:" in start("-m", "keras_uncover", "--help", stdout=subprocess.PIPE).stdout
    assert start("-m", "keras_uncover", "--version", stdout=subprocess.PIPE).stdout.startswith("keras-uncover ")
