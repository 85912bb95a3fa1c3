"""The demo as a program meets it: its endpoints, its limits, and that it asks nothing outside of this machine."""

import os
import re
import socket
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest
from served import served
from stand_in import EMPTY, GENUINE, photo

from keras_uncover.cli import demo as command
from keras_uncover.cli import main

pytestmark = pytest.mark.filterwarnings("ignore")  # of Gradio and of what it is made of

LOOPBACK = ("127.0.0.1", "localhost", "::1", "0.0.0.0", "", None)


@pytest.fixture(scope="module")
def outside():
    """Addresses outside of this machine that anything asked for; each such try fails."""
    asked, patch = [], pytest.MonkeyPatch()
    real_connect, real_connect_ex, real_lookup = socket.socket.connect, socket.socket.connect_ex, socket.getaddrinfo

    def check(host):
        if host not in LOOPBACK:
            asked.append(host)
            raise OSError(f"outside of this machine: {host}")

    def connect(self, address):
        if self.family != socket.AF_UNIX:
            check(address[0])
        return real_connect(self, address)

    def connect_ex(self, address):
        if self.family != socket.AF_UNIX:
            check(address[0])
        return real_connect_ex(self, address)

    def lookup(host, *arguments, **options):
        check(host.decode() if isinstance(host, bytes) else host)
        return real_lookup(host, *arguments, **options)

    patch.setattr(socket.socket, "connect", connect)
    patch.setattr(socket.socket, "connect_ex", connect_ex)
    patch.setattr(socket, "getaddrinfo", lookup)
    yield asked
    patch.undo()


@pytest.fixture(scope="module")
def page(outside, tmp_path_factory):
    with served(tmp_path_factory.mktemp("demo"), max_megabytes=1) as page:
        yield page


@pytest.fixture
def client(page):
    from gradio_client import Client

    return Client(page.local_url, verbose=False)


def handle(path):
    from gradio_client import handle_file

    return handle_file(str(path))


def test_the_guard_of_these_tests_works(outside):
    with pytest.raises(OSError, match="outside of this machine"):
        socket.create_connection(("192.0.2.1", 80), timeout=1)
    with pytest.raises(OSError, match="outside of this machine"):
        socket.getaddrinfo("example.org", 80)
    assert outside == ["192.0.2.1", "example.org"]
    outside.clear()


def test_programs_get_the_records_of_the_command_line(client, tmp_path):
    two = photo(str(tmp_path / "two.png"), size=(128, 64))
    first, second = client.predict(handle(two), api_name="/predict")
    assert (first["file"], first["verdict"], first["face_index"], second["face_index"]) == ("two.png", "fake", 0, 1)
    genuine = photo(str(tmp_path / "g.png"), GENUINE)
    assert client.predict(handle(genuine), api_name="/predict")[0]["verdict"] == "genuine"


def test_programs_get_the_report(client, tmp_path):
    html = client.predict(handle(photo(str(tmp_path / "a.png"), EMPTY)), api_name="/report")
    assert html.startswith("<!doctype html>") and "a.png" in html and "NO FACE" in html and "ab" * 32 in html


def test_only_the_named_endpoints_are_there(client):
    named = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert set(named) == {"/predict", "/report"}


def test_a_bad_file_is_refused_with_its_reason(client, tmp_path):
    from gradio_client.exceptions import AppError

    bad = tmp_path / "bad.jpg"
    bad.write_text("not a photo")
    with pytest.raises(AppError, match="An image is JPEG, PNG or WebP") as refused:
        client.predict(handle(bad), api_name="/predict")
    assert "keras_uncover_demo_" not in str(refused.value), "no path of this machine is told"


def test_too_large_a_file_is_refused(client, tmp_path):
    large = tmp_path / "large.jpg"
    large.write_bytes(b"\xff\xd8\xff" + bytes(1_200_000))
    with pytest.raises(Exception, match="(?i)size|large|413"):
        client.predict(handle(large), api_name="/predict")


def test_several_users_at_once_get_their_own_answers(page, tmp_path):
    from gradio_client import Client

    def ask(level):
        name = photo(str(tmp_path / f"{level}.png"), level)
        return Client(page.local_url, verbose=False).predict(handle(name), api_name="/predict")[0]["p_fake"]

    levels = [20, 90, 160, 250]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(ask, levels)) == pytest.approx([level / 255 for level in levels])


def test_uploads_are_gone_after_the_session(page, tmp_path):
    from gradio_client import Client

    def lies_there():
        # Not Path.rglob, which raises where a folder is removed while it looks.
        return any("gone_soon.png" in names for _, _, names in os.walk(os.environ["GRADIO_TEMP_DIR"]))

    client = Client(page.local_url, verbose=False)
    # A session ends when whoever opened it no longer listens.
    listening = urllib.request.urlopen(f"{page.local_url}gradio_api/heartbeat/{client.session_hash}", timeout=20)
    client.predict(handle(photo(str(tmp_path / "gone_soon.png"), 123)), api_name="/predict")
    assert lies_there()
    listening.close()
    for _ in range(100):
        if not lies_there():
            break
        time.sleep(0.1)
    assert not lies_there()


def test_nothing_outside_was_asked_for(page, outside):
    assert outside == []


def test_the_page_names_no_outside_address_to_load_from(page):
    html = urllib.request.urlopen(page.local_url, timeout=20).read().decode()
    loaded = re.findall(r'<(?:script|link|img|iframe)[^>]+(?:src|href)="(https?:)?//([^/"]+)', html)
    assert [host for _, host in loaded if not host.startswith("127.0.0.1")] == []


def test_gradio_that_was_imported_without_the_settings_is_refused(monkeypatch, tmp_path):
    from keras_uncover.demo.app import import_gradio

    monkeypatch.setitem(sys.modules, "gradio", object())
    monkeypatch.delenv("HF_HUB_OFFLINE")
    with pytest.raises(RuntimeError, match="must be imported by the demo itself"):
        import_gradio(tmp_path)


def test_the_command_serves_what_it_is_told(monkeypatch, capsys):
    from types import SimpleNamespace

    from keras_uncover.demo import app

    seen = []
    served_page = SimpleNamespace(local_url="http://127.0.0.1:8000/", is_running=False, close=lambda verbose: None)

    def serve(load, *given, **options):
        seen.append((load, given, options))
        return served_page

    monkeypatch.setattr(app, "serve", serve)
    assert main.main(["demo", "--port", "8000", "--max-mb", "5", "--preset", "classifier"]) == 0
    ((load, given, options),) = seen
    assert given == ("127.0.0.1", 8000) and options == {"max_megabytes": 5, "block": False}
    assert load.args == ("classifier",)
    assert "serving at http://127.0.0.1:8000/" in capsys.readouterr().err
    assert main.main(["demo", "--host", "0.0.0.0"]) == 0
    assert "can be reached from other machines" in capsys.readouterr().err


def test_the_command_says_what_is_missing(monkeypatch, capsys):
    assert main.main(["demo", "--preset", "none_such"]) == 4
    monkeypatch.setattr(command.importlib.util, "find_spec", lambda name: None)
    assert main.main(["demo"]) == 1
    assert 'python -m pip install "keras-uncover[demo]"' in capsys.readouterr().err
    for wrong in (["--port", "0"], ["--port", "x"], ["--max-mb", "101"]):
        with pytest.raises(SystemExit):
            main.main(["demo", *wrong])
