"""The command line: arguments, exit codes, data on stdout, pictures in a folder.

``ByBrightness`` stands in for the real ``Uncoverer``: it reads photos through the real gate and its verdict follows
from the photo's brightness, so what the command line must do with each verdict is known without any weights.
"""

import csv
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from keras_uncover import cli
from keras_uncover.answers import CSV_HEADER, FaceAnswer, Result, decide
from keras_uncover.images import decode_image, read_bytes
from keras_uncover.marks import read_mark
from keras_uncover.weights import WeightsError

SIZE = 32
FAKE, GENUINE, EMPTY = 230, 25, 0
KEYS = "file sha256 face_index bbox verdict p_fake threshold mask_area reswap outputs model warnings seconds".split()


class ByBrightness:
    """p_fake is the mean of the photo over 255; black is no face; twice as wide as high is two faces."""

    def __init__(self, threshold):
        self.threshold = 0.5 if threshold is None else threshold

    def __call__(self, photo):
        data = read_bytes(photo)
        pixels = decode_image(data)
        faces = [self.face(pixels, index) for index in range(2 if pixels.shape[1] == 2 * pixels.shape[0] else 1)]
        return Result(photo, hashlib.sha256(data).hexdigest(), faces, pixels)

    def face(self, pixels, index):
        p_fake = float(pixels.mean() / 255)
        if p_fake == 0:
            return FaceAnswer(None, None, "no_face", None, self.threshold, None, None, "tiny", ["a caution"])
        pictures = {name: np.full((SIZE, SIZE, 3), 0.5, "float32") for name in ("crop", "target", "donor")}
        return FaceAnswer(
            index,
            (1.0, 2.0, 30.0, 40.0),
            decide(p_fake, self.threshold),
            p_fake,
            self.threshold,
            0.25,
            {"ssim": 0.9, "residual": 0.05},
            "tiny",
            ["a caution"],
            0.5,
            mask=np.full((SIZE, SIZE), 0.25, "float32"),
            reswap_image=np.full((SIZE, SIZE, 3), 0.75, "float32"),
            **pictures,
        )


@pytest.fixture(autouse=True)
def stand_in(monkeypatch, tmp_path):
    monkeypatch.setattr(cli, "load_uncoverer", lambda preset, threshold: ByBrightness(threshold))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")


def photo(name, level=FAKE, size=(64, 64)):
    os.makedirs(os.path.dirname(name) or ".", exist_ok=True)
    Image.new("RGB", size, (level,) * 3).save(name)
    return name


def run(*arguments):
    """Exit code of ``keras-uncover predict ...``, whichever way it comes."""
    try:
        return cli.main(["predict", *map(str, arguments)])
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
    assert found[0]["outputs"] == dict.fromkeys(("target", "donor", "mask", "reswap", "figure"))


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
    assert record["outputs"] == {kind: os.path.join("new/answer", f"a_{kind}.png") for kind in kinds}
    assert listing("new/answer") == sorted(f"a_{kind}.png" for kind in kinds)
    for kind, path in record["outputs"].items():
        mark = read_mark(path)
        assert (mark["kind"], mark["model"], mark["verdict"]) == (kind, "tiny", "fake")
        assert mark["input_sha256"] == record["sha256"]
    with Image.open(record["outputs"]["reswap"]) as reswap, Image.open(record["outputs"]["mask"]) as mask:
        assert reswap.getpixel((5, 5)) == (191,) * 3 and mask.getpixel((5, 5)) == (64,) * 3


def test_a_genuine_face_gets_no_donor_and_no_reswap(capsys):
    photo("a.png", GENUINE)
    assert run("a.png", "--out", "answer", "--json") == 0
    (record,) = records(capsys)
    assert listing("answer") == ["a_figure.png", "a_mask.png", "a_target.png"]
    assert record["outputs"]["donor"] is None and record["outputs"]["reswap"] is None


def test_no_face_gets_the_figure_only():
    photo("a.png", EMPTY)
    assert run("a.png", "--out", "answer") == 0
    assert listing("answer") == ["a_figure.png"]


def test_a_second_run_replaces_the_first_and_leaves_no_old_donor():
    photo("a.png")
    assert run("a.png", "--out", "answer") == 0
    assert len(listing("answer")) == 5
    assert run("a.png", "--out", "answer", "--threshold", "0.95") == 0
    assert listing("answer") == ["a_figure.png", "a_mask.png", "a_target.png"]
    assert read_mark("answer/a_figure.png")["verdict"] == "genuine"


def test_a_strangers_file_of_that_name_is_not_removed():
    photo("a.png", GENUINE)
    photo("answer/a_donor.png", 77)
    before = Path("answer/a_donor.png").read_bytes()
    assert run("a.png", "--out", "answer") == 0
    assert Path("answer/a_donor.png").read_bytes() == before


def test_several_faces_are_numbered(capsys):
    photo("a.png", size=(128, 64))
    assert run("a.png", "--out", "answer", "--json") == 0
    assert len(listing("answer")) == 10
    masks = [record["outputs"]["mask"] for record in records(capsys)]
    assert masks == ["answer/a_face0_mask.png", "answer/a_face1_mask.png"]


@pytest.mark.parametrize(
    "names",
    [("x/a.png", "y/a.png"), ("a.png", "a.jpg"), ("x/A.png", "y/a.png"), ("x/two.png", "two_face0.png")],
)
def test_photos_of_one_name_do_not_overwrite_each_other(names, capsys):
    for name in names:
        photo(name, size=(128, 64) if "two.png" in name else (64, 64))
    assert run(*names, "--out", "answer", "--json") == 0
    paths = [path for record in records(capsys) for path in record["outputs"].values()]
    assert len({path.lower() for path in paths}) == len(paths) == len(listing("answer"))
    first = listing("answer")
    assert run(*reversed(names), "--out", "answer") == 0
    assert listing("answer") == first, "names do not depend on the order, and a second run adds none"


def test_an_output_never_overwrites_an_input():
    photo("a.png")
    photo("a_target.png", 99)
    before = Path("a_target.png").read_bytes()
    assert run("a.png", "a_target.png", "--out", ".") == 0
    assert Path("a_target.png").read_bytes() == before


def test_a_long_name_is_cut_for_its_outputs(capsys):
    name = photo("n" * 240 + ".png")
    assert run(name, "--out", "answer", "--json") == 0
    assert len(listing("answer")) == 5 and records(capsys)[0]["file"] == name


def test_folders_are_not_recursive_and_other_files_are_counted(capsys):
    photo("in/b.PNG")
    photo("in/a.jpeg")
    photo("in/deep/c.png")
    photo("in/.hidden.jpg")
    Path("in/notes.txt").write_text("words")
    assert run("in", "--json") == 0
    out, err = capsys.readouterr()
    assert [json.loads(line)["file"] for line in out.splitlines()] == ["in/a.jpeg", "in/b.PNG"]
    assert "in: 2 photos; 2 other files are left out" in err


def test_a_broken_photo_in_a_folder_is_refused_not_skipped(capsys):
    photo("in/a.png")
    os.symlink("nowhere", "in/b.jpg")
    assert run("in", "--json") == 3
    assert [list(record) for record in records(capsys)] == [KEYS, ["file", "sha256", "error"]]


def test_globs_are_expanded_in_order_and_duplicates_answered_once(capsys):
    photo("in/b.png")
    photo("in/a.png")
    photo("in/c.jpg")
    assert run("in/c.jpg", "in/*.png", "./in/a.png", "in", "--json") == 0
    assert [record["file"] for record in records(capsys)] == ["in/c.jpg", "in/a.png", "in/b.png"]


def test_a_file_with_glob_characters_is_that_file(capsys):
    photo("a[1].png")
    photo("a1.png", GENUINE)
    photo("what*.png")
    assert run("a[1].png", "what*.png", "--json") == 0
    assert [record["file"] for record in records(capsys)] == ["a[1].png", "what*.png"]


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

    monkeypatch.setattr(cli, "load_uncoverer", load)
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
        cli.main([])
    assert stop.value.code == 2


def test_bad_weights_are_4_and_an_older_csv_stays(monkeypatch, capsys):
    def load(preset, threshold):
        raise WeightsError("A preset has a rule.", preset, "Choose another.")

    monkeypatch.setattr(cli, "load_uncoverer", load)
    photo("a.png")
    Path("old.csv").write_text("kept")
    assert run("a.png", "--preset", "huge", "--csv", "old.csv") == 4
    out, err = capsys.readouterr()
    assert out == "" and "Received: huge. Choose another." in err
    assert Path("old.csv").read_text() == "kept"


def test_preset_and_threshold_reach_the_loader(monkeypatch):
    seen = []
    monkeypatch.setattr(cli, "load_uncoverer", lambda *given: seen.append(given) or ByBrightness(None))
    photo("a.png")
    assert run("a.png") == 0 and run("a.png", "--preset", "runs/x", "--threshold", "0.25") == 0
    assert seen == [("small", None), ("runs/x", 0.25)]


def test_an_interruption_is_130_and_keeps_the_rows_written(monkeypatch):
    class Interrupted(ByBrightness):
        def __call__(self, name):
            if name == "b.png":
                raise KeyboardInterrupt
            return super().__call__(name)

    monkeypatch.setattr(cli, "load_uncoverer", lambda preset, threshold: Interrupted(threshold))
    photo("a.png")
    photo("b.png")
    assert run("a.png", "b.png", "--csv", "x.csv") == 130
    assert len(Path("x.csv").read_text().splitlines()) == 2


def test_an_output_that_cannot_be_written_is_1(monkeypatch, capsys):
    photo("a.png")
    os.makedirs("answer/a_mask.png")
    assert run("a.png", "--out", "answer") == 1
    assert "a_mask.png" in capsys.readouterr().err


def test_a_counter_is_shown_on_a_terminal_only(monkeypatch, capsys):
    photo("a.png")
    photo("b.png")
    assert run("a.png", "b.png") == 0
    assert "photo 1 of 2" not in capsys.readouterr().err
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert run("a.png", "b.png") == 0
    err = capsys.readouterr().err
    assert "photo 1 of 2" in err and "photo 2 of 2\r\x1b[Kb.png face 0" in err


@pytest.mark.parametrize("level", [None, "0"])
def test_start_up_notes_are_held_back_unless_asked_for_but_errors_never(level, monkeypatch, capfd):
    note = b"I0000 00:00:1795411198.797172    8222 port.cc:153] custom operations are on.\n"

    def load(preset, threshold):
        os.write(2, b"WARNING: All log messages before absl::InitializeLog() are written to STDERR\n" + note)
        os.write(2, b"E0000 00:00:1795411198.797173    8222 port.cc:9] broken driver\nI am no log line\n")
        print("a warning of Python", file=sys.stderr)
        raise WeightsError("A rule.", preset, "A way out.")

    monkeypatch.setattr(cli, "load_uncoverer", load)
    # Set first, so that it is restored whatever the run makes of it.
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", level or "")
    if level is None:
        monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL")
    photo("a.png")
    assert run("a.png") == 4
    err = capfd.readouterr().err
    assert ("custom operations" in err) == ("InitializeLog" in err) == (level is not None)
    assert "broken driver" in err and "I am no log line" in err and "a warning of Python" in err and "A rule." in err
    assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == (level or "3")


def start(*arguments, **options):
    """Run Python in a process of its own, from wherever the tests run."""
    here = Path(__file__).resolve().parent
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(here), str(here.parent)])}
    return subprocess.run([sys.executable, *arguments], stderr=subprocess.PIPE, text=True, env=environment, **options)


def test_the_parser_is_built_without_heavy_imports():
    code = (
        "import sys; from keras_uncover import cli; cli.build_parser();"
        "print([m for m in ('keras', 'tensorflow', 'jax', 'matplotlib', 'numpy') if m in sys.modules])"
    )
    done = start("-c", code, stdout=subprocess.PIPE)
    assert done.stdout.strip() == "[]", done.stderr


def test_a_reader_that_leaves_early_is_no_trouble():
    code = (
        "import sys; from keras_uncover import cli; from test_cli import ByBrightness, photo;"
        "cli.load_uncoverer = lambda preset, threshold: ByBrightness(threshold);"
        "names = [photo(f'{k}.png') for k in range(9)];"
        "sys.exit(cli.main(['predict', '--json', *names]))"
    )
    reader, writer = os.pipe()
    os.close(reader)
    done = start("-c", code, stdout=writer)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, "")


def test_help_has_examples_and_exit_codes(capsys):
    assert run("--help") == 0
    out = capsys.readouterr().out
    assert "keras-uncover predict examples/fake_1.jpg --out answer" in out and "3  some inputs were refused" in out
    for arguments, words in ((["--help"], "examples:"), (["--version"], "keras-uncover ")):
        with pytest.raises(SystemExit) as stop:
            cli.main(arguments)
        assert stop.value.code == 0 and words in capsys.readouterr().out


def test_the_package_runs_as_a_module():
    done = start("-m", "keras_uncover", "predict", stdout=subprocess.PIPE)
    assert done.returncode == 2 and "usage: keras-uncover predict" in done.stderr
