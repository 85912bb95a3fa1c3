"""What a run leaves behind: marked pictures in a folder, under names that never meet."""

import os
import re
import tempfile
from collections import Counter
from pathlib import Path

from keras_uncover.files import hash_bytes, remove_parts
from keras_uncover.images import provenance
from keras_uncover.images.overlays import lay_over
from keras_uncover.inference.records import OUTPUT_KINDS
from keras_uncover.overwriting import check_output

MAX_STEM = 120  # bytes


def prepare_folder(folder):
    """Make a folder, remove what a killed run left half-written in it, and prove that a file can be written in it.

    Raises: OSError where it cannot.
    """
    os.makedirs(folder, exist_ok=True)
    remove_parts(folder)
    with tempfile.TemporaryFile(dir=folder):
        pass


def name_outputs(photos, folder):
    """Give each photo of a run the stem that its pictures' names begin with.

    A stem is the photo's own. A short hash of the photo's full path joins it where names would meet: two photos of
    one name, differing only in case or in a ``_face0`` at the end; an output that would overwrite an input; a very
    long name. So the names do not depend on the order of the photos, and a second run gives the same ones.

    Returns: dict from photo to stem.
    """
    stems = {photo: Path(photo).stem for photo in photos}
    counts = Counter(meeting_name(stem) for stem in stems.values())
    home = os.path.realpath(folder)
    inside = {Path(photo).name.lower() for photo in photos if os.path.realpath(Path(photo).parent) == home}
    pattern = re.compile(rf"(.+)_(?:{'|'.join(OUTPUT_KINDS)})\.png")
    inputs = {meeting_name(found[1]) for found in map(pattern.fullmatch, inside) if found}
    names = {}
    for photo, stem in stems.items():
        short = shorten(stem)
        plain = counts[meeting_name(stem)] == 1 and meeting_name(stem) not in inputs and stem == short
        names[photo] = stem if plain else f"{short}-{hash_path(photo)}"
    return names


def check_pictures(stems, folder, heatmap=False, overwrite=False):
    """Refuse a run whose pictures might take the place of files that something else wrote, before any work is done.

    Args:
        stems: dict from photo to stem, as ``name_outputs`` gives it.
        folder: where pictures will be written.
        heatmap: whether heatmaps are among them.
        overwrite: whether the user allows it.

    Raises: OverwriteError.
    """
    kinds = "|".join(kind for kind in OUTPUT_KINDS if heatmap or kind != "heatmap")
    pattern, taken = re.compile(rf"(.+?)(_face\d+)?_(?:{kinds})\.png"), set(stems.values())
    for name in sorted(os.listdir(folder)):
        found = pattern.fullmatch(name)
        if found and {found[1], found[1] + (found[2] or "")} & taken:
            check_output(os.path.join(folder, name), stems, overwrite)


def shorten(stem):
    """A stem cut to ``MAX_STEM`` bytes, as a file system counts, but inside no character."""
    data = os.fsencode(stem)
    return stem if len(data) <= MAX_STEM else data[:MAX_STEM].decode("utf-8", "ignore")


def meeting_name(stem):
    """The part of a stem by which two photos' pictures can meet."""
    return re.sub(r"_face\d+$", "", stem.lower())


def hash_path(photo):
    """Eight hexadecimal digits that tell a path from others of the same name."""
    return hash_bytes(os.fsencode(os.path.abspath(photo)))[:8]


def write_pictures(folder, stem, result, heatmap=False, overwrite=False):
    """Write the pictures of every face of a photo, in place of those of an earlier run.

    Names are ``STEM_KIND.png``, and ``STEM_face0_KIND.png`` where the photo has several faces. A genuine face has no
    donor and no re-swap, a photo without a face has the figure only; what an earlier run wrote under such a name is
    removed, so that no old donor lies beside a genuine verdict. The photo with the mask laid over it is written where
    ``heatmap`` asks for it.

    Returns: list of dicts, one a face, from kind to ``Path``.
    """
    outputs = []
    for number, answer in enumerate(result.faces):
        name = stem if len(result.faces) == 1 else f"{stem}_face{number}"
        outputs.append({})
        for kind in OUTPUT_KINDS:
            path = Path(folder) / f"{name}_{kind}.png"
            wanted = heatmap or kind != "heatmap"
            if wanted and write_picture(path, kind, result, answer, overwrite):
                outputs[-1][kind] = path
            else:
                remove_old(path, kind)
    return outputs


def write_picture(path, kind, result, answer, overwrite=False):
    """Write one picture if this answer has it; says whether it does. Raises: OverwriteError."""
    from keras_uncover.inference import (
        figures,  # Imports matplotlib, half a second that a run without pictures is spared.
    )

    index = None if answer.face_index is None else int(answer.face_index)
    details = {"verdict": answer.verdict, "input_sha256": result.sha256, "face_index": index}
    if kind == "figure":
        check_output(path, overwrite=overwrite)
        figures.save_figure(path, result.photo, answer, details)
        return True
    image = lay_over(result.photo, answer) if kind == "heatmap" else picture_of(answer, kind)
    if image is None:
        return False
    check_output(path, overwrite=overwrite)
    provenance.save_marked(path, image, kind, answer.model, details)
    return True


def picture_of(answer, kind):
    """The answer's array of a kind, or None where it has none to show."""
    if answer.verdict == "no_face" or (kind in ("donor", "reswap") and not answer.names_donor):
        return None
    return getattr(answer, "reswap_image" if kind == "reswap" else kind)


def remove_old(path, kind):
    """Remove a picture that an earlier run wrote; a file without its mark is somebody else's and stays."""
    try:
        ours = path.is_file() and provenance.read_mark(path)["kind"] == kind
    except ValueError:
        ours = False
    if ours:
        path.unlink()

