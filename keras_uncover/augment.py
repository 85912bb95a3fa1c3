"""Augmentation by the batch, in keras.ops: each op has a ``draw``, which turns uniform numbers into its parameters,
and an ``apply``.

A genuine photo and the fake made from it get the *same* parameters: were post-processing drawn apart, the classifier
would learn the post-processing instead of the swap.
"""

from keras import ops

from keras_uncover.filters import blur
from keras_uncover.geometry import invert_transform, pixel_grid, sample, transform_points
from keras_uncover.jpeg import jpeg
from keras_uncover.swaps import between

DRAWS = 16  # uniform numbers that one example takes


def draw_flip(draws):
    """bool ``(batch,)`` from ``(batch, 1)``: half are mirrored."""
    return draws[:, 0] < 0.5


def apply_flip(images, flip):
    """Mirror left and right where ``flip`` says so. images: ``(batch, height, width, channels)``."""
    return ops.where(flip[:, None, None, None], images[:, :, ::-1], images)


def draw_affine(draws):
    """A small turn, scale and shift, as a crop found a little differently would have: float32 ``(batch, 2, 3)``.

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
    return ops.where(draws[:, 0] < 0.4, 0.0, between(draws[:, 1], 0.0, 1.0) * (size / 128))


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
    """Add noise that is stronger in the light, as photon noise is, clipped to [0, 1].

    noise: float32, the shape of ``images``, standard normal.
    """
    light = ops.sqrt(0.25 + 0.75 * ops.mean(images, axis=-1, keepdims=True))
    return ops.clip(images + noise * light * deviation[:, None, None, None], 0.0, 1.0)


def draw_quality(draws):
    """JPEG quality 40 .. 100, float32 ``(batch,)``; a quarter is left uncompressed, told by quality 0."""
    return ops.where(draws[:, 0] < 0.25, 0.0, between(draws[:, 1], 40.0, 100.0))


def apply_jpeg(images, quality):
    """JPEG where the quality is not 0."""
    lossy = jpeg(images, ops.maximum(quality, 1.0))
    return ops.where(quality[:, None, None, None] > 0, lossy, images)


def post_process(images, draws, noise):
    """What happens to a photo on its way to us: softness, colour, sensor noise, JPEG.

    Args:
        images: float32 ``(batch, size, size, 3)`` in [0, 1].
        draws: float32 ``(batch, 11)``, uniform.
        noise: float32, the shape of ``images``, standard normal.
    """
    images = blur(images, draw_blur(draws[:, 0:2], images.shape[1]))
    images = apply_colour(images, draw_colour(draws[:, 2:7]))
    images = apply_noise(images, draw_noise(draws[:, 7:9]), noise)
    return apply_jpeg(images, draw_quality(draws[:, 9:11]))


def augment(swap, draws, noise):
    """Augment a batch of ``make_swaps``: input, target, mask, donor and flow stay in register.

    Args:
        swap: dict as ``make_swaps`` returns it.
        draws: float32 ``(batch, DRAWS)``, uniform in [0, 1).
        noise: float32 ``(batch, size, size, 3)``, standard normal.

    Returns: a new dict of the same keys. The donor's truth is mirrored with the rest and otherwise left clean.
    """
    flip, transform = draw_flip(draws[:, 0:1]), draw_affine(draws[:, 1:5])
    stack = ops.concatenate([swap["input"], swap["target"], swap["mask"]], axis=-1)
    stack = apply_affine(apply_flip(stack, flip), transform)
    result = dict(swap)
    result["input"] = post_process(stack[..., :3], draws[:, 5:], noise)
    result["target"] = post_process(stack[..., 3:6], draws[:, 5:], noise)
    result["mask"] = stack[..., 6:]
    result["donor"] = apply_flip(swap["donor"], flip)
    result["donor_hull"] = apply_flip(swap["donor_hull"], flip)
    result["flow"] = move_flow(apply_flip(swap["flow"], flip), flip, transform)
    return result


def move_flow(flow, flip, transform):
    """Where a flow's places go when the picture that it points into is mirrored and moved."""
    size = flow.shape[1]
    x = ops.where(flip[:, None, None], 1.0 - flow[..., 0], flow[..., 0])
    points = ops.reshape(ops.stack([x, flow[..., 1]], axis=-1), (-1, size * size, 2))
    points = transform_points(invert_transform(transform), points)
    return ops.concatenate([ops.reshape(points, (-1, size, size, 2)), flow[..., 2:]], axis=-1)
