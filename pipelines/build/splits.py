"""Which person a picture shows, and which split a person belongs to. A hash decides, before anything is paired.

The hash is SHA-256 of a fixed salt and the person's name: it is the same on every machine, and does not change when
people are added or removed. Two portraits of one person always share a split.
"""

import unicodedata
from pathlib import PurePath
from typing import NamedTuple

from keras_uncover.files import hash_bytes
from pipelines.build.folders import BuildError

SALT = "keras_uncover people 1"
TEST_SHARE = 0.1


def person_of(path):
    """The person a portrait shows: the file's name without folder and suffix.

    Usually there is one portrait of a person. ``a/Zoé.jpg`` and ``b/Zoé.png`` count as the same person. This is safe:
    they get one split, whoever they show. Names are compared in Unicode's composed form (NFC), as file
    systems disagree on how they store an accent.
    """
    return unicodedata.normalize("NFC", PurePath(path).stem)


def place_of(person, salt=SALT):
    """A person's place in [0, 1): evenly spread, and always the same."""
    return int(hash_bytes(f"{salt}\n{person}".encode())[:16], 16) / 2.0**64


def split_of(person, shares, salt=SALT):
    """The split a person belongs to.

    Args:
        person: str.
        shares: dict, split to its share; they sum to 1. The order counts: a share that changes moves nobody between
            the splits before it.
        salt: str; another salt gives another, independent division.

    Returns: a key of ``shares``.
    """
    if min(shares.values()) < 0 or abs(sum(shares.values()) - 1) > 1e-6:
        raise ValueError(f"Shares of splits must be 0 or more and sum to 1; received {shares}.")
    place, edge = place_of(person, salt), 0.0
    for split, share in shares.items():
        edge += share
        if place < edge:
            return split
    return max(shares, key=shares.get)  # By rounding, the shares may sum to slightly less than 1.


class Place(NamedTuple):
    """The split a person was ``given`` by the list (or ""), and the ``split`` that follows."""

    given: str
    split: str


def choose_splits(rows, validation):
    """A ``Place`` for each row, the same for all rows of a person.

    Splits that are given are kept, the first if a person is given two. If none of them is ``validation``, one is made
    inside ``train``. People without a given split are divided into test (10 %), validation and train.

    Args:
        rows: list of anything with ``person`` and ``split``, empty where nothing was said.
        validation: share of people, of all or of the given ``train``.

    Raises: BuildError for a share that leaves nothing to train on.
    """
    if not 0 <= validation <= 1 - TEST_SHARE:
        raise BuildError(f"The validation share is 0 to {1 - TEST_SHARE}; received {validation}.")
    given = {}
    for row in rows:
        if row.split:
            given.setdefault(row.person, row.split)
    shares = {"test": TEST_SHARE, "validation": validation, "train": 1 - TEST_SHARE - validation}
    inside = {"validation": validation, "train": 1 - validation}
    if "validation" in given.values():
        inside = {"train": 1.0}
    places = []
    for row in rows:
        name = given.get(row.person, "")
        if name == "train":
            places.append(Place(name, split_of(row.person, inside)))
        else:
            places.append(Place(name, name or split_of(row.person, shares)))
    return places
