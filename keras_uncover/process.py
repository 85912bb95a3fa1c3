"""What holds for a whole process: signals, closed streams, forks, and the settings of the libraries that we call.

Keras writes ``keras.json`` when it is imported, Matplotlib a list of fonts, both below the user's home. A command that
promises to write nothing but what was asked for points them to one folder first: see ``use_cache``.
"""

import contextlib
import logging
import os
import re
import signal
import sys
import tempfile
import threading
from pathlib import Path

from keras_uncover.escapes import escape_lines

START_NOTE = re.compile(rb"WARNING: All log messages before absl::InitializeLog|I\d{4} [\d:.]+ +\d+ \S+:\d+\] ")
CACHE = "KERAS_UNCOVER_CACHE"  # the variable that names the folder of the libraries' own settings
TERMINATED = 128 + signal.SIGTERM
STREAMS = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))  # by their number
NETWORKS = {}  # "process": the one in which networks run; a fork inherits it


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


def open_closed_streams():
    """Give a program that was started with stdin, stdout or stderr closed empty ones; to be called first of all.

    Otherwise the next file that it opens would get such a stream's number, and a library's messages to stderr would be
    written into that file; Python's own stream would be None.
    """
    for number, (name, mode) in enumerate(STREAMS):
        try:
            os.fstat(number)
        except OSError:
            handle = os.open(os.devnull, os.O_RDWR)
            os.dup2(handle, number)
            if handle != number:
                os.close(handle)
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, encoding="utf-8", errors="replace", closefd=False))


def tell(words, end="\n", clear=""):
    """Say something to the person at the terminal, on stderr. A stream that is closed stops nothing.

    Args:
        words: str; control characters but line breaks are shown as escapes.
        end: what follows. clear: what is written before, as it is: the code that clears a terminal's line.
    """
    if sys.stderr is not None:  # Else Python would print it to stdout.
        with contextlib.suppress(OSError):
            print(f"{clear}{escape_lines(words)}", end=end, file=sys.stderr, flush=True)


def claim_process():
    """Note that networks run in this process; to be called before they are made, loaded or asked.

    A forked process has none of the threads that a backend computes in: an answer, or the loading of a network, would
    wait for them without end.

    Raises:
        RuntimeError: networks run in a process that this one was forked from.
    """
    process = os.getpid()
    if NETWORKS.setdefault("process", process) != process:
        raise RuntimeError(
            "Networks run in the process that loaded the first of them; received process "
            f"{process}, forked from {NETWORKS['process']} after that. Load them in each process of its own, after the "
            'fork, or start processes by multiprocessing.get_context("spawn").'
        )


def cache_folder():
    """``KERAS_UNCOVER_CACHE``, else ``keras_uncover`` among the caches of this user; None without a home."""
    chosen, caches = os.environ.get(CACHE), os.environ.get("XDG_CACHE_HOME")
    if chosen:
        return Path(chosen)
    home = Path("~").expanduser() if "HOME" in os.environ else None
    return Path(caches) / "keras_uncover" if caches else home and home / ".cache" / "keras_uncover"


def use_cache():
    """Point Keras and Matplotlib there, unless the user has told them a place; call it before they are imported.

    A ``keras.json`` that the user has is read where it is: Keras writes none then.
    """
    folder = cache_folder()
    if folder is None:
        return
    if not os.path.exists(os.path.expanduser("~/.keras/keras.json")):
        os.environ.setdefault("KERAS_HOME", str(folder / "keras"))
    os.environ.setdefault("MPLCONFIGDIR", str(folder / "matplotlib"))


@contextlib.contextmanager
def hushed_start():
    """Keep TensorFlow's start-up notes off stderr; all else that is written meanwhile follows at the end.

    Its C++ code writes these notes before any log level holds. Where the user sets ``TF_CPP_MIN_LOG_LEVEL`` the log is
    wanted, and nothing is held back.
    """
    if "TF_CPP_MIN_LOG_LEVEL" in os.environ:
        yield
        return
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # Advice on tracing is not for who asks about a photo.
    flush()
    with tempfile.TemporaryFile() as held, os.fdopen(os.dup(2), "wb", buffering=0) as stderr:
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            flush()
            os.dup2(stderr.fileno(), 2)
            held.seek(0)
            with contextlib.suppress(OSError):
                stderr.write(b"".join(line for line in held if not START_NOTE.match(line)))


def flush():
    """Write out what Python holds of stderr, if it can be written."""
    with contextlib.suppress(OSError):
        sys.stderr.flush()
