"""Whom recovered faces look like: reference photos ranked by the judge's distance.

A ranking is a lead, never an identification: the nearest of a gallery is the nearest even where nobody in it was in
the photo.
"""

from dataclasses import dataclass

import numpy as np
from keras import ops

from keras_uncover.backend import own_settings
from keras_uncover.faces.alignment import align_faces
from keras_uncover.faces.identity import SAME_PERSON, distance
from keras_uncover.images.decode import ImageError, decode_image, read_bytes
from keras_uncover.inference.likeness_text import ROLES
from keras_uncover.ops.texture import uv_map
from keras_uncover.swaps.synthesis import neutral_outside


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
        crops, points = align_faces(photo, faces, self.size)
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
        points = self.points_of(picture)
        return None if points is None else self.judge.describe(picture[None], points[None])[0]

    def points_of(self, picture):
        """Mesh points ``(478, 3)`` of one recovered face in unit coordinates, or None where the mesh sees no face."""
        whole = np.array([[[self.size, 0, 0], [0, self.size, 0]]], "float32")
        points, presence = self.finder.points_in(np.round(picture * 255).astype("uint8"), whole)
        return None if presence[0] < 0.5 else points[0] / self.size


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
