"""Colours of a pasted face: matched in four ways, and what difference is left."""

import numpy as np
import pytest
from drawn_faces import Decided, faces, numpy, uniforms

from keras_uncover.ops.colour import masked_moments, rgb_to_oklab
from keras_uncover.swaps.draws import Uniforms
from keras_uncover.swaps.tool_colours import leave_difference, match_as_tools, match_light

SIZE = 48
MATCH_DRAWS = 6  # the way, how broad, three of the difference, whether there is one


@pytest.fixture(scope="module")
def lab():
    return numpy(rgb_to_oklab(faces()["crop"]))


def weight(count=3):
    inside = np.zeros((count, SIZE, SIZE, 1), "float32")
    inside[:, 12:36, 12:36] = 1
    return inside


def match(lab, kind, broad=True, different=False, shift=(0.5, 0.5, 0.5)):
    draws = np.tile(np.float32([kind, 0, *shift, 0]), (3, 1))
    draw = Decided(draws, happens={0: broad, 1: different})
    found = numpy(match_as_tools(lab, np.roll(lab, 1, 0), weight(), draw))
    assert draw.used == MATCH_DRAWS
    return found


def moments(lab):
    return [numpy(value)[:, 0, 0] for value in masked_moments(lab, weight())]


def test_matched_by_mean_the_means_inside_agree(lab):
    found, goal = moments(match(lab, 0.9)), moments(np.roll(lab, 1, 0))
    assert np.abs(found[0] - goal[0]).max() < 1e-5
    assert np.abs(found[1] - moments(lab)[1]).max() < 1e-5  # deviations stay


def test_matched_by_mean_and_deviation_both_agree(lab):
    found, goal, own = moments(match(lab, 0.7)), moments(np.roll(lab, 1, 0)), moments(lab)
    assert np.abs(found[0] - goal[0]).max() < 1e-4
    near = (goal[1] / own[1] > 0.4) & (goal[1] / own[1] < 2.5)
    assert near.sum() >= 3 and np.abs(found[1] - goal[1])[near].max() < 1e-3


def test_one_in_twenty_is_not_matched(lab):
    assert np.array_equal(match(lab, 0.96), lab)


def test_light_is_exchanged_in_one_of_two_widths(lab):
    near, far = match(lab, 0.2, broad=False), match(lab, 0.2, broad=True)
    goal = moments(np.roll(lab, 1, 0))[0]
    apart = np.abs(moments(lab)[0] - goal).max()
    assert all(np.abs(moments(found)[0] - goal).max() < 0.25 * apart for found in (near, far))
    assert np.array_equal(near, match(lab, 0.2, broad=False)) and np.abs(near - far).max() > 1e-3


def test_what_is_left_is_added_to_the_match_and_bounded(lab):
    plain, shifted = match(lab, 0.9), match(lab, 0.9, different=True, shift=(1.0, 0.0, 1.0))
    # Three deviations of .018, .005 and .006.
    assert np.allclose(shifted - plain, [0.054, -0.015, 0.018], atol=1e-3)
    left = numpy(leave_difference(Uniforms(uniforms(400, 4)), 0.6))[:, 0, 0]
    assert (np.abs(left).max(0) <= [0.0541, 0.0151, 0.0181]).all()
    assert (left == 0).all(1).mean() == pytest.approx(0.4, abs=0.08)
    assert np.abs(left.mean(0)).max() < 0.003


def test_match_light_takes_the_coarse_colours_and_leaves_the_detail():
    rng = np.random.default_rng(0)
    detail = np.where(np.indices((SIZE, SIZE)).sum(0) % 2, 0.05, -0.05)[None, ..., None]  # a chequerboard
    slope = np.linspace(-0.1, 0.1, SIZE)[None, :, None, None]
    own = (0.6 + slope + detail + np.zeros((1, 1, 1, 3))).astype("float32")
    goal = np.broadcast_to(0.3 - slope + rng.normal(0, 0.05, (1, SIZE, SIZE, 1)), own.shape).astype("float32")
    found = numpy(match_light(own, goal, np.ones((1, SIZE, SIZE, 1), "float32"), 3.0))
    inner = np.s_[:, 10:-10, 10:-10]
    expected = (0.3 - slope + detail + np.zeros((1, SIZE, SIZE, 3)))[inner]
    assert np.abs(found[inner] - expected).mean() < 0.02
    wave = (found[:, :-1] - found[:, 1:])[:, ::2, ::2] - (found[:, :-1] - found[:, 1:])[:, ::2, 1::2]
    assert np.abs(np.abs(wave).mean() - 0.2) < 0.01  # twice the 0.1 from one place to the next


def test_where_neither_is_a_face_nothing_is_exchanged():
    own, goal = np.full((1, SIZE, SIZE, 3), 0.6, "float32"), np.full((1, SIZE, SIZE, 3), 0.3, "float32")
    empty = np.zeros((1, SIZE, SIZE, 1), "float32")
    assert np.array_equal(numpy(match_light(own, goal, empty, 3.0)), own)
    assert np.allclose(numpy(match_light(own, goal, empty + 1, 3.0)), goal, atol=1e-3)
