"""Face swaps made by the batch, with exact truth: one gather a swap, in keras.ops.

The same function runs inside ``Dataset.map``, on the accelerator and in the re-swap check. It draws nothing itself:
all chance comes in as uniform numbers, so a swap is a pure function of its records and its draws.

Families:
    ``mesh``: the donor's texture through the target's uv map; the target keeps its shape.
    ``affine``: the donor's crop moved by the best affine transform; the donor keeps its shape.
    ``self``: the target's own texture, displaced and recoloured; nobody else is in the picture, so no donor is to find.
"""

import functools

import numpy as np
from keras import ops

from keras_uncover.colour import match_moments, oklab_to_rgb, rgb_to_oklab
from keras_uncover.filters import blur
from keras_uncover.geometry import fit_affine, invert_transform, pixel_grid, sample, transform_points
from keras_uncover.mesh import texture_table

FAMILIES = ("mesh", "affine", "self")
GREY = 0.5  # the colour outside of a donor's face
DRAWS = 18  # uniform numbers that one swap takes


def as_is(function):
    """The stage that changes nothing."""
    return function


def between(draws, low, high):
    """Uniform numbers in [0, 1) stretched to [low, high)."""
    return low + (high - low) * draws


def choose_family(draw, shares):
    """Family number by cumulated shares. draw: float32 ``(batch,)``; returns int32 ``(batch,)``."""
    parts = np.asarray([shares.get(name, 0.0) for name in FAMILIES], "float32")
    if not set(shares) <= set(FAMILIES) or not parts.sum() > 0 or (parts < 0).any():
        raise ValueError(
            f"Family shares must be for {FAMILIES}, none negative and at least one positive; received {shares}."
        )
    edges = (np.cumsum(parts) / parts.sum())[:-1]
    return ops.sum(ops.cast(draw[:, None] >= edges[None], "int32"), axis=-1)


def jitter_uv(uv, draws):
    """Displace a uv map by a small affine transform about its centre: what a careless self-blend leaves.

    draws: float32 ``(batch, 4)``.
    """
    scale = between(draws[:, 0], 0.94, 1.06)
    angle = between(draws[:, 1], -0.05, 0.05)
    shift = between(draws[:, 2:4], -0.025, 0.025)
    cos, sin = scale * ops.cos(angle), scale * ops.sin(angle)
    linear = ops.stack([ops.stack([cos, -sin], -1), ops.stack([sin, cos], -1)], -2)
    centred = ops.reshape(uv, (-1, uv.shape[1] * uv.shape[2], 2)) - 0.5
    moved = ops.matmul(centred, ops.swapaxes(linear, -1, -2)) + 0.5 + shift[:, None]
    return ops.reshape(moved, (-1, *uv.shape[1:]))


def shape_mask(hull, uv, draws, plain):
    """A soft mask inside the hull: feathered, eroded, sometimes only a part of the face.

    Args:
        hull: float32 ``(batch, size, size, 1)``.
        uv: float32 ``(batch, size, size, 2)``.
        draws: float32 ``(batch, 5)``.
        plain: whole hull, little feather.

    Returns: float32 ``(batch, size, size, 1)`` in [0, 1], 0 outside of the hull.
    """
    size = hull.shape[1]
    angle = 2 * np.pi * draws[:, 0]
    normal = ops.stack([ops.cos(angle), ops.sin(angle)], axis=-1)[:, None, None]
    reach = between(draws[:, 1], 0.08, 0.3)[:, None, None, None]
    middle = np.array([0.5, 0.54], "float32")  # of the mean face
    part = ops.cast(ops.sum((uv - middle) * normal, axis=-1, keepdims=True) < reach, "float32")
    whole = ops.ones_like(draws[:, 2]) if plain else ops.cast(draws[:, 2] < 0.75, "float32")
    whole = whole[:, None, None, None]
    region = hull * ops.maximum(whole, part)
    sigma = between(draws[:, 3], 0.004, 0.012 if plain else 0.035) * size
    erosion = 0.5 if plain else between(draws[:, 4], 0.5, 0.7)[:, None, None, None]
    # Blurred, the region's edge is at one half: keeping what is above one half feathers inwards only.
    return ops.clip((blur(region, sigma) - erosion) / (0.95 - erosion), 0.0, 1.0) * region


def aim(target, donor, family, draws):
    """What to read a pasted face from, and where.

    Returns: colour and coverage float32 ``(batch, size, size, 4)``, and the place in it, in pixels, that each pixel of
    the target's crop takes its colour from, float32 ``(batch, size, size, 2)``.
    """
    size = target["crop"].shape[1]
    affine, own = (ops.reshape(ops.equal(family, k), (-1, 1, 1, 1)) for k in (1, 2))
    transform = fit_affine(target["points"][..., :2], donor["points"][..., :2])
    batch = ops.shape(transform)[0]
    grid = ops.broadcast_to(ops.reshape(pixel_grid(size), (1, size * size, 2)), (batch, size * size, 2))
    moved = ops.reshape(transform_points(transform, grid), (-1, size, size, 2))
    places = ops.where(affine, moved, ops.where(own, jitter_uv(target["uv"], draws), target["uv"]))
    pixels = ops.where(affine, donor["crop"], ops.where(own, target["texture"], donor["texture"]))
    cover = ops.where(affine, donor["hull"], ops.ones_like(donor["hull"]))
    return ops.concatenate([pixels, cover], axis=-1), places * size


def donor_pixels(target, donor, family, draws, stage=as_is):
    """What is pasted, in the target's crop: one gather whatever the family.

    Returns: pixels float32 ``(batch, size, size, 3)``, coverage float32 ``(batch, size, size, 1)``: 0 where the donor
    has no face.
    """
    read = stage(sample)(*stage(aim)(target, donor, family, draws))
    return read[..., :3], ops.cast(read[..., 3:] > 0.5, "float32")


def recolour(pixels, target, mask, family, draws, stage=as_is):
    """Colour the pasted face like the target's, or not at all (one in six), and never quite exactly.

    draws: float32 ``(batch, 4)``.
    """
    lab, target_lab = stage(rgb_to_oklab)(pixels), stage(rgb_to_oklab)(target)
    return stage(finish_colours)(pixels, stage(match_moments)(lab, target_lab, mask), family, draws)


def finish_colours(pixels, matched, family, draws):
    """Choose between pixels and their matched Oklab colours, and set the gain."""
    plain = ops.logical_or(draws[:, 0] < 1 / 6, ops.equal(family, 2))
    pixels = ops.where(plain[:, None, None, None], pixels, oklab_to_rgb(matched))
    reach = ops.where(ops.equal(family, 2), 0.12, 0.04)[:, None]
    gain = 1.0 + between(draws[:, 1:4], -1.0, 1.0) * reach
    return ops.clip(pixels * gain[:, None, None], 0.0, 1.0)


def centre_of_cells(images, size):
    """Mean of the four pixels around each cell's centre, where a picture is divided into ``size x size`` cells."""
    step = images.shape[1] // size
    low, high = step // 2 - 1, step // 2
    return 0.25 * sum(images[:, y::step, x::step] for y in (low, high) for x in (low, high))


def true_flow(target, donor, family, size):
    """Where in the fake each place of the donor's own crop can be seen.

    Args:
        size: pixels of the flow's side; it is smooth, so coarser than the crop.

    Returns: float32 ``(batch, size, size, 3)``: x and y in unit coordinates of the fake, and 1 where they are known
    (inside the donor's face), else 0.
    """
    uv, hull = centre_of_cells(donor["uv"], size), centre_of_cells(donor["hull"], size)
    vertices, weights, _ = texture_table(size)
    corners = ops.take(target["points"][..., :2], ops.convert_to_tensor(vertices), axis=1)
    places = ops.sum(corners * ops.convert_to_tensor(weights)[None, ..., None], axis=-2)
    through_mesh = sample(places, uv * size, border="edge")
    # The inverse of the fit that donor_pixels reads through: a fit the other way round is another transform.
    back = invert_transform(fit_affine(target["points"][..., :2], donor["points"][..., :2]))
    grid = ops.broadcast_to(ops.reshape(pixel_grid(size), (1, -1, 2)), (ops.shape(back)[0], size * size, 2))
    through_affine = ops.reshape(transform_points(back, grid), (-1, size, size, 2))
    flow = ops.where(ops.reshape(ops.equal(family, 1), (-1, 1, 1, 1)), through_affine, through_mesh)
    return ops.concatenate([flow, ops.cast(hull > 0.99, "float32")], axis=-1)


def neutral_outside(crop, hull):
    """A donor's truth: the face on grey. crop ``(..., 3)``, hull ``(..., 1)``, float32 in [0, 1]."""
    return crop * hull + GREY * (1.0 - hull)


def paste(target, pixels, mask, draws, plain):
    """Blend softened pixels into the target's crop: the fake, and the strength ``(batch,)``. draws: ``(batch, 3)``."""
    # Half of the swaps are softer than their photo: face generators rarely work at a photo's resolution.
    softness = ops.maximum(between(draws[:, 0], -0.8, 0.8), 0.0) * (target.shape[1] / 128)
    pixels = blur(pixels, softness)
    strength = ops.ones_like(draws[:, 1])
    if not plain:
        strength = ops.where(draws[:, 1] < 0.7, 1.0, between(draws[:, 2], 0.5, 1.0))
    weight = mask * strength[:, None, None, None]
    return target * (1.0 - weight) + pixels * weight, strength


def make_swaps(target, donor, draws, shares, plain=False, stage=as_is):
    """Swap the faces of a batch.

    Args:
        target, donor: dicts of float32 arrays, one record a row: ``crop`` and ``texture`` ``(batch, size, size, 3)``,
            ``uv`` ``(batch, size, size, 2)``, ``hull`` ``(batch, size, size, 1)``, ``points`` ``(batch, 468, 3)`` in
            unit coordinates of the crop.
        draws: float32 ``(batch, DRAWS)``, uniform in [0, 1).
        shares: dict, family name to its share of the batch.
        plain: full-strength swaps of the whole face with a narrow feather: the headline of an evaluation.
        stage: wraps every step, for instance to compile each apart: as one program, XLA works out again for every
            reader what several read, and a batch takes twice as long on a CPU.

    Returns: dict of float32 arrays: ``input`` (the fake), ``target``, ``donor`` ``(batch, size, size, 3)``;
    ``mask`` ``(batch, size, size, 1)``, the region before strength; ``donor_hull``; ``flow``
    ``(batch, size / 4, size / 4, 3)``; ``has_donor`` and ``strength`` ``(batch,)``; ``family`` int32 ``(batch,)``.
    """
    if draws.shape[-1] != DRAWS:
        raise ValueError(f"draws must have {DRAWS} columns; received shape {tuple(draws.shape)}.")
    family = choose_family(draws[:, 0], shares)
    pixels, cover = donor_pixels(target, donor, family, draws[:, 1:5], stage)
    shape = stage(functools.partial(shape_mask, plain=plain))
    mask = shape(target["hull"] * cover, target["uv"], draws[:, 5:10])
    pixels = recolour(pixels, target["crop"], mask, family, draws[:, 10:14], stage)
    blend = stage(functools.partial(paste, plain=plain))
    fake, strength = blend(target["crop"], pixels, mask, draws[:, 14:17])
    has_donor = ops.cast(ops.not_equal(family, 2), "float32")
    return {
        "input": fake,
        "target": target["crop"],
        "donor": stage(neutral_outside)(donor["crop"], donor["hull"]),
        "mask": mask,
        "donor_hull": donor["hull"],
        "flow": stage(functools.partial(true_flow, size=target["crop"].shape[1] // 4))(target, donor, family),
        "has_donor": has_donor,
        "strength": strength,
        "family": family,
    }
