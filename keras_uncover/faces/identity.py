"""The judge: how far apart two faces are, by a published network that was never part of a loss."""

import keras
import numpy as np

from keras_uncover.backend import own_settings
from keras_uncover.faces.chips import CutChips
from keras_uncover.models.face_identity import build_face_resnet
from keras_uncover.ops.mesh import VERTICES
from keras_uncover.presets import preset_folder
from keras_uncover.presets.weights import WeightsError, load_verified, load_weights
from keras_uncover.process import claim_process

SAME_PERSON = 0.6  # the network's own mark: closer than this, two faces are called the same person's
BATCH = 16


class Judge:
    """Describes faces so that their distance can be told.

    Args:
        network: as ``build_face_resnet`` makes it, with its weights.
    """

    def __init__(self, network):
        self.network = network
        self._models = {}

    @classmethod
    @own_settings(exact=True)
    def from_preset(cls, preset="judge"):
        """Load the judge that ships, or a preset folder of the same kind. Raises: ``WeightsError``."""
        claim_process()
        folder = preset_folder(preset)
        network = build_face_resnet()
        config = load_verified(folder)
        if config.get("kind") != network.name:
            raise WeightsError(
                f"A judge's preset must be of the kind {network.name!r}.", f"{folder}, which holds {config.get('kind')!r}",
                'The judge that ships is named "judge".',
            )
        load_weights(network, folder, config)
        return cls(network)

    @own_settings(exact=True)
    def describe(self, images, points):
        """Descriptors of the faces on aligned crops.

        Args:
            images: ``(n, side, side, 3)``, RGB, float32 in [0, 1] or uint8, of any side.
            points: ``(n, 468 or more, 2 or 3)``, mesh points in unit coordinates of the crops: for an answer and for
                a baseline those of the truth that they are compared with.

        Returns: numpy float32 ``(n, 128)``.

        Raises:
            ValueError: shapes, range or numbers do not fit.
        """
        claim_process()
        images, points = check_crops(images, points)
        model = self._model(images.shape[1])
        rows = [np.zeros((0, 128), "float32")]
        for start in range(0, len(images), BATCH):
            # Always full batches: one of a new length would be compiled anew.
            take = np.minimum(np.arange(start, start + BATCH), len(images) - 1)
            rows.append(model.predict_on_batch([images[take], points[take]])[: len(images) - start])
        return np.concatenate(rows)

    def _model(self, side):
        """Cutting and describing as one compiled model for crops of a side."""
        if side not in self._models:
            crop, points = keras.Input((side, side, 3), name="crop"), keras.Input((VERTICES, 2), name="points")
            chips = CutChips(name="chips")([crop, points])
            self._models[side] = keras.Model([crop, points], self.network(chips), name="judge")
        return self._models[side]


def check_crops(images, points):
    """Crops as float32 in [0, 1] and the first two coordinates of the 468 points, both checked."""
    images, points = np.asarray(images), np.asarray(points, "float32")
    if images.ndim != 4 or images.shape[1] != images.shape[2] or images.shape[3] != 3:
        raise ValueError(f"Crops must have the shape (n, side, side, 3); received {images.shape}.")
    if points.ndim != 3 or len(points) != len(images) or points.shape[1] < VERTICES or points.shape[2] not in (2, 3):
        raise ValueError(
            f"Points must have the shape ({len(images)}, {VERTICES} or more, 2 or 3), one mesh a crop; received "
            f"{points.shape}."
        )
    if images.dtype == np.uint8:
        images = images / np.float32(255)
    # Written so that NaN is refused too.
    elif len(images) and not (images.min() >= 0.0 and images.max() <= 1.0):
        raise ValueError(f"Float crops must be within 0 and 1; received {images.min()} to {images.max()}.")
    if not np.isfinite(points).all():
        raise ValueError(f"Points must be finite; received {np.sum(~np.isfinite(points))} numbers that are not.")
    return images.astype("float32"), np.ascontiguousarray(points[:, :VERTICES, :2])


def distance(a, b):
    """Euclidean distance of descriptors along the last axis; the others broadcast.

    Args:
        a, b: float32 ``(..., 128)``; ``distance(a[:, None], b[None])`` is each of ``a`` to each of ``b``.

    Returns: numpy float32 ``(...)``; below ``SAME_PERSON`` the network takes two faces for the same person's.
    """
    return np.sqrt(np.sum((np.asarray(a, "float32") - np.asarray(b, "float32")) ** 2, axis=-1))
