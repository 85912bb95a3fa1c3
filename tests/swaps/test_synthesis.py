"""Whole swaps and their truths, whatever they are made of."""

import doctest

import numpy as np
import pytest
from made_up_people import ALL, darken, donors, exact_draws, make_draws, numpy, people, repeat, swap

from keras_uncover.ops.geometry import fit_affine, sample
from keras_uncover.swaps.synthesis import DRAWS, FAMILIES, GREY, PLAIN_DRAWS, make_swaps, neutral_outside

EVERY = dict.fromkeys(FAMILIES, 1.0)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("plain", [False, True])
def test_outside_of_the_mask_a_fake_is_its_target(family, plain):
    for seed in range(2):
        made = swap({family: 1.0}, make_draws(seed=seed), plain)
        mask = made["mask"][..., 0]
        assert np.array_equal(made["target"], people()["crop"] * (0.5 if family == "resynth" else 1))
        assert np.array_equal(made["input"][mask == 0], made["target"][mask == 0])
        assert np.abs(made["input"] - made["target"])[mask > 0.9].mean() > 0.005
        assert made["input"].min() >= 0 and made["input"].max() <= 1


@pytest.mark.parametrize("family", FAMILIES)
def test_a_mask_lies_where_the_donor_has_pixels(family):
    records, donor = people(), donors(people())
    covered = records["hull"] > 0
    if family == "affine":
        places = numpy(fit_affine(records["points"][..., :2], donor["points"][..., :2]))
        grid = (np.stack(np.meshgrid(np.arange(64), np.arange(64)), -1) + 0.5) / 64
        moved = np.einsum("nij,yxj->nyxi", places[..., :2], grid) + places[:, None, None, :, 2]
        covered = numpy(sample(donor["hull"], (moved * 64).astype("float32"))) > 0.5
    for seed in range(3):
        mask = swap({family: 1.0}, make_draws(seed=seed))["mask"]
        assert mask.min() >= 0 and mask.max() <= 1
        assert mask[~covered].max() == 0
        assert (mask.reshape(3, -1).max(1) > 0.9).all()


def test_the_example_of_make_swaps_runs():
    (example,) = doctest.DocTestFinder().find(make_swaps, globs={})
    assert example.examples
    assert doctest.DocTestRunner().run(example).failed == 0


def test_shapes_and_types():
    for shares, count in ((ALL, 3), (EVERY, 6)):
        made = swap(shares, make_draws(count), records=repeat(people(), count // 3))
        shapes = {"input": (64, 64, 3), "target": (64, 64, 3), "donor": (64, 64, 3), "mask": (64, 64, 1)}
        shapes |= {"donor_hull": (64, 64, 1), "flow": (16, 16, 3), "has_donor": (), "strength": (), "family": ()}
        assert {key: value.shape for key, value in made.items()} == {key: (count, *s) for key, s in shapes.items()}
        assert {key for key, value in made.items() if value.dtype != np.float32} == {"family"}
        assert made["family"].dtype == np.int32


def test_plain_swaps_have_full_strength_and_the_whole_face():
    made = swap(ALL, make_draws(c15=0.99, c16=0.0, c7=0.99), plain=True)
    assert (made["strength"] == 1).all()
    assert (made["mask"].sum((1, 2, 3)) > 0.7 * people()["hull"].sum((1, 2, 3))).all()


@pytest.mark.parametrize("family", FAMILIES)
def test_a_plain_swap_rests_on_its_own_draws_alone(family):
    draws, other = make_draws(seed=5), make_draws(seed=5)
    other[:, PLAIN_DRAWS:] = make_draws(seed=6)[:, PLAIN_DRAWS:]
    short, long, changed = (swap({family: 1.0}, d, plain=True) for d in (draws[:, :PLAIN_DRAWS], draws, other))
    for key in short:
        assert np.array_equal(short[key], long[key]) and np.array_equal(short[key], changed[key])
    assert not np.array_equal(swap({family: 1.0}, draws)["input"], swap({family: 1.0}, other)["input"])


def test_published_swaps_stay_as_they_are():
    # Numbers were published for plain swaps from 18 draws in their order. These are means of such swaps as they were
    # then; what is added to a swap takes draws that come after them.
    assert PLAIN_DRAWS == 18
    made = swap(ALL, make_draws(6, columns=18), plain=True, records=repeat(people(), 2))
    assert made["family"].tolist() == [2, 1, 0, 2, 1, 0]
    means = made["input"].mean((1, 2, 3)), made["mask"].mean((1, 2, 3))
    assert np.abs(means[0] - [0.572541, 0.483230, 0.472066, 0.564963, 0.480392, 0.472431]).max() < 1e-5
    assert np.abs(means[1] - [0.377686, 0.415547, 0.383545, 0.366604, 0.412745, 0.380699]).max() < 1e-5


def test_strength_weakens_the_swap_and_not_its_mask():
    for family in ("mesh", "pyramid"):
        full, weak = (swap({family: 1.0}, make_draws(c15=c15, c16=0.5)) for c15 in (0.69, 0.7))
        assert (full["strength"] == 1).all() and np.allclose(weak["strength"], 0.75)
        assert np.array_equal(full["mask"], weak["mask"])
        expected = full["target"] + 0.75 * (full["input"] - full["target"])
        assert np.abs(weak["input"] - expected).max() < 1e-6


def test_families_are_recorded_and_self_has_no_donor():
    draws = make_draws(6, seed=1)
    draws[:, 0] = [0.0, 0.3, 0.34, 0.66, 0.67, 0.999]
    made = swap(ALL, draws, records=repeat(people(), 2))
    assert made["family"].tolist() == [0, 0, 1, 1, 2, 2]
    assert made["has_donor"].tolist() == [1, 1, 1, 1, 0, 0]


def test_in_a_mixed_batch_every_row_is_what_it_is_in_a_batch_of_its_family():
    draws, records = make_draws(9, seed=2), repeat(people(), 3)
    made = swap(EVERY, draws, records=records)
    assert np.bincount(made["family"], minlength=5)[3:].tolist() == [2, 2]
    for number, family in enumerate(FAMILIES):
        rows = made["family"] == number
        alone = swap({family: 1.0}, draws, records=records)
        for key in made:
            assert np.allclose(made[key][rows], alone[key][rows], atol=1e-6), (family, key)


def test_resynth_paints_fake_and_genuine_photo_alike_and_nothing_else():
    mesh, resynth = (swap({family: 1.0}, make_draws(seed=7)) for family in ("mesh", "resynth"))
    assert np.array_equal(resynth["input"], 0.5 * mesh["input"])
    assert np.array_equal(resynth["target"], 0.5 * mesh["target"])
    for key in set(mesh) - {"input", "target", "family"}:
        assert np.array_equal(mesh[key], resynth[key]), key


def test_resynth_without_an_autoencoder_is_refused():
    with pytest.raises(ValueError, match="pass through an autoencoder; received resynthesise=None. Give one, such as"):
        swap({"resynth": 1.0}, make_draws(), resynthesise=None)
    swap(ALL, make_draws(), resynthesise=None)


def test_self_takes_nothing_from_the_donor():
    other = {key: np.roll(value, 2, axis=0) for key, value in people().items()}
    one, two = (swap({"self": 1.0}, make_draws(), donor=donor) for donor in (donors(people()), other))
    assert np.array_equal(one["input"], two["input"])
    assert not np.array_equal(one["donor"], two["donor"])


def test_a_face_pasted_onto_itself_gives_the_photo_back():
    for family in ("mesh", "pyramid"):
        made = swap({family: 1.0}, exact_draws(), plain=True, donor=people())
        assert made["mask"].max() == 1
        # Read twice, a picture loses a little; most at the hull's edge, where the texture repeats its last pixel.
        assert np.abs(made["input"] - made["target"]).max() < 0.02
        assert np.abs(made["input"] - made["target"]).mean() < 3e-4
    made = swap({"affine": 1.0}, exact_draws(), plain=True, donor=people())
    assert np.abs(made["input"] - made["target"]).max() < 1e-3


def test_a_donors_truth_is_its_face_on_grey():
    made, donor = swap(ALL, make_draws()), donors(people())
    outside = donor["hull"][..., 0] == 0
    assert (made["donor"][outside] == GREY).all()
    assert np.array_equal(made["donor"][~outside], donor["crop"][~outside])
    assert np.array_equal(made["donor_hull"], donor["hull"])
    half = numpy(neutral_outside(np.full((1, 1, 3), 0.9, "float32"), np.full((1, 1, 1), 0.5, "float32")))
    assert np.allclose(half, 0.7)


def test_the_same_draws_make_the_same_swap_and_others_another():
    one, again, other = (swap(ALL, make_draws(seed=seed)) for seed in (3, 3, 4))
    assert all(np.array_equal(one[key], again[key]) for key in one)
    assert not np.array_equal(one["input"], other["input"])


def test_the_same_in_a_graph_in_dataset_map_and_under_xla():
    import tensorflow as tf

    records = repeat(people(size=32), 2)
    draws = make_draws(6)
    draws[:, 0] = np.linspace(0, 0.99, 6)
    eager = swap(EVERY, draws, records=records)
    assert np.bincount(eager["family"], minlength=5)[3:].tolist() == [1, 1]

    def make(records, donor, draws):
        return make_swaps(records, donor, draws, EVERY, resynthesise=darken)

    mapped = tf.data.Dataset.from_tensors((records, donors(records), draws)).map(make).get_single_element()
    compiled = tf.function(make, jit_compile=True)(records, donors(records), draws)
    for name, other in (("map", mapped), ("xla", compiled)):
        for key in eager:
            difference = np.abs(eager[key] - other[key].numpy())
            # A pixel at the very edge of an elastic region may fall on the other side of it.
            assert (difference > 1e-3).mean() < 1e-3 and difference.mean() < 1e-4, (name, key)


def test_wrong_draws_and_shares_are_refused():
    with pytest.raises(ValueError, match=rf"draws must have {DRAWS} columns; received shape \(3, 4\)"):
        swap(ALL, make_draws()[:, :4])
    with pytest.raises(ValueError, match=rf"draws must have 18 or {DRAWS} columns; received shape \(3, 4\)"):
        swap(ALL, make_draws()[:, :4], plain=True)
    for shares in ({}, {"mesh": 0.0}, {"mesh": -1.0, "self": 2.0}, {"mesh": 1.0, "afine": 0.5}, {"mesh": np.nan}):
        with pytest.raises(ValueError, match="Family shares must be for .*'mesh', 'affine', 'self'.*received"):
            swap(shares, make_draws())
