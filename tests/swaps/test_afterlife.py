"""What happens to photos after they were taken or made: to a photo and its fake alike."""

import numpy as np
import pytest
from drawn_faces import Decided, faces, numpy, uniforms

from keras_uncover.swaps.afterlife import (
    AFTERLIFE_DRAWS,
    FIRST_LIFE_DRAWS,
    age,
    caption,
    code,
    cover_faces,
    film,
    first_life,
    recolour,
    reduce_matrix,
)
from keras_uncover.swaps.draws import Uniforms

CANVAS, SIZE, ROWS = 64, 48, 6
COVERED = 1  # the call of ``happens`` in ``cover_faces`` that lays a cover


def noise(count=ROWS):
    return np.random.default_rng(4).standard_normal((count, CANVAS, CANVAS, 3)).astype("float32")


def grow_old(pictures, draw, masks=None):
    photo = faces(ROWS, CANVAS)
    masks = np.ones((ROWS, CANVAS, CANVAS, 1), "float32") if masks is None else masks
    others = np.roll(photo["crop"], 1, 0)
    pictures, masks = age(pictures, masks, photo["points"], others, noise(), draw, SIZE)
    return [numpy(image) for image in pictures], numpy(masks)


def test_the_same_happens_to_a_photo_and_its_fake():
    crop, draw = faces(ROWS, CANVAS)["crop"], Uniforms(uniforms(ROWS, AFTERLIFE_DRAWS))
    (one, other, dark), masks = grow_old([crop, crop.copy(), 0.7 * crop], draw)
    assert draw.used == AFTERLIFE_DRAWS
    assert one.shape == (ROWS, SIZE, SIZE, 3) and np.array_equal(one, other) and np.abs(one - dark).max() > 0.05
    assert one.min() >= 0 and one.max() <= 1 and masks.min() >= 0 and masks.max() <= 1
    with pytest.raises(ValueError, match=f"at least {AFTERLIFE_DRAWS} uniform numbers a row"):
        grow_old([crop], Uniforms(uniforms(ROWS, AFTERLIFE_DRAWS - 1)))


def test_where_nothing_happens_the_middle_of_the_canvas_is_read():
    crop, masks = faces(ROWS, CANVAS)["crop"], np.random.default_rng(0).random((ROWS, CANVAS, CANVAS, 1), "float32")
    draw = Decided(uniforms(ROWS, AFTERLIFE_DRAWS), happens={None: False}, one={None: 0.95}, still=True)
    (same,), left = grow_old([crop], draw, masks)
    inner = np.s_[:, 8:-8, 8:-8]
    assert np.abs(same - crop[inner]).max() < 1e-4 and np.abs(left - masks[inner]).max() < 1e-4


def test_a_first_life_takes_its_draws_and_leaves_a_third_alone():
    crop = np.repeat(faces(1, CANVAS)["crop"], 4, 0)
    draws = uniforms(4, FIRST_LIFE_DRAWS)
    draws[:, -1] = [0.1, 0.6, 0.7, 0.9]
    draw = Uniforms(draws)
    aged = numpy(first_life(crop, noise(4), draw))
    assert draw.used == FIRST_LIFE_DRAWS and aged.min() >= 0 and aged.max() <= 1
    changed = np.abs(aged - crop).max((1, 2, 3))
    assert (changed[2:] == 0).all() and (changed[:2] >= 0).all()
    worn = Decided(draws, happens={None: True})
    assert (np.abs(numpy(first_life(crop, noise(4), worn)) - crop).max((1, 2, 3)) > 0.01).all()


def test_a_cover_hides_the_face_and_is_no_part_of_the_mask():
    photo, draws = faces(ROWS, CANVAS), uniforms(ROWS, 14)
    masks = np.ones((ROWS, CANVAS, CANVAS, 1), "float32")
    white = np.ones_like(photo["crop"])
    draw = Decided(draws, happens={COVERED: True, 3: True})
    (covered,), left = cover_faces([0 * white], masks, photo["points"], white, draw)
    cover, left = numpy(covered)[..., :1], numpy(left)
    assert np.allclose(left, 1 - cover, atol=1e-5)
    share = (cover > 0.99).mean((1, 2, 3))
    assert (share > 0.01).all() and (left[cover > 0.999] < 1e-3).all()
    none = Decided(draws, happens={COVERED: False})
    (bare,), whole = cover_faces([photo["crop"]], masks, photo["points"], white, none)
    assert np.array_equal(numpy(bare), photo["crop"]) and numpy(whole).min() == 1


@pytest.mark.parametrize("kind, bar", [(0.1, np.s_[-11:]), (0.9, np.s_[:8])], ids=["below", "above"])
def test_a_caption_is_a_bar_at_an_edge(kind, bar):
    grey = np.full((1, CANVAS, CANVAS, 3), 0.5, "float32")
    # A bar of .18 of the side below, seven tenths as high above; white.
    draw = Decided(uniforms(1, 6), happens={0: True, 1: False}, one={0: 0.5, 1: kind, 2: 0.9, 3: 1.0})
    (image,), masks = caption([grey], np.ones((1, CANVAS, CANVAS, 1), "float32"), draw)
    image, masks = numpy(image)[0], numpy(masks)[0]
    assert (image[bar] == 1).all() and (masks[bar] == 0).all()
    rest = np.ones(CANVAS, bool)
    rest[bar] = False
    assert (image[rest][1:-1] == 0.5).all() and (masks[rest][1:-1] == 1).all()


def test_recolouring_by_hand():
    one = np.float32([1.0])
    image = np.full((1, 2, 2, 3), 0.25, "float32") * np.float32([1, 2, 3])
    gains = np.float32([[1.2, 1.0, 0.8]])

    def apply(contrast=one, brightness=0 * one, grey=0 * one, gamma=one, gains=np.float32([[1, 1, 1]])):
        return numpy(recolour(image, gains, contrast, brightness, grey, gamma))[0, 0, 0]

    assert np.allclose(apply(), [0.25, 0.5, 0.75], atol=1e-5)
    assert np.allclose(apply(contrast=0.5 * one, gains=gains), [0.4, 0.5, 0.55], atol=1e-5)
    assert np.allclose(apply(gamma=2 * one, brightness=0.1 * one), [0.1625, 0.35, 0.6625], atol=1e-5)
    assert np.allclose(apply(grey=one), 0.299 * 0.25 + 0.587 * 0.5 + 0.114 * 0.75, atol=1e-5)


def test_a_line_is_reduced_by_means():
    matrix = numpy(reduce_matrix(8, np.float32([0.5, 0.5, 1.0]), np.float32([0, 2, 3])))
    means = np.kron(np.eye(4), [[0.5, 0.5]])
    # Four means of two pixels, the last again and again; then the same after two pixels more of the first.
    assert np.allclose(matrix[0], means[[0, 1, 2, 3, 3, 3, 3, 3]], atol=1e-6)
    assert np.allclose(matrix[1], means[[0, 0, 0, 1, 2, 3, 3, 3]], atol=1e-6)
    assert np.allclose(matrix[2], np.eye(8)[[0, 0, 0, 0, 1, 2, 3, 4]], atol=1e-6)


def test_films_are_in_range_and_the_finer_the_step_the_nearer():
    crop, steps = np.repeat(faces(1, CANVAS)["crop"], 3, 0), np.float32([0.01, 8.0, 40.0])
    coded = numpy(film(crop, steps, steps))
    assert coded.min() >= 0 and coded.max() <= 1 and coded.dtype == np.float32
    error = np.abs(coded - crop).mean((1, 2, 3))
    assert error[0] < 0.01 < error[2] < 0.1 and error[0] < error[1] < error[2]
    grey = np.full((1, CANVAS, CANVAS, 3), 128 / 255, "float32")
    assert np.abs(numpy(film(grey, steps[2:], steps[2:])) - grey).max() < 1e-3


@pytest.mark.parametrize("kind, changed", [(0.2, True), (0.6, True), (0.9, False)], ids=["jpeg", "film", "none"])
def test_codings_by_their_draw(kind, changed):
    crop = faces(2, CANVAS)["crop"]
    draw = Decided(uniforms(2, 6), happens={None: False}, one={0: kind, 1: 0.0, 3: 1.0})
    coded, same = (numpy(image) for image in code([crop, crop], draw))
    assert np.array_equal(coded, same) and coded.min() >= 0 and coded.max() <= 1
    assert (np.abs(coded - crop).max() > 5e-3) == changed
