"""Photos of the demo: which files a visitor may have read, and when they are removed.

A visitor names a photo by its path on this machine, and may name any path. Only regular files inside the upload folder
that no other session holds, and the bundled samples, are read. Every other path gets the same sentence, so that nobody
learns which files exist.
"""

import os
import stat
import threading
from pathlib import Path

from keras_uncover.files import open_at_once
from keras_uncover.images.decode import MAX_BYTES, ImageError, read_stream


class NotYours(ImageError):
    """A path that is no photo of this visitor. It says nothing about what lies there."""

    def __init__(self):
        super().__init__(
            "A photo is one that you uploaded to this page, or one of its examples", "something else",
            "Upload the photo and ask again.",
        )


class Uploads:
    """Which session holds which file. A file belongs to the first session that asks for it.

    Args:
        folder: where uploads are written; files that lie in it now are no uploads: everybody may read them.
        samples: folder of photos that everybody may read; None for none.
    """

    def __init__(self, folder, samples=None):
        self.folder, self.lock, self.held = Path(folder).resolve(), threading.Lock(), {}
        self.public = set() if samples is None else set(Path(samples).resolve().glob("*.jpg"))
        self.open_to_all()

    def open_to_all(self):
        """Let everybody read the files that lie in the folder now, such as copies of the samples."""
        self.public |= {path for path in self.folder.rglob("*") if path.is_file()}

    def holds(self, path):
        """Whether a visitor's path names, without links, a regular file of the upload folder or a public one."""
        try:
            place = Path(path)
            ours = os.path.realpath(path) == path and (place in self.public or self.folder in place.parents)
            return ours and stat.S_ISREG(os.lstat(path).st_mode)
        except (OSError, TypeError, ValueError):  # Nothing there, or no path: too long, with a null byte, no text.
            return False

    def read(self, path, session, max_bytes=MAX_BYTES):
        """Bytes of a photo; from now on the session that asks holds it.

        Args:
            path: what the visitor names, of any type.
            session: str, or None for a single question: its upload is removed once it is read.
            max_bytes: the image gate's limit.

        Raises:
            NotYours: there is nothing that this session may read.
            ImageError: the upload is empty or too large.
        """
        if not self.holds(path):
            raise NotYours
        holder = session or object()  # A single question is a session of its own.
        try:
            handle = open_at_once(path, os.O_RDONLY | os.O_NOFOLLOW)
        except OSError as error:
            raise NotYours from error
        with os.fdopen(handle, "rb") as file:
            place, regular = Path(path), stat.S_ISREG(os.fstat(handle).st_mode)
            if not regular or not (place in self.public or self.take(place, holder)):
                raise NotYours
            try:
                return read_stream(file, f'"{place.name}"', max_bytes)
            finally:
                if not session:
                    self.forget(holder)

    def take(self, place, holder):
        """Hold a file for a session, unless another session holds it. Returns: whether this session holds it."""
        with self.lock:
            return self.held.setdefault(place, holder) == holder

    def forget(self, holder):
        """End a session: remove its files, and drop the entries of files that Gradio removed after an hour."""
        with self.lock:
            ended = [place for place, other in self.held.items() if other == holder or not place.exists()]
            for place in ended:
                del self.held[place]
                place.unlink(missing_ok=True)
                if place.parent != self.folder and place.parent.is_dir() and not any(place.parent.iterdir()):
                    place.parent.rmdir()
