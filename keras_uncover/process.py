"""An end by SIGTERM is an end like others: what is to be cleared away at an end is cleared away."""

import contextlib
import signal
import threading

TERMINATED = 128 + signal.SIGTERM


def terminate(number, frame):
    """What SIGTERM does within ``ended_by_term``. A second one must not cut the clearing short."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise SystemExit(TERMINATED)


@contextlib.contextmanager
def ended_by_term():
    """Within it SIGTERM raises ``SystemExit(143)``, so that blocks are left and temporary files removed.

    Python itself would die at once and leave them. Outside of the main thread, where signals cannot be caught, and
    where the program that calls us handles SIGTERM itself, nothing is changed.
    """
    free = threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    if not free:
        yield
        return
    signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGTERM) == terminate:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
