"""Look at every fake and every source once: find faces, and refuse by name what cannot be used."""

from typing import NamedTuple

from keras_uncover.faces.finder import Face
from pipelines.build.pictures import Reject, hash_pixels, open_picture
from pipelines.build.screening import Look, look, map_with_bar
from pipelines.swap_pairs.sources import PRECEDENCE, Swap

SAME_ASPECT = 0.02  # A fake and its target photo may differ in width over height by this share.


class Found(NamedTuple):
    """A swap and the faces that fix its crops."""

    swap: Swap
    fake_face: Face
    donor_face: Face


def read_target(picture):
    """A target photo needs no face of its own, as the fake's crop is cut from it. Returns: ``Look`` or ``Reject``."""
    photo = open_picture(picture)
    return photo if isinstance(photo, Reject) else Look(None, hash_pixels(photo), photo.shape[:2])


def look_at(pictures, function, workers, title):
    """Apply a function to each different picture once: dict, file to its answer."""
    different = list({picture.file: picture for picture in pictures}.values())
    return {picture.file: answer for picture, answer in
            zip(different, map_with_bar(function, different, workers, title))}


def compare(fake, target):
    """Why a fake cannot be laid over its target photo: ``(rule, reason)``, or None if it can."""
    if fake.hash == target.hash:
        return "duplicate", "the same pixels as its target photo; nothing was swapped"
    (height, width), (target_height, target_width) = fake.shape, target.shape
    if abs(width * target_height / (height * target_width) - 1) > SAME_ASPECT:
        shapes = f"the fake is {width} x {height}, its target photo {target_width} x {target_height}"
        return "other_shape", f"{shapes} pixels; both must show the same part of the scene"
    return None


def survey(swaps, find, size, workers=1):
    """Find the faces of every fake and every donor, and keep images apart as people are.

    Args:
        swaps: list of ``Swap``, their splits decided.
        find: ``FaceFinder().find``.
        size: pixels of the crops to come.
        workers: photos looked at side by side.

    Returns: list of ``Found``, list of ``Reject``.
    """
    targets = look_at([swap.target for swap in swaps], read_target, workers, "Reading targets")
    donors = look_at([swap.donor for swap in swaps], lambda picture: look(picture, find, size), workers,
                     "Finding donors")
    usable, rejects = [], []
    for swap in swaps:
        sources = (("target", targets[swap.target.file]), ("donor", donors[swap.donor.file]))
        bad = [(role, answer) for role, answer in sources if isinstance(answer, Reject)]
        if bad:
            role, answer = bad[0]
            rejects.append(Reject(swap.fake.file, answer.rule, f"its {role} {answer.file}: {answer.reason}"))
        else:
            usable.append(swap)
    answers = map_with_bar(lambda swap: look(swap.fake, find, size), usable, workers, "Finding fakes")
    complete = []
    for swap, answer in zip(usable, answers):
        refusal = answer[1:] if isinstance(answer, Reject) else compare(answer, targets[swap.target.file])
        if refusal:
            rejects.append(Reject(swap.fake.file, *refusal))
        else:
            complete.append((swap, answer, targets[swap.target.file], donors[swap.donor.file]))
    kept, refused = keep_images_apart(complete)
    return kept, rejects + refused


def keep_images_apart(looks):
    """Drop what would put one picture, under whatever names, into two splits, or one fake into a split twice.

    Args:
        looks: list of ``(Swap, Look of the fake, of the target, of the donor)``.

    Returns: list of ``Found``, list of ``Reject``.
    """
    kept, rejects, owners, fakes = [], [], {}, {}
    for swap, fake, target, donor in sorted(looks, key=lambda row: PRECEDENCE[row[0].split]):
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
            kept.append(Found(swap, fake.face, donor.face))
    return kept, rejects
