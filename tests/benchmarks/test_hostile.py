"""The benchmark of hostile input at work: one case of a hundred, in every run of the tests."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results" / "hostile.json"


def hostile(*arguments):
    command = [sys.executable, str(ROOT / "benchmarks" / "hostile"), *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=3000)


def test_two_hundred_damaged_files_end_in_an_answer_or_the_one_error(tmp_path):
    done = hostile("fuzz", "--cases", 200, "--json", tmp_path / "found.json")
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "found.json").read_text())["fuzz"]
    assert found["answered"] + found["refused"] == found["cases"] == 200
    assert found["answered"] > 20 and found["refused"] > 100, "the cases are neither all whole nor all junk"
    assert found["failed"] == [] and len(found["by_damage"]) == 13


def test_what_crashes_hangs_or_takes_memory_is_named_by_its_number(tmp_path):
    """The watcher at a door that does all three."""
    code = (
        "import sys, json; sys.path[:0] = ['.', 'benchmarks/hostile']\n"
        "import fuzz, os, time\n"
        "if len(sys.argv) > 1:\n"
        "    def door():\n"
        "        count = iter([None] * 3 + list(range(int(sys.argv[3]), 99)))  # three before the first case\n"
        "        def ask(data, suffix):\n"
        "            number = next(count)\n"
        "            if number == 2: os.abort()\n"
        "            if number == 4: time.sleep(99)\n"
        "            if number == 6: bytearray(b'x' * 200_000_000)\n"
        "            if number == 7: raise KeyError('key')\n"
        "            return 'answered', ''\n"
        "        return ask\n"
        "    fuzz.open_gate = door\n"
        "    fuzz.stated_pixels = lambda data: 0\n"
        "    fuzz.work(sys.argv[1], *map(int, sys.argv[2:5]))\n"
        "else:\n"
        "    fuzz.__file__ = __file__\n"
        "    print(json.dumps(fuzz.fuzz('gate', 10, 0, 4.0)))\n"
    )
    script = tmp_path / "watched.py"
    script.write_text(code)
    done = subprocess.run([sys.executable, script], cwd=ROOT, capture_output=True, text=True, timeout=300)
    found = json.loads(done.stdout)
    assert [(each["case"], each["outcome"]) for each in found["failed"]] == [
        (2, "crash"), (4, "hang"), (6, "memory"), (7, "raised")
    ], done.stderr
    assert found["answered"] == 6


def test_bombs_are_refused_within_time_and_memory(tmp_path):
    done = hostile("bombs", "--json", tmp_path / "found.json")
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "found.json").read_text())["bombs"]
    refused = {name for name, each in found.items() if isinstance(each, dict) and "refused" in each}
    assert refused == {"JPEG", "PNG", "WebP"}
    assert all(found[name]["bytes"] < 50_000 for name in ("JPEG", "PNG", "WebP"))


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["builder", "trainer", "exporter", "predict"])
def test_two_kills_leave_nothing_that_passes_for_whole(victim, tmp_path):
    done = hostile("kills", "--kills", 2, "--victims", victim, "--json", tmp_path / "found.json")
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "found.json").read_text())["kills"][victim]
    assert found["kills"] == found["survived"] == 2 and found["completed_after"]


def test_the_published_figures_found_nothing_that_must_not_be():
    found = json.loads(RESULTS.read_text("utf-8"))
    assert found["fuzz"]["cases"] == 20_000 and found["fuzz"]["failed"] == []
    for name in ("JPEG", "PNG", "WebP"):
        assert found["bombs"][name]["milliseconds"] < 50 and found["bombs"][name]["megabytes"] < 50


def test_the_table_in_the_docs_is_that_of_the_results():
    done = hostile("table", "--check")
    assert done.returncode == 0, done.stderr
