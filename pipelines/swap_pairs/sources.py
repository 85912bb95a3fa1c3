"""Which fakes there are, whose pictures they were made from, and which split each belongs to."""

import dataclasses
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from keras_uncover.images.headers import PHOTO_SUFFIXES
from pipelines.build.folders import BuildError
from pipelines.build.pictures import Picture, Reject, list_pictures
from pipelines.build.splits import choose_splits, person_of
from pipelines.schema import SPLITS
from pipelines.swap_pairs.names import choose_reading, parse_pattern, read_name

SUFFIXES = PHOTO_SUFFIXES
SPLIT_FOLDERS = {"train": "train", "valid": "validation", "validation": "validation", "val": "validation",
                 "test": "test"}
DONOR_FOLDERS = ("src_remb", "segmented_face")  # The first that has a person's picture is taken.
# A person who is in several split folders stays in the first of these: train can best do without.
PRECEDENCE = {"test": 0, "validation": 1, "train": 2, "": 3}


@dataclasses.dataclass(frozen=True)
class Swap:
    """One fake and its sources. ``split`` is "" until it is decided."""

    fake: Picture
    target: Picture
    donor: Picture
    target_person: str
    donor_person: str
    split: str = ""


class Claim(NamedTuple):
    """A person and the split folder that a fake of theirs lies in, or ""."""

    person: str
    split: str


def list_swaps(dataset, pattern="{target}_{donor}", split=None, validation=0.1, limit=None):
    """List fakes in a fixed order, each with its sources, people and split.

    Split folders are honoured; if none is for validation, one is made inside ``train``. Without split folders people
    are divided into test (10 %), validation and train by their hash. A swap whose people are in different splits is
    refused by the rule ``ties_splits``. ``split`` overrides all of this.

    Args:
        dataset: folder with ``df/``, ``src/`` and ``src_remb/`` or ``segmented_face/``, or with split folders of these.
        pattern: template of a fake's name without suffix.
        split: everyone goes into this split.
        validation: share of people, of all or of those in ``train/``.
        limit: only the first so many.

    Returns: list of ``Swap``, list of ``Reject``.

    Raises: BuildError for a layout or a pattern that cannot be read.
    """
    template = parse_pattern(pattern, SUFFIXES)
    swaps, rejects = [], []
    for part, given in find_parts(Path(dataset)).items():
        found, refused = read_part(Path(dataset), part, given, template)
        swaps += found
        rejects += refused
    settled, refused = settle_splits(swaps, split, validation)
    return settled[:limit], rejects + refused


def find_parts(dataset):
    """The folders that hold a ``df/``, each with the split that it is for ("" if the data set has no split folders)."""
    layout = "DATASET holds df/, src/ and src_remb/ or segmented_face/, or split folders (train, valid, test) of these"
    if not dataset.is_dir():
        raise BuildError(f"{layout}; there is no folder at {dataset}. Check the path.")
    flat = (dataset / "df").is_dir()
    sign = "df" if flat else "."  # Beside df/, a folder named test may be anything.
    parts = find_split_folders(dataset, sign)
    unknown = [name for name, split in find_split_folders(dataset, "df").items() if split is None]
    if unknown and not flat:
        raise BuildError(
            f"Split folders are named {', '.join(SPLIT_FOLDERS)}; {dataset} has {', '.join(unknown)} with a df/. "
            "Rename or move it."
        )
    parts = {name: split for name, split in parts.items() if split}
    if flat == bool(parts):
        received = f"both df and {', '.join(parts)}" if flat else "neither"
        raise BuildError(f"{layout}; {dataset} has {received}. Move or rename folders so that it has one of the two.")
    parts = parts or {".": ""}
    for part in parts:
        missing = [name for name in ("df", "src") if not (dataset / part / name).is_dir()]
        if not any((dataset / part / name).is_dir() for name in DONOR_FOLDERS):
            missing.append(" or ".join(DONOR_FOLDERS))
        if missing:
            raise BuildError(f"{layout}; {dataset / part} has no {', no '.join(missing)}. Add or rename folders.")
    return parts


def find_split_folders(dataset, sign):
    """Folders that hold ``sign``, each with the split that its name stands for, whatever its capitals, or None."""
    folders = sorted(path.name for path in dataset.iterdir() if (path / sign).is_dir())
    found = {name: SPLIT_FOLDERS.get(name.strip().casefold()) for name in folders}
    order = [*SPLIT_FOLDERS.values(), None]
    return dict(sorted(found.items(), key=lambda item: order.index(item[1])))


def read_part(dataset, part, given, template):
    """Swaps of one ``df/`` in the order of their paths, with ``given`` for their split, and rejects."""
    fakes, rejects = list_below(dataset, part, "df")
    targets, refused = index_people(dataset, part, "src")
    rejects += refused
    donors = {}
    for name in reversed(DONOR_FOLDERS):
        if (dataset / part / name).is_dir():
            found, refused = index_people(dataset, part, name)
            donors.update(found)
            rejects += refused
    swaps = []
    for fake in fakes:
        people, refusal = choose_reading(read_name(template, person_of(fake.file)), targets, donors)
        twice = None if refusal else find_twice(targets[people[0]], donors[people[1]])
        if refusal or twice:
            rejects.append(Reject(fake.file, *(refusal or ("bad_name", twice))))
        else:
            swaps.append(Swap(fake, targets[people[0]][0], donors[people[1]][0], *people, given))
    return swaps, rejects


def list_below(dataset, *folders):
    """Pictures in one folder of the data set, named from the data set's root, and rejects."""
    place = PurePosixPath(*folders)
    files, rejects = list_pictures(dataset / place, SUFFIXES)
    pictures = [Picture((place / file).as_posix(), dataset / place / file) for file in files]
    return pictures, [reject._replace(file=(place / reject.file).as_posix()) for reject in rejects]


def index_people(dataset, *folders):
    """Person to the list of their pictures (there should be one), and rejects."""
    pictures, rejects = list_below(dataset, *folders)
    people = {}
    for picture in pictures:
        people.setdefault(person_of(picture.file), []).append(picture)
    return people, rejects


def find_twice(*sources):
    """Why a source is not clear, or None if each list holds one picture."""
    for pictures in sources:
        if len(pictures) > 1:
            return f"its source may be {' or '.join(picture.file for picture in pictures)}; remove all but one"
    return None


def settle_splits(swaps, split, validation):
    """Give every swap its split. Returns: list of ``Swap``, list of ``Reject`` of those that tie two splits."""
    if split:
        return [dataclasses.replace(swap, split=split) for swap in swaps], []
    ordered = sorted(swaps, key=lambda swap: PRECEDENCE[swap.split])
    claims = [Claim(person, s.split) for s in ordered for person in (s.target_person, s.donor_person)]
    places = {claim.person: place for claim, place in zip(claims, choose_splits(claims, validation))}
    kept, rejects = [], []
    for swap in swaps:
        target, donor = places[swap.target_person], places[swap.donor_person]
        moved = [(role, person, place) for role, person, place in
                 (("target", swap.target_person, target), ("donor", swap.donor_person, donor))
                 if place.given != swap.split]
        if moved:
            role, person, place = moved[0]
            reason = f"its {role} {person} is in {place.given} too; a person has one split"
            rejects.append(Reject(swap.fake.file, "ties_splits", reason))
        elif target.split != donor.split:
            reason = (f"its target {swap.target_person} belongs to {target.split}, "
                      f"its donor {swap.donor_person} to {donor.split}")
            rejects.append(Reject(swap.fake.file, "ties_splits", reason))
        else:
            kept.append(dataclasses.replace(swap, split=target.split))
    return kept, rejects


def summarise(swaps):
    """What was found, by split, in lines."""
    lines = []
    for split in SPLITS:
        found = [swap for swap in swaps if swap.split == split]
        targets, donors = ({getattr(s, f"{role}_person") for s in found} for role in ("target", "donor"))
        lines.append(f"{split:<10} {len(found):>7,} fakes of {len(targets):,} targets and {len(donors):,} donors")
    return "\n".join(lines)
