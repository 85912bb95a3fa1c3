"""What a photo is answered with: one ``FaceAnswer`` a face, and a ``Result`` a photo.

The question is whether a face was *swapped in*. A portrait that is generated as a whole counts as genuine.
"""

from dataclasses import dataclass, field

VERDICTS = ("fake", "genuine", "uncertain", "no_face")
NAMES_DONOR = ("fake", "uncertain")  # nobody is invented for a face that is called genuine


@dataclass(eq=False, kw_only=True)
class FaceAnswer:
    """The answer for one face, or for a photo without one (``no_face``). All arguments are given by name.

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

    verdict: str
    threshold: float
    model: str
    face_index: int | None = None
    bbox: tuple | None = None
    p_fake: float | None = None
    mask_area: float | None = None
    reswap: dict | None = None
    warnings: list = field(default_factory=list)
    seconds: float = 0.0
    error_rates: dict | None = field(default=None, repr=False)
    crop: object = field(default=None, repr=False)
    mask: object = field(default=None, repr=False)
    target: object = field(default=None, repr=False)
    donor: object = field(default=None, repr=False)
    reswap_image: object = field(default=None, repr=False)
    place: object = field(default=None, repr=False)
    points: object = field(default=None, repr=False)

    def __post_init__(self):
        if self.verdict not in VERDICTS:
            raise ValueError(f"verdict must be one of {VERDICTS}; received {self.verdict!r}.")

    @classmethod
    def no_face(cls, threshold, model, warnings=()):
        """The answer for a photo without a face."""
        return cls(verdict="no_face", threshold=threshold, model=model, warnings=list(warnings))

    @property
    def names_donor(self):
        """Whether a donor may be shown: never for a genuine face, because nobody is invented."""
        return self.verdict in NAMES_DONOR


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

    Every field of ``FaceAnswer`` can be read here, too: it is that of the first face.
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

    def __getattr__(self, name):
        if name in FaceAnswer.__dataclass_fields__:
            return getattr(self.main, name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")


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

