"""Screen every portrait once, make its record, and keep of those with the same pixels the first."""

import functools

from pipelines.build.pictures import Reject
from pipelines.build.screening import map_with_bar, screen
from pipelines.portraits.record import make_draft
from pipelines.schema import SPLITS


def survey(portraits, find, size, drafts, workers=1):
    """Find the face of every portrait, and make its record.

    Of two portraits with the same pixels the first is kept.

    Args:
        portraits: list of ``Portrait``.
        find: ``FaceFinder().find``.
        size: pixels of a crop's side.
        drafts: ``Drafts`` that take the records.
        workers: photos worked on side by side.

    Returns: list of ``(Portrait, Screened)``, list of ``Reject``; both in the order of ``portraits``.
    """
    make = functools.partial(make_draft, size=size, drafts=drafts)
    found = map_with_bar(lambda portrait: screen(portrait, find, size, make), portraits, workers, "Finding faces")
    kept, rejects, first = [], [], {}
    for portrait, answer in zip(portraits, found):
        refusal = answer if isinstance(answer, Reject) else refuse_copy(portrait.file, answer.hash, first)
        if refusal:
            rejects.append(refusal)
        else:
            kept.append((portrait, answer))
    return kept, rejects


def refuse_copy(file, pixels, first):
    """A ``Reject`` if the dict ``first`` has the hash ``pixels`` of an earlier file; else add it there and return None.
    """
    if pixels in first:
        return Reject(file, "duplicate", f"the same pixels as {first[pixels]}")
    first[pixels] = file
    return None


def count_people(kept):
    """Number of portraits and of people in each split: dict, split to two integers."""
    counts = {}
    for split in SPLITS:
        people = [portrait.person for portrait, _ in kept if portrait.split == split]
        counts[split] = len(people), len(set(people))
    return counts


def summarise(counts):
    """What was found, by split, in lines; ``counts`` as from ``count_people``."""
    rows = [(split, *counts.get(split, (0, 0))) for split in SPLITS]
    return "\n".join(f"{split:<10} {count:>7,} portraits of {people:,} people" for split, count, people in rows)
