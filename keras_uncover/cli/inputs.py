"""The photos that the arguments of a command line name."""

import glob
import os
from dataclasses import dataclass, field

from keras_uncover.images.headers import PHOTO_SUFFIXES
from keras_uncover.refusals import OptionError


class InputError(OptionError):
    """An argument that names nothing that can be read as photos."""


@dataclass
class Inputs:
    """Photos to answer, and what was left out.

    Attributes:
        photos: paths as given (for a folder or a glob: as found below it), each file once, in the order given.
        left_out: ``(folder, photos, others)`` of each folder: how many files were taken and how many were not,
            because their names do not end like a photo's, or because they are hidden.
    """

    photos: list = field(default_factory=list)
    left_out: list = field(default_factory=list)


def collect_photos(arguments):
    """Expand files, folders (not recursive) and globs (recursive where they say ``**``).

    A path that exists is itself, even with ``*`` or ``[`` in its name. A path that does not exist and has no glob
    characters is kept, so that reading it is refused with a reason beside the answers to the others.

    Args:
        arguments: list of str.

    Returns: ``Inputs``; the order is that of the arguments, by name inside a folder or a glob.

    Raises:
        InputError: a glob matches nothing, a folder cannot be listed, or no photo is left.
    """
    inputs, seen = Inputs(), set()
    for argument in arguments:
        for path in match(argument):
            photos = list_folder(path, inputs) if os.path.isdir(path) else [path]
            for photo in photos:
                place = os.path.realpath(photo)
                if place not in seen:
                    seen.add(place)
                    inputs.photos.append(photo)
    if not inputs.photos:
        folders = ", ".join(repr(folder) for folder, _, _ in inputs.left_out)
        raise InputError(f"no photo to answer: {folders} holds no file that ends in {', '.join(PHOTO_SUFFIXES)}")
    return inputs


def match(argument):
    """The paths that an argument stands for: itself, or the sorted matches of a glob."""
    if os.path.lexists(argument) or not glob.has_magic(argument):
        return [argument]
    found = sorted(set(expand(argument)))
    if not found:
        raise InputError(f"{argument!r} matches nothing; check the folder and the quotes")
    return found


def expand(pattern):
    """Paths that a glob matches; ``**`` stands for folders, none or any number, and at its end for all files in them.

    Hidden folders and links to folders are not entered: links may lead in a circle, in which ``glob`` itself would
    count every way.
    """
    parts = pattern.split(os.sep)
    if "**" not in parts:
        return glob.glob(pattern)
    place = parts.index("**")
    head, tail = os.sep.join(parts[:place]), os.sep.join(parts[place + 1 :])
    bases = ([os.sep] if pattern.startswith(os.sep) else ["."]) if not head else glob.glob(head)
    found = []
    for base in bases:
        for folder, folders, files in os.walk(base):
            folders[:] = [name for name in folders if not name.startswith(".")]
            folder = folder if head or base == os.sep else os.path.relpath(folder)
            folder = "" if folder == "." else folder
            if tail:
                found += expand(os.path.join(glob.escape(folder), tail))
            else:
                found += [os.path.join(folder, name) for name in files if not name.startswith(".")]
    return found


def list_folder(folder, inputs):
    """Paths of a folder's photos by name; notes in ``inputs`` how many other files it holds."""
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries if not is_folder(entry))
    except OSError as error:
        raise InputError(f"the folder {folder!r} cannot be listed: {error.strerror}") from error
    # Hidden files are not photos even where their names say so: file managers leave such by the side of photos.
    photos = [name for name in names if name.lower().endswith(PHOTO_SUFFIXES) and not name.startswith(".")]
    inputs.left_out.append((folder, len(photos), len(names) - len(photos)))
    return [os.path.join(folder, name) for name in photos]


def is_folder(entry):
    """Whether an entry of a folder is one itself; a link in a circle is not, and is refused when it is read."""
    try:
        return entry.is_dir()
    except OSError:
        return False
