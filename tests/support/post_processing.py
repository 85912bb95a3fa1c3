"""The ops of post-processing by name, and pictures for them."""

import numpy as np

from keras_uncover.ops.filters import blur
from keras_uncover.swaps.augment import (
    apply_affine,
    apply_colour,
    apply_flip,
    apply_grey,
    apply_jpeg,
    apply_noise,
    apply_resample,
    draw_affine,
    draw_blur,
    draw_colour,
    draw_flip,
    draw_grey,
    draw_noise,
    draw_quality,
    draw_resample,
)

SIZE = 48
# name: (draw, apply, columns that draw takes). Blur's apply is the filter itself, as resampling's is given pixels.
OPS = {
    "flip": (draw_flip, apply_flip, 1),
    "affine": (draw_affine, apply_affine, 4),
    "blur": (lambda draws: draw_blur(draws, SIZE), blur, 2),
    "resample": (lambda draws: draw_resample(draws, SIZE), apply_resample, 2),
    "colour": (draw_colour, apply_colour, 5),
    "noise": (draw_noise, lambda images, drawn: apply_noise(images, drawn, pictures(images.shape[0], 3) * 6 - 3), 2),
    "grey": (draw_grey, apply_grey, 1),
    "jpeg": (draw_quality, apply_jpeg, 2),
}


def pictures(count=3, seed=0):
    return np.random.default_rng(seed).random((count, SIZE, SIZE, 3), "float32")


def run_op(name, images, draws):
    draw, apply, _ = OPS[name]
    return apply(images, draw(draws))
