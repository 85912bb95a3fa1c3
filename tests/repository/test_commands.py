"""The commands of the README, the docs and the scripts, started as a user types them: in a clean copy of the checkout,
each in a process of its own, without PYTHONPATH. Each ends at its ``--help``, which must know all of its options.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

ROOT = next(parent for parent in Path(__file__).parents if (parent / "setup.cfg").exists())
PAGES = (ROOT / "README.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").glob("*.md")))
LEFT_OUT = ("tests", "build", "dist", "runs", "shared", "*.egg-info", "__pycache__", ".*")
OURS = re.compile(r"python (train_keras|evaluate_keras)\.py|python -m (keras_uncover|pipelines|export|scripts)\b|"
                  r"keras-uncover ")
START = re.compile(r"\s*(?:.*&& )?(?:[A-Z_]+=\S+ )*(?:python|keras-uncover) ")
HEAVY = {"tensorflow", "keras", "jax", "matplotlib", "gradio"}


def command_lines(text):
    """Every command line of ours in a page: in fenced blocks and in quoted code."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    quoted = re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    return [line for code in (*blocks, *quoted) for line in commands_of(code)]


def commands_of(code):
    """Command lines of ours in shell code, one a list of words, without settings of variables and redirections."""
    lines = code.replace("\\\n", " ").splitlines()
    for line in lines:
        words = shlex.split(re.sub(r"\$\w+|\$\(.*?\)|…", "1", line), comments=True) if START.match(line) else []
        while words:
            ends = [words.index(word) for word in ("&&", "||", "|", ";") if word in words] or [len(words)]
            command, words = words[: min(ends)], words[min(ends) + 1 :]
            while command and re.fullmatch(r"[A-Z_]+=.*", command[0]):
                command = command[1:]
            if OURS.match(" ".join(command) + " ") and "COMMAND" not in command and "..." not in command:
                yield command


def program_of(command):
    """The words that name the program, with the subcommand of ``keras-uncover``."""
    if command[0] == "keras-uncover" or command[2:3] == ["keras_uncover"]:
        first = 1 if command[0] == "keras-uncover" else 3
        return tuple(command[: first + 1 if command[first:] and not command[first].startswith("-") else first])
    return tuple(command[:3] if command[1] == "-m" else command[:2])


def typed():
    """``(where it stands, words)`` of every command: pages, and the descriptions of scripts."""
    for page in PAGES:
        for command in command_lines(page.read_text("utf-8")):
            yield page.name, command
    for path in sorted((ROOT / "scripts").glob("[!_]*.py")):
        description = re.sub(r"\[(-[^\]]*)\]", r"\1", path.read_text("utf-8").split('"""')[1])
        for command in commands_of(description):
            yield path.name, command


COMMANDS = list(typed())
NAMES = [f"{where}: {' '.join(words)[:60]}" for where, words in COMMANDS]
PROGRAMS = sorted({program_of(command) for _, command in COMMANDS})


@pytest.fixture(scope="module")
def helps(tmp_path_factory):
    """What each program answers to ``--help``: dict of program to (exit code, stdout, stderr, packages loaded)."""
    folder = tmp_path_factory.mktemp("clean")
    checkout = folder / "checkout"
    copy_checkout(checkout)
    (folder / "bin").mkdir()
    for name, words in (("python", '"$@"'), ("keras-uncover", '-m keras_uncover "$@"')):
        (folder / "bin" / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {words}\n')
        (folder / "bin" / name).chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment = {**kept, "COLUMNS": "200", "PYTHONPROFILEIMPORTTIME": "1"}
    environment["PATH"] = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"

    def ask(program):
        run = subprocess.run([*program, "--help"], cwd=checkout, env=environment, capture_output=True, text=True)
        log = [line for line in run.stderr.splitlines() if line.startswith("import time:")]
        loaded = {line.rsplit("|", 1)[1].strip().split(".")[0] for line in log}
        said = [line for line in run.stderr.splitlines() if not line.startswith("import time:")]
        return run.returncode, run.stdout, "\n".join(said), loaded

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(PROGRAMS, pool.map(ask, PROGRAMS)))


def copy_checkout(folder):
    """What git has of the checkout, as it lies here; all but what is built where there is no git."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True) if shutil.which("git") else None
    if listed is None or listed.returncode:
        shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(*LEFT_OUT))
        return
    for name in listed.stdout.decode().split("\0"):
        if name and not name.startswith("tests/") and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)


def test_the_commands_are_found():
    programs = {" ".join(program) for program in PROGRAMS}
    assert {"python train_keras.py", "python -m scripts.fit_geometry", "keras-uncover predict"} <= programs
    assert len(COMMANDS) > 50
    code = "A=1 python -m export.client a.jpg --url x | jq .b\n"
    code += 'pip install . && keras-uncover predict "$P" \\\n  --json # c'
    assert list(commands_of(code)) == [
        ["python", "-m", "export.client", "a.jpg", "--url", "x"], ["keras-uncover", "predict", "1", "--json"],
    ]


def test_every_script_is_among_them():
    named = {command[2] for _, command in COMMANDS if command[1] == "-m"}
    assert {f"scripts.{path.stem}" for path in (ROOT / "scripts").glob("[!_]*.py")} <= named


@pytest.mark.parametrize("program", PROGRAMS, ids=" ".join)
def test_every_program_answers_in_a_clean_checkout(helps, program):
    code, said, complaint, loaded = helps[program]
    assert code == 0, complaint
    assert "usage:" in said and complaint == ""
    assert "argparse" in loaded and not loaded & HEAVY


@pytest.mark.parametrize("where, command", COMMANDS, ids=NAMES)
def test_every_option_is_one_of_its_program(helps, where, command):
    known = set(re.findall(r"(?<![\w-])--?[a-z][\w-]*", helps[program_of(command)][1]))
    options = {word.split("=")[0] for word in command[len(program_of(command)) :] if re.match(r"--?[a-z]", word)}
    assert options <= known | {"--help"}
