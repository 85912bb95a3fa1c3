"""The SavedModel's five signatures, all on one road: bytes, photo, faces, answers.

===================  =============================================  ====================================================
signature            in                                             out, first axis as in the input
===================  =============================================  ====================================================
``serving_default``  ``photo_bytes`` string ``(n,)``                the main face's answer of each photo
``faces``            ``photo_bytes`` string ``(n,)``                answers for up to 8 faces a photo, largest first
``detect``           ``photo_bytes`` string ``(n,)``                the main face's score and box; no decoder runs
``crops``            ``crops`` float32 ``(n, size, size, 3)``       the network's outputs as tensors
``embed``            ``crops`` float32 ``(n, size, size, 3)``       the judge's descriptor of who is on each crop
===================  =============================================  ====================================================

A photo that is refused, or has no face, spoils no batch: ``error`` says why, ``found`` is false, its other fields hold
nothing (numbers -1, text empty). Names and shapes are fixed by ``tests/data/signatures.json``.
"""

import json

import keras
import tensorflow as tf

from export.fields import CROPS, FACES, NONE, PHOTO_FIELDS, PHOTOS
from export.graph.answers import add_note, answer_rows, warn_of_small, when_any
from export.graph.decode import decode_photo
from export.graph.faces import POINTS, find_and_align, find_faces, find_in_crops, found_specs
from keras_uncover.faces.detection import MIN_PRESENCE
from keras_uncover.faces.identity import Judge, cut_chips
from keras_uncover.inference.uncoverer import Uncoverer
from keras_uncover.ops.mesh import VERTICES

MAX_FACES = 8
# Photos that are in memory at the same time, decoded, whatever the batch.
PARALLEL_PHOTOS = 2


def compiled(function, *specs):
    """A function of tensors as a graph; nothing here needs the rewriting of Python's own ``if`` and ``for``."""
    return tf.function(function, input_signature=specs, autograph=False)


class Served:
    """All that one preset answers, as functions of tensors.

    Args:
        preset: name of a preset, preset folder or run folder. Raises: ``WeightsError``.
    """

    def __init__(self, preset):
        self.uncoverer, self.judge = Uncoverer.from_preset(preset), Judge.from_preset()
        model, finder = self.uncoverer.model, self.uncoverer.finder
        self.networks = (model, finder.detector, finder.mesh, self.judge.network)
        self.verdict = keras.Model(model.input, model.output["p_fake"])
        size = self.uncoverer.size
        self.photos = tf.TensorSpec((None,), tf.string, name=PHOTOS)
        self.crops = tf.TensorSpec((None, size, size, 3), tf.float32, name=CROPS)
        # Functions of their own, so that each is traced once for several signatures.
        self.decode = compiled(decode_photo, tf.TensorSpec((), tf.string))
        self.find = compiled(
            lambda photo: find_faces(photo, finder.detector, finder.mesh), tf.TensorSpec((None, None, 3), tf.uint8)
        )
        self.answer = compiled(
            lambda crops, points: answer_rows(self.uncoverer, crops, points), self.crops,
            tf.TensorSpec((None, POINTS, 3)),
        )

    def save(self, folder):
        """Write the SavedModel."""
        module = tf.Module(name="keras_uncover")
        # Variables and nothing else: a function that were kept here, too, would be traced and stored once more.
        module.weights = [variable.value for network in self.networks for variable in network.variables]
        tf.saved_model.save(module, str(folder), signatures=self.signatures())

    def signatures(self):
        """``{name: concrete function}``."""
        bodies = {
            "serving_default": (self.answer_main, self.photos), FACES: (self.answer_faces, self.photos),
            "detect": (self.detect, self.photos), "crops": (self.answer_crops, self.crops),
            "embed": (self.embed, self.crops),
        }
        return {name: compiled(body, spec).get_concrete_function() for name, (body, spec) in bodies.items()}

    def answer_main(self, photo_bytes):
        """The main face of each photo: every field ``(n, ...)``."""
        answer = self.answer_photos(photo_bytes, max_faces=1)
        del answer["count"]
        return {name: value if name in PHOTO_FIELDS else value[:, 0] for name, value in answer.items()}

    def answer_faces(self, photo_bytes):
        """Up to 8 faces a photo: fields of a face ``(n, 8, ...)``, of a photo ``(n,)``."""
        return self.answer_photos(photo_bytes, MAX_FACES)

    def answer_photos(self, photo_bytes, max_faces):
        """Fields of a face ``(n, max_faces, ...)``, of a photo ``(n,)``."""
        seen = self.look(photo_bytes, max_faces)
        found = tf.sequence_mask(seen["count"], max_faces)
        rows = tf.where(found)
        crops, points = tf.gather_nd(seen["crops"], rows), tf.gather_nd(seen["points"], rows)
        answers = when_any(rows, lambda: self.answer(crops, points), tuple(NONE))
        decoded = tf.equal(seen["error_code"], "")[:, None]
        empty = {name: tf.fill(tf.shape(found), value) for name, value in NONE.items()}
        first = tf.range(max_faces) == 0
        empty["verdict"] = tf.where(decoded & (seen["count"] == 0)[:, None] & first, "no_face", "")
        empty["warnings"] = tf.where(decoded & first, "\n".join(self.uncoverer.warnings), "")
        spread = {name: tf.tensor_scatter_nd_update(empty[name], rows, value) for name, value in answers.items()}
        spread["warnings"] = warn_of_small(spread["warnings"], found, seen["sides"], self.uncoverer.size)
        spread["warnings"] = add_note(spread["warnings"], seen["note"])
        return {**spread, **self.say_photo(seen), "bbox": seen["boxes"], "found": found, "count": seen["count"]}

    def look(self, photo_bytes, max_faces):
        """Decode, find and align each photo: what ``find_and_align`` answers, and the words of ``decode``."""
        specs = found_specs(self.uncoverer.size, max_faces)
        nothing = {name: tf.zeros(spec.shape, spec.dtype) for name, spec in specs.items()}

        def look_at_one(data):
            photo, code, message, note = self.decode(data)
            size, view = self.uncoverer.size, self.uncoverer.view
            found = tf.cond(
                tf.equal(code, ""), lambda: find_and_align(photo, self.find, size, max_faces, view), lambda: nothing
            )
            return {**found, "error_code": code, "error": message, "note": note}

        words = {name: tf.TensorSpec((), tf.string) for name in ("error_code", "error", "note")}
        return tf.map_fn(
            look_at_one, photo_bytes, fn_output_signature={**specs, **words}, parallel_iterations=PARALLEL_PHOTOS
        )

    def say_photo(self, seen):
        """What is said of a photo as a whole, ``(n,)`` each: ``PHOTO_FIELDS`` without ``count``."""
        count = tf.shape(seen["count"])
        rates = self.uncoverer.error_rates
        return {
            "threshold": tf.fill(count, tf.constant(self.uncoverer.threshold, tf.float64)),
            "model": tf.fill(count, self.uncoverer.name),
            "error_rates": tf.fill(count, "" if rates is None else json.dumps(rates)),
            "error_code": seen["error_code"], "error": seen["error"],
            "faces_found": seen["faces_found"], "faces_unsure": seen["faces_unsure"],
        }

    def detect(self, photo_bytes):
        """Score and box of the main face of each photo, without a decoder of the network."""
        seen = self.look(photo_bytes, max_faces=1)
        rows = tf.where(seen["count"] > 0)
        crops = tf.gather_nd(seen["crops"][:, 0], rows)
        scores = tf.cond(
            tf.shape(rows)[0] > 0, lambda: self.verdict(crops, training=False)[:, 0], lambda: tf.zeros((0,))
        )
        empty = tf.fill(tf.shape(seen["count"]), NONE["p_fake"])
        said = self.say_photo(seen)
        del said["error_rates"]
        return {
            **said, "p_fake": tf.tensor_scatter_nd_update(empty, rows, scores), "bbox": seen["boxes"][:, 0],
            "found": seen["count"] > 0,
        }

    def answer_crops(self, crops):
        """The network's outputs by name, as they are: a mask in [0, 1], sources unclipped; of no crops, none."""
        count = tf.shape(crops)[0]
        # Convolutions fail on a batch of none: it gets one blank crop. A condition would hide the weights from ONNX.
        some = tf.pad(crops, [[0, tf.maximum(1 - count, 0)], [0, 0], [0, 0], [0, 0]])
        answer = self.uncoverer.model(tf.ensure_shape(some, crops.shape), training=False)
        return {name: value[:count] for name, value in answer.items()}

    def embed(self, crops):
        """Descriptors ``(n, 128)`` of the faces on crops by the preset ``judge``; zeros where no face is found."""
        def describe():
            points, presence = find_in_crops(crops, self.uncoverer.finder.mesh)
            chips = cut_chips(crops, points[:, :VERTICES, :2] / self.uncoverer.size)
            found = presence >= MIN_PRESENCE
            return tf.where(found[:, None], self.judge.network(chips, training=False), 0.0), found

        width = self.judge.network.output.shape[1]
        nothing = tf.zeros((0, width)), tf.zeros((0,), tf.bool)
        descriptor, found = tf.cond(tf.shape(crops)[0] > 0, describe, lambda: nothing)
        return {"descriptor": tf.ensure_shape(descriptor, (None, width)), "found": tf.ensure_shape(found, (None,))}
