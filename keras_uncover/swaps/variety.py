"""More photos than there are: each is bent, stretched and lit anew before any swap is made.

Few photos are seen hundreds of times. Without this a network comes to know them, and tells a fake by a face that does
not belong to hair it remembers.
"""

from keras import ops

from keras_uncover.ops.geometry import pixel_grid, sample
from keras_uncover.swaps.draws import picture
from keras_uncover.swaps.warps import GRID, enlarge_grid, eye_distance, grid_places

VARIETY_DRAWS = 102


def bend(points, draw, size):
    """Displacements that stretch and bend a whole photo: float32 ``(batch, size, size, 2)``, 0 in 40 % of the rows."""
    distance, middle = eye_distance(points)
    places = ops.convert_to_tensor(grid_places(size))[None] - middle[:, None]
    coarse = ops.reshape(places * (0.05 * draw.normal(2))[:, None], (-1, GRID, GRID, 2))
    elastic = ops.reshape(draw.normal(50), (-1, 5, 5, 2)) * picture(0.07 * distance * draw.one())
    field = enlarge_grid(coarse, size) + enlarge_grid(elastic, size)
    return field * picture(ops.cast(draw.happens(0.6), "float32"))


def relight(crops, draw):
    """Multiply photos by a smooth, slightly coloured light. crops: float32 ``(batch, size, size, 3)`` in [0, 1]."""
    light = ops.reshape(draw.normal(16), (-1, 4, 4, 1)) * picture(draw.one(0.0, 0.18))
    tint = ops.reshape(draw.normal(27), (-1, 3, 3, 3)) * picture(draw.one(0.0, 0.05))
    size = crops.shape[1]
    gain = ops.exp(enlarge_grid(light, size) + enlarge_grid(tint, size) + 0.05 * draw.normal(3)[:, None, None])
    return ops.clip(crops * gain, 0.0, 1.0)


def vary(photo, draw):
    """A photo that is not quite the one that was given.

    Args:
        photo: dict of ``crop`` float32 ``(batch, size, size, 3)`` in [0, 1] and ``points`` float32 ``(batch, n, 2)``
            in pixels of it.
        draw: ``Uniforms`` of ``VARIETY_DRAWS`` columns.

    Returns: a dict of the same keys and shapes.
    """
    size, points = photo["crop"].shape[1], photo["points"]
    field = bend(points, draw, size)
    crop = sample(photo["crop"], (pixel_grid(size) * size)[None] + field)
    # A point moves against the displacement at its own place; what is bent twice differs by less than a pixel.
    moved = points - sample(field, points, border="edge")
    return {"crop": relight(crop, draw), "points": moved}
