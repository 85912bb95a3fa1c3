"""The channels of pictures taken apart, mixed and joined, in the ways that XLA makes fast code of on a CPU.

There, a sum over a last axis of three is a loop of three for every pixel, and a concatenation along it asks for every
value which picture it comes from; sums of whole planes are vector code.
"""

from keras import ops


def mix_channels(planes, matrix):
    """Multiply the channels of pictures, each a plane of its own, by a small matrix.

    Args:
        planes: list of ``n`` float32 arrays of one shape.
        matrix: numpy ``(m, n)``.

    Returns: list of ``m`` float32 arrays of that shape.
    """
    return [sum(float(weight) * plane for weight, plane in zip(row, planes)) for row in matrix]


def filter_channels(pictures, kernel):
    """Filter each channel by a kernel of its own, 0 beyond the edges: a depthwise convolution.

    XLA's own on a CPU takes nine times as long as the loop that it makes of this sum.

    Args:
        pictures: float32 ``(batch, height, width, channels)``.
        kernel: ``(rows, columns, channels)``, both odd.

    Returns: like ``pictures``.
    """
    height, width = pictures.shape[1:3]
    rows, columns = kernel.shape[:2]
    wide = ops.pad(pictures, ((0, 0), (rows // 2, rows // 2), (columns // 2, columns // 2), (0, 0)))
    return sum(
        wide[:, y : y + height, x : x + width] * kernel[y, x] for y in range(rows) for x in range(columns)
    )


def join_channels(pictures):
    """Concatenate pictures along their channels.

    Args:
        pictures: list of arrays ``(batch, height, width, channels)``, which may differ in their channels.
    """
    planes = [picture[..., k] for picture in pictures for k in range(picture.shape[-1])]
    return ops.transpose(ops.stack(planes, axis=1), (0, 2, 3, 1))
