"""What is pasted: where it is read from and how it is coloured."""

import numpy as np
import pytest
from made_up_people import donors, make_draws, numpy, people, swap

from keras_uncover.ops.geometry import fit_affine, pixel_grid, sample, transform_points
from keras_uncover.swaps import families, pasting
from keras_uncover.swaps.families import AFFINE, MESH, SELF
from keras_uncover.swaps.pasting import donor_pixels, jitter_uv, recolour
from keras_uncover.swaps.regions import SHAPE_DRAWS
from keras_uncover.swaps.synthesis import PLAIN_DRAWS, make_swaps


def test_an_affine_donor_keeps_its_shape_and_covers_only_its_own_face():
    records, donor = people(), donors(people())
    pixels, cover = donor_pixels(records, donor, np.full(3, AFFINE, "int32"), make_draws()[:, 1:5])
    pixels, cover = numpy(pixels), numpy(cover)
    grid = np.broadcast_to(numpy(pixel_grid(64)).reshape(1, -1, 2), (3, 64 * 64, 2))
    places = transform_points(fit_affine(records["points"][..., :2], donor["points"][..., :2]), grid)
    expected = numpy(sample(donor["crop"], numpy(places) * 64)).reshape(3, 64, 64, 3)
    assert np.abs(pixels - expected).max() < 1e-4
    assert set(np.unique(cover)) == {0, 1}
    made = swap({"affine": 1.0}, make_draws())
    assert made["mask"][cover == 0].max() == 0
    # Somebody's face is wider than the one that it gets, and somebody's narrower.
    assert (records["hull"] * (1 - cover)).sum() > 10 and ((1 - records["hull"]) * cover).sum() > 10


@pytest.mark.parametrize("family", [MESH, SELF])
def test_through_the_uv_map_the_targets_hull_is_covered(family):
    records, donor = people(), donors(people())
    _, cover = donor_pixels(records, donor, np.full(3, family, "int32"), make_draws()[:, 1:5])
    assert np.array_equal(numpy(cover), records["hull"])


def test_a_mesh_donor_takes_the_targets_shape():
    records, donor = people(), donors(people())
    pixels, _ = donor_pixels(records, donor, np.full(3, MESH, "int32"), make_draws()[:, 1:5])
    # The tip of the nose, a corner of an eye, a corner of the mouth: the donor's colour at the target's place.
    marks = [4, 133, 291]
    there = numpy(sample(pixels, records["points"][:, marks, :2] * 64))
    truth = numpy(sample(donor["crop"], donor["points"][:, marks, :2] * 64))
    assert np.abs(there - truth).max() < 0.01


def test_a_family_is_added_by_a_name_and_what_it_reads(monkeypatch):
    """As the docstring of ``families.py`` says: here one that pastes red."""
    red = np.array([1, 0, 0], "float32")
    monkeypatch.setattr(families, "FAMILIES", (*families.FAMILIES, "red"))
    monkeypatch.setattr(families, "DRAWN", (*families.DRAWN, 5))

    def read_red(target, donor, draws):
        return 0 * donor["texture"] + red, 0 * donor["hull"] + 1, target["uv"]

    monkeypatch.setitem(pasting.SOURCES, 5, read_red)
    records, draws = people(), np.full((3, PLAIN_DRAWS), 0.5, "float32")
    draws[:, 5 + SHAPE_DRAWS] = 0  # not recoloured
    made = make_swaps(records, donors(records), draws, {"red": 1.0}, plain=True)
    assert numpy(made["family"]).tolist() == [5, 5, 5]
    inside = numpy(made["mask"])[..., 0] == 1
    assert inside.sum() > 300
    assert np.allclose(numpy(made["input"])[inside], red, atol=0.05)


def test_jitter_moves_a_uv_map_a_little():
    uv = np.broadcast_to(numpy(pixel_grid(8)), (1, 8, 8, 2))
    assert np.abs(numpy(jitter_uv(uv, np.full((1, 4), 0.5, "float32"))) - uv).max() < 1e-6
    moved = numpy(jitter_uv(uv, np.array([[1.0, 0.5, 1.0, 0.0]], "float32")))
    assert np.allclose(moved, 0.5 + 1.06 * (uv - 0.5) + [0.025, -0.025], atol=1e-6)
    extreme = numpy(jitter_uv(np.repeat(uv, 50, 0), np.random.default_rng(0).random((50, 4), "float32")))
    assert 0.03 < np.abs(extreme - uv).max() < 0.1


def tinted(count, tints=(0.3, 0.6), spreads=(0.1, 0.1), size=32):
    """Pictures to be recoloured and their references: each of a brightness, evenly spread about it."""
    rng = np.random.default_rng(0)
    return [
        (tint + rng.uniform(-spread, spread, (count, size, size, 3))).astype("float32")
        for tint, spread in zip(tints, spreads)
    ]


@pytest.mark.parametrize("histogram", [None, 0.1, 0.9])
def test_pasted_colours_are_matched_but_for_one_in_six_and_for_self(histogram):
    count = 12
    pixels, target = tinted(count)
    draws = np.full((count, 4), 0.5, "float32")
    draws[:, 0] = (np.arange(count) + 0.5) / count
    whole = np.ones((count, 32, 32, 1), "float32")
    mode = None if histogram is None else np.full(count, histogram, "float32")
    mesh = numpy(recolour(pixels, target, whole, np.full(count, MESH, "int32"), draws, mode)).mean((1, 2, 3))
    assert np.abs(mesh[:2] - 0.3).max() < 0.01 and np.abs(mesh[2:] - 0.6).max() < 0.01
    own = numpy(recolour(pixels, target, whole, np.full(count, SELF, "int32"), draws, mode))
    assert np.allclose(own, pixels)
    brightest = numpy(recolour(pixels, target, whole, np.full(count, SELF, "int32"), np.ones_like(draws), mode))
    assert np.allclose(brightest, pixels * 1.12, atol=1e-5)


def test_half_of_what_is_matched_is_matched_by_histogram():
    # Two levels, a quarter of the pixels dark, against three quarters dark: mean and deviation cannot tell them apart.
    rng = np.random.default_rng(1)
    pixels, target = (
        np.where(rng.random((2, 64, 64, 1)) < share, 0.3, 0.7).repeat(3, -1) + rng.normal(0, 0.01, (2, 64, 64, 3))
        for share in (0.25, 0.75)
    )
    whole, mode = np.ones((2, 64, 64, 1), "float32"), np.array([0.49, 0.5], "float32")
    draws = np.full((2, 4), 0.5, "float32")
    pixels, target = pixels.astype("float32"), target.astype("float32")
    by_histogram, by_moments = numpy(recolour(pixels, target, whole, np.zeros(2, "int32"), draws, mode))
    assert np.abs(np.median(by_histogram) - np.median(target)) < 0.03
    assert np.abs(np.median(by_moments) - np.median(target)) > 0.08
