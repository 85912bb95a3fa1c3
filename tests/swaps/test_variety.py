"""Photos that are bent and lit anew: points move with the pixels."""

import numpy as np
import pytest
from drawn_faces import Decided, faces, mean_points, numpy, uniforms

from keras_uncover.ops.geometry import pixel_grid
from keras_uncover.swaps.draws import Uniforms
from keras_uncover.swaps.variety import VARIETY_DRAWS, relight, vary

SIZE, ROWS = 64, 4
NOSE = 1


def test_exactly_the_stated_draws_are_taken():
    photo, draw = faces(2, SIZE), Uniforms(uniforms(2, VARIETY_DRAWS))
    varied = vary(photo, draw)
    assert draw.used == VARIETY_DRAWS and {key: value.shape for key, value in varied.items()} == {
        key: value.shape for key, value in photo.items()
    }
    crop = numpy(varied["crop"])
    assert crop.min() >= 0 and crop.max() <= 1 and np.abs(crop - photo["crop"]).max() > 0.02
    with pytest.raises(ValueError, match=f"at least {VARIETY_DRAWS} uniform numbers a row"):
        vary(photo, Uniforms(uniforms(2, VARIETY_DRAWS - 1)))


def test_a_dot_moves_with_its_point():
    points = np.repeat(mean_points(SIZE, view=1.0)[None], ROWS, 0)
    points[:, NOSE] = np.float32([[16, 20], [48, 20], [16, 46], [46, 46]])
    squares = ((numpy(pixel_grid(SIZE))[None] * SIZE - points[:, NOSE, None, None]) ** 2).sum(-1)
    dots = np.repeat(np.exp(-0.5 * squares / 1.5**2)[..., None], 3, -1).astype("float32")
    draws = uniforms(ROWS, VARIETY_DRAWS, seed=2)
    draws[:, :2] = [[0, 1], [1, 0], [1, 1], [0, 0]]  # stretched by three deviations
    varied = vary({"crop": dots, "points": points}, Decided(draws, happens={0: True}, one={0: 0.7}))
    crop, moved = numpy(varied["crop"])[..., 0].astype("float64"), numpy(varied["points"])
    axis = np.arange(SIZE) + 0.5
    found = np.stack([(crop.sum(k) * axis).sum(1) / crop.sum((1, 2)) for k in (1, 2)], -1)
    assert np.hypot(*(found - moved[:, NOSE]).T).max() < 1
    assert (np.hypot(*(moved - points)[:, NOSE].T) > 1.5).sum() >= 3


def test_four_photos_in_ten_are_not_bent():
    photo = faces(2, SIZE)
    varied = vary(photo, Decided(uniforms(2, VARIETY_DRAWS), happens={0: False}))
    assert np.array_equal(numpy(varied["points"]), photo["points"])


def test_light_is_smooth_and_even_where_its_draws_are_still():
    crops = faces(2, SIZE)["crop"]
    assert np.abs(numpy(relight(crops, Decided(uniforms(2, 48), still=True))) - crops).max() < 1e-6
    grey = np.full((2, SIZE, SIZE, 3), 0.3, "float32")
    lit = numpy(relight(grey, Decided(uniforms(2, 48), one={None: 1.0})))
    assert np.ptp(lit) > 0.05 and np.abs(np.diff(lit, axis=1)).max() < 0.02
