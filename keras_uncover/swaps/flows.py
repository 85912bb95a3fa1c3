"""Where in a fake each place of the donor's own crop can be seen: a truth that is known exactly at synthesis."""

from keras import ops

from keras_uncover.ops.geometry import fit_affine, invert_transform, pixel_grid, sample, transform_points
from keras_uncover.ops.texture import texture_table
from keras_uncover.swaps.families import AFFINE


def centre_of_cells(images, size):
    """Mean of the four pixels around each cell's centre, where a picture is divided into ``size x size`` cells."""
    step = images.shape[1] // size
    low, high = step // 2 - 1, step // 2
    return 0.25 * sum(images[:, y::step, x::step] for y in (low, high) for x in (low, high))


def true_flow(target, donor, family, size):
    """Where in the fake each place of the donor's own crop can be seen.

    Args:
        target, donor, family: as in ``make_swaps``; every family but ``affine`` leads through the mesh.
        size: pixels of the flow's side; it is smooth, so coarser than the crop.

    Returns: float32 ``(batch, size, size, 3)``: x and y in unit coordinates of the fake, and 1 where they are known
    (inside the donor's face), else 0.
    """
    uv, hull = centre_of_cells(donor["uv"], size), centre_of_cells(donor["hull"], size)
    vertices, weights, _ = texture_table(size)
    corners = ops.take(target["points"][..., :2], ops.convert_to_tensor(vertices), axis=1)
    places = ops.sum(corners * ops.convert_to_tensor(weights)[None, ..., None], axis=-2)
    through_mesh = sample(places, uv * size, border="edge")
    # The inverse of the fit that donor_pixels uses; a fit in the other direction is another transform.
    back = invert_transform(fit_affine(target["points"][..., :2], donor["points"][..., :2]))
    grid = ops.broadcast_to(ops.reshape(pixel_grid(size), (1, -1, 2)), (ops.shape(back)[0], size * size, 2))
    through_affine = ops.reshape(transform_points(back, grid), (-1, size, size, 2))
    flow = ops.where(ops.equal(family, AFFINE)[:, None, None, None], through_affine, through_mesh)
    return ops.concatenate([flow, ops.cast(hull > 0.99, "float32")], axis=-1)
