"""Steps on some rows, and the casting of families."""

import numpy as np
import pytest
from made_up_people import numpy

from keras_uncover.swaps import families
from keras_uncover.swaps.families import FAMILIES, PYRAMID, RESYNTH, cast_batch, choose_family, count_rows
from keras_uncover.swaps.steps import between, on_rows

SHARES = {"mesh": 0.4, "affine": 0.15, "self": 0.15, "pyramid": 0.15, "resynth": 0.15}


def spread(count):
    return ((np.arange(count) + 0.5) / count).astype("float32")


def test_families_that_are_left_out():
    assert families.leave_out([]) is None
    assert families.leave_out(["self", "affine"]) == {"mesh": 0.4, "pyramid": 0.15, "resynth": 0.15}
    with pytest.raises(ValueError, match="One family at least must be left; received mesh, affine, self"):
        families.leave_out(FAMILIES)


def test_between():
    assert numpy(between(np.array([0.0, 0.25, 0.5], "float32"), -2.0, 6.0)).tolist() == [-2, 0, 2]


def test_only_the_rows_named_are_changed_and_read():
    first, second = np.arange(12.0).reshape(4, 3), np.arange(4.0)
    scale = np.array([np.nan, 10, np.nan, 100])
    rows = np.array([3, 1], "int32")
    one, two = on_rows(lambda a, b, s: [a * s[:, None], b + s], [first, second], [scale], rows)
    assert numpy(one).tolist() == [[0, 1, 2], [30, 40, 50], [6, 7, 8], [900, 1000, 1100]]
    assert numpy(two).tolist() == [0, 11, 2, 103]
    assert np.array_equal(numpy(on_rows(lambda a: [-a], [second], [], None)[0]), -second)


def test_choose_family_follows_the_shares():
    family = numpy(choose_family(spread(1000), {"self": 1, "mesh": 3}))
    assert np.bincount(family, minlength=3).tolist() == [750, 0, 250]
    assert numpy(choose_family(spread(1000), {"affine": 0.2})).tolist() == [1] * 1000


def test_rows_of_the_dear_families_are_counted_from_the_batch():
    assert count_rows(SHARES, 12) == [2, 2]
    assert count_rows(SHARES, 48) == [7, 7]
    assert count_rows(SHARES, 3) == [1, 1]  # rounded to 0, but a share is a share
    assert count_rows({"mesh": 0.9, "resynth": 0.1}, 20) == [0, 2]
    assert count_rows({"mesh": 1e-3, "pyramid": 1.0}, 4) == [3, 0]  # somebody is left to be mesh
    assert count_rows({"pyramid": 1.0, "resynth": 1.0}, 5) == [3, 2]
    for batch in range(1, 9):
        for mesh in (0.0, 0.1, 1.0):
            counts = count_rows({"mesh": mesh, "pyramid": 0.3, "resynth": 0.7}, batch)
            assert min(counts) >= 0 and sum(counts) <= batch and (mesh > 0 or sum(counts) == batch)


def test_lots_decide_which_rows_are_which():
    lots = np.array([0.5, 0.1, 0.9, 0.2, 0.3, 0.6, 0.7, 0.8, 0.4, 0.95, 0.96, 0.97], "float32")
    family, rows = cast_batch(spread(12), lots, SHARES)
    family = numpy(family)
    assert np.flatnonzero(family == RESYNTH).tolist() == [1, 3] == numpy(rows[RESYNTH]).tolist()
    assert np.flatnonzero(family == PYRAMID).tolist() == [4, 8] == sorted(numpy(rows[PYRAMID]))
    others = ~np.isin(family, [PYRAMID, RESYNTH])
    drawn = {name: SHARES[name] for name in FAMILIES[:3]}
    assert np.array_equal(family[others], numpy(choose_family(spread(12), drawn))[others])


def test_every_row_is_resynth_as_often_as_any_other():
    rng = np.random.default_rng(0)
    counts = np.zeros((5, 12))
    for _ in range(400):
        family = numpy(cast_batch(rng.random(12, "float32"), rng.random(12, "float32"), SHARES).family)
        counts[family, np.arange(12)] += 1
    assert counts[RESYNTH].sum() == counts[PYRAMID].sum() == 800
    # 400 trials of 1 in 6: a deviation is 7.5.
    assert np.abs(counts[[PYRAMID, RESYNTH]] - 400 / 6).max() < 4 * 7.5
    assert np.allclose(counts[:3].sum(1) / 4800 * 12 / 8, np.array([0.4, 0.15, 0.15]) / 0.7, atol=0.03)


@pytest.mark.parametrize("name, number", [("mesh", 0), ("self", 2), ("pyramid", 3), ("resynth", 4)])
def test_one_family_may_have_the_whole_batch(name, number):
    family, rows = cast_batch(spread(7), spread(7), {name: 0.3, "affine": 0.0})
    assert numpy(family).tolist() == [number] * 7
    assert rows == ({} if number < 3 else {number: None})


def test_a_batch_of_unknown_size_is_refused_where_rows_are_counted():
    import tensorflow as tf

    cast = tf.function(lambda d, shares: cast_batch(d, d, shares).family)
    unknown = tf.TensorSpec([None], "float32")
    with pytest.raises(ValueError, match=r"must be static; received shape \(None,\). Batch with drop_remainder=True"):
        cast.get_concrete_function(unknown, SHARES)
    for shares in ({"resynth": 1.0}, {"mesh": 1.0, "self": 1.0}):
        assert cast.get_concrete_function(unknown, shares).structured_outputs.shape.rank == 1
