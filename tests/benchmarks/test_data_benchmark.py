"""The benchmark of the data pipeline: it runs, and adds its rows to those that are there."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def run(shards, path, *words):
    command = [sys.executable, "benchmarks/data.py", "--shards", shards, "--json", path, "--seconds", "0.1"]
    command += ["--batch-size", "4", "--only", *words]
    return subprocess.run([str(part) for part in command], cwd=ROOT, capture_output=True, text=True)


def test_rows_of_several_runs_come_together(shards, tmp_path):
    path = tmp_path / "new" / "data.json"
    assert run(shards, path, "OpenCV", "decode").returncode == 0
    first = json.loads(path.read_text())["64"]
    assert set(first["rows"]) == {"bare PNG decode, all cores", "Python and OpenCV"}
    path.write_text(json.dumps({"128": {"rows": {}}, "64": first}))
    assert run(shards, path, "directory").returncode == 0
    report = json.loads(path.read_text())
    assert report["128"] == {"rows": {}}
    assert set(report["64"]["rows"]) == {*first["rows"], "image_dataset_from_directory"}
    assert all(row["per_second"] > 0 and row["per_cpu_second"] > 0 for row in report["64"]["rows"].values())
    assert report["64"]["rows"]["Python and OpenCV"] == first["rows"]["Python and OpenCV"]
    # What another machine measured does not stay beside it.
    report["64"]["machine"]["cores"] += 1
    path.write_text(json.dumps(report))
    assert run(shards, path, "OpenCV").returncode == 0
    assert set(json.loads(path.read_text())["64"]["rows"]) == {"Python and OpenCV"}


def test_a_word_that_no_row_holds_is_refused(shards, tmp_path):
    refused = run(shards, tmp_path / "data.json", "quantum")
    assert refused.returncode == 1 and "--only takes words of the rows' names; received quantum." in refused.stderr
    assert not (tmp_path / "data.json").exists()
