"""Swaps and their truths."""

import functools

import numpy as np
import pytest
from keras import ops

from keras_uncover.geometry import fit_affine, pixel_grid, sample, transform_points
from keras_uncover.mesh import VERTICES, mean_mesh, unwrap_texture, uv_map
from keras_uncover.swaps import (
    DRAWS,
    FAMILIES,
    GREY,
    centre_of_cells,
    choose_family,
    donor_pixels,
    jitter_uv,
    make_swaps,
    neutral_outside,
    recolour,
    shape_mask,
)

ALL = {"mesh": 1.0, "affine": 1.0, "self": 1.0}


def numpy(value):
    return ops.convert_to_numpy(value)


@functools.cache
def people(count=3, size=64, seed=0):
    """Records of made-up people: smooth pictures of their own colours and bent mean faces. Only to be read."""
    rng = np.random.default_rng(seed)
    x, y = numpy(pixel_grid(size))[None, ..., None, 0], numpy(pixel_grid(size))[None, ..., None, 1]
    a, b, phase = rng.uniform(-5, 5, (3, count, 1, 1, 3))
    crop = (rng.uniform(0.4, 0.6, (count, 1, 1, 3)) + 0.3 * np.sin(a * x + b * y + phase)).astype("float32")
    bend = 0.015 * np.sin(2 * np.pi * mean_mesh().points @ rng.uniform(-1, 1, (count, 2, 2)))
    shear = np.eye(2) + rng.uniform(-0.08, 0.08, (count, 2, 2))
    points = (mean_mesh().points - 0.5) @ shear + 0.5 + bend
    points = np.concatenate([points, np.zeros((count, VERTICES, 1))], -1).astype("float32")
    maps = [uv_map(face, size) for face in points]
    return {
        "crop": crop,
        "texture": numpy(unwrap_texture(crop, points * size, size)),
        "uv": np.stack([numpy(uv) for uv, _ in maps]),
        "hull": np.stack([numpy(hull) for _, hull in maps]),
        "points": points,
    }


def donors(records):
    """Everybody's face goes to the next."""
    return {key: np.roll(value, 1, axis=0) for key, value in records.items()}


def make_draws(count=3, seed=0, **columns):
    """Uniform draws (count, DRAWS); ``c10=0.5`` sets column 10."""
    draws = np.random.default_rng(seed).random((count, DRAWS), "float32")
    for name, value in columns.items():
        draws[:, int(name[1:])] = value
    return draws


def exact_draws(**columns):
    """Draws of a swap whose pixels are the donor's own: no colour matching, no gain, no softness."""
    return make_draws(**{"c10": 0, "c11": 0.5, "c12": 0.5, "c13": 0.5, "c14": 0, **columns})


def swap(shares, draws, plain=False, records=None, donor=None):
    records = records or people()
    result = make_swaps(records, donor or donors(records), draws, shares, plain)
    return {key: numpy(value) for key, value in result.items()}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("plain", [False, True])
def test_outside_of_the_mask_a_fake_is_its_target(family, plain):
    for seed in range(2):
        made = swap({family: 1.0}, make_draws(seed=seed), plain)
        mask = made["mask"][..., 0]
        assert np.array_equal(made["target"], people()["crop"])
        assert np.array_equal(made["input"][mask == 0], made["target"][mask == 0])
        assert np.abs(made["input"] - made["target"])[mask > 0.9].mean() > 0.005
        assert made["input"].min() >= 0 and made["input"].max() <= 1


@pytest.mark.parametrize("family", FAMILIES)
def test_a_mask_lies_inside_of_the_hull(family):
    for seed in range(3):
        mask = swap({family: 1.0}, make_draws(seed=seed))["mask"]
        assert mask.min() >= 0 and mask.max() <= 1
        assert mask[people()["hull"] == 0].max() == 0
        assert (mask.reshape(3, -1).max(1) > 0.9).all()


def test_shapes_and_types():
    made = swap(ALL, make_draws())
    shapes = {"input": (64, 64, 3), "target": (64, 64, 3), "donor": (64, 64, 3), "mask": (64, 64, 1)}
    shapes |= {"donor_hull": (64, 64, 1), "flow": (16, 16, 3), "has_donor": (), "strength": (), "family": ()}
    assert {key: value.shape for key, value in made.items()} == {key: (3, *shape) for key, shape in shapes.items()}
    assert {key for key, value in made.items() if value.dtype != np.float32} == {"family"}
    assert made["family"].dtype == np.int32


def test_plain_swaps_have_full_strength_and_the_whole_face():
    made = swap(ALL, make_draws(c15=0.99, c16=0.0, c7=0.99), plain=True)
    assert (made["strength"] == 1).all()
    assert (made["mask"].sum((1, 2, 3)) > 0.7 * people()["hull"].sum((1, 2, 3))).all()


def test_strength_weakens_the_swap_and_not_its_mask():
    full, weak = (swap({"mesh": 1.0}, make_draws(c15=c15, c16=0.5)) for c15 in (0.69, 0.7))
    assert (full["strength"] == 1).all() and np.allclose(weak["strength"], 0.75)
    assert np.array_equal(full["mask"], weak["mask"])
    expected = full["target"] + 0.75 * (full["input"] - full["target"])
    assert np.abs(weak["input"] - expected).max() < 1e-6


def test_families_are_recorded_and_self_has_no_donor():
    draws = make_draws(6, seed=1)
    draws[:, 0] = [0.0, 0.3, 0.34, 0.66, 0.67, 0.999]
    records = {key: np.concatenate([value, value]) for key, value in people().items()}
    made = swap(ALL, draws, records=records)
    assert made["family"].tolist() == [0, 0, 1, 1, 2, 2]
    assert made["has_donor"].tolist() == [1, 1, 1, 1, 0, 0]


def test_self_takes_nothing_from_the_donor():
    other = {key: np.roll(value, 2, axis=0) for key, value in people().items()}
    one, two = (swap({"self": 1.0}, make_draws(), donor=donor) for donor in (donors(people()), other))
    assert np.array_equal(one["input"], two["input"])
    assert not np.array_equal(one["donor"], two["donor"])


def test_a_face_pasted_onto_itself_gives_the_photo_back():
    made = swap({"mesh": 1.0}, exact_draws(), plain=True, donor=people())
    assert made["mask"].max() == 1
    # Read twice, a picture loses a little; most at the hull's edge, where the texture repeats its last pixel.
    assert np.abs(made["input"] - made["target"]).max() < 0.02
    assert np.abs(made["input"] - made["target"]).mean() < 3e-4
    made = swap({"affine": 1.0}, exact_draws(), plain=True, donor=people())
    assert np.abs(made["input"] - made["target"]).max() < 1e-3


def test_an_affine_donor_keeps_its_shape_and_covers_only_its_own_face():
    records, donor = people(), donors(people())
    family = np.full(3, FAMILIES.index("affine"), "int32")
    pixels, cover = (numpy(part) for part in donor_pixels(records, donor, family, make_draws()[:, 1:5]))
    grid = np.broadcast_to(numpy(pixel_grid(64)).reshape(1, -1, 2), (3, 64 * 64, 2))
    places = transform_points(fit_affine(records["points"][..., :2], donor["points"][..., :2]), grid)
    expected = numpy(sample(donor["crop"], numpy(places) * 64)).reshape(3, 64, 64, 3)
    assert np.abs(pixels - expected).max() < 1e-4
    assert set(np.unique(cover)) == {0, 1}
    made = swap({"affine": 1.0}, make_draws())
    assert made["mask"][cover == 0].max() == 0
    assert (records["hull"] * (1 - cover)).sum() > 10  # somebody's face is wider than the one that it gets


def test_a_mesh_donor_takes_the_targets_shape():
    records, donor = people(), donors(people())
    pixels, cover = donor_pixels(records, donor, np.zeros(3, "int32"), make_draws()[:, 1:5])
    assert numpy(cover).min() == 1
    # The tip of the nose, a corner of an eye, a corner of the mouth: the donor's colour at the target's place.
    marks = [4, 133, 291]
    there = numpy(sample(pixels, records["points"][:, marks, :2] * 64))
    truth = numpy(sample(donor["crop"], donor["points"][:, marks, :2] * 64))
    assert np.abs(there - truth).max() < 0.01


def seen_through_flow(made):
    """What the flow finds in the fakes, what the donors show there, and where both can be told: (n, s, s, ...)."""
    size = made["input"].shape[1]
    places = made["flow"][..., :2] * size
    grid = np.broadcast_to(numpy(pixel_grid(size // 4)) * size, places.shape)
    swapped = numpy(sample(made["mask"], places))[..., 0] > 0.999
    return (
        numpy(sample(made["input"], places)),
        numpy(sample(donors(people())["crop"], grid)),
        swapped & (made["flow"][..., 2] > 0),
    )


@pytest.mark.parametrize("family", ["mesh", "affine"])
def test_the_flow_leads_from_the_donor_to_its_pixels_in_the_fake(family):
    made = swap({family: 1.0}, exact_draws(), plain=True)
    seen, truth, known = seen_through_flow(made)
    assert known.sum() > 150
    assert np.abs(seen - truth)[known].mean() < 0.003
    # At the donor's own places the fake shows something else.
    aside = np.abs(numpy(centre_of_cells(made["input"], 16)) - truth)[known].mean()
    assert aside > 0.01


def test_an_affine_flow_is_the_inverse_of_what_the_pixels_were_read_through():
    records, donor = people(), donors(people())
    flow = swap({"affine": 1.0}, make_draws())["flow"]
    forward = fit_affine(records["points"][..., :2], donor["points"][..., :2])
    back = numpy(transform_points(forward, flow[..., :2].reshape(3, -1, 2))).reshape(3, 16, 16, 2)
    assert np.abs(back - numpy(pixel_grid(16))).max() < 1e-4


def test_a_mesh_flow_joins_places_of_the_same_uv():
    records, donor = people(), donors(people())
    flow = swap({"mesh": 1.0}, make_draws())["flow"]
    known = flow[..., 2] > 0
    assert np.array_equal(known, numpy(centre_of_cells(donor["hull"], 16))[..., 0] > 0.99)
    inner = known & np.stack([np.roll(known, s, a) for a in (1, 2) for s in (-1, 1)]).all(0)
    place = numpy(sample(records["uv"], flow[..., :2] * 64))
    assert np.abs(place - numpy(centre_of_cells(donor["uv"], 16)))[inner].max() < 0.01


def test_a_donors_truth_is_its_face_on_grey():
    made, donor = swap(ALL, make_draws()), donors(people())
    outside = donor["hull"][..., 0] == 0
    assert (made["donor"][outside] == GREY).all()
    assert np.array_equal(made["donor"][~outside], donor["crop"][~outside])
    assert np.array_equal(made["donor_hull"], donor["hull"])
    half = numpy(neutral_outside(np.full((1, 1, 3), 0.9, "float32"), np.full((1, 1, 1), 0.5, "float32")))
    assert np.allclose(half, 0.7)


def test_choose_family_follows_the_shares():
    draws = ((np.arange(1000) + 0.5) / 1000).astype("float32")
    family = numpy(choose_family(draws, {"self": 1, "mesh": 3}))
    assert np.bincount(family, minlength=3).tolist() == [750, 0, 250]
    assert numpy(choose_family(draws, {"affine": 0.2})).tolist() == [1] * 1000


def test_jitter_moves_a_uv_map_a_little():
    uv = np.broadcast_to(numpy(pixel_grid(8)), (1, 8, 8, 2))
    assert np.abs(numpy(jitter_uv(uv, np.full((1, 4), 0.5, "float32"))) - uv).max() < 1e-6
    moved = numpy(jitter_uv(uv, np.array([[1.0, 0.5, 1.0, 0.0]], "float32")))
    assert np.allclose(moved, 0.5 + 1.06 * (uv - 0.5) + [0.025, -0.025], atol=1e-6)
    extreme = numpy(jitter_uv(np.repeat(uv, 50, 0), np.random.default_rng(0).random((50, 4), "float32")))
    assert 0.03 < np.abs(extreme - uv).max() < 0.1


def test_a_partial_mask_is_a_half_plane_of_the_face():
    hull, uv = people()["hull"], people()["uv"]
    draws = np.tile(np.array([[0.0, 0.5, 0.9, 0.0, 0.0]], "float32"), (3, 1))
    part = numpy(shape_mask(hull, uv, draws, plain=False))[..., 0]
    whole = numpy(shape_mask(hull, uv, draws * [1, 1, 0, 1, 1], plain=False))[..., 0]
    # The angle 0 cuts along x, 0.19 to the right of the middle of the mean face.
    beyond = uv[..., 0] > 0.69
    assert part[beyond].max() == 0 and whole[beyond].max() > 0.9
    assert part[(uv[..., 0] < 0.6) & (hull[..., 0] > 0)].mean() > 0.8


def test_pasted_colours_are_matched_but_for_one_in_six_and_for_self():
    count = 12
    rng = np.random.default_rng(0)
    pixels, target = (tint + rng.uniform(-0.1, 0.1, (count, 16, 16, 3)) for tint in (0.3, 0.6))
    pixels, target = pixels.astype("float32"), target.astype("float32")
    draws = np.full((count, 4), 0.5, "float32")
    draws[:, 0] = (np.arange(count) + 0.5) / count
    whole = np.ones((count, 16, 16, 1), "float32")
    mesh = numpy(recolour(pixels, target, whole, np.zeros(count, "int32"), draws)).mean((1, 2, 3))
    assert np.abs(mesh[:2] - 0.3).max() < 0.01 and np.abs(mesh[2:] - 0.6).max() < 0.01
    own = numpy(recolour(pixels, target, whole, np.full(count, 2, "int32"), draws))
    assert np.allclose(own, pixels)
    brightest = numpy(recolour(pixels, target, whole, np.full(count, 2, "int32"), np.ones_like(draws)))
    assert np.allclose(brightest, pixels * 1.12, atol=1e-5)


def test_half_of_the_swaps_are_softer():
    sharp, still, soft = (swap({"mesh": 1.0}, make_draws(c14=c14))["input"] for c14 in (0.0, 0.49, 0.99))
    assert np.array_equal(sharp, still)
    assert not np.allclose(sharp, soft, atol=1e-4)


def test_the_same_draws_make_the_same_swap_and_others_another():
    one, again, other = (swap(ALL, make_draws(seed=seed)) for seed in (3, 3, 4))
    assert all(np.array_equal(one[key], again[key]) for key in one)
    assert not np.array_equal(one["input"], other["input"])


def test_the_same_in_a_graph_in_dataset_map_and_under_xla():
    import tensorflow as tf

    records = people(size=32)
    draws = make_draws()
    draws[:, 0] = [0.1, 0.5, 0.9]
    eager = swap(ALL, draws, records=records)

    def make(records, donor, draws):
        return make_swaps(records, donor, draws, ALL)

    mapped = tf.data.Dataset.from_tensors((records, donors(records), draws)).map(make).get_single_element()
    compiled = tf.function(make, jit_compile=True)(records, donors(records), draws)
    for name, other in (("map", mapped), ("xla", compiled)):
        for key in eager:
            assert np.abs(eager[key] - other[key].numpy()).max() < 1e-3, (name, key)
            assert np.abs(eager[key] - other[key].numpy()).mean() < 1e-5, (name, key)


def test_wrong_draws_and_shares_are_refused():
    with pytest.raises(ValueError, match=rf"draws must have {DRAWS} columns; received shape \(3, 4\)"):
        swap(ALL, make_draws()[:, :4])
    for shares in ({}, {"mesh": 0.0}, {"mesh": -1.0, "self": 2.0}, {"mesh": 1.0, "afine": 0.5}, {"mesh": np.nan}):
        with pytest.raises(ValueError, match="Family shares must be for .*'mesh', 'affine', 'self'.*received"):
            swap(shares, make_draws())
