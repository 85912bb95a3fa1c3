"""Keras's settings: which backends this library runs on, and which settings of the user's it sets aside.

Keras reads ``keras.json`` (in ``KERAS_HOME``, by default ``~/.keras``) and ``KERAS_BACKEND`` when it is imported. The
library needs channels last and float32 whatever stands there. A program of our own sets both for its whole process
(``settle``). Within somebody else's program they hold only while we build a network or answer (``own_settings``);
afterwards the program finds its settings as they were. The backend cannot be changed once Keras is imported, so one
that the library does not run on is refused (``check_backend``).
"""

import contextlib
import importlib.util
import json
import os
import sys
import threading
from pathlib import Path

from keras_uncover.refusals import USAGE, Refusal, end_in_words

SUPPORTED = ("tensorflow", "jax")
OWN = {"floatx": "float32", "image_data_format": "channels_last"}
PLAIN_POLICIES = ("float16", "bfloat16", "float64")  # what a user's floatx leads to; mixed ones are chosen for training
KNOWN = {"floatx": ("float16", "float32", "float64"), "image_data_format": ("channels_last", "channels_first")}

_lock = threading.Lock()
_held = {"count": 0, "before": {}}


class BackendError(Refusal):
    """Keras's settings name a backend that the library does not run on, or are none that Keras takes."""

    exit_code = USAGE


def settings_file():
    """Where Keras reads its settings from; the file need not exist. Tells it without importing Keras."""
    home = os.environ.get("KERAS_HOME")
    if home is None:
        user = os.path.expanduser("~")
        home = os.path.join(user if os.access(user, os.W_OK) else "/tmp", ".keras")
    return Path(os.path.expanduser(os.path.join(home, "keras.json")))


def read_settings():
    """The user's settings, a dict, empty without a file or where it is no JSON: Keras passes that over, too.

    Raises: BackendError for values with which Keras itself cannot be imported.
    """
    path = settings_file()
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(found, dict):
        raise BackendError(f"Keras's settings are a JSON object; received {type(found).__name__} in {path}. Remove it.")
    for name, values in KNOWN.items():
        if found.get(name, values[0]) not in values:
            raise BackendError(
                f"Keras's setting {name} is one of {', '.join(values)}; received {found[name]!r} in {path}. Correct it."
            )
    if not isinstance(found.get("epsilon", 0.0), float):
        raise BackendError(f"Keras's setting epsilon is a float; received {found['epsilon']!r} in {path}. Correct it.")
    return found


def chosen_backend():
    """The name of Keras's backend and where it was chosen; Keras is not imported for it.

    Raises: BackendError, as ``read_settings``.
    """
    keras = sys.modules.get("keras")
    if hasattr(keras, "backend"):
        return keras.backend.backend(), "the Keras that is imported"
    settings = read_settings()
    if os.environ.get("KERAS_BACKEND"):
        return os.environ["KERAS_BACKEND"], "KERAS_BACKEND"
    return settings.get("backend", "tensorflow"), str(settings_file())


def check_backend(supported=SUPPORTED):
    """Refuse a backend that we do not run on, before Keras is imported with it.

    Args:
        supported: names of the backends that will do.

    Raises: BackendError.
    """
    name, place = chosen_backend()
    if name not in supported:
        raise BackendError(
            f"This runs on Keras's backend {' or '.join(supported)}; received {name!r} from {place}. "
            f"Set KERAS_BACKEND={supported[0]}."
        )
    if name not in sys.modules and importlib.util.find_spec(name) is None:
        raise BackendError(
            f"Keras's backend must be installed; {name}, from {place}, is not. Install it or set KERAS_BACKEND to "
            f"another of {', '.join(supported)}."
        )


def settle(supported=SUPPORTED):
    """Set for the whole process what the library needs; for programs of our own, before they make anything of Keras.

    Raises: BackendError.
    """
    check_backend(supported)
    import keras

    keras.config.set_floatx(OWN["floatx"])
    keras.config.set_image_data_format(OWN["image_data_format"])
    keras.config.set_epsilon(1e-7)
    if keras.config.dtype_policy().name in PLAIN_POLICIES:
        keras.config.set_dtype_policy(OWN["floatx"])


def settle_or_exit(program, supported=SUPPORTED):
    """``settle`` for a script, before it imports Keras itself: a refusal ends it with a sentence and exit code 2."""
    code = end_in_words(program, settle, supported)
    if code:
        raise SystemExit(code)


@contextlib.contextmanager
def own_settings(exact=False):
    """Within it Keras's settings are those that the library needs; it decorates what builds networks or runs them.

    ``floatx`` and the order of channels are the process's: they are set by the first thread that enters and set back by
    the last one that leaves. The policy is each thread's own.

    Args:
        exact: float32 in place of a mixed policy, too: an answer does not depend on the program around it.

    Raises: BackendError.
    """
    check_backend()
    import keras

    with _lock:
        if not _held["count"]:
            _held["before"] = {name: getattr(keras.config, name)() for name in OWN}
            _set_config(keras, OWN)
        _held["count"] += 1
    policy = keras.config.dtype_policy()
    replaced = policy.name in PLAIN_POLICIES or (exact and policy.name != OWN["floatx"])
    try:
        if replaced:
            keras.config.set_dtype_policy(OWN["floatx"])
        yield
    finally:
        if replaced:
            keras.config.set_dtype_policy(policy)
        with _lock:
            _held["count"] -= 1
            if not _held["count"]:
                _set_config(keras, _held["before"])


def _set_config(keras, values):
    for name, value in values.items():
        getattr(keras.config, f"set_{name}")(value)
