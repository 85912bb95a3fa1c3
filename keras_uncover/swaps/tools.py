"""Swaps that imitate what real tools do to pixels, by the batch, in keras.ops.

Families, drawn by row: ``self`` (the same photo, one copy moved, recoloured, sharpened or softened), ``cross`` (another
person's face, warped, with matched colours), ``neural`` (a face, of the same or another person, made again at a few
pixels and pasted into the untouched photo by the mask of a tool). ``enhanced`` is a second, larger square that a face
restorer has sharpened, on top of either. Masks: box, ellipse, outline, part; blending: soft, in bands, Poisson.
"""

import numpy as np
from keras import ops

from keras_uncover.ops.colour import oklab_to_rgb, rgb_to_oklab
from keras_uncover.ops.filters import blur_all
from keras_uncover.ops.geometry import pixel_grid, sample
from keras_uncover.swaps.detail import coarsen, sharpen, smooth_skin
from keras_uncover.swaps.draws import picture
from keras_uncover.swaps.tool_colours import leave_difference, match_as_tools
from keras_uncover.swaps.tool_masks import (
    HARMONICS,
    box_mask,
    cut_part,
    ellipse_mask,
    outline_mask,
    template_square,
)
from keras_uncover.swaps.warps import aim_donor, eye_distance, jitter_field

FAMILIES = ("self", "cross", "neural")
SELF, CROSS, NEURAL = range(3)
IMITATION_DRAWS = 125  # uniform numbers a row
SIDES, SIDE_WEIGHTS = (1.9, 2.25, 3.0, 3.18, 3.44, 3.63, 3.74, 4.07), (4, 8, 14, 10, 18, 24, 8, 14)
PIXELS, PIXEL_WEIGHTS = (64, 96, 128, 224, 256, 512), (3, 5, 36, 16, 32, 8)
BENDS = np.tile(1.0 / np.arange(1, HARMONICS + 1), 2)[None].astype("float32")  # the finer a wave, the lower


def choose_rows(condition, chosen, other):
    """Rows of ``chosen`` where a bool ``(batch,)`` is true, else of ``other``; both batch first."""
    shape = (-1,) + (1,) * (len(chosen.shape) - 1)
    return ops.where(ops.reshape(condition, shape), chosen, other)


def read_face(target, donor, family, draw):
    """The face that will be pasted, in the target's crop, before colours.

    Returns: float32 ``(batch, size, size, 3)``, and bool ``(batch,)``: whether it is another person's.
    """
    size = target["crop"].shape[1]
    keep = ops.where(draw.happens(0.3), draw.one(0.2, 1.0), draw.one(0.0, 0.1))
    crossed = aim_donor(target["points"], donor["points"], keep, size)
    moved = jitter_field(target["points"], draw, size)
    own_neural = draw.happens(0.35)
    other = (family == CROSS) | ((family == NEURAL) & ~own_neural)
    still = (family == NEURAL) & own_neural
    field = choose_rows(other, crossed, choose_rows(still, 0.15 * moved, moved))
    source = choose_rows(other, donor["crop"], target["crop"])
    places = (pixel_grid(size) * size)[None] + field
    return sample(source, places), other


def colour_face(face, target, hull, other, draw):
    """Match another person's colours to the photo; shift those of the same person's a little."""
    lab, goal = rgb_to_oklab(face), rgb_to_oklab(target)
    matched = match_as_tools(lab, goal, hull, draw)
    gain = 1.0 + picture(0.03 * draw.normal(1)[:, 0])
    own = lab * gain + 1.3 * leave_difference(draw, 0.75)
    return oklab_to_rgb(choose_rows(other, matched, own))


def work_over(face, scale, painted, draw):
    """What a generator leaves of a face: painted again or resampled, then smoothed and sharpened or neither.

    Args:
        face: float32 ``(batch, size, size, 3)``. scale: float32 ``(batch,)``, its pixels over ours, at most 1.
        painted: function that paints pictures again at two levels of detail, or None.
    """
    again = coarsen(face, scale)
    if painted is not None:
        fine, coarse = painted(face)
        drawn = choose_rows(scale > 0.75, fine, coarse)
        again = choose_rows(draw.happens(0.45), drawn, again)
    else:
        draw.happens(0.45)
    level = ops.where(draw.happens(0.4), draw.one(0.01, 0.07), 0.0)
    again = smooth_skin(again, level)
    amount = ops.where(draw.happens(0.55), draw.one(0.2, 2.2), 0.0)
    return sharpen(again, amount, draw.one())


def finish_face(face, family, length, painted, draw):
    """What a tool leaves of a face's detail: a neural one is worked over, another in 30 % of the rows.

    Args:
        face: float32 ``(batch, size, size, 3)``. family: int32 ``(batch,)``. length: float32 ``(batch,)``, pixels of
            the side of the tool's square.
        painted: as for ``imitate``.
    """
    scale = ops.minimum(draw.choose(PIXELS, PIXEL_WEIGHTS) / length * draw.one(0.8, 1.0), 1.0)
    worked = work_over(face, scale, painted, draw)
    plain = sharpen(face, draw.one(-0.7, 1.2), draw.one())
    return choose_rows((family == NEURAL) | draw.happens(0.3), worked, choose_rows(draw.happens(0.6), plain, face))


def draw_mask(points, square, length, boxed, draw, size):
    """The mask of a tool: a box, an ellipse, or the face's outline or part of it.

    Args:
        points: float32 ``(batch, 478, 2)``. square: float32 ``(batch, 4)``. length: its side in pixels.
        boxed: bool ``(batch,)``: square or ellipse rather than outline.
    """
    distance, _ = eye_distance(points)
    inset = (length * draw.one(0.035, 0.09))[:, None] * ops.ones((1, 4))
    fixed = length[:, None] * ops.convert_to_tensor([[0.125, 0.30, 0.125, 0.06]])
    inset = choose_rows(draw.happens(0.12), fixed, inset)
    box = box_mask(square, inset, length * draw.one(0.01, 0.045), size)
    ellipse = ellipse_mask(square, length * draw.one(0.04, 0.1), size)
    box = choose_rows(draw.happens(0.2), ellipse, box)
    top = ops.where(draw.happens(0.5), draw.one(0.35, 0.7), draw.one(0.7, 1.05))
    grow = distance * draw.one(-0.2, 0.1)
    bend = draw.normal(2 * HARMONICS) * ops.where(draw.happens(0.5), draw.one(0.0, 0.06), 0.0)[:, None] * BENDS
    sigma = distance * ops.where(draw.happens(0.7), draw.one(0.02, 0.16), draw.one(0.16, 0.32))
    outline = outline_mask(points, top, grow - 0.8 * sigma, bend, sigma, size)
    part = cut_part(points, draw, size)
    outline = choose_rows(draw.happens(0.2), outline * part, outline)
    return choose_rows(boxed, box, outline)


def blend_bands(target, face, mask):
    """Blend in bands of detail, each with a mask as soft as the band is coarse: no seam is left.

    The photo changes a little outside of the mask, too, as far as the softest mask reaches.

    Args:
        target, face: float32 ``(batch, size, size, 3)``. mask: float32 ``(batch, size, size, 1)``.
    """
    result, previous = target, face - target
    for sigma, width in ((1.5, 1.0), (4.0, 3.0), (10.0, 8.0)):
        low = blur_all(previous, sigma)
        result = result + blur_all(mask, width) * (previous - low)
        previous = low
    return ops.clip(result + blur_all(mask, 16.0) * mask * previous, 0.0, 1.0)


def blend_poisson(target, face, mask):
    """Keep the face's gradients and the photo's colours at the border, near enough.

    The correction that a Poisson equation asks for is smooth inside and known outside; it is filled in from coarse to
    fine by normalised blurs of the difference around the mask. Arguments are those of ``blend_bands``.
    """
    outside = 1.0 - ops.clip(2.0 * mask, 0.0, 1.0)
    ring = outside * ops.clip(blur_all(mask, 6.0) * 12.0, 0.0, 1.0) + 1e-5
    difference = (target - face) * ring
    correction = 0.0
    for sigma in (40.0, 16.0, 6.0, 2.5):
        weight = blur_all(ring, sigma)
        trust = ops.clip(weight * 4.0, 0.0, 1.0) if sigma < 40.0 else 1.0
        correction = trust * blur_all(difference, sigma) / (weight + 1e-6) + (1.0 - trust) * correction
    pasted = ops.clip(face + correction, 0.0, 1.0)
    return target + ops.clip(1.4 * mask, 0.0, 1.0) * (pasted - target)


def paste(crop, face, mask, family, draw):
    """Blend a face into a photo: softly in 70 % of the rows, in bands or by Poisson in 15 % each.

    Some copies of the photo's own face are pasted at less than their full strength.

    Args:
        crop, face: float32 ``(batch, size, size, 3)``. mask: float32 ``(batch, size, size, 1)``. family: int32
            ``(batch,)``.
    """
    soft = crop + mask * (face - crop)
    way = draw.one()
    seamless = choose_rows(way < 0.85, blend_bands(crop, face, mask), blend_poisson(crop, face, mask))
    fake = choose_rows(way < 0.7, soft, seamless)
    strength = ops.where((family == SELF) & draw.happens(0.4), draw.one(0.3, 1.0), 1.0)
    return crop + picture(strength) * (fake - crop)


def enhance(fake, points, draw):
    """A face restorer's second square: smoothed, sharpened and laid over a larger region.

    Returns: the pictures and its region, float32 ``(batch, size, size, 1)``.
    """
    size = fake.shape[1]
    distance, _ = eye_distance(points)
    length = 4.07 * distance
    square = template_square(points, ops.full_like(distance, 4.07))
    inset = (0.05 * length)[:, None] * ops.ones((1, 4))
    mask = box_mask(square, inset, length * draw.one(0.016, 0.03), size)
    even = ops.zeros((fake.shape[0], 2 * HARMONICS))
    hull = outline_mask(points, ops.ones_like(distance), 0.08 * distance, even, 0.12 * distance, size)
    mask = choose_rows(draw.happens(0.5), mask * hull, mask)
    restored = sharpen(smooth_skin(fake, draw.one(0.02, 0.07)), draw.one(0.5, 2.2), draw.one())
    mask = mask * picture(draw.one(0.5, 1.0))
    return fake + mask * (restored - fake), mask


def imitate(target, donor, draw, shares, painted=None):
    """Make one swap a row.

    Args:
        target, donor: dicts of ``crop`` float32 ``(batch, size, size, 3)`` in [0, 1] and ``points`` float32
            ``(batch, 478, 2)`` in pixels of it.
        draw: ``Uniforms`` of ``IMITATION_DRAWS`` columns.
        shares: shares of ``FAMILIES``, three numbers that sum to 1, Python's or the backend's.
        painted: function of pictures to the same painted again finely and coarsely, by generators; or None.

    Returns: dict of ``fake`` float32 like ``crop``, ``mask`` float32 ``(batch, size, size, 1)``, the region before
    strength, and ``family`` int32 ``(batch,)``.
    """
    crop, points, size = target["crop"], target["points"], target["crop"].shape[1]
    lot = draw.one()
    family = ops.cast(lot >= shares[0], "int32") + ops.cast(lot >= shares[0] + shares[1], "int32")
    distance, _ = eye_distance(points)
    face, other = read_face(target, donor, family, draw)
    bare = ops.zeros((crop.shape[0], 2 * HARMONICS))
    hull = outline_mask(points, ops.full_like(distance, 0.95), -0.02 * distance, bare, 0.1 * distance, size)
    face = colour_face(face, crop, hull, other, draw)

    side = draw.choose(SIDES, SIDE_WEIGHTS)
    square, length = template_square(points, side), side * distance
    shift = 0.02 * length[:, None] * draw.normal(2)
    square = square + ops.concatenate([shift, shift], axis=-1)
    boxed = (family == NEURAL) & draw.happens(0.6) | (family == SELF) & draw.happens(0.15)
    # Around the face a generator paints the photo's own hair and background again.
    face = choose_rows(boxed & other, hull * face + (1.0 - hull) * crop, face)
    face = finish_face(face, family, length, painted, draw)

    mask = draw_mask(points, square, length, boxed, draw, size)
    fake = paste(crop, face, mask, family, draw)
    better, region = enhance(fake, points, draw)
    restored = (family != SELF) & draw.happens(0.22)
    fake = choose_rows(restored, better, fake)
    mask = choose_rows(restored, ops.maximum(mask, region), mask)
    return {"fake": ops.clip(fake, 0.0, 1.0), "mask": ops.clip(mask, 0.0, 1.0), "family": family}
