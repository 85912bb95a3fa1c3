"""Histograms of scores, the sentence about them, and their figure."""

import re

import numpy as np
import pytest

from keras_uncover.inference.scores import bin_of, count_scores, describe_place, measured_scores, score_edges


def example():
    return count_scores(np.array([0.0, 0.001, 0.2, 0.6]), np.array([0.3, 0.9, 0.9999, 1.0]))


def test_every_score_falls_into_a_bin():
    edges = score_edges()
    assert edges[0] == 0 and edges[-1] == 1 and (np.diff(edges) > 0).all()
    scores = example()
    assert sum(scores["genuine"]) == sum(scores["fake"]) == 4
    assert scores["genuine"][0] == 1 and scores["fake"][-1] == 2
    assert bin_of(scores, 0.0) == 0 and bin_of(scores, 1.0) == len(edges) - 2
    assert np.histogram([0.6], edges)[0].argmax() == bin_of(scores, 0.6)


def test_the_place_of_a_score_in_words():
    words = describe_place(example(), 0.7)
    assert words.startswith("25.0 % of 4 genuine test photos") and "25.0 % of 4 fake ones" in words
    assert describe_place(example(), 1.0).startswith("0.0 %") and "100.0 % of 4 fake" in describe_place(example(), 1.0)


def test_a_preset_without_a_histogram_has_none_and_a_broken_one_is_refused():
    assert measured_scores({}) is None and measured_scores({"measured": {"split": "test"}}) is None
    good = example()
    assert measured_scores({"measured": {"scores": good}}) == good
    for wrong in ({**good, "edges": good["edges"][:-1]}, {**good, "fake": [0] * 16}, {**good, "genuine": [1, 2]}):
        with pytest.raises(ValueError, match="measured.scores must hold rising edges"):
            measured_scores({"measured": {"scores": wrong}})


def test_the_figure_is_an_svg_that_asks_for_nothing_and_moves_with_the_score():
    from keras_uncover.demo.figures import draw_scores

    first, again, other = (draw_scores(example(), p, 0.5, [0.3, 0.5]) for p in (0.7, 0.7, 0.01))
    assert first.startswith(b"<?xml") and b"<svg" in first
    links = set(re.findall(rb'(?:href|src)="([^"]*)"', first))
    assert all(link.startswith(b"#") for link in links)
    assert first != other
    assert len(again) == len(first)
