"""Morphs of two people as donors."""

import numpy as np
import pytest
from made_up_people import donors, exact_draws, numpy, people, swap

from keras_uncover.ops.geometry import sample
from keras_uncover.swaps.morphs import DRAWS, count_morphs, morph_records


def make_morphs(draws=None, share=1.0):
    records = people()
    draws = np.random.default_rng(0).random((3, DRAWS), "float32") if draws is None else draws
    made = morph_records(records, np.roll(records["texture"], 1, axis=0), draws, share)
    return records, {key: numpy(value) for key, value in made.items()}


def test_a_texture_is_mixed_and_shape_stays():
    draws = np.array([[0, 0.0], [0, 0.5], [0, 0.9999]], "float32")
    records, made = make_morphs(draws)
    partner = np.roll(records["texture"], 1, axis=0)
    for row, share in enumerate((0.35, 0.5, 0.65)):
        expected = (1 - share) * records["texture"][row] + share * partner[row]
        assert np.abs(made["texture"][row] - expected).max() < 1e-4
    for key in ("uv", "hull", "points"):
        assert np.array_equal(made[key], records[key])


def test_a_morphs_crop_is_what_its_texture_shows_and_its_photo_elsewhere():
    records, made = make_morphs()
    seen = numpy(sample(made["texture"], made["uv"] * 64))
    inside = records["hull"][..., 0] == 1
    assert np.abs(made["crop"] - seen)[inside].max() < 1e-6
    assert np.array_equal(made["crop"][~inside], records["crop"][~inside])
    assert np.abs(made["crop"] - records["crop"])[inside].mean() > 0.02


def test_somebody_mixed_with_themselves_stays_who_they_are():
    records = people()
    made = morph_records(records, records["texture"], np.full((3, DRAWS), 0.5, "float32"))
    inside = records["hull"] == 1
    # Read twice, a picture loses a little.
    assert (np.abs(numpy(made["crop"]) - records["crop"]) * inside).mean() < 3e-4


def test_a_share_of_a_batch_is_a_fixed_number_of_rows():
    assert [count_morphs(share, 12) for share in (0, 0.01, 0.25, 1)] == [0, 1, 3, 12]
    draws = np.array([[0.9, 0.5], [0.1, 0.5], [0.5, 0.5]], "float32")
    records, made = make_morphs(draws, 0.3)
    changed = [not np.array_equal(made["crop"][k], records["crop"][k]) for k in range(3)]
    assert changed == [False, True, False]
    _, none = make_morphs(draws, 0.0)
    assert all(np.array_equal(none[key], records[key]) for key in records)
    with pytest.raises(ValueError, match=r"share of morphs must be in 0 .. 1; received 1.5"):
        make_morphs(draws, 1.5)


def test_a_swap_with_a_morph_has_exact_truth():
    records, made = make_morphs()
    donor = donors(made)
    fake = swap({"mesh": 1.0}, exact_draws(), plain=True, records=records, donor=donor)
    face = fake["donor_hull"][..., 0] == 1
    assert np.allclose(fake["donor"][face], donor["crop"][face])
    places = fake["flow"][..., :2] * 64
    seen = numpy(sample(fake["input"], places))
    swapped = (numpy(sample(fake["mask"], places))[..., 0] > 0.999) & (fake["flow"][..., 2] > 0)
    truth = numpy(sample(donor["crop"], np.stack(np.meshgrid(*[np.arange(2, 64, 4)] * 2), -1)[None].repeat(3, 0)))
    assert swapped.sum() > 150 and np.abs(seen - truth)[swapped].mean() < 0.004


def test_morphs_of_a_batch_of_unknown_size_are_refused():
    import tensorflow as tf

    records = {key: tf.constant(value) for key, value in people().items()}

    def make(draws, share):
        return morph_records(records, records["texture"], draws, share)["crop"]

    unknown = tf.TensorSpec([None, DRAWS], "float32")
    with pytest.raises(ValueError, match=r"Morphs are counted .* must be static; received shape \(None, 2\)"):
        tf.function(make).get_concrete_function(unknown, 0.3)
    assert tf.function(make).get_concrete_function(unknown, 1.0) is not None
