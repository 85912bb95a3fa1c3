"""What a model says of each picture of the material, kept in a file of JSON lines, so that a run can be resumed.

A record holds numbers about a picture and its hash: no pixels, no descriptor of a face.
"""

import contextlib
import functools
import json

import cv2
import numpy as np

import keras_uncover
from keras_uncover.evaluation.material import MaterialError
from keras_uncover.faces.identity import distance
from keras_uncover.files import hash_array, hash_bytes, hash_regular, lock_file
from keras_uncover.images.decode import ImageError
from keras_uncover.inference.likeness import ROLES, Matcher

NO_FACE = "no face was found"
# Corners of the eyes in the mesh: on the left of the picture, on the right.
EYES = ((33, 133), (362, 263))
SHARPNESS_SIDE = 256  # pixels that a face is shrunk to before its detail is measured; smaller ones stay as they are
TRUTHS_HELD = 64  # references that are kept at a time: many results share a target or a donor


def eye_distance(points):
    """Distance of the centres of the eyes, in pixels of ``points`` ``(468 or more, 2 or 3)``."""
    left, right = (points[list(corners), :2].mean(0) for corners in EYES)
    return float(np.hypot(*(left - right)))


def sharpness(photo, points):
    """How much fine detail a face has: deviation of the grey values' Laplacian over that of the grey values.

    Args:
        photo: uint8 ``(height, width, 3)``.
        points: the face's mesh in photo pixels, ``(n, 2 or 3)``; its bounding box is measured.

    Returns: float, 0 where all pixels are alike. Faces larger than ``SHARPNESS_SIDE`` are shrunk to it.
    """
    edge = np.array([photo.shape[1], photo.shape[0]])
    low = np.clip(np.floor(points[:, :2].min(0)), 0, edge - 1).astype(int)
    high = np.clip(np.ceil(points[:, :2].max(0)), low + 1, edge).astype(int)
    grey = cv2.cvtColor(np.ascontiguousarray(photo[low[1] : high[1], low[0] : high[0]]), cv2.COLOR_RGB2GRAY)
    scale = SHARPNESS_SIDE / max(grey.shape)
    if scale < 1:
        grey = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    spread = float(grey.std())
    return float(cv2.Laplacian(grey, cv2.CV_64F).std()) / spread if spread else 0.0


class Answers:
    """Records of a file of JSON lines, one a picture and model; what is added is on disk at once.

    Args:
        path: the file; made if it is missing. A line that a killed run left unfinished is passed over.

    Raises:
        MaterialError: another run is writing to it.
    """

    def __init__(self, path):
        self._file = open(path, "a+", encoding="utf-8")
        try:
            lock_file(self._file)
        except OSError as error:
            self._file.close()
            raise MaterialError(f'One run at a time writes to "{path}"; another does. Give another --out.') from error
        self._file.seek(0)
        self._records, line = {}, "\n"
        for line in self._file:
            with contextlib.suppress(ValueError, KeyError, TypeError):
                record = json.loads(line)
                self._records[tuple(record["key"])] = record
        if not line.endswith("\n"):
            self._file.write("\n")

    def get(self, key):
        """The record of a key, or None."""
        return self._records.get(tuple(key))

    def add(self, key, record):
        """Keep a record; returns it as it is kept."""
        record = {"key": list(key), **record}
        self._records[tuple(key)] = record
        self._file.write(json.dumps(record, allow_nan=False) + "\n")
        self._file.flush()
        return record

    def close(self):
        """Let other runs write to the file."""
        self._file.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Examiner:
    """Asks one model about pictures.

    Args:
        uncoverer: ``Uncoverer``.
        judge: None, or ``Judge``: then recovered faces are compared with the truths.
    """

    def __init__(self, uncoverer, judge=None):
        self.uncoverer = uncoverer
        self.matcher = None if judge is None else Matcher(uncoverer, judge)
        self._look = functools.lru_cache(TRUTHS_HELD)(self._look_at)

    @property
    def settings(self):
        """Hash of what an answer depends on beside the picture and the weights."""
        parts = (keras_uncover.__version__, self.uncoverer.config, self.uncoverer.threshold, self.matcher is not None)
        return hash_bytes(json.dumps(parts, sort_keys=True, default=str).encode())

    def examine(self, picture, truths):
        """The record of a picture and of the faces recovered from it.

        Args:
            picture: ``Picture``.
            truths: dict from role to the ``Picture`` of its target and donor, where there are such.

        Returns: dict ready for JSON: ``reason``, where there is no answer; ``pixels_sha256``, where it could be
            decoded; ``p_fake``, ``verdict``, ``eye_distance`` (photo pixels), ``sharpness`` and ``distances``, where a
            face was found: the largest one.
        """
        try:
            result = self.uncoverer(picture.path, max_faces=1)
        except ImageError as error:
            return {"reason": str(error).replace(str(picture.path), picture.name)}
        pixels = np.ascontiguousarray(result.photo)
        record = {"pixels_sha256": hash_array(pixels)}
        if result.verdict == "no_face":
            return {**record, "reason": NO_FACE}
        answer = result.main
        return {
            **record,
            "p_fake": float(answer.p_fake),
            "verdict": answer.verdict,
            "eye_distance": eye_distance(answer.points),
            "sharpness": sharpness(result.photo, answer.points),
            "distances": self.compare(picture, answer, truths),
        }

    def compare(self, picture, answer, truths):
        """The judge's distances from the truths to the recovered faces and to the input as it is.

        The donor is compared whatever the verdict, though it is shown only where the verdict lets it be.

        Returns: dict from role to ``{"answer", "input"}``, the first None where the recovered picture shows no face;
            roles without a truth that shows a face are missing.
        """
        if self.matcher is None or answer.target is None:
            return {}
        seen = {("truth", role): self._look(truth.path) for role, truth in truths.items()}
        seen = {place: found for place, found in seen.items() if found is not None}
        if not seen:
            return {}
        own = self.matcher.look(picture.path)
        for _, role in list(seen):
            half, recovered = ROLES.index(role), self.recovered(answer, role)
            seen["input", role] = [both[half] for both in own]
            seen["truth", role] = [both[half] for both in seen["truth", role]]
            seen["answer", role] = recovered, self.matcher.finder.points_in_crop(recovered)
        # At once: the judge always works on a full batch.
        known = {place: found for place, found in seen.items() if found[1] is not None}
        features = dict(zip(known, self.matcher.judge.describe(*map(np.stack, zip(*known.values())))))

        def apart(who, role):
            there = (who, role) in features
            return float(distance(features[who, role], features["truth", role])) if there else None

        roles = [role for role in truths if ("truth", role) in seen]
        return {role: {who: apart(who, role) for who in ("answer", "input")} for role in roles}

    def recovered(self, answer, role):
        """The recovered picture of a role, float32 ``(size, size, 3)`` in [0, 1]."""
        if role == "target":
            return answer.target
        return self.uncoverer.predict(answer.crop[None])["donor"][0] if answer.donor is None else answer.donor

    def _look_at(self, path):
        """A truth as ``Matcher.look`` shows it, or None where it is refused or has no face: it is listed on its own."""
        try:
            return self.matcher.look(path)
        except ImageError:
            return None


def examine_all(examiner, material, answers, follow=iter):
    """Yield each picture with its record; only what ``answers`` does not hold is asked.

    Args:
        examiner: ``Examiner``.
        material: ``Material``.
        answers: ``Answers``.
        follow: function from the pictures to themselves, which tells how far they are.
    """
    fixed = (examiner.uncoverer.weights_sha256, examiner.settings)
    hashed = functools.lru_cache(TRUTHS_HELD)(hash_regular)
    for picture in follow(material.pictures):
        truths = {role: material.truth(picture, role) for role in ("target", "donor")}
        truths = {role: truth for role, truth in truths.items() if truth is not None}
        own = hash_regular(picture.path)
        if own is None:
            # A picture that cannot be read is refused with its reason in every run.
            yield picture, examiner.examine(picture, truths)
            continue
        key = (own, *fixed, *(hashed(truths[role].path) if role in truths else None for role in ("target", "donor")))
        record = answers.get(key)
        yield picture, answers.add(key, examiner.examine(picture, truths)) if record is None else record
