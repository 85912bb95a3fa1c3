"""Finding faces in a photo: where they are and 478 points on each."""

import os
from dataclasses import dataclass
from importlib import resources

import keras
import numpy as np
from keras import ops

from keras_uncover.backend import own_settings
from keras_uncover.faces import detection
from keras_uncover.faces.detection import SURE_PRESENCE, rank_faces
from keras_uncover.faces.small_faces import VIEWS, make_view, needs_closer_look, seek_small
from keras_uncover.models.face_detector import SIZE as DETECTOR_SIZE
from keras_uncover.models.face_detector import build_face_detector
from keras_uncover.models.face_mesh import SIZE as MESH_SIZE
from keras_uncover.models.face_mesh import build_face_mesh
from keras_uncover.ops.geometry import cut_crops, transform_points
from keras_uncover.presets.weights import load_weights
from keras_uncover.process import claim_process

PRESETS = resources.files("keras_uncover") / "presets"
POINTS = 478  # of a mesh
# Candidates of one photo that the mesh network looks at.
MAX_CANDIDATES = 16
# The detector misses a face that fills the picture: it is also shown the photo smaller, with a black margin.
ZOOMS = (1.0, 1.5, 2.0)
MIN_CANVAS, MAX_SQUARE = 512, 4096  # sides of the squares that photos are laid on


class Compiled(keras.Model):
    """A function of arrays, compiled: a model's predict step is the one compiler that all of Keras's backends share.

    Args:
        function: of as many tensors as ``run`` is given.
        network: the model that the function calls.
    """

    def __init__(self, function, network):
        super().__init__(name="compiled")
        self.function, self.network = function, network

    def call(self, inputs):
        return self.function(*inputs)

    def run(self, *inputs):
        """The function's values for arrays, as NumPy arrays."""
        return self.predict_on_batch(inputs)


def lay_on_canvas(photo):
    """Check a photo and lay it on a black square whose side is a power of two, so that few shapes are compiled.

    Outside of a photo a finder of faces reads zeros anyway. Beyond ``MAX_SQUARE`` the sides differ: a square around a
    long photo would be too large.

    Returns: uint8 ``(1, canvas height, canvas width, 3)`` and the photo's height and width.
    """
    photo = np.asarray(photo)
    if photo.dtype != np.uint8 or photo.ndim != 3 or photo.shape[-1] != 3 or 0 in photo.shape:
        raise ValueError(
            "A photo must be uint8 (height, width, 3), RGB, with at least one pixel. "
            f"Received: {photo.dtype} {photo.shape}. Read files with keras_uncover.images.decode."
        )
    height, width = photo.shape[:2]
    sides = [max(MIN_CANVAS, 1 << (side - 1).bit_length()) for side in (height, width)]
    if max(sides) <= MAX_SQUARE:
        sides = 2 * [max(sides)]
    canvas = np.zeros((1, *sides, 3), np.uint8)
    canvas[0, :height, :width] = photo
    return canvas, (height, width)


@dataclass(frozen=True)
class Face:
    """One face in a photo; all lengths are photo pixels.

    Attributes:
        box: ``(x0, y0, x1, y1)``, around the points, clipped to the photo.
        score: the detector's, in ``[0, 1]``.
        points: numpy float32 ``(478, 3)``; a smaller z is nearer to the camera.
        presence: the mesh network's probability that it looks at a face.
    """

    box: tuple
    score: float
    points: np.ndarray
    presence: float

    @property
    def sure(self):
        """Whether the mesh network is sure enough of a face for a verdict."""
        return self.presence >= SURE_PRESENCE


def letterbox_matrices(height, width):
    """Squares around the middle of a photo that hold all of it, one for each of ``ZOOMS``.

    Returns: float32 ``(3, 2, 3)``, unit crop to photo pixels.
    """
    centre = ops.cast(ops.stack([width, height]), "float32") / 2
    sides = 2 * ops.max(centre) * ops.convert_to_tensor(np.array(ZOOMS, "float32"))
    linear = sides[:, None, None] * ops.eye(2)
    return ops.concatenate([linear, (centre - sides[:, None] / 2)[:, :, None]], axis=-1)


def letterboxes(photo, matrices):
    """A photo as the detector sees it, once for each of ``ZOOMS``.

    Args:
        photo: uint8 ``(height, width, 3)``.
        matrices: as from ``letterbox_matrices``.

    Returns: float32 ``(3, 128, 128, 3)`` in ``[0, 1]``.
    """
    view = cut_crops(photo, matrices[:1], DETECTOR_SIZE, border="zero")
    # The smaller views need no detail: reading them out of the first view is cheaper than reading a large photo.
    inner = letterbox_matrices(DETECTOR_SIZE, DETECTOR_SIZE)[1:]
    return ops.concatenate([view, cut_crops(view[0] * 255.0, inner, DETECTOR_SIZE, border="zero")])


def place_faces(regressors, logits, matrices, max_faces):
    """Turn the detector's answers to ``letterboxes`` into faces in the photo.

    Args:
        regressors, logits: ``(3, 896, 16)``, ``(3, 896)``.
        matrices: as from ``letterbox_matrices``.
        max_faces: Python integer.

    Returns: places float32 ``(max_faces, 8, 2)`` in photo pixels (two box corners, six key points) and scores
    ``(max_faces,)``; a score of 0 means no face.
    """
    places, scores = detection.decode(regressors, logits)
    flat = transform_points(matrices, ops.reshape(places, (len(ZOOMS), -1, 2)))
    return detection.join_views(ops.reshape(flat, places.shape), scores, max_faces)


def place_points(points, matrices):
    """Mesh points ``(n, 478, 3)`` in unit coordinates of crops to photo pixels, z scaled like x and y."""
    side = ops.sqrt(ops.sum(matrices[:, :, 0] ** 2, axis=-1))
    flat = transform_points(matrices, points[..., :2])
    return ops.concatenate([flat, points[..., 2:] * side[:, None, None]], axis=-1)


class FaceFinder:
    """The two networks with the weights that are shipped, ready for photos.

    Args:
        presets: folder of the presets that hold the weights.
        mesh: the mesh network with its weights, where one is there already; else it is built and loaded.

    Attributes:
        detector, mesh: the Keras models.

    Raises:
        WeightsError: weights are missing or were altered.
    """

    @own_settings(exact=True)
    def __init__(self, presets=PRESETS, mesh=None):
        claim_process()
        self.detector = build_face_detector()
        load_weights(self.detector, os.path.join(presets, self.detector.name))
        self.mesh = mesh
        if mesh is None:
            self.mesh = build_face_mesh()
            load_weights(self.mesh, os.path.join(presets, self.mesh.name))
        # These are compiled for each size of canvas, and for the one size of a larger view.
        self._seek = Compiled(self._seek_faces, self.detector)
        self._read = Compiled(self._read_points, self.mesh)
        self._seek_small = {size: Compiled(self._in_view(size), self.detector) for size in VIEWS}

    @own_settings(exact=True)
    def find(self, photo, max_faces=8, small=False):
        """Find the faces in a photo.

        Args:
            photo: numpy uint8 ``(height, width, 3)``, RGB.
            max_faces: the most faces to answer, 1 to 16.
            small: as for ``find_all``.

        Returns: list of ``Face``, those that the mesh is sure of first, of them the largest first; empty if there is
        none.

        Raises:
            ValueError: the photo or ``max_faces`` is something else.
        """
        claim_process()
        if not 1 <= max_faces <= MAX_CANDIDATES:
            raise ValueError(f"max_faces must be 1 to {MAX_CANDIDATES}. Received: {max_faces}.")
        return self.find_all(photo, small)[:max_faces]

    def find_all(self, photo, small=False):
        """Find the faces in a photo, however many, at most 32.

        Args:
            photo: numpy uint8 ``(height, width, 3)``, RGB.
            small: look a second time, at a larger view of the photo: then faces down to a twentieth of its longer side
                are found. Not for the portraits of a data set, whose faces are large.

        Returns: as ``find``.

        Raises:
            ValueError: the photo is something else.
        """
        canvas, size = lay_on_canvas(photo)
        rows = self._read_faces(canvas, *self._seek.run(canvas, ops.convert_to_numpy(letterbox_matrices(*size))))
        faces = _as_faces(size, rows)
        if not small or not needs_closer_look(max(size)):
            return faces
        more = self._read_faces(canvas, *self._look_closer(photo, faces))
        if not len(more["scores"]):
            return faces
        return _as_faces(size, {name: np.concatenate([rows[name], more[name]]) for name in rows})

    def _read_faces(self, canvas, places, scores):
        """What the mesh sees in candidates, as NumPy arrays: ``points``, ``presence`` and ``scores``."""
        places, scores = places[scores > 0], scores[scores > 0]
        # One region at a time: a batch of a new length would be compiled anew.
        regions = ops.convert_to_numpy(detection.region_of_detection(places)) if len(scores) else ()
        each = [self._read.run(canvas, region[None]) for region in regions]
        each.append((np.zeros((0, 478, 3), "float32"), np.zeros(0, "float32")))
        points, presence = (np.concatenate(parts) for parts in zip(*each))
        return {"points": points, "presence": presence, "scores": scores}

    def _look_closer(self, photo, faces):
        """Candidates in the larger view of a photo, beside the faces that are sure."""
        photo = np.asarray(photo)
        view, side = make_view(photo)
        found = np.zeros((1, MAX_CANDIDATES, 4), "float32")
        boxes = [face.box for face in faces if face.sure]
        found[0, : len(boxes)] = np.reshape(boxes, (-1, 4))
        return self._seek_small[view.shape[1]].run(view, np.float32([[side, max(photo.shape[:2])]]), found)

    @own_settings(exact=True)
    def points_in(self, photo, matrices):
        """Mesh points of known regions of a photo, in one batch.

        Args:
            photo: numpy uint8 ``(height, width, 3)``.
            matrices: float32 ``(n, 2, 3)``, unit crop to photo pixels, around upright faces.

        Returns: numpy float32 points ``(n, 478, 3)`` in photo pixels and presence ``(n,)``.
        """
        claim_process()
        if not len(matrices):
            return np.zeros((0, POINTS, 3), "float32"), np.zeros((0,), "float32")
        return self._read.run(lay_on_canvas(photo)[0], np.asarray(matrices, "float32"))

    def points_in_crop(self, crop):
        """Mesh points of the face that fills a crop.

        Args:
            crop: float32 ``(side, side, 3)`` in [0, 1].

        Returns: numpy float32 ``(478, 3)`` in unit coordinates of the crop, or None where the mesh sees no face.
        """
        side = len(crop)
        whole = np.array([[[side, 0, 0], [0, side, 0]]], "float32")
        points, presence = self.points_in(np.round(crop * 255).astype("uint8"), whole)
        return None if presence[0] < detection.MIN_PRESENCE else points[0] / side

    def _seek_faces(self, photo, matrices):
        seen = self.detector(letterboxes(photo[0], matrices))
        return place_faces(seen["regressors"], seen["logits"], matrices, MAX_CANDIDATES)

    def _in_view(self, size):
        return lambda view, sides, found: seek_small(view, size, sides[0, 0], sides[0, 1], found[0], self.detector)

    def _read_points(self, photo, matrices):
        answer = self.mesh(cut_crops(photo[0], matrices, MESH_SIZE, border="zero"))
        return place_points(answer["points"], matrices), answer["presence"]


def _as_faces(size, rows):
    """The candidates in which the mesh, too, sees a face, as a list of ``Face``, in the order of ``rank_faces``."""
    if not len(rows["scores"]):
        return []
    ranked = rank_faces(size, rows["points"], rows["presence"], rows["scores"])
    ranked = {name: ops.convert_to_numpy(value) for name, value in ranked.items()}
    rows = zip(*(ranked[name] for name in ("boxes", "scores", "points", "presence")))
    return [
        Face(tuple(map(float, box)), float(score), points, float(presence))
        for box, score, points, presence in rows
        if score > 0
    ]
