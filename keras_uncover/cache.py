"""Where the libraries that we call write their own settings: into a folder that the user can choose.

Keras writes ``keras.json`` when it is imported, Matplotlib a list of fonts, both below the user's home. A command that
promises to write nothing but what was asked for points them to one folder first.
"""

import os
from pathlib import Path

CACHE = "KERAS_UNCOVER_CACHE"


def cache_folder():
    """The folder: ``KERAS_UNCOVER_CACHE``, else ``keras_uncover`` where caches of this user lie; None without a home."""
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
