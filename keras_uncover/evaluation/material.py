"""Folders of a user's own pictures: photos by source, results of swap tools, and the triples among them.

A folder holds pictures, or folders of pictures, each of which is a source or a tool; in these, a folder is a film clip.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

from keras_uncover.refusals import OptionError

ROLES = ("result", "target", "donor")
PHOTO = "photo"
# The name of a film's frame: the clip, then the frame's number with five digits, or with any after the word "frame".
CLIPS = r"(.+?)[_-](?:frame[_-]?\d+|\d{5})"


class MaterialError(OptionError):
    """Folders or options that nothing can be measured with."""


@dataclass(frozen=True)
class Picture:
    """One file of the material.

    Attributes:
        path: where it lies.
        name: its path below the folder that was given, with "/".
        group: its source or tool.
        role: ``"photo"``, or one of ``ROLES``.
        key: what the files of a triple share: clip and ID.
        clip: name of the film clip that it is a frame of, or None.
    """

    path: Path
    name: str
    group: str
    role: str
    key: str
    clip: str | None


@dataclass
class Material:
    """What is measured.

    Attributes:
        pictures: list of ``Picture``, photos first, then the swaps; sorted by name.
        left_out: list of ``{"file", "reason"}`` of files that cannot be told apart by their names.
    """

    pictures: list = field(default_factory=list)
    left_out: list = field(default_factory=list)

    def __post_init__(self):
        self._places = {(picture.group, picture.key, picture.role): picture for picture in self.pictures}

    def truth(self, result, role):
        """The ``Picture`` that is the target or donor of a result, or None."""
        return self._places.get((result.group, result.key, role)) if result.role == "result" else None


def read_material(photos=None, swaps=None, clips=CLIPS):
    """List the pictures of two folders.

    Args:
        photos: folder of genuine photos, or None.
        swaps: folder of results of swap tools, named ``ID_result``, ``ID_target`` and ``ID_donor`` with any ending;
            a name without one of the three is a result without truths.
        clips: regular expression of the whole ID of a film's frame, whose first group names the clip; "" for none.

    Returns: ``Material``.

    Raises:
        MaterialError: a folder is missing or holds nothing, there are folders inside a clip's, or ``clips`` is no such
            expression.
    """
    check_clips(clips)
    found, left_out = {}, []
    for folder, swapped in ((photos, False), (swaps, True)):
        for group, clip, path in [] if folder is None else list_files(Path(folder)):
            picture = name_picture(Path(folder), group, clip, path, swapped, clips)
            place = (swapped, picture.group, picture.key, picture.role)
            if swapped and place in found:
                reason = f"{found[place].name} is the {picture.role} of the same ID; keep one of the two"
                left_out.append({"file": picture.name, "reason": reason})
            else:
                found[place if swapped else (swapped, picture.name)] = picture
    return Material(list(found.values()), left_out)


def check_clips(clips):
    """Refuse a pattern of clips that is no regular expression with a group."""
    try:
        sound = not clips or re.compile(clips).groups > 0
    except re.error:
        sound = False
    if not sound:
        raise MaterialError(
            f"The pattern of clips is a regular expression whose first group is the clip, such as {CLIPS!r}; received "
            f"{clips!r}."
        )


def name_picture(folder, group, clip, path, swapped, clips):
    """The ``Picture`` of a file, as its name and folders tell."""
    identity, role = path.stem, PHOTO
    if swapped:
        start, _, end = identity.rpartition("_")
        identity, role = (start, end.lower()) if start and end.lower() in ROLES else (identity, "result")
    if clip is None and clips:
        match = re.fullmatch(clips, identity)
        clip = match and match[1]
    inside = path.parent.relative_to(folder)
    return Picture(path, path.relative_to(folder).as_posix(), group, role, (inside / identity).as_posix(), clip)


def list_files(folder):
    """Yield ``(group, clip, path)`` of each file of a folder that is not hidden, by name; clip is None elsewhere."""
    for path in entries_of(folder):
        if not path.is_dir():
            yield folder.resolve().name, None, path
            continue
        for inner in entries_of(path):
            if not inner.is_dir():
                yield path.name, None, inner
                continue
            for frame in entries_of(inner):
                if frame.is_dir():
                    raise MaterialError(
                        f"Pictures lie in FOLDER, in FOLDER/SOURCE or in FOLDER/SOURCE/CLIP; received the folder "
                        f'"{frame}". Move its pictures up.'
                    )
                yield path.name, inner.name, frame


def entries_of(folder):
    """The entries of a folder that are not hidden, by name. Raises: MaterialError, where there is none."""
    if not folder.is_dir():
        raise MaterialError(f'Material is a folder of pictures; received "{folder}", which is none. Check the path.')
    entries = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    if not entries:
        raise MaterialError(f'A folder of material holds pictures; received "{folder}", which is empty. Remove it.')
    return entries
