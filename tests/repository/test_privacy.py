"""Nothing leaves this machine, nothing stays on it that was not asked for, and nothing of a photo is told on."""

import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from guarded import ROOT, assert_private, files, notes, start
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from keras_uncover.images.provenance import read_mark

SECRET = "Wilhelmina Quackenbush"
RECOVERED = ("target", "donor", "reswap", "mask", "figure", "heatmap")
# Both roads of the command line that answer, and Python's, in one process with the networks loaded once: that is what
# costs.
ANSWERS = """
import os, sys
from keras_uncover import process
from keras_uncover.cli import main
from keras_uncover.cli import common, match, predict
photos, out, gallery = sys.argv[1:4]
os.mkdir(out)
process.use_cache()  # as each command does before it imports Keras
uncoverer = common.load_uncoverer("small", 0.0)
common.load_uncoverer = match.load_uncoverer = predict.load_uncoverer = lambda preset, threshold: uncoverer
code = main.main(["predict", photos, "--out", out, "--heatmap", "--json", "--csv", out + "/answers.csv"])
ranked = main.main(["match", photos + "/photo.jpg", "--gallery", gallery, "--figure", out + "/ranking.png"])
print(uncoverer(photos + "/photo.jpg").verdict, file=sys.stderr)
sys.exit(code * 10 + ranked)
"""


def photo_with_secrets(path):
    """An example as a camera would store it: author, place, comment and XMP; and the same as PNG."""
    picture = Image.open(ROOT / "examples" / "fake_1.jpg").convert("RGB")
    exif = Image.Exif()
    exif[0x013B] = SECRET  # artist
    exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 51.0, 29.0), 3: "E", 4: (2.0, 17.0, 40.0)})
    xmp = f'<x:xmpmeta xmlns:x="adobe:ns:meta/">{SECRET}</x:xmpmeta>'.encode()
    picture.save(path / "photo.jpg", quality=92, exif=exif, comment=SECRET.encode(), xmp=xmp)
    text = PngInfo()
    text.add_text("Author", SECRET)
    Image.new("RGB", (200, 200), (203, 77, 131)).save(path / "nobody.png", exif=exif, pnginfo=text)
    (path / "words.jpg").write_text(f"{SECRET}\n" * 40)


@pytest.fixture(scope="module")
def answered(tmp_path_factory):
    """A watched process that answered a photo, ranked a gallery by it, and answered once more: its folder and words."""
    folder = tmp_path_factory.mktemp("watched")
    (folder / "photos").mkdir()
    photo_with_secrets(folder / "photos")
    process = start(folder, ANSWERS, folder / "photos", folder / "out", ROOT / "examples" / "truth")
    out, err = process.communicate(timeout=600)
    assert process.returncode == 30, err.decode()  # one photo of three refused; ranked
    return folder, out, err


def test_predict_match_and_the_library_ask_no_address_and_write_where_they_are_told(answered):
    folder, _, _ = answered
    assert_private(folder, folder / "out")
    assert [name for name in files(folder / "out") if not name.endswith(".png")] == ["answers.csv"]
    assert len(files(folder / "out")) == 2 + 6 + 1  # a face's six pictures, and the figure of the photo without one


def test_the_settings_of_keras_and_matplotlib_lie_in_the_chosen_cache(answered):
    found = files(answered[0] / "cache")
    assert "keras/keras.json" in found and any(name.startswith("matplotlib/fontlist") for name in found)
    assert all(name.split("/")[0] in ("keras", "matplotlib") for name in found)


def test_outputs_carry_nothing_of_the_photos_metadata(answered):
    folder, out, err = answered
    for path in (folder / "out").iterdir():
        assert SECRET.encode() not in path.read_bytes(), path.name
        if path.suffix == ".png":
            with Image.open(path) as picture:
                picture.load()
                assert not picture.getexif() and "icc_profile" not in picture.info
                assert set(picture.info) <= {"Software", "Description", "Comment", "XML:com.adobe.xmp", "xmp", "dpi"}
    assert SECRET.encode() not in out + err


def test_logs_hold_words_and_no_pixels(answered):
    _, out, err = answered
    records = [json.loads(line) for line in out.splitlines() if line.startswith(b"{")]
    assert len(records) == 3
    for text in (out, err):
        assert len(text) < 20_000
        text.decode("utf-8")
        # Base64, hexadecimal digits of pixels and arrays would be long words or many numbers in brackets.
        assert max(map(len, text.split())) <= 300
        assert b"array(" not in text and b"[[" not in text
    numbers = [value for record in records for value in record.values() if isinstance(value, list)]
    assert all(len(value) <= 4 for value in numbers)


def test_every_picture_is_marked_as_made_by_a_model(answered):
    folder, _, _ = answered
    for path in (folder / "out").glob("*.png"):
        mark = read_mark(path)
        assert "http://cv.iptc.org/newscodes/digitalsourcetype/" in mark["xmp"], path.name
        assert mark["caption"].startswith("MODEL'S GUESS"), path.name
    assert {path.stem.rsplit("_", 1)[1] for path in (folder / "out").glob("photo_*.png")} == set(RECOVERED)


def test_the_demo_points_the_libraries_before_it_imports_them():
    """Matplotlib makes its folder, and Keras writes its file, when they are imported."""
    code = "import sys, keras_uncover.demo.app; print({'matplotlib', 'keras', 'gradio'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


DEMO = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # tests that run in the background inherit that it is ignored
from stand_in import ByBrightness
from keras_uncover import process
from keras_uncover.cli import main
process.use_cache()  # as the command does before it imports the demo
from keras_uncover.demo import app
app.load_preset = lambda preset: ByBrightness(None)
sys.exit(main.main(["demo", "--port", sys.argv[1]]))
"""


# In a process of its own: imported here, these libraries would have read their settings before a test of the demo.
CLIENT = """
import json, sys
from gradio_client import Client, handle_file
answer = Client(sys.argv[1], verbose=False).predict(handle_file(sys.argv[2]), api_name="/predict")
print(json.dumps(answer), flush=True)
sys.stdin.read()  # a session, and with it its upload, ends with who opened it
"""


@pytest.mark.skipif(importlib.util.find_spec("gradio") is None, reason="needs the extra [demo]")
@pytest.mark.parametrize("ending, code", [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_stopped_demo_asked_nobody_and_leaves_nothing(ending, code, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    Image.new("RGB", (64, 64), (230,) * 3).save(tmp_path / "photo.png")
    process = start(tmp_path, DEMO, port, loopback=True)
    try:
        assert b"serving at" in wait_for(process.stderr, b"serving at")
        command = [sys.executable, "-c", CLIENT, f"http://127.0.0.1:{port}/", tmp_path / "photo.png"]
        straight = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=straight
        ) as asking:
            assert json.loads(asking.stdout.readline())[0]["verdict"] == "fake"
            assert any("photo" in name for name in files(tmp_path / "temporary")), "the upload was there"
            process.send_signal(ending)
            said, _ = process.communicate(timeout=120)
    finally:
        process.kill()
        process.communicate()
    assert (process.returncode, said) == (code, b"")
    assert_private(tmp_path)
    assert all(name.split("/")[0] in ("keras", "matplotlib") for name in files(tmp_path / "cache"))


def wait_for(stream, words):
    """The lines of a process up to the one with these words."""
    lines = b""
    for line in stream:
        lines += line
        if words in line:
            break
    return lines


ENDED = """
import os, signal, sys
from PIL import Image
from stand_in import ByBrightness, photo
from keras_uncover.cli import main
from keras_uncover.cli import predict

def save_half(self, file, *arguments, **options):
    saved.append(file)
    if len(saved) == 3:
        file.write(b"half a picture") if hasattr(file, "write") else None
        {ending}
    return whole(self, file, *arguments, **options)

predict.load_uncoverer = lambda preset, threshold: ByBrightness(threshold)
names, saved, whole = [photo(os.path.join(sys.argv[1], f"p{k}.png")) for k in range(3)], [], Image.Image.save
Image.Image.save = save_half
sys.exit(main.main(["predict", *names, "--out", sys.argv[2]]))
"""


@pytest.mark.parametrize("ending, code", [
    ("os.kill(os.getpid(), signal.SIGTERM)", 143), ("raise OSError(28, 'No space left on device')", 1),
    ("raise KeyboardInterrupt", 130),
])
def test_an_end_in_the_middle_leaves_no_temporary_file(tmp_path, ending, code):
    process = start(tmp_path, ENDED.replace("{ending}", ending), tmp_path / "photos", tmp_path / "out")
    _, err = process.communicate(timeout=120)
    assert process.returncode == code, err.decode()
    assert b"Traceback" not in err
    left = files(tmp_path / "out")
    assert left and all(read_mark(tmp_path / "out" / name) for name in left), "all that is there is whole"
    assert files(tmp_path / "temporary") == files(tmp_path / "work") == files(tmp_path / "home") == []
    assert notes(tmp_path)["asked"] == []


def test_the_guard_of_these_tests_works(tmp_path):
    code = (
        "import socket, os\n"
        "connect = lambda: socket.create_connection(('192.0.2.1', 80), 1)\n"
        "for ask in (connect, lambda: socket.getaddrinfo('a.example', 1)):\n"
        "    try: ask()\n"
        "    except OSError as error: print(error)\n"
        "open('here', 'w').close(); os.mkdir('there')\n"
    )
    process = start(tmp_path, code)
    out, _ = process.communicate(timeout=60)
    assert out.count(b"outside of this machine") == 2
    found = notes(tmp_path)
    assert found["asked"] == ["192.0.2.1", "a.example"]
    assert {Path(path).name for path in found["wrote"]} >= {"here", "there"}
    with pytest.raises(AssertionError):
        assert_private(tmp_path)
