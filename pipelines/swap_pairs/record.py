"""From a fake and its two sources to the arrays of a record."""

import functools

import cv2
import numpy as np
import tensorflow as tf

from keras_uncover.faces.alignment import place_in_crop
from keras_uncover.ops.geometry import cut_crops
from keras_uncover.ops.mesh import VERTICES
from keras_uncover.swaps.synthesis import neutral_outside
from pipelines.build.crops import compile_rasteriser, to_integers

# Levels of 255 throughout. Measured on swaps saved as PNG and as JPEG of quality 50 to 92, with noise of 5 levels and
# at half resolution: what was not swapped differs by 0 to 3 levels after smoothing, what was swapped by more than 4.
MIN_DIFFERENCE = 4.0
TIMES_NOISE = 4.0
MAX_NOISE = 4.0
MIN_SHARE = 0.05  # of the hull; less is no swap of a face

PHOTO = tf.TensorSpec((None, None, 3), tf.uint8)
POINTS = tf.TensorSpec((VERTICES, 3), tf.float32)  # of the mesh, in photo pixels


@functools.cache
def compile_fake_renderer(size):
    """A compiled function of a fake, its mesh points and its target photo that gives arrays of a record as floats."""
    rasterise = compile_rasteriser(size)

    @tf.function(input_signature=[PHOTO, POINTS, PHOTO])
    def render(fake, points, target):
        matrix, unit = place_in_crop(points[None])
        _, hull = rasterise(unit[0])
        scale = tf.cast(tf.shape(target)[1::-1], tf.float32) / tf.cast(tf.shape(fake)[1::-1], tf.float32)
        return {
            "input": cut_crops(fake, matrix, size)[0],
            "target": cut_crops(target, matrix * scale[None, :, None], size)[0],
            "hull": hull,
            "crop_to_photo": matrix[0],
        }

    return render


@functools.cache
def compile_donor_renderer(size):
    """A compiled function of a donor and its mesh points that gives the arrays of the donor as floats."""
    rasterise = compile_rasteriser(size)

    @tf.function(input_signature=[PHOTO, POINTS])
    def render(donor, points):
        matrix, unit = place_in_crop(points[None])
        _, hull = rasterise(unit[0])
        return {"donor": neutral_outside(cut_crops(donor, matrix, size)[0], hull), "donor_hull": hull}

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


def make_record(fake, face, target, size):
    """The arrays that are stored of one fake beside those of its donor.

    Args:
        fake, target: uint8 ``(height, width, 3)``, of any sizes; ``target`` shows the scene of ``fake``.
        face: ``keras_uncover.faces.finder.Face`` in the fake.
        size: pixels of the crop's side.

    Returns: dict of ``input`` (the fake) and ``target``, both cut where the fake's face is, uint8 ``(size, size, 3)``;
    ``mask`` uint8 ``(size, size, 1)``, 0 or 255; ``has_mask`` bool, False where the mask is not known and empty;
    ``crop_to_photo`` float32 ``(2, 3)``, of the fake.
    """
    rendered = compile_fake_renderer(size)(fake, face.points[:VERTICES], target)
    arrays = {key: value.numpy() for key, value in rendered.items()}
    for key in ("input", "target", "hull"):
        arrays[key] = to_integers(arrays[key], "uint8")
    arrays["mask"], arrays["has_mask"] = derive_mask(arrays["input"], arrays["target"], arrays.pop("hull"))
    return arrays


def make_donor(donor, face, size):
    """The arrays that are stored of the donor of a fake.

    Args:
        donor: uint8 ``(height, width, 3)``.
        face, size: as for ``make_record``.

    Returns: dict of ``donor``, cut by its own face and neutral grey outside of it, uint8 ``(size, size, 3)``, and
    ``donor_hull`` uint8 ``(size, size, 1)``, 0 or 255.
    """
    rendered = compile_donor_renderer(size)(donor, face.points[:VERTICES])
    return {key: to_integers(value.numpy(), "uint8") for key, value in rendered.items()}


def draft_record(fake, screened, target, size, drafts):
    """Make the arrays of a fake and put them among the ``Drafts``. Returns: their number there."""
    return drafts.put(make_record(fake, screened.face, target, size))


def draft_donor(donor, screened, size, drafts):
    """As ``draft_record``, of a donor."""
    return drafts.put(make_donor(donor, screened.face, size))


def make_example(found, drafts):
    """Key and record of one fake, as TFDS takes them.

    Args:
        found: ``Found`` of the survey.
        drafts: ``Drafts`` that hold what ``make_record`` and ``make_donor`` returned; a donor may have several fakes.
    """
    swap = found.swap
    arrays = {**drafts.take(found.fake.draft), **drafts.read(found.donor.draft)}
    hashes = {"input_sha256": found.fake.hash, "target_sha256": found.target.hash, "donor_sha256": found.donor.hash}
    files = {"file": swap.fake.file, "target_file": swap.target.file, "donor_file": swap.donor.file}
    people = {"target_person": swap.target_person, "donor_person": swap.donor_person}
    return swap.fake.file, {**arrays, **hashes, **files, **people}
