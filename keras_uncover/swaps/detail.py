"""What face generators do to detail: work at a few pixels, smooth, sharpen. All by the batch, as matrix products."""

from keras import ops

from keras_uncover.ops.filters import apply_separable, blur_all
from keras_uncover.swaps.augment import resample_matrix
from keras_uncover.swaps.draws import picture


def smooth_skin(images, level):
    """Smooth what is flat and keep edges: a guided filter of a picture by itself.

    Args:
        images: float32 ``(batch, size, size, 3)`` in [0, 1].
        level: float32 ``(batch,)``, the contrast that counts as flat, such as .02 to .08; 0 changes nothing.

    Source: K. He et al., "Guided Image Filtering", 2010, with Gaussian windows.
    """
    mean = blur_all(images, 3.0)
    variance = ops.maximum(blur_all(images * images, 3.0) - mean * mean, 0.0)
    keep = (variance + 1e-6) / (variance + 1e-6 + picture(level) ** 2)
    return mean + keep * (images - mean)


def sharpen(images, amount, broad):
    """Unsharp masking. amount, broad: float32 ``(batch,)``: strength, and 0 for a fine mask to 1 for a broad one."""
    fine, wide = blur_all(images, 0.8), blur_all(images, 2.0)
    soft = fine + picture(broad) * (wide - fine)
    return ops.clip(images + picture(amount) * (images - soft), 0.0, 1.0)


def coarsen(images, scale):
    """Reduce pictures and enlarge them again. scale: float32 ``(batch,)`` in (0, 1]; 1 changes nothing."""
    size = images.shape[1]
    matrix = resample_matrix(size, ops.clip(ops.round(size * scale), 8.0, float(size)))
    return apply_separable(images, matrix, matrix)
