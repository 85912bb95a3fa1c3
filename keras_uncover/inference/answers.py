"""What a photo is answered with: one ``FaceAnswer`` a face, a ``Result`` a photo, and their form as data.

The question is whether a face was *swapped in*. A portrait that is generated as a whole counts as genuine.
"""

import copy
import math
from dataclasses import dataclass, field
from operator import attrgetter

VERDICTS = ("fake", "genuine", "uncertain", "no_face")
OUTPUT_KINDS = ("target", "donor", "mask", "reswap", "figure", "heatmap")

VERDICT_WORDS = {
    "fake": "the model says that this face was swapped in",
    "genuine": "no swap found, as far as the model can tell",
    "uncertain": "too close to call",
    "no_face": "no face found, so nothing was judged",
}

CSV_HEADER = (
    "file", "sha256", "face_index", "bbox_x0", "bbox_y0", "bbox_x1", "bbox_y1", "verdict", "p_fake", "threshold",
    "error_rates_split", "error_rates_n_people", "error_rates_false_alarm", "error_rates_false_alarm_n",
    "error_rates_miss", "error_rates_miss_n", "mask_area", "reswap_ssim", "reswap_residual", "outputs_target",
    "outputs_donor", "outputs_mask", "outputs_reswap", "outputs_figure", "outputs_heatmap", "model", "warnings",
    "seconds", "error_rule", "error_received", "error_hint", "faces_found", "faces_answered", "faces_left_out",
    "faces_unsure",
)


@dataclass(eq=False)
class FaceAnswer:
    """The answer for one face, or for a photo without one.

    Attributes:
        face_index: place among the photo's faces, from 0; None for ``no_face``.
        bbox: ``(x0, y0, x1, y1)`` in pixels of the photo after it was turned upright; None for ``no_face``.
        verdict: ``"fake"``, ``"genuine"``, ``"uncertain"`` or ``"no_face"``.
        p_fake: probability in [0, 1] that the face was swapped in; None for ``no_face``.
        threshold: the ``p_fake`` from which on the verdict is ``"fake"``.
        mask_area: share of the crop, in [0, 1], that the mask covers; None for ``no_face``.
        reswap: ``{"ssim": float, "residual": float}`` of the re-swap against the crop, or None.
        model: name of the preset or folder that answered.
        warnings: sentences that the reader of the verdict must know.
        seconds: time that the answer took.
        error_rates: how often verdicts at this threshold were wrong, as ``calibrated.error_rates`` gives it; None
            where that was not measured, and for ``no_face``.
        crop, target, donor, reswap_image: float32 ``(size, size, 3)`` in [0, 1], RGB, or None.
        mask: float32 ``(size, size)`` in [0, 1], or None.
        place: float32 ``(2, 3)``, the transform from unit coordinates of the crop to photo pixels, or None.
        points: float32 ``(478, 3)``, the face's mesh in photo pixels, or None.
    """

    face_index: int | None
    bbox: tuple | None
    verdict: str
    p_fake: float | None
    threshold: float
    mask_area: float | None
    reswap: dict | None
    model: str
    warnings: list = field(default_factory=list)
    seconds: float = 0.0
    crop: object = field(default=None, repr=False)
    mask: object = field(default=None, repr=False)
    target: object = field(default=None, repr=False)
    donor: object = field(default=None, repr=False)
    reswap_image: object = field(default=None, repr=False)
    error_rates: dict | None = field(default=None, repr=False)
    place: object = field(default=None, repr=False)
    points: object = field(default=None, repr=False)

    def __post_init__(self):
        if self.verdict not in VERDICTS:
            raise ValueError(f"verdict must be one of {VERDICTS}; received {self.verdict!r}.")

    @property
    def names_donor(self):
        """Whether a donor may be shown: never for a genuine face, because nobody is invented."""
        return self.verdict in ("fake", "uncertain")


@dataclass(eq=False)
class Result:
    """The answer for one photo.

    Attributes:
        file: the photo's path as it was given.
        sha256: hash of the photo's bytes, hexadecimal.
        faces: list of ``FaceAnswer``, at least one: a photo without a face has one with the verdict ``no_face``.
        photo: uint8 ``(height, width, 3)``, RGB, turned upright.
        found: number of faces that were found; None for as many as are answered. More than that are left out.
        unsure: number of other places that may be a face, of which the mesh network is not sure enough for a verdict.

    The other fields are those of the first face.
    """

    file: str
    sha256: str
    faces: list
    photo: object = field(default=None, repr=False)
    found: int | None = None
    unsure: int = 0

    def __post_init__(self):
        if not self.faces:
            raise ValueError('faces must hold an answer; received none. Give one with the verdict "no_face".')
        if self.found is None:
            self.found = self.answered
        if self.found < self.answered:
            raise ValueError(f"found must be {self.answered} or more, as many as are answered; received {self.found}.")

    @property
    def answered(self):
        """The number of faces that have a verdict."""
        return sum(answer.verdict != "no_face" for answer in self.faces)

    @property
    def counts(self):
        """How many faces were found, answered and left out, and how many places are unsure, as a dict."""
        left_out = self.found - self.answered
        return {"found": self.found, "answered": self.answered, "left_out": left_out, "unsure": self.unsure}

    @property
    def main(self):
        """The first face's answer."""
        return self.faces[0]

    face_index = property(attrgetter("main.face_index"))
    bbox = property(attrgetter("main.bbox"))
    verdict = property(attrgetter("main.verdict"))
    p_fake = property(attrgetter("main.p_fake"))
    threshold = property(attrgetter("main.threshold"))
    mask_area = property(attrgetter("main.mask_area"))
    reswap = property(attrgetter("main.reswap"))
    model = property(attrgetter("main.model"))
    warnings = property(attrgetter("main.warnings"))
    seconds = property(attrgetter("main.seconds"))
    crop = property(attrgetter("main.crop"))
    mask = property(attrgetter("main.mask"))
    target = property(attrgetter("main.target"))
    donor = property(attrgetter("main.donor"))
    reswap_image = property(attrgetter("main.reswap_image"))
    error_rates = property(attrgetter("main.error_rates"))


def decide(p_fake, threshold, band=None):
    """The verdict for a probability.

    Args:
        p_fake: probability in [0, 1].
        threshold: from this ``p_fake`` on, the verdict is ``"fake"``.
        band: None, or ``(low, high)``: from ``low`` up to but without ``high`` the verdict is ``"uncertain"``.

    Returns: ``"fake"``, ``"genuine"`` or ``"uncertain"``.

    Raises:
        ValueError: a number is outside of [0, 1] or not a number, or the band is upside down.
    """
    for name, value in (("p_fake", p_fake), ("threshold", threshold)):
        if not 0.0 <= value <= 1.0:
            raise ValueError(f"{name} must be within 0 and 1; received {value}.")
    if band is not None:
        low, high = band
        if not 0.0 <= low <= high <= 1.0:
            raise ValueError(f"band must be (low, high) with 0 <= low <= high <= 1; received {band}.")
        if low <= p_fake < high:
            return "uncertain"
    return "fake" if p_fake >= threshold else "genuine"


def format_score(p_fake, threshold):
    """``p_fake`` as text that never rounds onto the threshold, 0 or 1 when it is not there."""
    for digits in range(3, 9):
        text = f"{p_fake:.{digits}f}"
        if all(float(text) != mark or p_fake == mark for mark in (0.0, 1.0, threshold)):
            break
    return text


def describe_rates(rates):
    """Error rates as a sentence, with n and the split's name.

    Args:
        rates: as ``calibrated.error_rates`` gives it.
    """
    split, unsure = rates["split"], [rates["uncertain_genuine"], rates["uncertain_fake"]]

    def share(entry):
        low, high = (100 * end for end in entry["interval"])
        return f"{100 * entry['value']:.1f} % ({low:.1f} to {high:.1f}) of {entry['n']}"

    text = (
        f"at this threshold {share(rates['false_alarm'])} genuine {split} photos were called fake and "
        f"{share(rates['miss'])} fakes were called genuine"
    )
    if any(entry["value"] for entry in unsure):
        first, second = (f"{100 * entry['value']:.1f} %" for entry in unsure)
        text += f"; {first} and {second} were too close to call"
    return text


def describe_counts(counts):
    """How many faces of a photo were found and answered, as sentences; none where its only face is answered.

    Args:
        counts: as in ``Result.counts``.

    Returns: list of str.
    """
    found, answered, left_out, unsure = (counts[key] for key in ("found", "answered", "left_out", "unsure"))
    told = []
    if left_out:
        others = "1 is left out and may be a fake" if left_out == 1 else f"{left_out} are left out and may be fakes"
        largest = "the largest is answered" if answered == 1 else f"the {answered} largest are answered"
        told.append(f"{found} faces were found; {largest}, {others}")
    elif found > 1:
        told.append(f"{found} faces were found; all are answered")
    if unsure:
        places = "1 place looks" if unsure == 1 else f"{unsure} places look"
        told.append(f"{places} a little like a face, too little for a verdict")
    return told


def finite(value, digits=None):
    """A plain float, or None where there is no number (JSON knows neither NaN nor infinity)."""
    if value is None or not math.isfinite(value):
        return None
    return float(value) if digits is None else round(float(value), digits)


def to_records(result, outputs=None):
    """One dict a face, ready for JSON, with the same keys in the same order whatever the verdict.

    Args:
        result: ``Result``.
        outputs: None, or one dict a face from kind (``OUTPUT_KINDS``) to the path written; kinds may be missing.

    Returns: list of dicts; what does not apply is None.
    """
    outputs = outputs or [{}] * len(result.faces)
    if len(outputs) != len(result.faces):
        raise ValueError(f"outputs must have one entry a face, {len(result.faces)}; received {len(outputs)}.")
    return [face_record(result, answer, paths) for answer, paths in zip(result.faces, outputs)]


def face_record(result, answer, paths):
    """The record of one face; see ``to_records``."""
    bbox, reswap = answer.bbox, answer.reswap
    return {
        "file": str(result.file),
        "sha256": result.sha256,
        "faces": result.counts,
        "face_index": None if answer.face_index is None else int(answer.face_index),
        "bbox": None if bbox is None else [finite(value, 2) for value in bbox],
        "verdict": answer.verdict,
        "p_fake": finite(answer.p_fake),
        "threshold": finite(answer.threshold),
        "error_rates": None if answer.error_rates is None else copy.deepcopy(answer.error_rates),
        "mask_area": finite(answer.mask_area, 6),
        "reswap": None if reswap is None else {key: finite(reswap[key], 6) for key in ("ssim", "residual")},
        "outputs": {kind: None if paths.get(kind) is None else str(paths[kind]) for kind in OUTPUT_KINDS},
        "model": answer.model,
        "warnings": [str(warning) for warning in answer.warnings],
        "seconds": finite(answer.seconds, 3),
    }


def error_record(file, sha256, error):
    """The record of a refused file.

    Args:
        file: path as given.
        sha256: hash of its bytes, or None where they could not be read.
        error: an exception with ``rule``, ``received`` and ``hint``.
    """
    reasons = {"rule": str(error.rule), "received": str(error.received), "hint": str(error.hint)}
    return {"file": str(file), "sha256": sha256, "error": reasons}


def csv_row(record):
    """Flatten a record of either kind to the columns of ``CSV_HEADER``; what does not apply is an empty string."""
    flat = dict(record)
    flat.update(zip(("bbox_x0", "bbox_y0", "bbox_x1", "bbox_y1"), record.get("bbox") or ()))
    for group in ("faces", "reswap", "outputs", "error"):
        flat.update({f"{group}_{key}": value for key, value in (record.get(group) or {}).items()})
    for key, value in (record.get("error_rates") or {}).items():
        rate = isinstance(value, dict)
        flat[f"error_rates_{key}"] = value["value"] if rate else value
        if rate:
            flat[f"error_rates_{key}_n"] = value["n"]
    flat["warnings"] = "; ".join(record.get("warnings", ()))
    return ["" if flat.get(column) is None else flat[column] for column in CSV_HEADER]
