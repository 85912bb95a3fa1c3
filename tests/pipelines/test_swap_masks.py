"""Masks derived from the difference of a fake and its target, on pictures drawn by hand."""

import cv2
import numpy as np
import pytest

from pipelines.swap_pairs.record import derive_mask

SIZE = 64


def overlap(first, second):
    return (first & second).sum() / (first | second).sum()


def disc(size, radius, x, y):
    ys, xs = np.mgrid[:size, :size]
    return (xs - x) ** 2 + (ys - y) ** 2 < radius**2


@pytest.fixture
def scene():
    """A picture, and the hull of a face in it."""
    blobs = np.random.default_rng(0).integers(60, 200, (8, 8, 3), "uint8")
    target = cv2.resize(blobs, (SIZE, SIZE), interpolation=cv2.INTER_CUBIC)
    return target, (disc(SIZE, 22, 32, 32) * 255).astype("uint8")[..., None]


def test_a_mask_is_filled_and_ends_at_the_hull(scene):
    target, hull = scene
    changed = disc(SIZE, 14, 36, 22) & ~disc(SIZE, 6, 36, 24)  # A ring: the middle looks alike in both.
    fake = target.copy()
    fake[changed] += 30
    noisy = (fake + np.random.default_rng(1).normal(0, 3, fake.shape)).round().clip(0, 255).astype("uint8")
    for picture in (fake, noisy):
        mask, known = derive_mask(picture, target, hull)
        assert known
        assert (mask.shape, mask.dtype) == ((SIZE, SIZE, 1), np.uint8)
        assert overlap(mask[..., 0] > 0, disc(SIZE, 14, 36, 22) & (hull[..., 0] > 0)) > 0.85
        assert not mask[hull == 0].any()


def test_a_mask_that_cannot_be_seen_is_unknown_and_empty(scene):
    target, hull = scene
    noise = np.random.default_rng(2).normal(0, 6, target.shape)
    unseen = {
        "nothing changed": target,
        "saved with noise": (target + noise).round().clip(0, 255).astype("uint8"),
        "rendered anew": (target * 0.8).astype("uint8"),
        "not aligned": np.roll(target, 5, axis=1),
        "a speck": np.where(disc(SIZE, 3, 32, 32)[..., None], target + 40, target).astype("uint8"),
    }
    for name, fake in unseen.items():
        mask, known = derive_mask(fake, target, hull)
        assert (known, mask.any()) == (False, False), name
    assert derive_mask(np.roll(target, 5, 0), target, np.full_like(hull, 255))[1] is False  # All of it is face.
