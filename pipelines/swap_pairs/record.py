"""From a fake and its two sources to the arrays of a record."""

import functools

import cv2
import numpy as np
import tensorflow as tf

from keras_uncover.faces.alignment import place_in_crop
from keras_uncover.images.decode import decode_image, read_bytes
from keras_uncover.ops.geometry import cut_crops
from keras_uncover.ops.mesh import VERTICES
from keras_uncover.swaps.synthesis import neutral_outside
from pipelines.build.crops import compile_rasteriser, to_integers
from pipelines.build.pictures import hash_pixels

# Levels of 255 throughout. Measured on swaps saved as PNG and as JPEG of quality 50 to 92, with noise of 5 levels and
# at half resolution: what was not swapped differs by 0 to 3 levels after smoothing, what was swapped by more than 4.
MIN_DIFFERENCE = 4.0
TIMES_NOISE = 4.0
MAX_NOISE = 4.0
MIN_SHARE = 0.05  # of the hull; less is no swap of a face


@functools.cache
def compile_renderer(size):
    """A compiled function of photos (uint8) and mesh points (photo pixels) that gives a record's arrays as floats."""
    rasterise = compile_rasteriser(size)
    photo, points = tf.TensorSpec((None, None, 3), tf.uint8), tf.TensorSpec((VERTICES, 3), tf.float32)

    @tf.function(input_signature=[photo, points, photo, photo, points])
    def render(fake, fake_points, target, donor, donor_points):
        matrix, unit = place_in_crop(fake_points[None])
        donor_matrix, donor_unit = place_in_crop(donor_points[None])
        _, hull = rasterise(unit[0])
        _, donor_hull = rasterise(donor_unit[0])
        scale = tf.cast(tf.shape(target)[1::-1], tf.float32) / tf.cast(tf.shape(fake)[1::-1], tf.float32)
        return {
            "input": cut_crops(fake, matrix, size)[0],
            "target": cut_crops(target, matrix * scale[None, :, None], size)[0],
            "donor": neutral_outside(cut_crops(donor, donor_matrix, size)[0], donor_hull),
            "donor_hull": donor_hull,
            "hull": hull,
            "crop_to_photo": matrix[0],
        }

    return render


def derive_mask(fake, target, hull):
    """Where a fake was changed, seen from its difference to the target.

    The difference, smoothed, is compared with its median outside of the hull, which is what saving the files did. What
    is larger is closed, freed of specks, filled, and cut by the hull. A part of the true mask where both faces have
    the same colours at its very edge stays unseen, and half-transparent edges count as changed.

    Args:
        fake, target: uint8 ``(size, size, 3)``, the same crop of both.
        hull: uint8 ``(size, size, 1)``, 0 or 255: the fake's.

    Returns: mask uint8 ``(size, size, 1)``, 0 or 255, and whether it is known. It is not where the photos differ
    outside of the face, too (not aligned, or rendered anew as a whole), or hardly differ inside; it is then empty.
    """
    size = len(hull)
    inside = hull[..., 0] > 0
    difference = np.abs(fake.astype("float32") - target.astype("float32")).mean(-1)
    difference = cv2.GaussianBlur(difference, (0, 0), size / 64)
    reach = max(size // 16, 1)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    around = difference[cv2.dilate(hull[..., 0], disc) == 0]
    noise = float(np.median(around)) if around.size else np.inf
    empty = np.zeros_like(hull)
    if noise > MAX_NOISE:
        return empty, False
    changed = inside & (difference > max(MIN_DIFFERENCE, TIMES_NOISE * noise))
    padded = cv2.copyMakeBorder(changed.astype("uint8"), *[reach] * 4, cv2.BORDER_CONSTANT)
    closed = cv2.morphologyEx(padded, cv2.MORPH_CLOSE, disc)[reach:-reach, reach:-reach]
    outlines, _ = cv2.findContours(closed, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    least = MIN_SHARE * inside.sum()
    mask = empty[..., 0].copy()
    cv2.drawContours(mask, [line for line in outlines if cv2.contourArea(line) >= least], -1, 255, cv2.FILLED)
    mask[~inside] = 0
    known = bool(mask.any())
    return mask[..., None], known


def make_record(fake, fake_face, target, donor, donor_face, size):
    """Everything that is stored of one fake but its names.

    Args:
        fake, target, donor: uint8 ``(height, width, 3)``, of any sizes; ``target`` shows the scene of ``fake``.
        fake_face, donor_face: ``keras_uncover.faces.finder.Face`` in them.
        size: pixels of the crop's side.

    Returns: dict of ``input`` (the fake), ``target`` (cut where the fake's face is) and ``donor`` (cut by its own
    face, neutral grey outside of it), uint8 ``(size, size, 3)``; ``donor_hull`` and ``mask`` uint8
    ``(size, size, 1)``, 0 or 255; ``has_mask`` bool, False where the mask is not known and empty; ``crop_to_photo``
    float32 ``(2, 3)``, of the fake; ``input_sha256``, ``target_sha256``, ``donor_sha256`` str, see ``hash_pixels``.
    """
    points = (face.points[:VERTICES] for face in (fake_face, donor_face))
    rendered = compile_renderer(size)(fake, next(points), target, donor, next(points))
    arrays = {key: value.numpy() for key, value in rendered.items()}
    for key in ("input", "target", "donor", "donor_hull", "hull"):
        arrays[key] = to_integers(arrays[key], "uint8")
    arrays["mask"], arrays["has_mask"] = derive_mask(arrays["input"], arrays["target"], arrays.pop("hull"))
    hashes = {"input_sha256": fake, "target_sha256": target, "donor_sha256": donor}
    return {**arrays, **{key: hash_pixels(photo) for key, photo in hashes.items()}}


def make_example(found, size):
    """Key and record of one fake, as TFDS takes them; ``found`` is a ``Found`` of the survey."""
    swap = found.swap
    fake, target, donor = (decode_image(read_bytes(p.path)) for p in (swap.fake, swap.target, swap.donor))
    record = make_record(fake, found.fake_face, target, donor, found.donor_face, size)
    files = {"file": swap.fake.file, "target_file": swap.target.file, "donor_file": swap.donor.file}
    people = {"target_person": swap.target_person, "donor_person": swap.donor_person}
    return swap.fake.file, {**record, **files, **people}
