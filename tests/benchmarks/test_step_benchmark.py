"""The benchmark of a training step: which rows it measures, and that a run that was cut off loses none."""

import json
import sys

import pytest
from loaded_script import load_script


@pytest.fixture
def benchmark(monkeypatch):
    monkeypatch.setattr(sys, "path", sys.path[:])  # It adds two places.
    return load_script("benchmarks/train_step.py")


def names(benchmark, *words):
    return [name for name, _ in benchmark.list_rows(benchmark.parse_arguments(list(words)))]


def test_rows_cover_presets_backends_precisions_replicas_xla_and_steps_an_execution(benchmark, tmp_path):
    rows = dict(benchmark.list_rows(benchmark.parse_arguments([])))
    for key, values in {"preset": ("tiny", "small", "base"), "backend": ("tensorflow", "jax"), "replicas": (1, 2),
                        "precision": ("float32", "mixed_bfloat16"), "xla": (False, True), "per_call": (1, 8)}.items():
        assert {(row["preset"], row[key]) for row in rows.values()} >= {
            (preset, value) for preset in ("tiny", "small", "base") for value in values if key != "preset"}
    assert not any(row["data"] for row in rows.values())
    dimensions = {"image": {"shape": {"dimensions": ["128", "128", "3"]}}}
    (tmp_path / "features.json").write_text(json.dumps({"featuresDict": {"features": {"crop": dimensions}}}))
    assert set(names(benchmark, "--shards", str(tmp_path))) - set(rows) == {"small/tensorflow, data"}
    assert names(benchmark, "--only", "base/jax") == ["base/jax", "base/jax, bfloat16"]


def test_a_run_that_was_cut_off_goes_on_with_what_is_missing(benchmark, tmp_path, monkeypatch, capsys):
    path, measured = tmp_path / "rows.json", []

    def run_row(row, options):
        measured.append(row["backend"])
        if len(measured) == 2:
            raise KeyboardInterrupt
        return {"ms": 100.0, "images_per_second": 160.0, "peak_mb": 900.0, "limit": 5e10, "operations": 1e9}

    monkeypatch.setattr(benchmark, "run_row", run_row)
    words = ["--json", str(path), "--only", "base/jax", "--missing"]
    with pytest.raises(KeyboardInterrupt):
        benchmark.main(words)
    assert set(json.loads(path.read_text())["rows"]) == {"base/jax"}
    benchmark.main(words)
    assert set(json.loads(path.read_text())["rows"]) == {"base/jax", "base/jax, bfloat16"} and len(measured) == 3
    # 1e9 operations in 100 ms are 10 GFLOP/s, a fifth of the limit.
    assert "| base | jax | 160.0 | 100 | 900 | 10.0 | 0.20 |" in capsys.readouterr().out
