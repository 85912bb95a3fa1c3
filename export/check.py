"""Does a SavedModel answer as its preset does? Looked at before a version is moved into place."""

import numpy as np
import tensorflow as tf

from export.fields import PICTURES
from export.serving.versions import ExportError
from keras_uncover.images.decode import decode_image

# Largest differences: of scores, of a box in pixels of the photo, of the mean of a picture in levels of 255.
SCORE, BOX, LEVEL = 1e-4, 0.05, 1.0
RESWAP = 1e-3  # Its scores hang on a mesh that may move by a hundredth of a pixel.


def check_version(folder, uncoverer, photos):
    """Refuse a SavedModel that answers otherwise than an ``Uncoverer``.

    Args:
        folder: of the SavedModel.
        uncoverer: whose answers are the right ones.
        photos: paths.

    Raises:
        ExportError: the first difference found. Nothing is written or moved here.
    """
    signatures = tf.saved_model.load(str(folder)).signatures
    data = tf.constant([path.read_bytes() for path in photos])
    results = [uncoverer(path) for path in photos]
    served = {name: value.numpy() for name, value in signatures["serving_default"](photo_bytes=data).items()}
    detected = {name: value.numpy() for name, value in signatures["detect"](photo_bytes=data).items()}
    for row, (photo, result) in enumerate(zip(photos, results)):
        answer = {name: value[row] for name, value in served.items()}
        for name, difference, most in differences(result, answer):
            refuse_beyond(name, difference, most, photo)
        p_fake = -1.0 if result.p_fake is None else result.p_fake
        refuse_beyond("p_fake of detect", abs(p_fake - detected["p_fake"][row]), SCORE, photo)
    crops = np.stack([result.crop for result in results if result.crop is not None])
    again = signatures["crops"](crops=tf.constant(crops))
    for name, expected in uncoverer.model(crops, training=False).items():
        refuse_beyond(f"{name} of crops", float(tf.reduce_max(tf.abs(again[name] - expected))), SCORE, "their crops")


def differences(result, answer):
    """Yield ``(name, difference, the most it may be)`` of a ``Result``'s main face and one row of ``serving_default``.

    Infinity stands for what cannot be compared: another verdict, a picture that only one of them has.
    """
    yield "verdict", 0.0 if answer["verdict"].decode() == result.verdict else np.inf, 0.0
    box = (0.0,) * 4 if result.bbox is None else result.bbox
    yield "bbox", float(np.abs(np.array(box) - answer["bbox"]).max()), BOX
    reswap = result.reswap or {"ssim": None, "residual": None}
    scores = {"p_fake": (result.p_fake, SCORE), "mask_area": (result.mask_area, SCORE),
              **{f"reswap_{name}": (value, RESWAP) for name, value in reswap.items()}}
    for name, (expected, most) in scores.items():
        yield name, abs((-1.0 if expected is None else expected) - float(answer[name])), most
    for kind in PICTURES:
        expected, data = getattr(result, "reswap_image" if kind == "reswap" else kind), answer[f"{kind}_png_bytes"]
        yield f"{kind}_png_bytes", picture_difference(expected, data), LEVEL


def picture_difference(expected, data):
    """Mean difference in levels of 255 of a float picture or None and a PNG or b""."""
    if expected is None or not data:
        return 0.0 if expected is None and not data else np.inf
    expected = expected if expected.ndim == 3 else expected[..., None]
    return float(np.abs(np.round(np.clip(expected, 0, 1) * 255) - decode_image(data)).mean())


def refuse_beyond(name, difference, most, photo):
    """Raise where a difference is more than it may be, or no number."""
    if not difference <= most:
        raise ExportError(
            f"A SavedModel must answer as its preset does; {name} differs by {difference:g} on {photo}, more than "
            f"{most:g}. Nothing was moved into place."
        )
