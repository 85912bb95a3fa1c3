"""Damage that an evaluation does to photos: one kind at a time, of a stated strength."""

import numpy as np
from keras import ops

from keras_uncover.ops.filters import blur
from keras_uncover.swaps.augment import apply_jpeg, apply_noise, apply_resample

# Strengths, the least first: JPEG's quality; the factor by which a photo was once smaller; the blur's sigma in pixels
# of a crop of 128; the noise's deviation in mid-grey.
LEVELS = {"jpeg": (75, 50, 30), "resize": (1.5, 2.5), "blur": (1.0, 2.0), "noise": (0.02, 0.05)}


def conditions():
    """Names of all conditions with kind and strength, ``clean`` first: ``{"jpeg_75": ("jpeg", 75), ...}``."""
    named = {f"{kind}_{level:g}": (kind, level) for kind, levels in LEVELS.items() for level in levels}
    return {"clean": ("clean", 0), **named}


def damage(images, kind, level, seed=0):
    """Apply one condition.

    Args:
        images: float32 ``(n, size, size, 3)`` in [0, 1].
        kind, level: as ``conditions`` lists them.
        seed: of noise.

    Returns: float32 NumPy array, the same shape, in [0, 1].
    """
    images = np.clip(np.asarray(images, "float32"), 0.0, 1.0)
    size, level = images.shape[1], np.full(len(images), level, "float32")
    if kind == "clean":
        return images
    if kind == "jpeg":
        images = apply_jpeg(images, level)
    elif kind == "resize":
        images = apply_resample(images, np.round(size / level))
    elif kind == "blur":
        images = blur(images, level * size / 128)
    elif kind == "noise":
        noise = np.random.default_rng([seed, 41]).standard_normal(images.shape, "float32")
        images = apply_noise(images, level, noise)
    else:
        raise ValueError(f"The conditions are {', '.join(conditions())}; received {kind!r}.")
    return np.clip(ops.convert_to_numpy(images), 0.0, 1.0)


def damage_batch(batch, kind, level, seed=0):
    """A batch whose ``input``, and ``target`` where it has one, went through the same condition."""
    hurt = {key: damage(batch[key], kind, level, seed) for key in ("input", "target") if key in batch}
    return {**batch, **hurt}
