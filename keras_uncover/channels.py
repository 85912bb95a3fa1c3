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


def join_channels(pictures):
    """Concatenate pictures along their channels.

    Args:
        pictures: list of arrays ``(batch, height, width, channels)``, which may differ in their channels.
    """
    planes = [picture[..., k] for picture in pictures for k in range(picture.shape[-1])]
    return ops.transpose(ops.stack(planes, axis=1), (0, 2, 3, 1))
