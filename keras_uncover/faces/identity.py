"""The judge: how far apart two faces are, by a published network that was never part of a loss.

All that it sees of a face is a chip, cut from whatever crop by the mesh points of the photo that is asked about. Truth,
answer and every baseline are cut by the same points, so the distance tells who is there, not how well a face was found.
"""

import functools

import keras
import numpy as np
from keras import ops

from keras_uncover.backend import own_settings
from keras_uncover.models.face_identity import build_face_resnet
from keras_uncover.ops.geometry import ANCHORS, fit_similarity, pixel_grid, sample, transform_points
from keras_uncover.ops.mesh import VERTICES, mean_mesh
from keras_uncover.presets import preset_folder
from keras_uncover.presets.weights import WeightsError, load_verified, load_weights
from keras_uncover.process import claim_process

SAME_PERSON = 0.6  # the network's own mark: closer than this, two faces are called the same person's
BATCH = 16
SIZE = 150
# Where the mean face lies in a chip, in shares of its side: as in the chips that dlib's network was trained on, whose
# published places of eye corners and nose put the mean face's hull at 0.77 of the width and its outer eye corners at
# 0.308 of the height. Of twelve framings around it, this one keeps mirrored and badly aligned crops nearest to their
# person on the validation people.
HULL_WIDTH = 0.77
EYE_LINE = 0.308
EYE_CORNERS = (33, 263)


@functools.cache
def chip_template():
    """Mesh points of the mean face in unit coordinates of a chip, numpy float32 ``(468, 2)``."""
    points = mean_mesh().points.astype("float64")
    scaled = points * HULL_WIDTH / np.ptp(points[:, 0])
    middle = (scaled[:, 0].min() + scaled[:, 0].max()) / 2
    eyes = scaled[list(EYE_CORNERS), 1].mean()
    return (scaled + [0.5 - middle, EYE_LINE - eyes]).astype("float32")


def chip_transform(points):
    """The similarity transform that puts a face's eyes and mouth where the mean face has them in a chip.

    Args:
        points: float32 ``(batch, 468 or more, 2 or 3)``, in any coordinates, x first.

    Returns: float32 ``(batch, 2, 3)``, unit chip to those coordinates.
    """
    anchors = ops.stack([points[:, index, :2] for index in ANCHORS], axis=1)
    template = ops.broadcast_to(ops.convert_to_tensor(chip_template()[list(ANCHORS)]), ops.shape(anchors))
    return fit_similarity(template, anchors)


def reads_per_pixel(crop_size, size):
    """How many reads each way a chip's pixel is the mean of: pixels of the crop that it spans, rounded up.

    It rests on the mean face alone, to which crops are aligned: a chip must not depend on others in its batch.
    """
    span = np.ptp(mean_mesh().points[:, 0]) * crop_size / (HULL_WIDTH * size)
    return max(1, int(np.ceil(span - 1e-3)))


def cut_chips(images, points, size=SIZE):
    """Cut one chip of each crop, without aliasing; a crop's size changes its chip's sharpness, never its framing.

    Args:
        images: float32 ``(batch, side, side, 3)``, crops; values are not rescaled.
        points: float32 ``(batch, 468 or more, 2 or 3)``, their mesh points in unit coordinates.
        size: pixels of a chip's side.

    Returns: float32 ``(batch, size, size, 3)`` in the range of ``images``. What lies outside of a crop is mirrored.

    Raises:
        ValueError: a crop is not square, or there are too few points.
    """
    if images.shape[1] != images.shape[2]:
        raise ValueError(f"Chips are cut from square crops, (batch, side, side, 3); received {tuple(images.shape)}.")
    if points.shape[1] < VERTICES:
        raise ValueError(f"Chips are cut by {VERTICES} mesh points or more; received {tuple(points.shape)}.")
    side = images.shape[1]
    taps = reads_per_pixel(side, size)
    matrices = chip_transform(points)
    shape = (ops.shape(points)[0], size * size, 2)
    grid = ops.reshape(pixel_grid(size), (1, size * size, 2))
    total = 0.0
    for tap in range(taps * taps):
        shift = (np.array([tap % taps, tap // taps], "float32") + 0.5) / taps - 0.5
        places = transform_points(matrices, ops.broadcast_to(grid + shift / size, shape))
        total = total + sample(images, ops.reshape(places * side, (-1, size, size, 2)))
    return total / taps**2


class CutChips(keras.layers.Layer):
    """``cut_chips`` as a layer: ``[crops, points]`` to chips."""

    def __init__(self, size=SIZE, **kwargs):
        super().__init__(**kwargs, dtype="float32")
        self.size = size

    def call(self, inputs):
        return cut_chips(*inputs, size=self.size)

    def compute_output_shape(self, input_shape):
        return (input_shape[0][0], self.size, self.size, 3)

    def get_config(self):
        config = super().get_config()
        del config["dtype"]
        return {**config, "size": self.size}


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
        kind = config.get("kind")
        if kind != network.name:
            raise WeightsError(
                f"A judge's preset must be of the kind {network.name!r}.", f"{folder}, which holds {kind!r}",
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
