"""A folder that is there whole or not at all."""

import contextlib
import os
import shutil
from pathlib import Path

from etils import epath

from keras_uncover.files import lock, move_folder
from keras_uncover.refusals import Refusal


class BuildError(Refusal):
    """A data set that cannot be built; the message says the rule, what was received, and the way out."""


def as_path(name):
    """A path that is local or in a bucket, such as ``gs://bucket/shards``."""
    try:
        return epath.Path(name)
    except KeyError as error:
        raise BuildError(f"A path is local or in a bucket (gs://); received {name}. Copy the data there.") from error


def check_destination(destination, overwrite):
    """Refuse an output that would be lost: only an empty folder or, if asked, a data set may be replaced."""
    if os.path.ismount(destination):
        raise BuildError(f"The output is moved into place; {destination} is a mount point. Choose a folder inside it.")
    destination = as_path(destination)
    if not destination.exists():
        return
    if not destination.is_dir():
        raise BuildError(f"The output is a folder; received the file {destination}. Choose another name.")
    if not any(destination.iterdir()):
        return
    if not overwrite:
        raise BuildError(
            f"The output must be a new or empty folder; {destination} has content. "
            "Choose another name, or replace the data set by --overwrite."
        )
    if not (destination / "dataset_info.json").is_file():
        raise BuildError(
            f"--overwrite replaces data sets only; {destination} has no dataset_info.json. "
            "Choose another name, or remove the folder yourself."
        )


@contextlib.contextmanager
def build_folder(destination, overwrite=False):
    """Give a working folder beside ``destination``; what was put in its ``done`` becomes ``destination``.

    The working folder, ``.NAME.building``, is locked as long as its owner lives. One that a killed build has left
    behind is emptied; one whose owner is at work is refused. If anything is raised, it is removed and
    ``destination`` stays as it was. A killed build leaves ``destination`` as it was, too; if it was killed between
    the two renames of a replacement, the next build puts the old one back first.

    Args:
        destination: path of the folder to be.
        overwrite: whether a data set that is there may be replaced (when the new one is complete).

    Raises: BuildError.
    """
    destination = Path(os.path.realpath(destination))
    check_destination(destination, overwrite)
    work = destination.parent / f".{destination.name}.building"
    work.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(lock(work / "lock"))
        except BlockingIOError as error:
            raise BuildError(f"One build at a time: another one is writing {destination}. Wait for it.") from error
        if (work / "replaced").exists() and not destination.exists():
            move_folder(work / "replaced", destination)
        for entry in work.iterdir():
            if entry.name != "lock":
                shutil.rmtree(entry)
        try:
            check_destination(destination, overwrite)
            yield work
            check_destination(destination, overwrite)
            if destination.exists() and any(destination.iterdir()):
                move_folder(destination, work / "replaced")
            move_folder(work / "done", destination)
        finally:
            shutil.rmtree(work)
