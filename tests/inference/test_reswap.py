"""The re-swap check: the true sources make the swap again, others do not."""

import numpy as np
import pytest
from keras import ops

from keras_uncover.inference.reswap import Compare, build_reswap
from keras_uncover.ops.geometry import pixel_grid
from keras_uncover.ops.mesh import VERTICES, mean_mesh
from keras_uncover.ops.ssim import ssim_map
from keras_uncover.ops.texture import unwrap_texture, uv_map
from keras_uncover.swaps.synthesis import DRAWS, make_swaps

SIZE = 64


def numpy(value):
    return ops.convert_to_numpy(value)


def make_people(count=3, seed=0):
    """Records of made-up people: smooth pictures and sheared mean faces."""
    rng = np.random.default_rng(seed)
    x, y = np.moveaxis(numpy(pixel_grid(SIZE)), -1, 0)[..., None]
    a, b, phase = rng.uniform(-6, 6, (3, count, 1, 1, 3))
    crop = (rng.uniform(0.4, 0.6, (count, 1, 1, 3)) + 0.3 * np.sin(a * x + b * y + phase)).astype("float32")
    points = (mean_mesh().points - 0.5) @ (np.eye(2) + rng.uniform(-0.08, 0.08, (count, 2, 2))) + 0.5
    points = np.concatenate([points, np.zeros((count, VERTICES, 1))], -1).astype("float32")
    uv, hull = (np.stack([numpy(part) for part in parts]) for parts in zip(*[uv_map(face, SIZE) for face in points]))
    texture = numpy(unwrap_texture(crop, points * SIZE, SIZE))
    return {"crop": crop, "texture": texture, "uv": uv, "hull": hull, "points": points}


@pytest.fixture(scope="module")
def fakes():
    """Plain swaps of three people with matched colours, as the check's inputs with the true sources."""
    people = make_people()
    donors = {key: np.roll(value, 1, axis=0) for key, value in people.items()}
    draws = np.full((3, DRAWS), 0.5, "float32")
    swap = {k: numpy(v) for k, v in make_swaps(people, donors, draws, {"mesh": 1.0}, plain=True).items()}
    irises = np.full((3, 10, 3), 0.5, "float32")
    return {
        "crop": swap["input"],
        "target": swap["target"],
        "donor": swap["donor"],
        "mask": swap["mask"],
        "points": np.concatenate([people["points"], irises], 1),
        "donor_points": np.concatenate([donors["points"], irises], 1),
    }


@pytest.fixture(scope="module")
def check():
    return build_reswap(SIZE)


def test_the_true_sources_make_the_same_swap(check, fakes):
    outputs = check.predict_on_batch(fakes)
    assert outputs["reswap"].shape == (3, SIZE, SIZE, 3) and outputs["scores"].shape == (3, 2)
    # Not quite: along the hull the donor's texture was read half from the grey around the face.
    assert np.abs(outputs["reswap"] - fakes["crop"]).mean() < 2e-3
    similarity, residual = outputs["scores"].T
    assert (similarity > 0.98).all()
    assert (residual < 0.005).all()


def test_another_donor_makes_another_swap(check, fakes):
    scores = check.predict_on_batch(fakes)["scores"]
    other = {**fakes, **{key: np.roll(fakes[key], 1, axis=0) for key in ("donor", "donor_points")}}
    worse = check.predict_on_batch(other)["scores"]
    assert (worse[:, 0] < scores[:, 0] - 0.1).all()
    assert (worse[:, 1] > 5 * scores[:, 1]).all()


def test_outside_of_mask_and_face_the_reswap_is_the_target(check, fakes):
    wide = {**fakes, "mask": np.ones_like(fakes["mask"])}
    reswap = check.predict_on_batch(wide)["reswap"]
    outside = make_people()["hull"][..., 0] == 0
    assert np.abs(reswap - fakes["target"])[outside].max() == 0
    assert np.abs(reswap - fakes["target"])[~outside].mean() > 0.02
    empty = {**fakes, "mask": np.zeros_like(fakes["mask"])}
    assert np.array_equal(check.predict_on_batch(empty)["reswap"], fakes["target"])


def test_scores_are_the_mean_similarity_and_difference_inside_the_mask():
    rng = np.random.default_rng(1)
    crop, reswap = rng.random((2, 2, 16, 16, 3)).astype("float32")
    scores = numpy(Compare()([crop, reswap, np.ones((2, 16, 16, 1), "float32")]))
    assert np.allclose(scores[:, 0], numpy(ssim_map(reswap, crop)).mean((1, 2, 3)), atol=1e-4)
    assert np.allclose(scores[:, 1], np.abs(crop - reswap).mean((1, 2, 3)), atol=1e-5)
    mask = np.zeros((2, 16, 16, 1), "float32")
    mask[:, 3, 4], mask[:, 5, 6] = 1, 0.5
    difference = np.abs(crop - reswap).mean(-1)
    expected = (difference[:, 3, 4] + 0.5 * difference[:, 5, 6]) / 1.5
    assert np.allclose(numpy(Compare()([crop, reswap, mask]))[:, 1], expected, atol=1e-5)


def test_equal_pictures_have_full_marks(check, fakes):
    again = {**fakes, "crop": check.predict_on_batch(fakes)["reswap"]}
    scores = check.predict_on_batch(again)["scores"]
    assert np.allclose(scores, [[1, 0]] * 3, atol=1e-4)
