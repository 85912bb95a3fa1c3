"""Uniform numbers by column: each once, and what is made of them."""

import statistics

import numpy as np
import pytest
from drawn_faces import numpy

from keras_uncover.swaps.draws import Uniforms, picture

GRID = ((np.arange(1000) + 0.5) / 1000).astype("float32")[:, None]  # a column that meets every part of [0, 1) alike


def test_every_column_is_handed_out_once():
    matrix = np.arange(12, dtype="float32").reshape(2, 6) / 12
    draw = Uniforms(matrix)
    taken = [draw.take(2), draw.one()[:, None], draw.take(2)]
    assert np.array_equal(np.concatenate([numpy(part) for part in taken], 1), matrix[:, :5])
    assert np.array_equal(numpy(draw.happens(0.5)), [True, False]) and draw.used == 6  # 5/12 and 11/12
    with pytest.raises(ValueError, match="at least 7 uniform numbers a row; received 6 columns"):
        draw.take(1)


def test_one_is_stretched_to_its_range():
    stretched = numpy(Uniforms(np.array([[0.0], [0.25], [0.5]], "float32")).one(-2.0, 6.0))
    assert np.array_equal(stretched, [-2.0, 0.0, 2.0])


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_something_happens_in_its_share_of_the_rows(share):
    assert numpy(Uniforms(GRID).happens(share)).mean() == share


def test_values_are_chosen_by_their_weights():
    chosen = numpy(Uniforms(GRID).choose((64, 96, 128), (1, 3, 6)))
    assert [(chosen == value).sum() for value in (64, 96, 128)] == [100, 300, 600]
    assert chosen[0] == 64 and chosen[-1] == 128


def test_normal_numbers_have_the_quantiles_of_a_normal_distribution_cut_at_three():
    expected = [statistics.NormalDist().inv_cdf(0.00135 + 0.9973 * float(u)) for u in GRID[:, 0]]
    found = numpy(Uniforms(GRID).normal(1))[:, 0]
    assert np.abs(found - expected).max() < 1e-3
    ends = numpy(Uniforms(np.array([[0.0, 0.5, 1.0]], "float32")).normal(3))[0]
    assert np.allclose(ends, [-3, 0, 3], atol=1e-2)
    assert abs(found.mean()) < 1e-3 and abs(found.std() - 0.987) < 0.005  # what the cut takes off


def test_a_number_a_row_multiplies_its_picture():
    scaled = numpy(picture(np.array([2.0, 3.0], "float32")) * np.ones((2, 4, 4, 3), "float32"))
    assert (scaled[0] == 2).all() and (scaled[1] == 3).all()
