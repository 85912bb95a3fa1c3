"""From a photo to its answer; command line, demo, evaluation and export all answer by ``Uncoverer``."""

import os
import time

import numpy as np

from keras_uncover.backend import own_settings
from keras_uncover.faces.alignment import align_faces
from keras_uncover.faces.finder import FaceFinder
from keras_uncover.files import hash_bytes
from keras_uncover.images.decode import ImageError, decode_with_notes, read_bytes
from keras_uncover.inference.answers import NAMES_DONOR, FaceAnswer, Result, decide
from keras_uncover.inference.calibration import calibrate_model, error_rates
from keras_uncover.inference.reswap import build_reswap
from keras_uncover.inference.wording import (
    NO_DONOR_FACE,
    OTHER_THRESHOLD,
    RATES_HOLD,
    SMALL_FACE,
    SWAPS_ONLY,
    UNCALIBRATED,
)
from keras_uncover.models.build import build_from_folder
from keras_uncover.models.config import view_of
from keras_uncover.models.face_geometry import face_mesh_of
from keras_uncover.presets import preset_folder
from keras_uncover.presets.weights import WEIGHTS, read_manifest
from keras_uncover.process import claim_process

SMALLEST = 2.5  # times that a crop may be enlarged: up to there robustness is measured


class Uncoverer:
    """Answers for photos: verdict, where, and both sources.

    Example, in a checkout of the project:

        >>> from keras_uncover import Uncoverer
        >>> uncoverer = Uncoverer.from_preset("small")
        >>> result = uncoverer("examples/fake_1.jpg")
        >>> result.main.verdict, result.main.donor.shape
        ('fake', (128, 128, 3))

    Args:
        model: a classifier or reconstructor, as ``build_classifier`` and ``build_reconstructor`` make them.
        config: its configuration, as ``config.json`` holds it.
        threshold: the ``p_fake`` from which on the verdict is ``fake``; None for the preset's own, or 0.5. With
            another than the preset's own no error rate is known and nothing is ``uncertain``.
        weights_sha256: hash of the weights file, for reports.
    """

    @own_settings(exact=True)
    def __init__(self, model, config, threshold=None, weights_sha256=None):
        if threshold is not None and not 0.0 <= threshold <= 1.0:
            raise ValueError(f"threshold must be within 0 and 1; received {threshold}.")
        self.model, self.config = calibrate_model(model, config), config
        self.choose_threshold(threshold)
        self.weights_sha256 = weights_sha256
        self.name = config["name"]
        self.size, self.view = model.inputs[0].shape[1], view_of(config["arch"])
        self.finder = FaceFinder(mesh=face_mesh_of(model))
        self.reswap = build_reswap(self.size)

    @classmethod
    @own_settings(exact=True)
    def from_preset(cls, preset="small", threshold=None, calibrated=True):
        """Load a shipped preset by name, or a preset or run folder, if wanted without its calibration.

        Raises: ``WeightsError``.
        """
        model, config = build_from_folder(preset, calibrated)
        manifest = read_manifest(preset_folder(preset))
        return cls(model, config, threshold=threshold, weights_sha256=manifest[WEIGHTS])

    def choose_threshold(self, threshold):
        """Set the threshold, its band and error rates, and the warnings that go with them."""
        own = 0.5 if self.config.get("threshold") is None else self.config["threshold"]
        self.threshold = float(own if threshold is None else threshold)
        self.error_rates = error_rates(self.config)
        if self.error_rates is None:
            self.band, self.warnings = None, [UNCALIBRATED, SWAPS_ONLY]
        elif self.threshold == own:
            self.band, self.warnings = self.config.get("band"), [SWAPS_ONLY, RATES_HOLD.format(**self.error_rates)]
        else:
            self.band, self.error_rates, self.warnings = None, None, [OTHER_THRESHOLD, SWAPS_ONLY]

    @own_settings(exact=True)
    def predict(self, crops):
        """Run the network on aligned crops.

        Args:
            crops: ``(n, size, size, 3)``, float32 in [0, 1] or uint8; ``n`` may be 0.

        Returns: dict of float32 arrays: ``p_fake`` ``(n,)``, calibrated where the preset is, and, for a
        reconstructor, ``mask`` ``(n, size, size)``, ``target`` and ``donor`` ``(n, size, size, 3)`` in [0, 1],
        ``flow`` ``(n, s, s, 2)`` in unit coordinates.
        """
        claim_process()
        crops = np.asarray(crops)
        if crops.ndim != 4 or crops.shape[1:] != (self.size, self.size, 3):
            raise ValueError(f"Crops must have the shape (n, {self.size}, {self.size}, 3); received {crops.shape}.")
        if crops.dtype == np.uint8:
            crops = crops / np.float32(255)
        elif len(crops) and not (crops.min() >= 0.0 and crops.max() <= 1.0):
            raise ValueError(f"Float crops must be within 0 and 1; received {crops.min()} to {crops.max()}.")
        if len(crops):
            outputs = self.model.predict_on_batch(crops.astype("float32"))
        else:  # Convolutions fail on none.
            outputs = {name: np.zeros((0, *value.shape[1:]), "float32") for name, value in self.model.output.items()}
        answer = {"p_fake": outputs["p_fake"][:, 0]}
        if "mask" in outputs:
            answer["mask"] = outputs["mask"][..., 0]
            answer.update({key: np.clip(outputs[key], 0.0, 1.0) for key in ("target", "donor")})
            answer["flow"] = outputs["flow"]
        return answer

    @own_settings(exact=True)
    def __call__(self, source, max_faces=8):
        """Answer for one photo.

        Args:
            source: path, encoded bytes (bytes, bytearray or memoryview), or uint8 RGB array ``(height, width, 3)``.
            max_faces: how many faces at most, the largest first.

        Returns: ``Result``, one answer a face, and how many were found; a photo without a face has one answer with the
        verdict ``no_face``. A place that the mesh network is not sure of is counted and gets no verdict.

        Raises:
            ImageError: the photo is refused.
            RuntimeError: this process was forked after networks were loaded; see ``process.claim_process``.
        """
        claim_process()
        started = time.perf_counter()
        file, digest, photo, notes = open_photo(source)
        found = self.finder.find_all(photo, small=True)
        faces = [face for face in found if face.sure]
        answers = self.answer_faces(photo, faces[:max_faces], notes) if faces else [self.answer_nothing(notes)]
        seconds = (time.perf_counter() - started) / len(answers)
        for answer in answers:
            answer.seconds = seconds
        return Result(file, digest, answers, photo, len(faces), len(found) - len(faces))

    def answer_nothing(self, notes=()):
        """The answer for a photo without a face; ``notes`` on its file are added to the warnings."""
        return FaceAnswer.no_face(self.threshold, self.name, [*self.warnings, *notes])

    def answer_faces(self, photo, faces, notes=()):
        """One ``FaceAnswer`` a face. Faces are run singly: a batch of a new length would be compiled anew."""
        aligned = zip(*align_faces(photo, faces, self.size, self.view))
        return [self.answer_face(k, face, *parts, notes) for k, (face, parts) in enumerate(zip(faces, aligned))]

    def answer_face(self, index, face, crop, points, place, notes=()):
        """The answer for one aligned face.

        Args:
            index: its number in the photo.
            face: ``Face``.
            crop, points, place: a row each of what ``align_faces`` gives.
            notes: sentences on the photo's file.
        """
        outputs = {key: value[0] for key, value in self.predict(crop[None]).items()}
        verdict = decide(float(outputs["p_fake"]), self.threshold, self.band)
        pictures = {name: outputs[name] for name in ("mask", "target") if name in outputs}
        warnings = list(self.warnings)
        if "donor" in outputs and verdict in NAMES_DONOR:
            pictures["donor"] = outputs["donor"]
            pictures["reswap_image"], pictures["reswap"] = self.swap_again({"crop": crop, **pictures}, points)
            if pictures["reswap"] is None:
                warnings.append(NO_DONOR_FACE)
        side = float(np.hypot(*place[:, 0]))
        if side < self.size / SMALLEST:
            warnings.append(SMALL_FACE.format(side=side, size=self.size))
        return FaceAnswer(
            face_index=index,
            bbox=face.box,
            verdict=verdict,
            p_fake=float(outputs["p_fake"]),
            threshold=self.threshold,
            mask_area=float(outputs["mask"].mean()) if "mask" in outputs else None,
            model=self.name,
            warnings=[*warnings, *notes],
            error_rates=self.error_rates,
            crop=crop,
            place=place,
            points=face.points,
            **pictures,
        )

    def swap_again(self, pictures, points):
        """Make the swap again from what was recovered.

        Args:
            pictures: dict of ``crop``, ``target`` and ``donor`` float32 ``(size, size, 3)`` and ``mask``
                ``(size, size)``, all in [0, 1].
            points: ``(478, 3)``, the photo's face in unit coordinates of the crop.

        Returns: float32 ``(size, size, 3)`` in [0, 1] and the scores of ``FaceAnswer.reswap``; twice None where no face
        is found in the donor.
        """
        donor_points = self.finder.points_in_crop(pictures["donor"])
        if donor_points is None:
            return None, None
        batch = {
            **{name: pictures[name] for name in ("crop", "target", "donor")}, "mask": pictures["mask"][..., None],
            "points": points, "donor_points": donor_points,
        }
        outputs = self.reswap.predict_on_batch({key: np.asarray(v, "float32")[None] for key, v in batch.items()})
        ssim, residual = map(float, outputs["scores"][0])
        return np.clip(outputs["reswap"][0], 0.0, 1.0), {"ssim": ssim, "residual": residual}


def open_photo(source):
    """Name, SHA-256, pixels and notes on the file of a photo given as path, bytes or uint8 array."""
    if isinstance(source, np.ndarray):
        if source.dtype != np.uint8 or source.ndim != 3 or source.shape[-1] != 3:
            raise ValueError(
                f"A photo as an array must be uint8 (height, width, 3), RGB; received {source.dtype} {source.shape}."
            )
        return "<array>", hash_bytes(source.tobytes()), source, []
    data = read_bytes(source)
    name = "<bytes>" if isinstance(source, (bytes, bytearray, memoryview)) else os.fspath(source)
    digest = hash_bytes(data)
    try:
        return name, digest, *decode_with_notes(data)
    except ImageError as error:
        error.sha256 = digest  # Else the file would be read once more to say which it was.
        raise
