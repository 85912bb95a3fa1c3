"""A proxy that the environment names in every way there is, and that notes what it hears."""

import contextlib
import socketserver
import threading

import pytest

PROXIES = tuple(
    name for low in ("http_proxy", "https_proxy", "all_proxy", "grpc_proxy") for name in (low, low.upper())
)
EXCEPTIONS = ("no_proxy", "NO_PROXY", "no_grpc_proxy")


@contextlib.contextmanager
def named_proxy():
    """Gives its address and the list of first lines that it heard; it answers each with an error."""
    heard = []

    class Listening(socketserver.StreamRequestHandler):
        def handle(self):
            heard.append(self.rfile.readline().decode())
            self.wfile.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Listening) as server, pytest.MonkeyPatch.context() as patch:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        address = f"127.0.0.1:{server.server_address[1]}"
        for name in PROXIES:
            patch.setenv(name, f"http://{address}")
        for name in EXCEPTIONS:
            patch.delenv(name, raising=False)
        patch.setenv("GRPC_ADDRESS_HTTP_PROXY", address)
        patch.setenv("GRPC_ADDRESS_HTTP_PROXY_ENABLED_ADDRESSES", "127.0.0.1")
        try:
            yield address, heard
        finally:
            server.shutdown()
