"""What is pasted: the donor's pixels in the target's crop, read by one gather and coloured like the target."""

from keras import ops

from keras_uncover.ops.colour import (
    Curve,
    apply_curve,
    match_line,
    match_quantiles,
    oklab_to_rgb,
    rgb_to_oklab,
    thin_out,
)
from keras_uncover.ops.geometry import fit_affine, pixel_grid, sample, transform_points
from keras_uncover.swaps.families import AFFINE, SELF
from keras_uncover.swaps.steps import as_is, between

JITTER_DRAWS = 4  # uniform numbers by jitter_uv
COLOUR_DRAWS = 4  # by recolour


def is_family(family, number):
    """Rows of one family as bool ``(batch, 1, 1, 1)``."""
    return ops.equal(family, number)[:, None, None, None]


def jitter_uv(uv, draws):
    """Displace a uv map by a small affine transform about its centre: the error of an imprecise self-blend.

    draws: float32 ``(batch, JITTER_DRAWS)``.
    """
    scale = between(draws[:, 0], 0.94, 1.06)
    angle = between(draws[:, 1], -0.05, 0.05)
    shift = between(draws[:, 2:4], -0.025, 0.025)
    cos, sin = scale * ops.cos(angle), scale * ops.sin(angle)
    linear = ops.stack([ops.stack([cos, -sin], -1), ops.stack([sin, cos], -1)], -2)
    centred = ops.reshape(uv, (-1, uv.shape[1] * uv.shape[2], 2)) - 0.5
    moved = ops.matmul(centred, ops.swapaxes(linear, -1, -2)) + 0.5 + shift[:, None]
    return ops.reshape(moved, (-1, *uv.shape[1:]))


def read_mesh(target, donor, draws):
    """The donor's texture through the target's uv map."""
    return donor["texture"], ops.ones_like(donor["hull"]), target["uv"]


def read_own(target, donor, draws):
    """The target's own texture, a little displaced."""
    return target["texture"], ops.ones_like(target["hull"]), jitter_uv(target["uv"], draws)


def read_affine(target, donor, draws):
    """The donor's crop, moved by the affine transform that fits the target's landmarks best."""
    size = target["crop"].shape[1]
    transform = fit_affine(target["points"][..., :2], donor["points"][..., :2])
    grid = ops.reshape(pixel_grid(size), (1, size * size, 2))
    grid = ops.broadcast_to(grid, (ops.shape(transform)[0], size * size, 2))
    return donor["crop"], donor["hull"], ops.reshape(transform_points(transform, grid), (-1, size, size, 2))


# Family to what it reads; families that are not named here read as mesh does. Each is a function of target, donor and
# draws to pixels (batch, size, size, 3), coverage (batch, size, size, 1), and for every pixel of the target's crop the
# place in these that it is read from, (batch, size, size, 2) in unit coordinates.
SOURCES = {SELF: read_own, AFFINE: read_affine}


def aim(target, donor, family, draws):
    """What to read a pasted face from, and where.

    Returns: colour and coverage float32 ``(batch, size, size, 4)``, and the place in it, in pixels, that each pixel of
    the target's crop takes its colour from, float32 ``(batch, size, size, 2)``.
    """
    chosen = read_mesh(target, donor, draws)
    for number, read in SOURCES.items():
        here = is_family(family, number)
        chosen = [ops.where(here, new, old) for new, old in zip(read(target, donor, draws), chosen)]
    pixels, cover, places = chosen
    return ops.concatenate([pixels, cover], axis=-1), places * target["crop"].shape[1]


def donor_pixels(target, donor, family, draws, stage=as_is):
    """What is pasted, in the target's crop: one gather whatever the family.

    Returns: pixels float32 ``(batch, size, size, 3)``, coverage float32 ``(batch, size, size, 1)``: 0 where the donor
    has no face. An ``affine`` donor covers its own face, any other the target's hull, where the uv map is known.
    """
    read = stage(sample)(*stage(aim)(target, donor, family, draws))
    cover = ops.cast(read[..., 3:] > 0.5, "float32")
    return read[..., :3], ops.where(is_family(family, AFFINE), cover, target["hull"])


def recolour(pixels, target, mask, family, draws, histogram=None, stage=as_is):
    """Match the pasted face's colours to the target's, up to a random gain; one face in six is not matched.

    Args:
        pixels, target: float32 ``(batch, size, size, 3)`` in [0, 1].
        mask: float32 ``(batch, size, size, 1)``, where colours are compared.
        family: int32 ``(batch,)``; ``self`` is never matched, but its gain varies more.
        draws: float32 ``(batch, COLOUR_DRAWS)``: whether, and the gain.
        histogram: float32 ``(batch,)``, uniform: the lower half of what is matched is matched by histogram, the rest
            by mean and deviation; None for all by mean and deviation, taken over all pixels.
    """
    if histogram is None:
        lab, target_lab = stage(rgb_to_oklab)(pixels), stage(rgb_to_oklab)(target)
        return stage(finish_colours)(pixels, stage(match_line)(lab, target_lab, mask), family, draws)
    return stage(finish_colours)(pixels, stage(compare_colours)(pixels, target, mask, histogram), family, draws)


def compare_colours(pixels, target, mask, draw):
    """From thinned pictures, the ``Curve`` in Oklab by histogram where the draw is below one half, else the line."""
    pixels, target, mask = (thin_out(x) for x in (pixels, target, mask))
    lab, target_lab = rgb_to_oklab(pixels), rgb_to_oklab(target)
    line, curve = match_line(lab, target_lab, mask), match_quantiles(lab, target_lab, mask)
    bent = (draw < 0.5)[:, None, None, None]
    bends = tuple((knot, ops.where(bent, bend, 0.0)) for knot, bend in curve.bends)
    return Curve(ops.where(bent, curve.gain, line.gain), ops.where(bent, curve.offset, line.offset), bends)


def finish_colours(pixels, curve, family, draws):
    """Choose between pixels and their colours after a curve in Oklab, and set the gain."""
    own = ops.equal(family, SELF)
    plain = ops.logical_or(draws[:, 0] < 1 / 6, own)[:, None, None, None]
    pixels = ops.where(plain, pixels, oklab_to_rgb(apply_curve(rgb_to_oklab(pixels), curve)))
    reach = ops.where(own, 0.12, 0.04)[:, None]
    gain = 1.0 + between(draws[:, 1:4], -1.0, 1.0) * reach
    return ops.clip(pixels * gain[:, None, None], 0.0, 1.0)
