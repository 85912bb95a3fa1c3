"""Folders of photos from anybody: names, links, files that come and go; and what a run may leave and must not."""

import ast
import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from shard_files import small_disk
from stand_in import ByBrightness, photo

from keras_uncover.cli import main, predict
from keras_uncover.files import new_file, remove_parts
from keras_uncover.images.provenance import read_mark

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def stand_in(monkeypatch, tmp_path):
    monkeypatch.setattr(predict, "load_uncoverer", lambda preset, threshold: ByBrightness(threshold))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")


def everything(folder="."):
    return sorted(path.relative_to(folder).as_posix() for path in Path(folder).rglob("*") if not path.is_dir())


NAMES = [
    "-rf.png", "a\nb.png", "a\tb.png", "é.png", "e\u0301.png", "한국어 사진.png", "n" * 251 + ".png", "é" * 125 + ".png",
    "$(touch x).png", "`x`.png", "%2e%2e%2fx.png", "x..%00.png", "a'\"b.png", "\\..\\x.png", "con.png", "𝕬.png",
    "\x1b[31m.png",
]


def test_names_of_photos_lead_nowhere_else(tmp_path, capsys):
    """Whatever a photo is called, and by whatever way it is named, its pictures lie in the output folder alone."""
    os.makedirs("in/deep")
    for name in NAMES:
        photo(f"in/{name}")
    before = everything()
    given = ["in", "in/deep/../a\nb.png", f"{tmp_path}/in/../in/é.png", "../" + tmp_path.name + "/in/-rf.png"]
    assert main.main(["predict", *given, "--out", "answers", "--json"]) == 0
    after = everything()
    assert [name for name in after if name not in before and not name.startswith("answers/")] == []
    assert set(before) <= set(after)
    written = [name for name in after if name.startswith("answers/")]
    assert len(written) == 5 * len(NAMES) and all(name.count("/") == 1 for name in written)
    assert all(len(os.fsencode(name.split("/")[1])) <= 255 for name in written)
    assert all(read_mark(name) for name in written)
    assert "\n" not in capsys.readouterr().out.splitlines()[0]


def test_a_link_out_of_the_folder_is_read_as_the_file_it_is_and_nothing_is_written_there(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    photo(str(outside / "real.png"))
    (outside / "words.txt").write_text("secret")
    os.mkdir("in")
    os.symlink(outside / "real.png", "in/link.png")
    os.symlink(outside / "words.txt", "in/words.png")
    os.symlink("/dev/zero", "in/endless.png")
    os.symlink("loop.png", "in/loop.png")
    os.symlink(outside, "in/folder.png")
    before = everything(outside)
    assert main.main(["predict", "in", "--out", "answers"]) == 3
    assert everything(outside) == before
    assert all(name.startswith("link_") for name in everything("answers"))


def test_pictures_are_not_written_through_a_link_that_waits_in_the_folder(tmp_path):
    """A link named like a picture that is to come is replaced, and what it leads to stays as it was."""
    photo("a.png")
    (tmp_path / "precious.txt").write_text("precious")
    os.mkdir("answers")
    os.symlink(tmp_path / "precious.txt", "answers/a_target.png")
    assert main.main(["predict", "a.png", "--out", "answers"]) == 0
    assert (tmp_path / "precious.txt").read_text() == "precious"
    assert not os.path.islink("answers/a_target.png") and read_mark("answers/a_target.png")["kind"] == "target"


def test_a_folder_that_changes_while_it_is_read_spoils_nothing(monkeypatch, capsys):
    """Photos that vanish, are replaced by folders, cut or made anew meanwhile are refused or answered, one by one."""
    class Meddler(ByBrightness):
        def __call__(self, name, **options):
            if name == "in/0.png":
                os.remove("in/1.png")
                os.remove("in/2.png")
                os.mkdir("in/2.png")
                Path("in/3.png").write_bytes(Path("in/3.png").read_bytes()[:60])
                photo("in/4.png", 25)
                photo("in/9.png")
                os.remove("in/5.png")
                os.mkfifo("in/5.png")
            return super().__call__(name, **options)

    monkeypatch.setattr(predict, "load_uncoverer", lambda preset, threshold: Meddler(threshold))
    for number in range(7):
        photo(f"in/{number}.png")
    assert main.main(["predict", "in", "--out", "answers"]) == 3
    said = capsys.readouterr().err
    assert [f"in/{number}.png: refused" in said for number in range(7)] == [False, True, True, True, False, True, False]
    assert "3 of 7 photos answered (2 fake, 1 genuine), 4 refused" in said
    assert {name.split("_")[0] for name in everything("answers")} == {"0", "4", "6"}


def test_what_a_killed_run_left_is_removed_and_a_running_one_is_left_alone(tmp_path):
    dead, alive = tmp_path / f".{'ab' * 16}.part", tmp_path / "alive.png"
    dead.write_bytes(b"half a picture")
    (tmp_path / ".mine.part").write_bytes(b"somebody's")
    with new_file(alive) as file:
        file.write(b"as yet half")
        code = "import sys; from keras_uncover.files import remove_parts; remove_parts(sys.argv[1])"
        subprocess.run([sys.executable, "-c", code, tmp_path], cwd=ROOT, check=True)
        assert len(list(tmp_path.glob(".*.part"))) == 2, "its own and somebody's"
    remove_parts(tmp_path)
    assert everything(tmp_path) == [".mine.part", "alive.png"] and alive.read_bytes() == b"as yet half"


def test_a_killed_writer_leaves_a_part_that_the_next_run_removes(tmp_path):
    code = (
        "import sys, time; from keras_uncover.files import new_file\n"
        "with new_file(sys.argv[1]) as file:\n"
        "    file.write(b'half'); file.flush(); print('half', flush=True); time.sleep(99)"
    )
    command = [sys.executable, "-c", code, tmp_path / "a_target.png"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        process.send_signal(signal.SIGKILL)
    assert [path.suffix for path in tmp_path.iterdir()] == [".part"]
    photo("a.png")
    assert main.main(["predict", "a.png", "--out", str(tmp_path)]) == 0
    assert not list(tmp_path.glob(".*")) and read_mark(tmp_path / "a_target.png")["kind"] == "target"


@pytest.mark.root
@pytest.mark.parametrize("kind", ["full", "read-only"])
def test_a_full_or_read_only_disk_is_a_clear_error_and_loses_nothing(kind, tmp_path, capsys):
    photo("a.png")
    photo("b.png")
    with small_disk(tmp_path / "disk", "160k") as disk:
        assert main.main(["predict", "a.png", "--out", str(disk), "--csv", "a.csv"]) == 0
        before = {path.name: path.read_bytes() for path in disk.iterdir()}
        if kind == "full":
            with open(disk / "ballast", "wb", buffering=0) as file, contextlib.suppress(OSError):
                while file.write(bytes(4096)):
                    pass
            code, words = 1, "No space left on device"
        else:
            subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
            code, words = 2, "Read-only file system"
        assert main.main(["predict", "a.png", "b.png", "--out", str(disk)]) == code if kind == "full" else True
        if kind != "full":
            with pytest.raises(SystemExit) as stop:
                main.main(["predict", "b.png", "--out", str(disk)])
            assert stop.value.code == code
        assert words in capsys.readouterr().err
        after = {path.name: path.read_bytes() for path in disk.iterdir() if path.name != "ballast"}
        assert {name: after.get(name) for name in before} == before
        assert not list(disk.glob(".*"))


OPTIONS = {
    "--heatmap": [], "--json": [], "--csv": ["answers.csv"], "--top-face": [], "--jobs": ["2"], "--fail-on": ["fake"],
    "--preset": ["small"], "--threshold": ["0.1"], "--out": ["answers"], "--overwrite": [],
}


def test_no_option_takes_the_mark_off(capsys):
    """Every option that ``predict`` has is used here; a new one must join them and keep the marks."""
    parser = main.build_parser()
    commands = next(action.choices for action in parser._actions if action.choices and "predict" in action.choices)
    command = commands["predict"]
    options = {name for action in command._actions for name in action.option_strings if name.startswith("--")}
    assert options - {"--help"} == set(OPTIONS)
    photo("a.png")
    for name, values in OPTIONS.items():
        extra = [] if name == "--out" else [name, *values]
        assert main.main(["predict", "a.png", "--out", "answers", *extra]) in (0, 10)
        for path in Path("answers").iterdir():
            mark = read_mark(path)
            assert mark["caption"] and "digitalsourcetype/" in mark["xmp"], (name, path)
    assert {path.stem.split("_")[1] for path in Path("answers").iterdir()} >= {"target", "donor", "reswap"}


OPENERS = {"imread", "imdecode", "decode_image", "decode_jpeg", "decode_png", "decode_gif", "decode_bmp", "decode_webp",
           "load_img", "frombuffer_image", "decode_and_crop_jpeg"}
GATES = ("keras_uncover/images/decode.py", "export/graph/decode.py")


def test_no_other_code_opens_images():
    """Files of images are opened by the library's gate, and in the graph by the one that follows it."""
    found = []
    for room in ("keras_uncover", "pipelines", "export"):
        for path in sorted((ROOT / room).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                if not isinstance(node, ast.Call) or name in GATES:
                    continue
                text = ast.unparse(node.func)
                # ``decode_image`` by itself is the gate's own.
                if text == "Image.open" or (text.rsplit(".", 1)[-1] in OPENERS and text != "decode_image"):
                    found.append(f"{name} calls {text}")
    assert found == []
