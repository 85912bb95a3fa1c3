"""Points, transforms and sampling, in keras.ops.

Coordinates are continuous: pixel ``k`` covers ``[k, k + 1)``, its centre is ``k + 0.5``, and an image of width ``W``
spans ``0 .. W``. Crops use *unit* coordinates, ``0 .. 1`` from edge to edge, so that a transform does not depend on
the size in pixels that a crop is rendered at. A transform is a ``(2, 3)`` matrix that maps crop to photo.
"""

from keras import ops

# Mesh points that fix a crop: outer and inner corner of both eyes, both corners of the mouth. They move little with
# expression, and no single wrong point can turn the crop over.
ANCHORS = (33, 133, 362, 263, 61, 291)

MAX_TAPS = 8


def pixel_grid(size):
    """Unit coordinates of the pixel centres of a square image.

    Returns: float32 ``(size, size, 2)``, ``[..., 0]`` is x.
    """
    axis = (ops.arange(size, dtype="float32") + 0.5) / ops.cast(size, "float32")
    xs, ys = ops.meshgrid(axis, axis)
    return ops.stack([xs, ys], axis=-1)


def transform_points(matrix, points):
    """Apply transforms to points.

    Args:
        matrix: float32 ``(..., 2, 3)``.
        points: float32 ``(..., n, 2)``, with the same leading axes.

    Returns: float32 ``(..., n, 2)``.
    """
    x, y = points[..., :1], points[..., 1:]
    # Not as a matrix product: GPUs round its factors to 11 bits (TF32), half a pixel of a large photo.
    across, down, shift = (matrix[..., None, :, k] for k in range(3))
    return x * across + y * down + shift


def invert_transform(matrix):
    """Invert ``(..., 2, 3)`` transforms; the linear part must not be singular."""
    a, b, tx = matrix[..., 0, 0], matrix[..., 0, 1], matrix[..., 0, 2]
    c, d, ty = matrix[..., 1, 0], matrix[..., 1, 1], matrix[..., 1, 2]
    det = a * d - b * c
    rows = [[d / det, -b / det, (b * ty - d * tx) / det], [-c / det, a / det, (c * tx - a * ty) / det]]
    return ops.stack([ops.stack(row, axis=-1) for row in rows], axis=-2)


def fit_similarity(source, destination):
    """Least-squares rotation, uniform scale and shift from ``source`` to ``destination`` points.

    Written with points as complex numbers, where the best ``z -> a z + b`` is an ordinary regression; a mirror
    image is never returned.

    Args:
        source, destination: float32 ``(..., n, 2)``; at least two different source points.

    Returns: float32 ``(..., 2, 3)``.
    """
    source_mean = ops.mean(source, axis=-2, keepdims=True)
    destination_mean = ops.mean(destination, axis=-2, keepdims=True)
    s, d = source - source_mean, destination - destination_mean
    power = ops.sum(s * s, axis=(-2, -1))
    real = ops.sum(s * d, axis=(-2, -1)) / power
    imaginary = ops.sum(s[..., 0] * d[..., 1] - s[..., 1] * d[..., 0], axis=-1) / power
    linear = ops.stack(
        [ops.stack([real, -imaginary], axis=-1), ops.stack([imaginary, real], axis=-1)], axis=-2
    )
    shift = ops.swapaxes(destination_mean, -1, -2) - ops.sum(linear * source_mean, axis=-1, keepdims=True)
    return ops.concatenate([linear, shift], axis=-1)


def fit_affine(source, destination):
    """Least-squares affine transform from ``source`` to ``destination`` points, ``(..., n, 2)`` to ``(..., 2, 3)``."""
    source_mean = ops.mean(source, axis=-2, keepdims=True)
    destination_mean = ops.mean(destination, axis=-2, keepdims=True)
    s, d = source - source_mean, destination - destination_mean
    xx = ops.sum(s[..., 0] * s[..., 0], axis=-1)
    xy = ops.sum(s[..., 0] * s[..., 1], axis=-1)
    yy = ops.sum(s[..., 1] * s[..., 1], axis=-1)
    det = xx * yy - xy * xy
    rows = []
    for axis in (0, 1):
        xd = ops.sum(s[..., 0] * d[..., axis], axis=-1)
        yd = ops.sum(s[..., 1] * d[..., axis], axis=-1)
        rows.append(ops.stack([(yy * xd - xy * yd) / det, (xx * yd - xy * xd) / det], axis=-1))
    linear = ops.stack(rows, axis=-2)
    shift = ops.swapaxes(destination_mean, -1, -2) - ops.sum(linear * source_mean, axis=-1, keepdims=True)
    return ops.concatenate([linear, shift], axis=-1)


def reflect_index(index, length):
    """Fold any integer index into ``0 .. length - 1`` by mirroring at the image's edges (edge pixel repeated)."""
    folded = ops.mod(index, 2 * length)
    return ops.minimum(folded, 2 * length - 1 - folded)


def sample(images, points, border="reflect"):
    """Read images at points, bilinearly, by one gather (so that it compiles for XLA).

    Args:
        images: ``(batch, height, width, channels)``, any dtype; values are not rescaled.
        points: float32 ``(batch, ..., 2)``, pixels of ``images``, x first.
        border: ``"reflect"``, ``"edge"`` or ``"zero"``: what lies outside of the image.

    Returns: float32 ``(batch, ..., channels)``.
    """
    if border not in ("reflect", "edge", "zero"):
        raise ValueError(f'border must be "reflect", "edge" or "zero"; received {border!r}.')
    batch, height, width, channels = ops.shape(images)
    inner = ops.shape(points)[1:-1]
    points = ops.reshape(ops.cast(points, "float32"), (batch, -1, 2)) - 0.5
    # A point from a degenerate transform may be huge or NaN; an index must still be an index.
    points = ops.clip(ops.where(ops.isnan(points), 0.0, points), -1e6, 1e6)
    corner = ops.floor(points)
    fraction = points - corner
    corner = ops.cast(corner, "int32")
    flat = ops.reshape(images, (-1, channels))
    offset = ops.reshape(ops.arange(batch, dtype="int32") * (height * width), (batch, 1))
    total = 0.0
    for dy in (0, 1):
        for dx in (0, 1):
            x, y = corner[..., 0] + dx, corner[..., 1] + dy
            weight = (fraction[..., 0] if dx else 1.0 - fraction[..., 0]) * (
                fraction[..., 1] if dy else 1.0 - fraction[..., 1]
            )
            if border == "zero":
                inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
                weight = ops.where(inside, weight, 0.0)
            if border == "reflect":
                x, y = reflect_index(x, width), reflect_index(y, height)
            else:
                x, y = ops.clip(x, 0, width - 1), ops.clip(y, 0, height - 1)
            taken = ops.cast(ops.take(flat, offset + y * width + x, axis=0), "float32")
            total = total + weight[..., None] * taken
    return ops.reshape(total, (batch, *inner, channels))


def cut_crops(photo, matrices, size, border="reflect"):
    """Cut crops out of one photo of any size without aliasing.

    A crop's pixel is the mean of ``k x k`` bilinear reads, ``k`` the number of photo pixels that a crop pixel spans
    (at most ``MAX_TAPS``), which is a box filter that never makes a reduced copy of the photo: pixels stay uint8
    until they are read.

    Args:
        photo: ``(height, width, 3)``, uint8.
        matrices: float32 ``(n, 2, 3)``, unit crop to photo pixels.
        size: pixels of a crop's side.

    Returns: float32 ``(n, size, size, 3)`` in ``[0, 1]``.
    """
    scale = ops.sqrt(ops.max(ops.sum(matrices[:, :, :2] ** 2, axis=1))) / size
    taps = ops.cast(ops.clip(ops.ceil(scale - 1e-3), 1, MAX_TAPS), "int32")
    count = ops.shape(matrices)[0]
    grid = ops.reshape(pixel_grid(size), (1, size * size, 2))
    photo = ops.reshape(photo, (1, *ops.shape(photo)))

    def add_tap(tap, total):
        place = ops.stack([tap % taps, tap // taps])
        shift = ((ops.cast(place, "float32") + 0.5) / ops.cast(taps, "float32") - 0.5) / size
        points = transform_points(matrices, ops.broadcast_to(grid + shift, (count, size * size, 2)))
        return total + sample(photo, ops.reshape(points, (1, count, size, size, 2)), border)[0]

    total = ops.fori_loop(0, taps * taps, add_tap, ops.zeros((count, size, size, 3)))
    return ops.clip(total / (255.0 * ops.cast(taps * taps, "float32")), 0.0, 1.0)
