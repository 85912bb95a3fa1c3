"""How tools match a pasted face's colours to the photo, and what difference is left."""

from keras import ops

from keras_uncover.ops.colour import apply_curve, masked_moments, match_line
from keras_uncover.ops.filters import blur_all
from keras_uncover.swaps.draws import picture


def match_light(lab, target, weight, sigma):
    """Give a face the light of another: its coarse colours are exchanged, its detail stays.

    Args:
        lab, target: float32 ``(batch, size, size, 3)``, Oklab.
        weight: float32 ``(batch, size, size, 1)``: where both are faces.
        sigma: Python number, pixels; what is coarser is exchanged.

    Returns: float32, the shape of ``lab``.
    """
    total = blur_all(weight, sigma) + 1e-3
    coarse = blur_all((target - lab) * weight, sigma) / total
    return lab + coarse


def match_as_tools(lab, target, weight, draw):
    """Match colours in one of the tools' ways, drawn by row; a small difference is left.

    55 % have the light of the photo already, as neural generators paint it; 30 % are matched by mean and deviation,
    10 % by mean, 5 % not at all. Added to it is ``leave_difference``.

    Args:
        lab, target: float32 ``(batch, size, size, 3)``, Oklab. weight: float32 ``(batch, size, size, 1)``: where both
            are faces.
        draw: ``Uniforms``; takes 6 columns.

    Returns: float32, the shape of ``lab``.
    """
    kind, broad = draw.one(), draw.happens(0.5)
    mean, _ = masked_moments(lab, weight)
    to_mean, _ = masked_moments(target, weight)
    near = match_light(lab, target, weight, 14.0)
    far = match_light(lab, target, weight, 30.0)
    result = ops.where(picture(ops.cast(broad, "float32")) > 0, far, near)
    line = apply_curve(lab, match_line(lab, target, weight))
    for edge, other in ((0.55, line), (0.85, lab + to_mean - mean), (0.95, lab)):
        result = ops.where(picture(kind) < edge, result, other)
    return result + leave_difference(draw)


def leave_difference(draw, share=0.6):
    """A small shift of colour in Oklab, in ``share`` of the rows: float32 ``(batch, 1, 1, 3)``, elsewhere 0.

    It is at most .054 of lightness, which goes from 0 to 1, and .015 and .018 of the opponent axes.
    """
    shift = draw.normal(3) * ops.convert_to_tensor([0.018, 0.005, 0.006])
    shift = ops.where(draw.happens(share)[:, None], shift, 0.0)
    return shift[:, None, None]
