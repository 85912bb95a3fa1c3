"""Augmentation by the batch, in keras.ops: each op has a ``draw``, which turns uniform numbers into its parameters,
and an ``apply``.

A genuine photo and the fake made from it get the *same* parameters. If post-processing were drawn separately, the
classifier would learn the post-processing instead of the swap. For the same reason either both are turned grey or none.
"""

import math

from keras import ops

from keras_uncover.ops.filters import apply_band, apply_separable, blur, gaussian_matrix, join_channels
from keras_uncover.ops.geometry import invert_transform, pixel_grid, sample, transform_points
from keras_uncover.ops.jpeg import jpeg
from keras_uncover.swaps.steps import as_is, between

# Uniform numbers that one example takes.
POST_DRAWS = 11  # by post_process
DEGRADE_DRAWS = POST_DRAWS + 3  # by degrade
DRAWS = 5 + DEGRADE_DRAWS  # by augment
SOFTEST = 1.0  # the largest deviation of blur, in pixels of a crop of 128
COARSEST = 3.0  # the largest factor of down-sampling
# How far from a pixel down- and up-sampling read: one and a half pixels of the coarsest, and the half pixel that
# rounding its size makes of the picture's side at most.
RESAMPLE_REACH = math.ceil(1.5 * COARSEST + 0.5)


def draw_flip(draws):
    """bool ``(batch,)`` from ``(batch, 1)``: half are mirrored."""
    return draws[:, 0] < 0.5


def apply_flip(images, flip):
    """Mirror left and right where ``flip`` says so. images: ``(batch, height, width, channels)``."""
    return ops.where(flip[:, None, None, None], images[:, :, ::-1], images)


def draw_affine(draws):
    """A small rotation, scale and shift, as an imprecise alignment has: float32 ``(batch, 2, 3)``.

    draws: ``(batch, 4)``. Up to 3 degrees, 4 % of scale and 2 % of the side.
    """
    angle, scale = between(draws[:, 0], -0.05, 0.05), between(draws[:, 1], 0.96, 1.04)
    shift = between(draws[:, 2:4], -0.02, 0.02)
    cos, sin = scale * ops.cos(angle), scale * ops.sin(angle)
    x = 0.5 + shift[:, 0] - 0.5 * (cos - sin)
    y = 0.5 + shift[:, 1] - 0.5 * (sin + cos)
    return ops.stack([ops.stack([cos, -sin, x], -1), ops.stack([sin, cos, y], -1)], -2)


def apply_affine(images, transform):
    """Read images through a transform from new to old unit coordinates, reflected at the border."""
    size = images.shape[1]
    batch = ops.shape(images)[0]
    grid = ops.broadcast_to(ops.reshape(pixel_grid(size), (1, size * size, 2)), (batch, size * size, 2))
    points = ops.reshape(transform_points(transform, grid), (-1, size, size, 2))
    return sample(images, points * size)


def draw_blur(draws, size):
    """Gaussian sigma in pixels, float32 ``(batch,)``; 40 % stay sharp. draws: ``(batch, 2)``."""
    return ops.where(draws[:, 0] < 0.4, 0.0, between(draws[:, 1], 0.0, SOFTEST) * (size / 128))


def draw_resample(draws, size):
    """Pixels a side that a picture was once reduced to, float32 ``(batch,)``, whole numbers; 70 % were not.

    draws: ``(batch, 2)``. The factor is 1 .. 3, uniform.
    """
    factor = between(draws[:, 1], 1.0, COARSEST)
    return ops.where(draws[:, 0] < 0.7, float(size), ops.round(size / factor))


def resample_matrix(size, reduced):
    """Reduce a line of ``size`` pixels to ``reduced`` by area means, and enlarge it back linearly, as one matrix.

    Args:
        size: pixels of the line.
        reduced: float32 ``(batch,)``, whole numbers 1 .. ``size``; ``size`` itself gives the identity.

    Returns: float32 ``(batch, size, size)``, each row sums to 1. The short line is never made, so shapes do not depend
    on ``reduced``.
    """
    axis = ops.arange(size, dtype="float32")
    reduced = ops.cast(reduced, "float32")[:, None, None]
    step = size / reduced
    place = ops.clip((axis[None, :, None] + 0.5) / step - 0.5, 0.0, reduced - 1.0)
    cell = ops.floor(place)
    fraction = place - cell
    # Two pixels of the short line and the share that each place of the long line has in them.
    near, far = (line_shares(axis, (cell + k) * step, step) for k in (0.0, 1.0))
    return near * (1.0 - fraction) + far * fraction


def line_shares(axis, start, step):
    """Weights of the pixels that begin at ``axis`` in the mean from ``start`` to ``start + step``."""
    overlap = ops.minimum(axis + 1.0, start + step) - ops.maximum(axis, start)
    return ops.maximum(overlap, 0.0) / step


def apply_resample(images, reduced):
    """Down-sample square pictures to ``reduced`` pixels a side and enlarge them again; both as matrix products."""
    matrix = resample_matrix(images.shape[1], reduced)
    return apply_separable(images, matrix, matrix)


def draw_colour(draws):
    """Gain, contrast and brightness: float32 ``(batch, 5)`` from ``(batch, 5)`` draws."""
    gain = between(draws[:, :3], 0.92, 1.08)
    contrast = between(draws[:, 3:4], 0.8, 1.2)
    return ops.concatenate([gain, contrast, between(draws[:, 4:5], -0.1, 0.1)], axis=-1)


def apply_colour(images, colour):
    """Per-channel gain, contrast about mid-grey and brightness, clipped to [0, 1]."""
    colour = colour[:, None, None]
    return ops.clip((images * colour[..., :3] - 0.5) * colour[..., 3:4] + 0.5 + colour[..., 4:], 0.0, 1.0)


def draw_noise(draws):
    """Standard deviation of sensor noise, float32 ``(batch,)``; half have none. draws: ``(batch, 2)``."""
    return ops.where(draws[:, 0] < 0.5, 0.0, between(draws[:, 1], 0.0, 0.03))


def apply_noise(images, deviation, noise):
    """Add noise that grows with brightness, as photon noise does, clipped to [0, 1].

    noise: float32, the shape of ``images``, standard normal.
    """
    light = ops.sqrt(0.25 + 0.25 * (images[..., :1] + images[..., 1:2] + images[..., 2:3]))
    return ops.clip(images + noise * light * deviation[:, None, None, None], 0.0, 1.0)


def draw_grey(draws):
    """bool ``(batch,)`` from ``(batch, 1)``: one in twenty is grey."""
    return draws[:, 0] < 0.05


def apply_grey(images, grey):
    """Luma in all three channels (ITU-R BT.601, as in JPEG) where ``grey`` says so."""
    luma = 0.299 * images[..., :1] + 0.587 * images[..., 1:2] + 0.114 * images[..., 2:3]
    return ops.where(grey[:, None, None, None], luma, images)


def draw_quality(draws):
    """JPEG quality 40 .. 100, float32 ``(batch,)``; a quarter is left uncompressed, told by quality 0."""
    return ops.where(draws[:, 0] < 0.25, 0.0, between(draws[:, 1], 40.0, 100.0))


def apply_jpeg(images, quality):
    """JPEG where the quality is not 0."""
    lossy = jpeg(images, ops.maximum(quality, 1.0))
    return ops.where(quality[:, None, None, None] > 0, lossy, images)


def post_process(images, draws, noise):
    """The post-processing of fixed evaluations: softness, colour, sensor noise, JPEG.

    Published evaluations use it, so it must not change. New steps of training belong in ``degrade``.

    Args:
        images: float32 ``(batch, size, size, 3)`` in [0, 1].
        draws: float32 ``(batch, POST_DRAWS)``, uniform.
        noise: float32, the shape of ``images``, standard normal.
    """
    images = blur(images, draw_blur(draws[:, 0:2], images.shape[1]))
    images = apply_colour(images, draw_colour(draws[:, 2:7]))
    images = apply_noise(images, draw_noise(draws[:, 7:9]), noise)
    return apply_jpeg(images, draw_quality(draws[:, 9:11]))


def soften(images, draws):
    """Blur and resampling of ``degrade``, one matrix for both.

    Args:
        images: float32 ``(batch, size, size, 3 n)``; one or two further channels are ignored.
        draws: float32 ``(batch, DEGRADE_DRAWS)``.

    Returns: list of ``n`` float32 ``(batch, size, size, 3)``.
    """
    size = images.shape[1]
    lens = gaussian_matrix(size, draw_blur(draws[:, 0:2], size))
    matrix = ops.matmul(resample_matrix(size, draw_resample(draws[:, 11:13], size)), lens)
    # Beyond 5.5 deviations a Gaussian weighs less than float32 tells apart.
    reach = math.ceil(5.5 * SOFTEST * size / 128) + RESAMPLE_REACH
    images = apply_band(images[..., : images.shape[-1] // 3 * 3], matrix, reach)
    return [images[..., k : k + 3] for k in range(0, images.shape[-1], 3)]


def expose(images, draws, noise):
    """Colour, sensor noise and grey of ``degrade``. A grey photo's noise is grey, so grey comes after it."""
    images = apply_colour(images, draw_colour(draws[:, 2:7]))
    images = apply_noise(images, draw_noise(draws[:, 7:9]), noise)
    return apply_grey(images, draw_grey(draws[:, 13:14]))


def degrade(images, draws, noise, stage=as_is):
    """The degradations of training: blur, resampling, colour, noise, grey, JPEG.

    Args:
        images: float32 ``(batch, size, size, 3 n)`` in [0, 1]: ``n`` pictures of an example, all treated alike; one or
            two further channels are ignored.
        draws: float32 ``(batch, DEGRADE_DRAWS)``, uniform; the first ``POST_DRAWS`` are those of ``post_process``.
        noise: float32 ``(batch, size, size, 3)``, standard normal.
        stage: as in ``make_swaps``.

    Returns: list of ``n`` float32 ``(batch, size, size, 3)`` in [0, 1].
    """
    pictures = [stage(expose)(picture, draws, noise) for picture in stage(soften)(images, draws)]
    return [stage(apply_jpeg)(picture, draw_quality(draws[:, 9:11])) for picture in pictures]


def move(pictures, flip, transform):
    """Mirror and move a list of pictures by one gather: float32, their channels side by side."""
    mirrored = ops.stack([ops.concatenate([-transform[:, 0, :2], 1.0 - transform[:, 0, 2:]], -1), transform[:, 1]], 1)
    return apply_affine(join_channels(pictures), ops.where(flip[:, None, None], mirrored, transform))


def last_channel(images):
    """``(..., channels)`` to ``(..., 1)``."""
    return images[..., -1:]


def augment(swap, draws, noise, stage=as_is):
    """Augment a batch of ``make_swaps``: input, target, mask, donor and flow stay in register.

    Args:
        swap: dict as ``make_swaps`` returns it.
        draws: float32 ``(batch, DRAWS)``, uniform in [0, 1).
        noise: float32 ``(batch, size, size, 3)``, standard normal.
        stage: as in ``make_swaps``.

    Returns: a new dict of the same keys. The donor's truth is mirrored with the other pictures and is not degraded.
    """
    flip, transform = draw_flip(draws[:, 0:1]), draw_affine(draws[:, 1:5])
    stack = stage(move)([swap["input"], swap["target"], swap["mask"]], flip, transform)
    result = dict(swap)
    result["input"], result["target"] = degrade(stack, draws[:, 5:], noise, stage)
    result["mask"] = stage(last_channel)(stack)
    result["donor"], result["donor_hull"] = (stage(apply_flip)(swap[key], flip) for key in ("donor", "donor_hull"))
    result["flow"] = stage(move_flow)(swap["flow"], flip, transform)
    return result


def move_flow(flow, flip, transform):
    """The flow of pictures that are mirrored and then moved: a mirrored grid of mirrored and moved places."""
    size = flow.shape[1]
    flow = apply_flip(flow, flip)
    x = ops.where(flip[:, None, None], 1.0 - flow[..., 0], flow[..., 0])
    points = ops.reshape(ops.stack([x, flow[..., 1]], axis=-1), (-1, size * size, 2))
    points = transform_points(invert_transform(transform), points)
    return ops.concatenate([ops.reshape(points, (-1, size, size, 2)), flow[..., 2:]], axis=-1)
