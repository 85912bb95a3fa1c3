"""The image gate's first half: files are read by their content, and refused by rules."""

import os
import subprocess
import sys
import tempfile
import tracemalloc
from pathlib import Path

import pytest
from image_files import WHOLE

from keras_uncover.images.decode import MAX_BYTES, ImageError, decode_image, read_bytes

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", ["plain.png", "été.png", "한국어 사진.jpg", "two  spaces .txt", "[x]*?.webp", "none"])
def test_a_file_is_told_by_its_content_whatever_its_name(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(WHOLE["PNG"])
    for source in (path, str(path), WHOLE["PNG"], bytearray(WHOLE["PNG"]), memoryview(WHOLE["PNG"])):
        assert read_bytes(source) == WHOLE["PNG"]
        assert decode_image(read_bytes(source)).shape == (96, 96, 3)


def unreadable(source, **options):
    with pytest.raises(ImageError) as caught:
        read_bytes(source, **options)
    return str(caught.value)


def test_what_cannot_be_read_is_refused(tmp_path):
    (tmp_path / "empty.jpg").touch()
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "loop.jpg").symlink_to(tmp_path / "loop.jpg")
    assert "received nothing there: " in unreadable(tmp_path / "é no.jpg")
    assert "é no.jpg" in unreadable(tmp_path / "é no.jpg")
    assert "received a folder: " in unreadable(tmp_path)
    assert "received something that is no file: " in unreadable(tmp_path / "pipe.jpg")
    assert "received nothing there: " in unreadable(tmp_path / "loop.jpg")
    assert "received nothing there: " in unreadable("a\0b.jpg")
    assert "File name too long" in unreadable("n" * 300)
    assert "An image file has content; received" in unreadable(tmp_path / "empty.jpg")
    assert "An image file has content; received bytes, which is empty" in unreadable(b"")
    with pytest.raises(TypeError):
        read_bytes(None)


def test_what_lies_there_by_the_time_it_is_opened_counts(tmp_path, monkeypatch):
    """A pipe may take a file's place after the look at its name; to wait for it would be for ever."""
    os.mkfifo(tmp_path / "pipe.jpg")
    monkeypatch.setattr(Path, "is_file", lambda self: True)
    assert "received something that is no file: " in unreadable(tmp_path / "pipe.jpg")
    assert "received something that is no file: " in unreadable("/dev/zero")


def test_an_oversize_file_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "sparse.jpg"
    with path.open("wb") as file:
        file.truncate(2**30)
    tracemalloc.start()
    assert f"at most {MAX_BYTES:,} bytes; received" in unreadable(path)
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()
    path.write_bytes(bytes(100))
    assert len(read_bytes(path, max_bytes=100)) == 100
    assert "at most 99 bytes" in unreadable(path, max_bytes=99)
    assert "with 100. " in unreadable(bytes(100), max_bytes=99)


@pytest.mark.root
def test_a_file_without_permission_is_refused():
    code = (
        "import os, sys\n"
        "from keras_uncover.images.decode import ImageError, read_bytes\n"
        "os.setuid(65534)\n"
        "try: read_bytes(sys.argv[1])\n"
        "except ImageError as error: print(error)\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        path = Path(folder) / "closed.jpg"
        path.write_bytes(WHOLE["JPEG"])
        path.chmod(0)
        run = subprocess.run([sys.executable, "-c", code, path], cwd=ROOT, capture_output=True, text=True)
    assert f'An input must be readable; received "{path}": Permission denied. Check' in run.stdout, run.stderr
