"""How the demo starts: at any address of this machine, without a proxy, or not at all and with one sentence."""

import os
import socket
import threading
import time
import urllib.request
from types import SimpleNamespace

import pytest
from named_proxy import PROXIES, named_proxy
from served import served
from stand_in import ByBrightness

from keras_uncover.cli import main as cli
from keras_uncover.demo import app
from keras_uncover.demo.listening import in_url

pytestmark = pytest.mark.filterwarnings("ignore")  # of Gradio and of what it is made of


def free_port(family=socket.AF_INET, host="127.0.0.1"):
    try:
        with socket.socket(family) as tried:
            tried.bind((host, 0))
            return tried.getsockname()[1]
    except OSError:
        pytest.skip(f"this machine has no {host}")


def test_it_is_served_at_an_ipv6_address_and_no_proxy_hears_of_it(tmp_path):
    port = free_port(socket.AF_INET6, "::1")
    with named_proxy() as (_, heard), served(tmp_path, host="::1", port=port) as page:
        assert page.local_url == f"http://[::1]:{port}/"
        straight = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        assert straight.open(page.local_url, timeout=20).status == 200
        assert page.answers.loading.result(timeout=20) and page.answers.failure() is None
        assert heard == [] and all(name in os.environ for name in PROXIES), "the user's settings stay"


@pytest.fixture
def start(monkeypatch, capsys):
    """Runs the command with a stand-in for the model; gives exit code and words, and sees that nothing goes on."""
    monkeypatch.setattr(app, "load_preset", lambda preset: ByBrightness(None))
    before = threading.active_count()

    def run(*arguments):
        code = cli.main(["demo", *arguments])
        deadline = time.monotonic() + 10
        while threading.active_count() > before and time.monotonic() < deadline:
            time.sleep(0.05)
        assert threading.active_count() <= before, threading.enumerate()
        return code, capsys.readouterr().err

    return run


@pytest.mark.parametrize("host, words", [
    ("127.0.0.1", "Address already in use"), ("0.0.0.0", "Address already in use"),
    ("192.0.2.1", "Cannot assign requested address"), ("a..b", "the host 'a..b', which is unknown"),
])
def test_a_start_that_cannot_be_ends_with_one_sentence(start, host, words):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, said = start("--host", host, "--port", str(port))
    last = said.splitlines()[-1]
    assert code == 1
    assert last.startswith("keras-uncover: The demo listens at an address of this machine and a free port;")
    assert words in last and "--host" in last and "Traceback" not in said


def test_a_start_that_fails_inside_gradio_ends_too(start, monkeypatch):
    def launch(page, *arguments):
        raise Exception("Couldn't start the app")  # as Gradio raises it

    monkeypatch.setattr(app, "launch", launch)
    code, said = start("--port", str(free_port()))
    assert code == 1 and "keras-uncover: The demo could not be served: Couldn't start the app" in said


def test_a_model_that_cannot_be_loaded_ends_the_demo(monkeypatch, capsys):
    closed = []
    answers = SimpleNamespace(failure=lambda: MemoryError("no room"))
    page = SimpleNamespace(local_url="x", is_running=True, close=lambda verbose: closed.append(True), answers=answers)
    monkeypatch.setattr(app, "serve", lambda *given, **options: page)
    assert cli.main(["demo"]) == 1 and closed
    assert "the model could not be loaded: no room" in capsys.readouterr().err


@pytest.mark.parametrize("host, written", [("::1", "[::1]"), ("[::1]", "[::1]"), ("127.0.0.1", "127.0.0.1")])
def test_an_ipv6_address_has_brackets_in_a_url(host, written):
    assert in_url(host) == written
