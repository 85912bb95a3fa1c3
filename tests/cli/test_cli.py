"""The command line: arguments, exit codes, data on stdout, pictures in a folder."""

import csv
import hashlib
import json
import os
from pathlib import Path

import pytest
from PIL import Image
from stand_in import EMPTY, FAKE, GENUINE, ByBrightness, photo

from keras_uncover.cli import main, predict
from keras_uncover.images.provenance import read_mark
from keras_uncover.inference.records import CSV_HEADER
from keras_uncover.presets.weights import WeightsError

KEYS = (
    "file sha256 faces face_index bbox verdict p_fake threshold error_rates mask_area reswap outputs model warnings "
    "seconds"
).split()


@pytest.fixture(autouse=True)
def stand_in(monkeypatch, tmp_path):
    monkeypatch.setattr(predict, "load_uncoverer", lambda preset, threshold: ByBrightness(threshold))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")


def run(*arguments):
    """Exit code of ``keras-uncover predict ...``, whichever way it comes."""
    try:
        return main.main(["predict", *map(str, arguments)])
    except SystemExit as stop:
        return stop.code


def records(capsys):
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def listing(folder):
    return sorted(os.listdir(folder))


def test_json_is_one_object_a_face_with_all_keys(capsys):
    photo("fake.png")
    photo("genuine.png", GENUINE)
    photo("none.png", EMPTY)
    photo("two.png", size=(128, 64))
    assert run("fake.png", "genuine.png", "none.png", "two.png", "--json") == 0
    found = records(capsys)
    assert [list(record) for record in found] == [KEYS] * 5
    assert [record["verdict"] for record in found] == ["fake", "genuine", "no_face", "fake", "fake"]
    assert [record["face_index"] for record in found] == [0, 0, None, 0, 1]
    assert found[0]["sha256"] == hashlib.sha256(Path("fake.png").read_bytes()).hexdigest()
    assert found[2]["bbox"] is None and found[2]["p_fake"] is None
    assert found[0]["outputs"] == dict.fromkeys(("target", "donor", "mask", "reswap", "figure", "heatmap"))


def test_human_words_go_to_stderr_only(capsys):
    photo("a.jpg")
    photo("b.jpg", GENUINE)
    assert run("a.jpg", "b.jpg") == 0
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert lines[0].startswith("a.jpg face 0: FAKE") and "p_fake 0.902, threshold 0.5" in lines[0]
    assert err.count("a caution") == 1, "a warning is told once a run"
    assert lines[-1] == "2 of 2 photos answered (1 fake, 1 genuine), 0 refused"


def test_data_is_not_mixed_with_words(capsys):
    photo("a.jpg")
    assert run("a.jpg", "--json") == 0
    assert capsys.readouterr().err == ""


def test_threshold_changes_the_verdict(capsys):
    photo("a.png")
    assert run("a.png", "--json", "--threshold", "0.95") == 0
    (record,) = records(capsys)
    assert record["verdict"] == "genuine" and record["threshold"] == 0.95


def test_a_refused_file_in_the_middle_stops_nothing(capsys):
    photo("a.png")
    photo("c.png", GENUINE)
    Path("b.png").write_text("not a photo")
    assert run("a.png", "b.png", "gone.png", "c.png", "--json") == 3
    out, err = capsys.readouterr()
    first, second, third, last = map(json.loads, out.splitlines())
    assert (first["verdict"], last["verdict"]) == ("fake", "genuine")
    assert list(second) == ["file", "sha256", "error"] and list(second["error"]) == ["rule", "received", "hint"]
    assert second["sha256"] == hashlib.sha256(b"not a photo").hexdigest() and second["file"] == "b.png"
    assert third["file"] == "gone.png" and third["sha256"] is None
    assert "b.png: refused." in err and "gone.png: refused." in err and "2 refused" in err


def test_csv_has_a_fixed_header_and_a_row_a_face(capsys):
    photo("a,1.png", size=(128, 64))
    photo("none.png", EMPTY)
    assert run("a,1.png", "none.png", "gone.png", "--csv", "answers.csv") == 3
    assert capsys.readouterr().out == ""
    with open("answers.csv", newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    assert tuple(header) == CSV_HEADER
    assert [len(row) for row in rows] == [len(CSV_HEADER)] * 4
    table = [dict(zip(header, row)) for row in rows]
    assert [row["file"] for row in table] == ["a,1.png", "a,1.png", "none.png", "gone.png"]
    assert [row["face_index"] for row in table] == ["0", "1", "", ""]
    assert [row["faces_found"] for row in table] == ["2", "2", "0", ""]
    assert table[0]["reswap_ssim"] == "0.9" and table[3]["error_rule"] and not table[0]["error_rule"]


def test_csv_on_stdout_and_beside_json(capsys):
    photo("a.png")
    assert run("a.png", "--csv", "-") == 0
    assert capsys.readouterr().out.startswith(",".join(CSV_HEADER) + "\na.png,")
    assert run("a.png", "--csv", "b.csv", "--json") == 0
    assert len(records(capsys)) == 1 and len(Path("b.csv").read_text().splitlines()) == 2
    assert run("a.png", "--csv", "-", "--json") == 2


def test_out_writes_marked_pictures(capsys):
    photo("in/a.png")
    assert run("in/a.png", "--out", "new/answer", "--json") == 0
    (record,) = records(capsys)
    kinds = ["target", "donor", "mask", "reswap", "figure"]
    assert record["outputs"].pop("heatmap") is None, "written where it is asked for"
    assert record["outputs"] == {kind: os.path.join("new/answer", f"a_{kind}.png") for kind in kinds}
    assert listing("new/answer") == sorted(f"a_{kind}.png" for kind in kinds)
    for kind, path in record["outputs"].items():
        mark = read_mark(path)
        assert (mark["kind"], mark["model"], mark["verdict"]) == (kind, "tiny", "fake")
        assert mark["input_sha256"] == record["sha256"]
    with Image.open(record["outputs"]["reswap"]) as reswap, Image.open(record["outputs"]["mask"]) as mask:
        assert reswap.getpixel((5, 5)) == (191,) * 3 and mask.getpixel((5, 5)) == (64,) * 3


def test_folders_and_globs_are_answered_and_left_out_files_are_told(capsys):
    photo("in/b.PNG")
    photo("in/a.jpeg", GENUINE)
    Path("in/notes.txt").write_text("words")
    assert run("in", "./in/*.jpeg", "--json") == 0
    out, err = capsys.readouterr()
    assert [json.loads(line)["file"] for line in out.splitlines()] == ["in/a.jpeg", "in/b.PNG"]
    assert "in: 2 photos; 1 other files are left out" in err


def test_a_lower_verdict_in_a_second_run_takes_the_old_donor_away(capsys):
    photo("a.png")
    assert run("a.png", "--out", "answer") == 0
    assert run("a.png", "--out", "answer", "--threshold", "0.95", "--json") == 0
    (record,) = records(capsys)
    assert record["outputs"]["donor"] is None and record["outputs"]["reswap"] is None
    assert listing("answer") == ["a_figure.png", "a_mask.png", "a_target.png"]


def test_the_heatmap_is_the_photo_with_the_mask_over_it(capsys):
    photo("a.png", 200)
    assert run("a.png", "--out", "answer", "--heatmap", "--json") == 0
    (record,) = records(capsys)
    assert read_mark(record["outputs"]["heatmap"])["kind"] == "heatmap"
    with Image.open(record["outputs"]["heatmap"]) as heatmap:
        scale = heatmap.width // 64
        outside, inside = (heatmap.getpixel((scale * x, scale * x)) for x in (40, 16))
    assert outside == (200,) * 3
    share = 0.55 * 0.25  # of the tint: its strength times the mask
    assert inside == pytest.approx([200 * (1 - share) + share * tint for tint in (255, 194, 10)], abs=1.01)
    assert run("a.png", "--out", "answer") == 0
    assert not os.path.exists("answer/a_heatmap.png"), "an earlier one is taken away"


def test_the_top_face_alone_is_answered_on_request(capsys):
    photo("two.png", size=(128, 64))
    assert run("two.png", "--json", "--top-face") == 0
    assert [record["face_index"] for record in records(capsys)] == [0]


@pytest.mark.parametrize(
    "level, wanted, code",
    [(FAKE, "fake", 10), (GENUINE, "fake", 0), (GENUINE, "uncertain", 0), (FAKE, "uncertain", 10), (EMPTY, "fake", 0)],
)
def test_a_verdict_can_be_made_to_fail(level, wanted, code):
    photo("a.png", level)
    assert run("a.png", "--fail-on", wanted) == code
    assert run("a.png", "gone.png", "--fail-on", wanted) == (code or 3), "what was asked for goes before refusals"


def test_jobs_change_neither_order_nor_answers(capsys):
    names = [photo(f"{k}.png", 20 + 23 * k) for k in range(9)]
    names.insert(4, "gone.png")
    found = []
    for jobs in (1, 3):
        assert run(*names, "--json", "--jobs", jobs) == 3
        found.append(records(capsys))
    assert [record["file"] for record in found[0]] == names
    assert found[0] == found[1]


def test_an_interruption_in_a_thread_ends_the_run(monkeypatch):
    class Interrupted(ByBrightness):
        def __call__(self, name, **options):
            if name == "3.png":
                raise KeyboardInterrupt
            return super().__call__(name, **options)

    monkeypatch.setattr(predict, "load_uncoverer", lambda preset, threshold: Interrupted(threshold))
    names = [photo(f"{k}.png") for k in range(9)]
    assert run(*names, "--csv", "x.csv", "--jobs", "2") == 130
    assert len(Path("x.csv").read_text().splitlines()) == 1 + 3


def test_photos_of_one_name_keep_apart(capsys):
    names = [photo("x/a.png"), photo("y/a.png", size=(128, 64))]
    assert run(*names, "--out", "answer", "--json") == 0
    paths = [path for record in records(capsys) for path in record["outputs"].values() if path is not None]
    assert sorted(map(os.path.basename, paths)) == listing("answer") and len(paths) == 15


def test_a_name_that_is_no_utf8_survives_as_json(capsysbinary):
    name = os.fsdecode(b"bad\xff\xc3\xa9.png")
    photo("good.png")
    os.rename("good.png", name)
    assert run(name, "--json") == 0
    assert json.loads(capsysbinary.readouterr().out.decode("utf-8"))["file"] == name


@pytest.mark.parametrize(
    "arguments, reason",
    [
        ([], "PHOTO"),
        (["no*.png"], "matches nothing"),
        (["empty"], "no photo"),
        (["a.png", "--threshold", "1.5"], "from 0 to 1"),
        (["a.png", "--threshold", "nan"], "from 0 to 1"),
        (["a.png", "--threshold", "half"], "from 0 to 1"),
        (["a.png", "--heatmap"], "add --out DIR"),
        (["a.png", "--jobs", "0"], "from 1 to 64"),
        (["a.png", "--jobs", "two"], "from 1 to 64"),
        (["a.png", "--fail-on", "genuine"], "--fail-on"),
        (["a.png", "--out", "a.png"], "--out"),
        (["a.png", "--out", "a.png/deeper"], "--out"),
        (["a.png", "--csv", "gone/x.csv"], "--csv"),
        (["a.png", "--csv", "empty"], "--csv"),
        (["--csv", "a.png", "b.png"], "Put photos before"),
        (["a.png", "--what"], "--what"),
    ],
)
def test_a_wrong_command_line_is_2_and_says_why_before_any_work(arguments, reason, monkeypatch, capsys):
    def load(preset, threshold):
        raise AssertionError("work was begun")

    monkeypatch.setattr(predict, "load_uncoverer", load)
    photo("a.png")
    photo("b.png")
    os.mkdir("empty")
    before = Path("a.png").read_bytes()
    assert run(*arguments) == 2
    out, err = capsys.readouterr()
    assert out == "" and reason in err and "usage:" in err
    assert Path("a.png").read_bytes() == before


def test_no_command_is_2():
    with pytest.raises(SystemExit) as stop:
        main.main([])
    assert stop.value.code == 2


def test_bad_weights_are_4_and_an_older_csv_stays(monkeypatch, capsys):
    def load(preset, threshold):
        raise WeightsError("A preset has a rule.", preset, "Choose another.")

    monkeypatch.setattr(predict, "load_uncoverer", load)
    photo("a.png")
    kept = ",".join(CSV_HEADER) + "\nkept\n"
    Path("old.csv").write_text(kept)
    assert run("a.png", "--preset", "huge", "--csv", "old.csv") == 4
    out, err = capsys.readouterr()
    assert out == "" and "Received: huge. Choose another." in err
    assert Path("old.csv").read_text() == kept


def test_preset_and_threshold_reach_the_loader(monkeypatch):
    seen = []
    monkeypatch.setattr(predict, "load_uncoverer", lambda *given: seen.append(given) or ByBrightness(None))
    photo("a.png")
    assert run("a.png") == 0 and run("a.png", "--preset", "runs/x", "--threshold", "0.25") == 0
    assert seen == [("small", None), ("runs/x", 0.25)]


def test_an_interruption_is_130_and_keeps_the_rows_written(monkeypatch):
    class Interrupted(ByBrightness):
        def __call__(self, name, **options):
            if name == "b.png":
                raise KeyboardInterrupt
            return super().__call__(name, **options)

    monkeypatch.setattr(predict, "load_uncoverer", lambda preset, threshold: Interrupted(threshold))
    photo("a.png")
    photo("b.png")
    assert run("a.png", "b.png", "--csv", "x.csv") == 130
    assert len(Path("x.csv").read_text().splitlines()) == 2


def test_an_output_that_cannot_be_written_is_1(monkeypatch, capsys):
    photo("a.png")
    os.makedirs("answer/a_mask.png")
    assert run("a.png", "--out", "answer") == 1
    assert "a_mask.png" in capsys.readouterr().err
