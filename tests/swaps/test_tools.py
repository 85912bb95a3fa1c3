"""Swaps that imitate real tools: which draws they take, what they leave alone, and of whom the face is."""

import numpy as np
import pytest
from drawn_faces import SIZE, Decided, faces, mean_points, numpy, uniforms
from keras import ops

from keras_uncover.swaps.draws import Uniforms
from keras_uncover.swaps.tools import (
    CROSS,
    FAMILIES,
    IMITATION_DRAWS,
    NEURAL,
    SELF,
    blend_bands,
    blend_poisson,
    enhance,
    imitate,
)

SHARES = (0.3, 0.2, 0.5)
ROWS = 20
OWN_NEURAL = 1  # the call of ``happens`` that decides whether a neural face is the photo's own person's
IN_BANDS = (0.7, 0.85)  # of the draw that decides the way of blending


def swap(draw, shares=SHARES, count=ROWS, donor_seed=1, painted=None):
    target, donor = faces(count), faces(count, seed=donor_seed)
    return {key: numpy(value) for key, value in imitate(target, donor, draw, shares, painted).items()}


@pytest.fixture(scope="module")
def draws():
    """A row for each twentieth of the families' draw; the rest is drawn."""
    matrix = uniforms(ROWS, IMITATION_DRAWS)
    matrix[:, 0] = (np.arange(ROWS) + 0.5) / ROWS
    return matrix


@pytest.fixture(scope="module")
def swaps(draws):
    return swap(Uniforms(draws))


def test_a_swap_has_its_shapes_and_range(swaps):
    assert swaps["fake"].shape == (ROWS, SIZE, SIZE, 3) and swaps["mask"].shape == (ROWS, SIZE, SIZE, 1)
    for name in ("fake", "mask"):
        assert swaps[name].dtype == np.float32 and swaps[name].min() >= 0 and swaps[name].max() <= 1
        assert np.isfinite(swaps[name]).all()


def test_families_occur_by_their_shares(swaps):
    assert [(swaps["family"] == number).sum() for number in (SELF, CROSS, NEURAL)] == [6, 4, 10]
    assert FAMILIES == ("self", "cross", "neural")


def test_every_swap_changes_the_photo_somewhere_and_where_its_mask_is(swaps):
    change = np.abs(swaps["fake"] - faces(ROWS)["crop"]).max(-1)
    assert (change.max((1, 2)) > 5e-3).all()
    assert (swaps["mask"].max((1, 2, 3)) > 0.5).all() and (swaps["mask"].mean((1, 2, 3)) < 0.9).all()


def test_the_same_draws_make_the_same_swaps(draws, swaps):
    again = swap(Uniforms(draws))
    assert all(np.array_equal(again[key], swaps[key]) for key in swaps)


@pytest.mark.parametrize("painted", [None, lambda images: (0.9 * images, 0.5 * images)], ids=["alone", "painted"])
def test_exactly_the_stated_draws_are_taken(painted):
    draw = Uniforms(uniforms(2, IMITATION_DRAWS))
    swap(draw, count=2, painted=painted)
    assert draw.used == IMITATION_DRAWS
    with pytest.raises(ValueError, match=f"at least {IMITATION_DRAWS} uniform numbers a row"):
        swap(Uniforms(uniforms(2, IMITATION_DRAWS - 1)), count=2)


@pytest.mark.parametrize("shares, happens, other", [
    ((1, 0, 0), {}, False),
    ((0, 1, 0), {}, True),
    ((0, 0, 1), {OWN_NEURAL: True}, False),
    ((0, 0, 1), {OWN_NEURAL: False}, True),
], ids=["self", "cross", "own-neural", "other-neural"])
def test_only_another_persons_face_depends_on_the_donor(shares, happens, other):
    one, two = (
        swap(Decided(uniforms(4, IMITATION_DRAWS, seed=3), happens=happens), shares, 4, donor_seed=seed)
        for seed in (1, 2)
    )
    changed = np.abs(one["fake"] - two["fake"]).max((1, 2, 3))
    assert (changed > 1e-3).all() if other else (changed == 0).all()
    assert np.array_equal(one["mask"], two["mask"])


def test_what_painters_paint_is_seen_in_neural_faces_alone_that_draw_it():
    def paint(images):
        return ops.zeros_like(images) + 0.9, ops.zeros_like(images) + 0.9

    draws, never = uniforms(4, IMITATION_DRAWS, seed=5), lambda images: (images * 0.0, images * 0.0)
    light, dark = (swap(Uniforms(draws), (0, 0, 1), 4, painted=painted) for painted in (paint, never))
    differs = np.abs(light["fake"] - dark["fake"]).max((1, 2, 3)) > 1e-3
    assert 0 < differs.sum() < 4


def test_outside_of_the_mask_the_photo_is_untouched():
    """Soft and Poisson blending to the rounding; bands are wider than their mask, and fade with it."""
    crop, draws = faces(8)["crop"], uniforms(8, IMITATION_DRAWS, seed=7)
    way = find_way(draws)
    found = {}
    for name, share in (("soft", 0.3), ("bands", 0.8), ("Poisson", 0.9)):
        result = swap(Decided(draws, one={way: share}), (0.4, 0.2, 0.4), 8)
        outside = result["mask"][..., 0] < 1e-7
        assert outside.sum() > 1000
        found[name] = np.abs(result["fake"] - crop).max(-1)[outside]
    assert found["soft"].max() < 1e-6 and found["Poisson"].max() < 1e-6
    assert found["bands"].max() < 0.2 and found["bands"].mean() < 0.02


def find_way(draws):
    """The number of the call of ``one`` that decides the way of blending: the one that shares of ways are cut at."""
    asked = []

    class Told(Decided):
        def one(self, low=0.0, high=1.0):
            asked.append((low, high))
            return super().one(low, high)

    swap(Told(draws), count=len(draws))
    strength = asked.index((0.3, 1.0))  # how strong a fake is of itself is drawn next
    return strength - 1


def masks(count=1):
    grid = np.indices((SIZE, SIZE)) + 0.5 - SIZE / 2
    inside = 1 / (1 + np.exp(np.hypot(*grid) - 12))
    return np.repeat(inside[None, ..., None].astype("float32"), count, 0)


def constant(level):
    return np.full((1, SIZE, SIZE, 3), level, "float32")


def test_a_constant_photo_stays_constant():
    for blend in (blend_bands, blend_poisson):
        assert np.abs(numpy(blend(constant(0.4), constant(0.4), masks())) - 0.4).max() < 1e-5
    # Gradients alone are pasted: a face of another constant colour is not seen at all.
    assert np.abs(numpy(blend_poisson(constant(0.4), constant(0.7), masks())) - 0.4).max() < 0.02


def test_an_empty_mask_leaves_the_photo():
    photo, face = faces(1)["crop"], faces(1, seed=1)["crop"]
    for blend in (blend_bands, blend_poisson):
        assert np.abs(numpy(blend(photo, face, 0 * masks())) - photo).max() < 1e-6


def test_bands_show_the_faces_detail_inside_of_the_mask():
    face = constant(0.5) + 0.1 * (np.indices((SIZE, SIZE)).sum(0)[None, ..., None] % 2).astype("float32") - 0.05
    blended = numpy(blend_bands(constant(0.5), face, masks()))
    middle = np.s_[0, 20:28, 20:28]
    assert np.abs(blended[middle] - face[middle]).max() < 0.02
    assert np.abs(blended[0, :3] - 0.5).max() < 1e-3


def test_a_restorer_sharpens_a_larger_square_and_nothing_else():
    photo, points = faces(2)["crop"], np.repeat(mean_points()[None], 2, 0)
    draw = Decided(uniforms(2, 8), happens={None: False}, one={None: 1.0})
    better, region = (numpy(value) for value in enhance(photo, points, draw))
    # 4.07 of 5.08 eye distances, less a twentieth on every side: .72 of the crop's side.
    side = (region[0, SIZE // 2, :, 0]).sum()
    assert side == pytest.approx(0.9 * 4.07 / 5.08 * SIZE, rel=0.03)
    assert np.abs(better - photo)[region[..., 0] < 1e-7].max() < 1e-6
    assert np.abs(better - photo)[region[..., 0] > 0.9].mean() > 1e-3
