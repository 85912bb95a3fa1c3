"""The Space: what it installs is what the package needs, and its three lines serve the demo."""

import configparser
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def needs(text):
    return {line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")}


def test_it_installs_what_the_package_and_the_demo_need():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    package = needs(config["options"]["install_requires"]) | needs(config["options.extras_require"]["demo"])
    space = needs((ROOT / "space/requirements.txt").read_text())
    assert {line.replace("tensorflow-cpu", "tensorflow") for line in space} == package


def test_the_front_matter_names_the_app_and_a_gradio_that_is_taken():
    front = (ROOT / "space/README.md").read_text("utf-8").split("---")[1]
    fields = dict(re.findall(r"^(\w+): (.+)$", front, re.MULTILINE))
    assert (fields["sdk"], fields["app_file"], fields["license"]) == ("gradio", "app.py", "mit")
    assert tuple(map(int, fields["sdk_version"].split("."))) >= (6, 20) and fields["python_version"] == '"3.11"'
    assert len(fields["short_description"]) <= 60


def test_the_folder_is_whole_and_runs_on_its_own(tmp_path):
    make = [sys.executable, "-m", "scripts.make_space", str(tmp_path / "space")]
    run = subprocess.run(make, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    space = tmp_path / "space"
    names = {path.name for path in space.iterdir()}
    assert names == {"README.md", "requirements.txt", "app.py", "LICENSE", "keras_uncover"}
    assert not list(space.rglob("__pycache__"))
    code = (
        "import sys; sys.path.insert(0, '.'); from keras_uncover import demo;"
        "demo.serve = lambda **given: print(given); import app; print(demo.__file__)"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=space, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines() == ["{'host': None}", str(space / "keras_uncover" / "demo" / "__init__.py")]
    assert subprocess.run(make, cwd=ROOT, capture_output=True, text=True).returncode == 1, "nothing is overwritten"
