"""The address that a server listens at: whether it can be had, and a start that asks no proxy."""

import contextlib
import os
import socket


def bare(host):
    """A host without the brackets that an IPv6 address has in a URL."""
    return host[1:-1] if host.startswith("[") and host.endswith("]") else host


def in_url(host):
    """A host as a URL writes it: an IPv6 address in brackets."""
    return f"[{bare(host)}]" if ":" in host else host


def check_address(host, port):
    """Check that a server can listen at an address.

    Args:
        host: name or address of this machine.
        port: 1 to 65535.

    Raises:
        OSError: it cannot; the message says the rule, what was received, and the way out.
    """
    rule = "The demo listens at an address of this machine and a free port"
    try:
        found = socket.getaddrinfo(bare(host), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise OSError(f"{rule}; received the host {host!r}, which is unknown ({error}). Check --host.") from error
    for family, kind, protocol, _, address in found:
        try:
            with socket.socket(family, kind, protocol) as tried:
                tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # As the server itself will do.
                tried.bind(address)
        except OSError as error:
            reason = error.strerror or error
            raise OSError(
                f"{rule}; received {in_url(host)}:{port}: {reason}. Choose another --port, or check --host."
            ) from error


@contextlib.contextmanager
def without_proxies():
    """Within it the environment names no proxy, so that a server's questions to itself stay on this machine."""
    named = {name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")}
    for name in named:
        del os.environ[name]
    try:
        yield
    finally:
        os.environ.update(named)
