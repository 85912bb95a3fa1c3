"""A process that is watched: what it writes is noted, and no address but this machine's own can be asked.

`guard` writes the watcher, a ``sitecustomize`` that Python runs before anything else. It is an audit hook, which no
code of the process can take off again.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WATCHER = '''
import json, os, sys

NOTES = os.open(os.environ["GUARD_NOTES"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
HOME = ("127.0.0.1", "localhost", "::1", "0.0.0.0", "", None) if os.environ.get("GUARD_LOOPBACK") else ()
WRITES = {"os.mkdir": 0, "os.rename": 1, "os.link": 1, "os.symlink": 1}

def note(kind, what):
    os.write(NOTES, json.dumps([kind, str(what)]).encode() + b"\\n")

def ask(host):
    if isinstance(host, bytes):
        host = host.decode()
    if host not in HOME:
        note("asked", host)
        raise OSError(f"outside of this machine: {host}")

def watch(event, arguments):
    if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
        address = arguments[1]
        if isinstance(address, tuple):
            ask(address[0])
    elif event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"):
        ask(arguments[0])
    elif event == "open" and isinstance(arguments[0], (str, bytes)) and isinstance(arguments[2], int):
        if arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            note("wrote", os.path.abspath(os.fsdecode(arguments[0])))
    elif event in WRITES:
        note("wrote", os.path.abspath(os.fsdecode(arguments[WRITES[event]])))

sys.addaudithook(watch)
'''


def guard(folder, loopback=False):
    """The environment of a watched process; ``folder`` gets its home, cache and temporary folder."""
    for name in ("home", "cache", "temporary", "watcher", "work"):
        (folder / name).mkdir(exist_ok=True)
    (folder / "watcher" / "sitecustomize.py").write_text(WATCHER)
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LD_LIBRARY_PATH") if name in os.environ}
    paths = [folder / "watcher", ROOT / "tests" / "support", ROOT]
    return {
        **kept, "HOME": str(folder / "home"), "TMPDIR": str(folder / "temporary"), "PYTHONDONTWRITEBYTECODE": "1",
        "KERAS_UNCOVER_CACHE": str(folder / "cache"), "GUARD_NOTES": str(folder / "notes"),
        "PYTHONPATH": os.pathsep.join(map(str, paths)), **({"GUARD_LOOPBACK": "1"} if loopback else {}),
    }


def start(folder, code, *arguments, loopback=False):
    """Start a watched process, Python code with arguments, in an empty folder ``work``."""
    environment = guard(folder, loopback)
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(
        command, cwd=folder / "work", env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def notes(folder):
    """What was noted, ``{"asked": [...], "wrote": [...]}``."""
    found = {"asked": [], "wrote": []}
    for line in (folder / "notes").read_text().splitlines():
        kind, what = json.loads(line)
        found[kind].append(what)
    return found


def files(folder):
    """Names of all files below a folder."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())


def assert_private(folder, *allowed):
    """Assert that no address was asked, and that all files lie in the cache or where they are allowed to."""
    found = notes(folder)
    places = [str(place) for place in (folder / "cache", folder / "temporary", "/dev", "/proc", *allowed)]
    astray = [path for path in found["wrote"] if not any(f"{path}/".startswith(f"{place}/") for place in places)]
    # What native code may have written, which no hook of Python's sees.
    left = [f"{name}/{file}" for name in ("home", "temporary", "work") for file in files(folder / name)]
    assert not (found["asked"] or astray or left), (found["asked"], astray, left)
