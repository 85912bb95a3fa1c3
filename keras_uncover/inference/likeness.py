"""Whom recovered faces look like: reference photos ranked by the judge's distance.

A ranking is a lead, never an identification: the nearest of a gallery is the nearest even where nobody in it was in
the photo. The words say how often the judge's mark takes one person for another.
"""

from dataclasses import dataclass

import numpy as np
from keras import ops

from keras_uncover.backend import own_settings
from keras_uncover.faces.alignment import align_faces
from keras_uncover.faces.identity import SAME_PERSON, distance
from keras_uncover.images.decode import ImageError, decode_image, read_bytes
from keras_uncover.inference.wording import NO_DONOR, VERDICT_WORDS, percent
from keras_uncover.ops.texture import uv_map
from keras_uncover.swaps.synthesis import neutral_outside

NO_LEAD = "A ranking is a lead and no identification: the nearest is named even where nobody in the gallery is shown."
OTHER_PHOTOS = (
    "These rates hold for other pictures of the same moment of {n_people} people, the {split} split; with photos taken "
    "on other days, and between relatives, more are mistaken. They differ between groups of people by age, sex and "
    "skin, which was not measured."
)
UNMEASURED = "The mark's error rates were not measured with these weights."
ROLES = ("target", "donor")
WITHOUT = {
    "target": "no target was recovered in which a face is seen",
    "donor": "no donor was recovered in which a face is seen",
    "genuine": NO_DONOR,
}


@dataclass(frozen=True, eq=False)
class Reference:
    """One photo of a gallery.

    Attributes:
        file: its path.
        crop: float32 ``(size, size, 3)`` in [0, 1], around its largest face.
        features: dict from role to descriptor, float32 ``(128,)``: of the whole crop for targets, of the face on grey,
            as a recovered donor is, for donors.
    """

    file: str
    crop: np.ndarray
    features: dict


class Matcher:
    """Compares recovered faces with photos of people.

    Args:
        uncoverer: ``Uncoverer``, whose finder and size are used.
        judge: ``Judge``.
    """

    def __init__(self, uncoverer, judge):
        self.finder, self.size, self.judge = uncoverer.finder, uncoverer.size, judge

    @own_settings(exact=True)
    def read(self, path):
        """Describe a reference photo by its largest face.

        Returns: ``Reference``.

        Raises:
            ImageError: the photo is refused, or has no face.
        """
        pictures, points = self.look(path)
        return Reference(path, pictures[0], dict(zip(ROLES, self.judge.describe(pictures, points))))

    def look(self, path):
        """The largest face of a photo as ``Reference.features`` describes it.

        Returns: float32 ``(2, size, size, 3)`` in [0, 1], the whole crop and the face on grey, and the mesh points of
        each, float32 ``(2, 478, 3)`` in unit coordinates.

        Raises:
            ImageError: the photo is refused, or has no face.
        """
        photo = decode_image(read_bytes(path))
        faces = self.finder.find(photo, max_faces=1, small=True)
        if not faces or not faces[0].sure:
            raise ImageError("A reference photo shows a face", f'"{path}", in which none was found', "Take another.")
        crops, points, _ = align_faces(photo, faces, self.size)
        _, hull = uv_map(ops.convert_to_tensor(points[0]), self.size)
        face = ops.convert_to_numpy(neutral_outside(crops[0], hull))
        return np.stack([crops[0], face]), np.concatenate([points, points])

    @own_settings(exact=True)
    def describe(self, answer):
        """Descriptors of an answer's recovered faces.

        Args:
            answer: ``FaceAnswer``.

        Returns: dict from role to float32 ``(128,)``, or None where there is nobody to compare: no donor for a genuine
            face, and nothing in which the mesh sees no face.
        """
        pictures = {"target": answer.target, "donor": answer.donor if answer.names_donor else None}
        return {role: None if picture is None else self.describe_picture(picture) for role, picture in pictures.items()}

    @own_settings(exact=True)
    def describe_picture(self, picture):
        """The descriptor of one recovered face, float32 ``(size, size, 3)`` in [0, 1], or None without a face."""
        points = self.finder.points_in_crop(picture)
        return None if points is None else self.judge.describe(picture[None], points[None])[0]


def rank(features, references, role, top):
    """The references nearest to a recovered face.

    Args:
        features: float32 ``(128,)``, as ``Matcher.describe`` gives it, or None.
        references: list of ``Reference``.
        role: ``"target"`` or ``"donor"``.
        top: how many at most.

    Returns: None without features, else a list of dicts, nearest first: ``rank`` from 1, ``file``, ``distance``,
        ``similarity`` (1 less the distance, at least 0), and ``same_person``, whether the judge's own mark is met.
    """
    if features is None:
        return None
    apart = distance(np.stack([reference.features[role] for reference in references]), features)
    order = np.argsort(apart, kind="stable")[:top]
    return [
        {
            "rank": place,
            "file": str(references[k].file),
            "distance": round(float(apart[k]), 4),
            "similarity": round(max(0.0, 1.0 - float(apart[k])), 4),
            "same_person": bool(apart[k] < SAME_PERSON),
        }
        for place, k in enumerate(order, 1)
    ]


def describe_judge(measured):
    """The judge's error rates at its own mark, or that there are none.

    Args:
        measured: entry of its configuration: ``split``, ``n_people``, ``others_within`` and ``own_beyond``, each
            ``{"value", "interval", "n"}``; or None.
    """
    if measured is None:
        return UNMEASURED
    return (
        f"Between photos, {percent(measured['others_within'])} of the pairs of different people are within the mark of "
        f"{SAME_PERSON:g}, and {percent(measured['own_beyond'])} of another picture of the same person beyond it. "
        + OTHER_PHOTOS.format(**measured)
    )


def describe_recovered(measured, role):
    """The same for recovered faces, which are guesses, or that it was not measured.

    Args:
        measured: entry ``recovered`` of the preset's configuration or of an evaluation: from role to
            ``{"own_within", "others_within"}``; or None.
        role: ``"target"`` or ``"donor"``.
    """
    found = (measured or {}).get(role)
    if found is None:
        return f"Recovered {role}: {UNMEASURED[0].lower()}{UNMEASURED[1:]}"
    return (
        f"Recovered {role}: on the {measured['split']} people, {percent(found['own_within'])} were within the mark of "
        f"their own person's photo, and so were {percent(found['others_within'])} of the pairs with other people's"
    )


def recovered_rates(report, weights_sha256):
    """What an evaluation says of recovered faces at the judge's mark, for a preset's configuration.

    Args:
        report: as ``evaluate_keras.py --json`` writes it.
        weights_sha256: hash of the preset's weights.

    Returns: dict of ``split``, ``n_people``, ``weights_sha256`` and, by role, ``own_within`` and ``others_within``;
        None where the evaluation is one of other weights or has no such numbers.
    """
    if report.get("weights_sha256") != weights_sha256:
        return None
    rates = {
        role: {name: report[role][f"{name}_mark"] for name in ("own_within", "others_within")}
        for role in ROLES if "own_within_mark" in (report.get(role) or {})
    }
    said = {name: report[name] for name in ("split", "n_people", "weights_sha256")}
    return {**said, **rates} if rates else None


def describe_match(record):
    """Lines of text for the record of ``keras-uncover match``."""
    yield f"{record['file']}: {record['verdict'].replace('_', ' ').upper()}, {VERDICT_WORDS[record['verdict']]}"
    for role in ROLES:
        found = record[role]
        if found is None:
            key = "genuine" if role == "donor" and record["verdict"] == "genuine" else role
            yield f"recovered {role}: {WITHOUT[key]}"
            continue
        yield f"nearest to the recovered {role}:"
        for entry in found:
            mark = "within the same-person mark" if entry["same_person"] else "beyond the mark"
            yield f"  {entry['rank']}. {entry['file']}  distance {entry['distance']:.3f}, {mark}"
    yield from record["notes"]
