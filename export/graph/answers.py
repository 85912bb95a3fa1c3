"""From aligned faces to answers in the graph, networks, verdict, re-swap, pictures: as ``Uncoverer`` on the host.

A row is one face, ``n`` of them, of any photos. No face, no row: who has none gets ``NONE`` where the rows are spread
over the places of a batch.
"""

import tensorflow as tf

from export.fields import NONE
from export.graph.faces import find_in_crops
from export.graph.pictures import encode_pictures
from keras_uncover.faces.detection import MIN_PRESENCE
from keras_uncover.inference.uncoverer import SMALLEST
from keras_uncover.inference.wording import NO_DONOR_FACE, SMALL_FACE

DONOR_KEYS = ("donor_png_bytes", "reswap_png_bytes", "reswap_ssim", "reswap_residual")


def decide(p_fake, threshold, band):
    """The verdict of each row, string ``(n,)``: ``keras_uncover.inference.answers.decide`` on tensors.

    Args:
        p_fake: float32 ``(n,)``; compared in float64, as on the host.
        threshold: Python float. band: None, or ``(low, high)``.
    """
    p_fake = tf.cast(p_fake, tf.float64)
    verdict = tf.where(p_fake >= threshold, "fake", "genuine")
    if band is None:
        return verdict
    return tf.where((p_fake >= band[0]) & (p_fake < band[1]), "uncertain", verdict)


def answer_rows(uncoverer, crops, points):
    """Answers for aligned faces.

    Args:
        uncoverer: the ``Uncoverer`` whose networks and threshold answer.
        crops: float32 ``(n, size, size, 3)`` in [0, 1], ``n`` at least 1. points: ``(n, 478, 3)`` in unit coordinates.

    Returns: dict with the keys of ``NONE``, ``(n,)`` each; scores float32, words and pictures string.
    """
    outputs = uncoverer.model(crops, training=False)
    p_fake = outputs["p_fake"][:, 0]
    verdict = decide(p_fake, uncoverer.threshold, uncoverer.band)
    count = tf.shape(crops)[0]
    answer = {name: tf.fill([count], value) for name, value in NONE.items()}
    answer |= {"verdict": verdict, "p_fake": p_fake, "crop_png_bytes": encode_pictures(crops, "crop", uncoverer.name)}
    warnings = "\n".join(uncoverer.warnings)
    answer["warnings"] = tf.fill([count], warnings)
    if "mask" not in outputs:
        return answer
    mask, target = outputs["mask"], tf.clip_by_value(outputs["target"], 0.0, 1.0)
    donor = tf.clip_by_value(outputs["donor"], 0.0, 1.0)
    answer["mask_area"] = tf.reduce_mean(mask, axis=(1, 2, 3))
    answer["mask_png_bytes"] = encode_pictures(mask, "mask", uncoverer.name)
    answer["target_png_bytes"] = encode_pictures(target, "target", uncoverer.name)
    # A face that is called genuine has no donor.
    rows = tf.where(tf.not_equal(verdict, "genuine"))
    batch = {"crop": crops, "target": target, "donor": donor, "mask": mask, "points": points}
    batch = {name: tf.gather_nd(value, rows) for name, value in batch.items()}
    shown = when_any(rows, lambda: add_donor(uncoverer, batch), DONOR_KEYS)
    answer |= {name: tf.tensor_scatter_nd_update(answer[name], rows, value) for name, value in shown.items()}
    lacking = tf.not_equal(verdict, "genuine") & tf.equal(answer["reswap_png_bytes"], "")
    answer["warnings"] = tf.where(lacking, f"{warnings}\n{NO_DONOR_FACE}", answer["warnings"])
    return answer


def warn_of_small(warnings, found, sides, size):
    """Warnings with one more where a crop is enlarged further than ``Uncoverer`` lets pass in silence.

    Args:
        warnings: string ``(n, faces)``, a line each. found: bool. sides: float32, photo pixels that each crop spans.
        size: pixels of a crop's side.
    """
    before, after = SMALL_FACE.replace("{side:.0f}", "\n").format(size=size).split("\n")
    spoken = tf.strings.as_string(tf.cast(tf.round(sides), tf.int32))
    small = found & (sides < size / SMALLEST)
    return tf.where(small, tf.strings.join([warnings, "\n", before, spoken, after]), warnings)


def add_note(warnings, note):
    """Warnings, a line each, with one more where there is a note on the photo's file.

    Args:
        warnings: string ``(n, faces)``, "" for a place without an answer. note: string ``(n,)``, "" for none.
    """
    noted = tf.not_equal(note, "")[:, None] & tf.not_equal(warnings, "")
    return tf.strings.join([warnings, tf.where(noted, tf.strings.join(["\n", note])[:, None], "")])


def add_donor(uncoverer, batch):
    """The recovered donors and, where a face is found in them, the re-swap: ``Uncoverer.swap_again``."""
    points, presence = find_in_crops(batch["donor"], uncoverer.finder.mesh)
    rows = tf.where(~(presence < MIN_PRESENCE))
    batch = {**batch, "donor_points": points / uncoverer.size}
    again = {name: tf.gather_nd(value, rows) for name, value in batch.items()}
    count = tf.shape(presence)[0]
    answer = {name: tf.fill([count], NONE[name]) for name in DONOR_KEYS}
    made = when_any(rows, lambda: swap_again(uncoverer, again), DONOR_KEYS[1:])
    answer |= {name: tf.tensor_scatter_nd_update(answer[name], rows, value) for name, value in made.items()}
    return answer | {"donor_png_bytes": encode_pictures(batch["donor"], "donor", uncoverer.name)}


def swap_again(uncoverer, batch):
    """The re-swap and its scores."""
    outputs = uncoverer.reswap(batch, training=False)
    pictures = encode_pictures(tf.clip_by_value(outputs["reswap"], 0.0, 1.0), "reswap", uncoverer.name)
    ssim, residual = tf.unstack(outputs["scores"], axis=1)
    return {"reswap_png_bytes": pictures, "reswap_ssim": ssim, "reswap_residual": residual}


def when_any(rows, function, names):
    """What a function answers for the rows of ``tf.where``; of no rows, on which convolutions fail, nothing."""
    nothing = {name: tf.zeros((0,), tf.string if isinstance(NONE[name], str) else tf.float32) for name in names}
    return tf.cond(tf.shape(rows)[0] > 0, function, lambda: nothing)
