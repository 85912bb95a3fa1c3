"""The true flow leads from the donor's own crop to its pixels in the fake."""

import numpy as np
import pytest
from made_up_people import donors, exact_draws, make_draws, numpy, people, swap

from keras_uncover.ops.geometry import fit_affine, pixel_grid, sample, transform_points
from keras_uncover.swaps.flows import centre_of_cells


def seen_through_flow(made):
    """What the flow finds in the fakes, what the donors show there, and where both can be told: (n, s, s, ...)."""
    size = made["input"].shape[1]
    places = made["flow"][..., :2] * size
    grid = np.broadcast_to(numpy(pixel_grid(size // 4)) * size, places.shape)
    swapped = numpy(sample(made["mask"], places))[..., 0] > 0.999
    return (
        numpy(sample(made["input"], places)),
        numpy(sample(donors(people())["crop"], grid)),
        swapped & (made["flow"][..., 2] > 0),
    )


@pytest.mark.parametrize("family", ["mesh", "affine"])
def test_the_flow_leads_from_the_donor_to_its_pixels_in_the_fake(family):
    made = swap({family: 1.0}, exact_draws(), plain=True)
    seen, truth, known = seen_through_flow(made)
    assert known.sum() > 150
    assert np.abs(seen - truth)[known].mean() < 0.003
    # At the donor's own places the fake shows something else.
    aside = np.abs(numpy(centre_of_cells(made["input"], 16)) - truth)[known].mean()
    assert aside > 0.01


def test_pyramid_and_resynth_have_the_flow_of_mesh():
    mesh, pyramid, resynth = (swap({f: 1.0}, make_draws())["flow"] for f in ("mesh", "pyramid", "resynth"))
    assert np.array_equal(mesh, pyramid) and np.array_equal(mesh, resynth)
    assert not np.array_equal(mesh, swap({"affine": 1.0}, make_draws())["flow"])


def test_an_affine_flow_is_the_inverse_of_what_the_pixels_were_read_through():
    records, donor = people(), donors(people())
    flow = swap({"affine": 1.0}, make_draws())["flow"]
    forward = fit_affine(records["points"][..., :2], donor["points"][..., :2])
    back = numpy(transform_points(forward, flow[..., :2].reshape(3, -1, 2))).reshape(3, 16, 16, 2)
    assert np.abs(back - numpy(pixel_grid(16))).max() < 1e-4


def test_a_mesh_flow_joins_places_of_the_same_uv():
    records, donor = people(), donors(people())
    flow = swap({"mesh": 1.0}, make_draws())["flow"]
    known = flow[..., 2] > 0
    assert np.array_equal(known, numpy(centre_of_cells(donor["hull"], 16))[..., 0] > 0.99)
    inner = known & np.stack([np.roll(known, s, a) for a in (1, 2) for s in (-1, 1)]).all(0)
    place = numpy(sample(records["uv"], flow[..., :2] * 64))
    assert np.abs(place - numpy(centre_of_cells(donor["uv"], 16)))[inner].max() < 0.01


def test_centres_of_cells_by_hand():
    picture = np.arange(64, dtype="float32").reshape(1, 8, 8, 1)
    # The middle of the first cell of 4 x 4 lies between the pixels 9, 10, 17 and 18.
    assert numpy(centre_of_cells(picture, 2))[0, :, :, 0].tolist() == [[13.5, 17.5], [45.5, 49.5]]
