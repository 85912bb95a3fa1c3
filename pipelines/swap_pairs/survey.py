"""Screen every fake and every source once, make their records, and refuse by name what cannot be used."""

import functools
from typing import NamedTuple

from pipelines.build.pictures import Reject, hash_pixels, open_picture
from pipelines.build.screening import Screened, map_with_bar, screen
from pipelines.swap_pairs.record import draft_donor, draft_record
from pipelines.swap_pairs.sources import PRECEDENCE, Swap

SAME_ASPECT = 0.02  # A fake and its target photo may differ in width over height by this share.


class Found(NamedTuple):
    """A swap that is kept, and its three pictures; the drafts of fake and donor are numbers of the builder's."""

    swap: Swap
    fake: Screened
    target: Screened
    donor: Screened


class Screener:
    """What screens pictures of swaps.

    Args:
        find: ``FaceFinder().find``.
        size: pixels of a crop's side.
        drafts: ``Drafts`` that take the records.
    """

    def __init__(self, find, size, drafts):
        self.find, self.size, self.drafts = find, size, drafts

    def screen_donor(self, picture):
        """``Screened`` with a draft, or ``Reject``."""
        return screen(picture, self.find, self.size, functools.partial(draft_donor, size=self.size, drafts=self.drafts))

    def screen_scene(self, picture, swaps):
        """Read a target photo, and the fakes that were made of it while its pixels are in memory.

        Args:
            picture: the target photo. It needs no face, as its crop lies where the fake's face is.
            swaps: list of ``Swap``, all of this target.

        Returns: ``Screened`` or ``Reject`` of the target, and a list of those of the fakes, which is empty where the
        target is refused.
        """
        photo = open_picture(picture)
        if isinstance(photo, Reject):
            return photo, []
        target = Screened(None, hash_pixels(photo), photo.shape[:2])
        return target, [self.screen_fake(swap, photo, target) for swap in swaps]

    def screen_fake(self, swap, photo, target):
        """``Screened`` with a draft, or ``Reject``. photo: uint8, of the target."""

        def make(fake, screened):
            refused = compare(screened, target)
            return None if refused else draft_record(fake, screened, photo, self.size, self.drafts)

        answer = screen(swap.fake, self.find, self.size, make)
        refusal = None if isinstance(answer, Reject) else compare(answer, target)
        return Reject(swap.fake.file, *refusal) if refusal else answer


def compare(fake, target):
    """Why a fake cannot be laid over its target photo: ``(rule, reason)``, or None if it can."""
    if fake.hash == target.hash:
        return "duplicate", "the same pixels as its target photo; nothing was swapped"
    (height, width), (target_height, target_width) = fake.shape, target.shape
    if abs(width * target_height / (height * target_width) - 1) > SAME_ASPECT:
        shapes = f"the fake is {width} x {height}, its target photo {target_width} x {target_height}"
        return "other_shape", f"{shapes} pixels; both must show the same part of the scene"
    return None


def survey(swaps, find, size, drafts, workers=1):
    """Find the faces of every fake and every donor, make their records, and keep every picture in one split.

    Each picture is read once, a target photo together with its fakes.

    Args:
        swaps: list of ``Swap``, their splits decided.
        find, size, drafts: as for ``Screener``.
        workers: photos worked on side by side.

    Returns: list of ``Found``, list of ``Reject``.
    """
    screener = Screener(find, size, drafts)
    pictures = list({swap.donor.file: swap.donor for swap in swaps}.values())
    answers = map_with_bar(screener.screen_donor, pictures, workers, "Finding donors")
    donors = {picture.file: answer for picture, answer in zip(pictures, answers)}
    scenes = group_by_target(swaps, donors)
    answers = map_with_bar(lambda scene: screener.screen_scene(*scene), scenes, workers, "Finding fakes")
    targets, fakes = {}, {}
    for (picture, scene), (target, found) in zip(scenes, answers):
        targets[picture.file] = target
        fakes.update(zip((swap.fake.file for swap in scene), found))
    usable, rejects = refuse_sources(swaps, targets, donors)
    rejects += [fakes[swap.fake.file] for swap in usable if isinstance(fakes[swap.fake.file], Reject)]
    complete = [
        (swap, fakes[swap.fake.file], targets[swap.target.file], donors[swap.donor.file])
        for swap in usable if not isinstance(fakes[swap.fake.file], Reject)
    ]
    kept, refused = keep_images_apart(complete)
    return kept, rejects + refused


def group_by_target(swaps, donors):
    """Every target photo with its swaps whose donors can be used: list of ``(Picture, list of Swap)``."""
    scenes = {swap.target.file: (swap.target, []) for swap in swaps}
    for swap in swaps:
        if not isinstance(donors[swap.donor.file], Reject):
            scenes[swap.target.file][1].append(swap)
    return list(scenes.values())


def refuse_sources(swaps, targets, donors):
    """Swaps whose sources can be used, and a ``Reject`` of each other. targets, donors: dict, file to its answer."""
    usable, rejects = [], []
    for swap in swaps:
        sources = (("target", targets[swap.target.file]), ("donor", donors[swap.donor.file]))
        bad = [(role, answer) for role, answer in sources if isinstance(answer, Reject)]
        if bad:
            role, answer = bad[0]
            rejects.append(Reject(swap.fake.file, answer.rule, f"its {role} {answer.file}: {answer.reason}"))
        else:
            usable.append(swap)
    return usable, rejects


def keep_images_apart(found):
    """Drop swaps that would put the same picture, whatever its names, into two splits, or one fake into a split twice.

    Args:
        found: list of ``(Swap, Screened fake, target and donor)``.

    Returns: list of ``Found``, list of ``Reject``.
    """
    kept, rejects, owners, fakes = [], [], {}, {}
    for swap, fake, target, donor in sorted(found, key=lambda row: PRECEDENCE[row[0].split]):
        named = ((swap.fake, fake), (swap.target, target), (swap.donor, donor))
        tied = [(picture.file, *owners[answer.hash]) for picture, answer in named
                if answer.hash in owners and owners[answer.hash][1] != swap.split]
        if tied:
            file, other, split = tied[0]
            reason = f"{file} has the same pixels as {other} in {split}"
            rejects.append(Reject(swap.fake.file, "ties_splits", reason))
        elif fake.hash in fakes:
            rejects.append(Reject(swap.fake.file, "duplicate", f"the same pixels as {fakes[fake.hash]}"))
        else:
            fakes[fake.hash] = swap.fake.file
            owners.update({answer.hash: (picture.file, swap.split) for picture, answer in named})
            kept.append(Found(swap, fake, target, donor))
    return kept, rejects
