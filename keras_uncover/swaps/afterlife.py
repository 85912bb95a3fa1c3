"""What happens to a photo after it was taken or made, drawn once for a photo and its fake.

Borders, covers and captions; skin smoothing, sharpening, colour and grey; reduction, blur of lens or motion, grain;
JPEG once or twice, or the coding of films; then the crop is read anew: a little turned, moved, scaled or stretched.
"""

import math

import numpy as np
from keras import ops

from keras_uncover.ops.filters import apply_separable, gaussian_matrix
from keras_uncover.ops.geometry import pixel_grid, sample
from keras_uncover.ops.jpeg import _RGB_TO_YCC, _YCC_TO_RGB, double, halve, jpeg, quantise_blocks
from keras_uncover.swaps.augment import line_shares
from keras_uncover.swaps.detail import coarsen, sharpen, smooth_skin
from keras_uncover.swaps.draws import picture
from keras_uncover.swaps.tool_masks import soft_step
from keras_uncover.swaps.warps import eye_distance

AFTERLIFE_DRAWS, FIRST_LIFE_DRAWS = 58, 13  # uniform numbers a row


def both(function, pictures, *arguments):
    """Apply a function to the photo and its fake with the same arguments."""
    return [function(image, *arguments) for image in pictures]


def where_rows(rows, new, old):
    """New pictures in some rows. rows: bool ``(batch,)``."""
    return [ops.where(rows[:, None, None, None], a, b) for a, b in zip(new, old)]


def cover_faces(pictures, masks, points, others, draw):
    """Lay something over a part of the face: a band of colour or of another photo, at any angle.

    Args:
        pictures: list of float32 ``(batch, size, size, 3)``. masks: float32 ``(batch, size, size, 1)``.
        points: float32 ``(batch, 478, 2)``. others: float32 like a picture: what covers show in half of the rows.
    Returns: pictures, masks without what is covered.
    """
    size = pictures[0].shape[1]
    distance, middle = eye_distance(points)
    angle = draw.one(0.0, 2.0 * math.pi)
    angle = ops.where(draw.happens(0.5), ops.full_like(angle, 0.5 * math.pi) + 0.3 * draw.normal(1)[:, 0], angle)
    places = pixel_grid(size)[None] * size - middle[:, None, None] - ops.stack(
        [ops.zeros_like(distance), 0.3 * distance], -1)[:, None, None]
    across = places[..., 0] * ops.cos(angle)[:, None, None] + places[..., 1] * ops.sin(angle)[:, None, None]
    along = places[..., 1] * ops.cos(angle)[:, None, None] - places[..., 0] * ops.sin(angle)[:, None, None]
    start = (draw.one(-0.2, 0.9) * distance)[:, None, None]
    width = (draw.one(0.3, 3.0) * distance)[:, None, None]
    reach = (draw.one(0.6, 3.5) * distance)[:, None, None]
    soft = draw.one(0.4, 2.5)[:, None, None]
    cover = soft_step(across - start, soft) * soft_step(start + width - across, soft) * soft_step(
        reach - ops.abs(along), soft)
    cover = cover[..., None] * picture(ops.cast(draw.happens(0.12), "float32"))
    colour = ops.where(draw.happens(0.4)[:, None], draw.take(3), 0.9 * ops.ones((1, 3)) * draw.one()[:, None])
    what = ops.where(draw.happens(0.5)[:, None, None, None], others, colour[:, None, None])
    return [image + cover * (what - image) for image in pictures], masks * (1.0 - cover)


def caption(pictures, masks, draw):
    """A plain bar at the lower or upper border in 5 % of the rows, one at the left and right in 3 %.

    Args, and what is returned, as for ``cover_faces``.
    """
    size = pictures[0].shape[1]
    axis = ops.arange(size, dtype="float32")
    edge = size * draw.one(0.06, 0.3)[:, None]
    kind = draw.one()[:, None]
    low = ops.cast(axis[None] > size - edge, "float32") * ops.cast(kind < 0.45, "float32")
    high = ops.cast(axis[None] < 0.7 * edge, "float32") * ops.cast(kind >= 0.45, "float32")
    rows = ops.maximum(low, high)[:, :, None, None] * picture(ops.cast(draw.happens(0.05), "float32"))
    sides = ops.cast((axis[None] < 0.5 * edge) | (axis[None] > size - 0.5 * edge), "float32")[:, None, :, None]
    bar = ops.maximum(rows, sides * picture(ops.cast(draw.happens(0.03), "float32")))
    colour = ops.round(draw.one())[:, None] * draw.one(0.8, 1.0)[:, None] * ops.ones((1, 3))
    pictures = [image + bar * (colour[:, None, None] - image) for image in pictures]
    return pictures, masks * (1.0 - bar)


def recolour(image, gains, contrast, brightness, grey, gamma):
    """Change the colours of pictures: gamma, gain, contrast about .5, brightness, then grey.

    Args:
        image: float32 ``(batch, size, size, 3)`` in [0, 1].
        gains: float32 ``(batch, 3)``, a channel each. contrast, brightness, grey, gamma: float32 ``(batch,)``; 1, 0, 0
            and 1 change nothing.
    """
    image = ops.exp(ops.log(ops.maximum(image, 1e-3)) * picture(gamma))
    image = (image * gains[:, None, None] - 0.5) * picture(contrast) + 0.5 + picture(brightness)
    luma = 0.299 * image[..., :1] + 0.587 * image[..., 1:2] + 0.114 * image[..., 2:3]
    return ops.clip(image + picture(grey) * (luma - image), 0.0, 1.0)


def reduce_matrix(size, scale, start):
    """Weights that reduce a line by area means; it keeps its length, and its first and last value fill the rest.

    Args:
        size: pixels of the line.
        scale: float32 ``(batch,)``, at most 1. start: float32 ``(batch,)``, whole pixels left before it, 0 to 7.

    Returns: float32 ``(batch, size, size)``.
    """
    axis = ops.arange(size, dtype="float32")
    step = (1.0 / scale)[:, None, None]
    index = ops.clip(axis[None, :, None] - start[:, None, None], 0.0, ops.floor(size * scale)[:, None, None] - 1.0)
    return line_shares(axis[None, None], index * step, step)


def film(image, step, chroma):
    """What the coding of single frames of films does, simplified: blocks of 8 x 8 quantised nearly alike at all
    frequencies, chroma halved, edges of blocks smoothed.

    Args:
        image: float32 ``(batch, size, size, 3)`` in [0, 1], sides divisible by 16.
        step, chroma: float32 ``(batch,)``, steps of 255 for luma and chroma.
    """
    slope = np.arange(8)[:, None] + np.arange(8)[None]
    planes = ops.matmul(image * 255.0, ops.convert_to_tensor(_RGB_TO_YCC.T))
    table = step[:, None, None] * ops.convert_to_tensor((1.0 + 0.12 * slope).astype("float32"))
    luma = quantise_blocks(planes[..., 0] - 128.0, table) + 128.0
    halves = ops.concatenate([halve(planes[..., k]) for k in (1, 2)], axis=0)
    table = chroma[:, None, None] * ops.convert_to_tensor((1.0 + 0.12 * slope).astype("float32"))
    colours = ops.split(double(double(quantise_blocks(halves, ops.concatenate([table, table])), 1), 2), 2)
    coded = ops.matmul(ops.stack([luma, *colours], axis=-1), ops.convert_to_tensor(_YCC_TO_RGB.T)) / 255.0
    return smooth_skin(ops.clip(coded, 0.0, 1.0), 0.35 * step / 255.0)


def code(pictures, draw):
    """JPEG in 40 % of the rows, the coding of films in 47 %; in a quarter of all JPEG once more.

    Args:
        pictures: list of float32 ``(batch, size, size, 3)`` in [0, 1], sides divisible by 16.
        draw: ``Uniforms``; takes 6 columns.
    """
    kind = draw.one()
    first, second = draw.one(30.0, 97.0), draw.one(50.0, 97.0)
    jpegs = both(jpeg, pictures, first)
    step = 4.0 * ops.exp(draw.one(0.0, 2.3))
    films = both(film, pictures, step, step * draw.one(1.0, 2.0))
    pictures = where_rows(kind < 0.4, jpegs, where_rows(kind < 0.87, films, pictures))
    return where_rows(draw.happens(0.25), both(jpeg, pictures, second), pictures)


def first_life(crop, noise, draw):
    """What a photo has been through before a face is swapped in: reduced, grainy, coded; a third is as it was.

    Without it every pasted face would be as soft as its photo or softer; a generator's face is often sharper.

    Args:
        crop: float32 ``(batch, size, size, 3)`` in [0, 1]. noise: float32 like it, standard normal.
        draw: ``Uniforms`` of ``FIRST_LIFE_DRAWS`` columns.
    """
    scale = ops.where(draw.happens(0.5), 0.3 * ops.exp(draw.one(0.0, 1.2)), 1.0)
    aged = coarsen(crop, scale)
    strength = ops.where(draw.happens(0.4), draw.one(0.004, 0.03), 0.0)
    aged = ops.clip(aged + noise * picture(strength), 0.0, 1.0)
    aged = smooth_skin(aged, ops.where(draw.happens(0.25), draw.one(0.01, 0.06), 0.0))
    coded = code([aged], draw)
    return where_rows(draw.happens(0.65), coded, [crop])[0]


def edit(pictures, draw):
    """Skin smoothed, sharpened, colours changed: each in some rows."""
    level = ops.where(draw.happens(0.15), draw.one(0.01, 0.06), 0.0)
    pictures = both(smooth_skin, pictures, level)
    amount = ops.where(draw.happens(0.25), draw.one(0.2, 1.8), 0.0)
    pictures = both(sharpen, pictures, amount, draw.one())
    gains = 1.0 + 0.05 * draw.normal(3)
    toned = draw.one(0.75, 1.3), draw.one(-0.08, 0.08), ops.cast(draw.happens(0.06), "float32"), draw.one(0.75, 1.3)
    changed = both(recolour, pictures, gains, *toned)
    return where_rows(draw.happens(0.6), changed, pictures)


def reduce(pictures, noise, draw):
    """Pictures reduced into the upper left part of their canvas, blurred by a lens or by motion, grainy.

    Returns: pictures; scale float32 ``(batch,)``, at most 1; empty pixels above and to the left, two float32
    ``(batch,)``.
    """
    canvas = pictures[0].shape[1]
    scale = ops.where(draw.happens(0.65), 0.3 * ops.exp(draw.one(0.0, 1.2)), 1.0)
    start = ops.floor(draw.one(0.0, 8.0)), ops.floor(draw.one(0.0, 8.0))
    lens = ops.where(draw.happens(0.22), draw.one(0.3, 1.6), 0.0)
    motion = ops.where(draw.happens(0.1), draw.one(0.5, 3.0), 0.0)
    turned = draw.happens(0.5)
    down, across = (
        ops.matmul(gaussian_matrix(canvas, lens + ops.where(turned == (k == 0), motion, 0.0)),
                   reduce_matrix(canvas, scale, start[k]))
        for k in (0, 1)
    )
    pictures = both(apply_separable, pictures, down, across)
    strength = ops.where(draw.happens(0.3), draw.one(0.004, 0.03), 0.0)
    return [ops.clip(image + noise * picture(strength), 0.0, 1.0) for image in pictures], scale, start


def draw_places(canvas, size, draw):
    """Where a crop is read anew: turned, scaled, moved, stretched a little and mirrored in half of the rows.

    Returns: float32 ``(batch, size, size, 2)``, pixels of the canvas.
    """
    turn, zoom, shift = 0.05 * draw.normal(1)[:, 0], ops.exp(0.035 * draw.normal(1)[:, 0]), 0.02 * draw.normal(2)
    stretch = ops.where(draw.happens(0.07), 0.35 * draw.normal(1)[:, 0], 0.02 * draw.normal(1)[:, 0])
    tall, wide = ops.exp(0.5 * stretch) * zoom, ops.exp(-0.5 * stretch) * zoom
    places = (pixel_grid(size)[None] - 0.5) * size
    mirror = ops.where(draw.happens(0.5), -1.0, 1.0)
    x, y = places[..., 0] * (mirror * wide)[:, None, None], places[..., 1] * tall[:, None, None]
    cos, sin = ops.cos(turn)[:, None, None], ops.sin(turn)[:, None, None]
    places = ops.stack([x * cos - y * sin, x * sin + y * cos], axis=-1)
    return places + 0.5 * canvas + canvas * shift[:, None, None]


def age(pictures, masks, points, others, noise, draw, size):
    """All that happens to a photo, and to its fake alike.

    Args:
        pictures: list of float32 ``(batch, canvas, canvas, 3)`` in [0, 1]: the photo and its fake.
        masks: float32 ``(batch, canvas, canvas, 1)``.
        points: float32 ``(batch, 478, 2)``, pixels of the canvas.
        others: float32 like a picture, what covers may show.
        noise: float32 ``(batch, canvas, canvas, 3)``, standard normal.
        draw: ``Uniforms`` of ``AFTERLIFE_DRAWS`` columns. size: pixels of the crop that is read in the end.

    Returns: list of float32 ``(batch, size, size, 3)`` in [0, 1], and masks float32 ``(batch, size, size, 1)``.
    """
    pictures, masks = cover_faces(pictures, masks, points, others, draw)
    pictures, masks = caption(pictures, masks, draw)
    pictures, scale, start = reduce(edit(pictures, draw), noise, draw)
    pictures = code(pictures, draw)
    places = draw_places(pictures[0].shape[1], size, draw)
    offset = ops.stack([start[1], start[0]], axis=-1)[:, None, None]
    read = [sample(image, places * picture(scale) + offset, border="edge") for image in pictures]
    return read, sample(masks, places)
