"""Photos that visitors of the demo brought: each file goes when the last session that holds it ends."""

import threading
from pathlib import Path


class Uploads:
    """Which session holds which file.

    Args:
        folder: where uploads are written; what lies in it now is not an upload and stays.
    """

    def __init__(self, folder):
        self.folder, self.lock, self.held = Path(folder).resolve(), threading.Lock(), {}
        self.kept = {path for path in self.folder.rglob("*") if path.is_file()}

    def note(self, path, session):
        """A session brought a file; what is no upload is left alone."""
        path = Path(path).resolve()
        if session is not None and path.is_relative_to(self.folder) and path not in self.kept:
            with self.lock:
                self.held.setdefault(path, set()).add(session)

    def forget(self, session):
        """A session ended: remove its files, but those that another one still holds."""
        with self.lock:
            for path, sessions in list(self.held.items()):
                sessions.discard(session)
                if not sessions:
                    del self.held[path]
                    path.unlink(missing_ok=True)
                    if path.parent != self.folder and path.parent.is_dir() and not any(path.parent.iterdir()):
                        path.parent.rmdir()
