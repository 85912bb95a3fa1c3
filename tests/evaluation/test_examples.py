"""Which fakes are shown, and that figures are drawn of them."""

import numpy as np
import pytest
from evaluated import make_people, make_swap, truthful
from PIL import Image

from keras_uncover.evaluation import examples, figures


def rows(target, donor):
    return {"target.distance.answer": np.array(target), "donor.distance.answer": np.array(donor)}


def test_best_median_and_worst_are_by_both_distances():
    fakes = {"mesh": rows([0.1, 0.5, 0.9], [0.9, 0.1, 0.9]), "affine": rows([0.2, 0.4], [0.1, 0.3])}
    chosen = examples.choose(fakes)
    # Sums: affine .3, mesh .6, affine .7, mesh 1.0, mesh 1.8.
    assert chosen[:2] == [("best", "affine", 0, (0.2, 0.1)), ("median", "affine", 1, (0.4, 0.3))]
    assert [entry[:3] for entry in chosen[2:]] == [
        ("worst 1", "mesh", 2), ("worst 2", "mesh", 0), ("worst 3", "affine", 1), ("worst 4", "mesh", 1),
    ]


def test_no_more_than_sixteen_worst_are_shown():
    distances = np.arange(40) / 40
    chosen = examples.choose({"mesh": rows(distances, distances)})
    assert len(chosen) == 18
    assert [entry[2] for entry in chosen] == [0, 20, *range(39, 23, -1)]


@pytest.fixture(scope="module")
def shown():
    people = make_people(1)
    swap = make_swap(people, with_donor=False)
    return examples.pictures(truthful(swap), swap, None, "copy"), swap


def test_pictures_are_those_that_their_names_say(shown):
    pictures, swap = shown
    assert tuple(pictures) == examples.COLUMNS
    np.testing.assert_array_equal(pictures["answer"], swap["target"][0])
    np.testing.assert_array_equal(pictures["baseline"], np.clip(swap["input"][0], 0, 1))
    np.testing.assert_array_equal(pictures["donor_truth"], swap["donor"][0])


def test_examples_are_drawn_row_by_row(shown, tmp_path):
    pictures, _ = shown
    black = {name: np.zeros_like(picture) for name, picture in pictures.items()}
    figures.save_examples(tmp_path, [("best\nmesh", (0.1, 0.2), black)] * 3, "mean_texture")
    with Image.open(tmp_path / "examples.png") as image:
        dark = np.asarray(image.convert("L")) < 10
        assert image.height > 3 * 100
    assert dark.mean() > 0.4  # pictures fill the page but for words and gaps
