"""Look at every portrait once: find its face, and keep of those with the same pixels the first."""

from pipelines.look import look, map_with_bar
from pipelines.pictures import Reject


def survey(portraits, find, size, workers=1):
    """Find the face of every portrait.

    Of two portraits with the same pixels the first is kept. What is kept takes about 6 KB a portrait.

    Args:
        portraits: list of ``Portrait``.
        find: ``FaceFinder().find``.
        size: pixels of the crops to come.
        workers: photos looked at side by side.

    Returns: list of ``(Portrait, Face)``, list of ``Reject``; both in the order of ``portraits``.
    """
    kept, rejects, first = [], [], {}
    found = map_with_bar(lambda portrait: look(portrait, find, size), portraits, workers, "Finding faces")
    for portrait, answer in zip(portraits, found):
        if isinstance(answer, Reject):
            rejects.append(answer)
        elif answer.hash in first:
            rejects.append(Reject(portrait.file, "duplicate", f"the same pixels as {first[answer.hash]}"))
        else:
            first[answer.hash] = portrait.file
            kept.append((portrait, answer.face))
    return kept, rejects
