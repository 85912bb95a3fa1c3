"""Layers of a face's shape: from the crop to the mean frame and back, smooth and differentiable.

Fields are float32 ``(batch, n, n, 2)``, offsets in unit coordinates at the centres of ``n x n`` cells. A shape's own
field (``shapes.shape_fields``) leads from the mean frame to the crop; *inverted*, it leads back.
"""

import functools

import keras
import numpy as np
from keras import ops

from keras_uncover.models.layers import Float32Layer
from keras_uncover.ops.filters import apply_separable, resize_matrix
from keras_uncover.ops.geometry import pixel_grid, sample
from keras_uncover.ops.shapes import face_shapes, shape_fields, shape_reader
from keras_uncover.ops.texture import texture_table


class ResizeLinearly(Float32Layer):
    """Square pictures at any other size, linearly, as two matrix products."""

    def __init__(self, size, **kwargs):
        super().__init__(**kwargs)
        self.size = size

    def call(self, images):
        matrix = ops.convert_to_tensor(resize_matrix(images.shape[1], 0.0, 1.0, self.size)[None])
        return apply_separable(images, matrix, matrix)

    def get_config(self):
        return {**super().get_config(), "size": self.size}


class CentrePoints(Float32Layer):
    """Mesh points ``(batch, 478, 3)`` less the mean face's, as a row ``(batch, 1404)`` of about unit length."""

    def call(self, points):
        shapes = face_shapes()
        mean = np.concatenate([shapes.mean, shapes.depth[:, None]], axis=1)
        offsets = points[:, : len(mean)] - ops.convert_to_tensor(mean)
        return ops.reshape(offsets, (-1, mean.size)) * points_scale()


def points_scale():
    """What ``CentrePoints`` multiplies by: points differ from the mean by about a twentieth of the crop."""
    return 20.0 / np.sqrt(3 * len(face_shapes().mean))


class PointsReader(keras.initializers.Initializer):
    """First weights ``(1404, 32)`` from centred points to the shape that comes closest to them; z has no weight."""

    def __call__(self, shape, dtype=None):
        reader = shape_reader().reshape(-1, 2, shape[1]) / points_scale()
        with_depth = np.concatenate([reader, np.zeros_like(reader[:, :1])], axis=1)
        return ops.convert_to_tensor(with_depth.reshape(shape), dtype)


class ShapeField(Float32Layer):
    """The field of each shape: ``(batch, 32)`` to ``(batch, size, size, 2)``."""

    def __init__(self, size, **kwargs):
        super().__init__(**kwargs)
        self.size = size

    def call(self, shapes):
        offset, moves = shape_fields(self.size)
        moves = ops.convert_to_tensor(moves.reshape(len(moves), -1))
        return offset + ops.reshape(ops.matmul(shapes, moves), (-1, self.size, self.size, 2))

    def get_config(self):
        return {**super().get_config(), "size": self.size}


class InvertField(Float32Layer):
    """Places of the mean frame that each cell of the crop shows, in unit coordinates, by fixed-point iteration.

    A place ``u`` of the mean frame lies at ``u + field(u)`` in the crop; so that of ``x`` obeys ``u = x - field(u)``.
    Faces' fields are so smooth that each step leaves a third of the error or less.
    """

    def __init__(self, steps=3, **kwargs):
        super().__init__(**kwargs)
        self.steps = steps

    def call(self, field):
        size = field.shape[1]
        grid = pixel_grid(size)
        places = grid - field
        for _ in range(self.steps - 1):
            places = grid - sample(field, places * size, border="edge")
        return places

    def get_config(self):
        return {**super().get_config(), "steps": self.steps}


class FollowField(Float32Layer):
    """Where places of the mean frame lie in the crop: ``[field, places]`` to places."""

    def call(self, inputs):
        field, places = inputs
        return places + sample(field, places * field.shape[1], border="edge")


class FieldPlaces(Float32Layer):
    """Where the mean frame's own cells lie in the crop."""

    def call(self, field):
        return pixel_grid(field.shape[1]) + field


class StandardiseFace(Float32Layer):
    """A face in the mean frame, less its mean and over its deviation a channel; 0 outside of the face.

    This removes most of the effect of light and of the camera's colours.
    """

    def call(self, faces):
        inside = texture_table(faces.shape[1])[2][None]
        weights = ops.convert_to_tensor(inside / inside.sum())
        mean = ops.sum(faces * weights, axis=(1, 2), keepdims=True)
        variance = ops.sum((faces - mean) ** 2 * weights, axis=(1, 2), keepdims=True)
        return (faces - mean) / ops.sqrt(variance + 4e-4) * ops.convert_to_tensor(inside)


class SpreadTexture(Float32Layer):
    """Colours of the mean face's pixels, a row, as a texture ``(batch, size, size, 3)``.

    Pixels outside of the face take the colour of the nearest one inside.
    """

    def __init__(self, size, **kwargs):
        super().__init__(**kwargs)
        self.size = size

    def call(self, colours):
        _, number = face_pixels(self.size)
        rows = ops.reshape(colours, (-1, colours.shape[-1] // 3, 3))
        texture = ops.take(rows, ops.convert_to_tensor(number), axis=1)
        return ops.reshape(texture, (-1, self.size, self.size, 3))

    def get_config(self):
        return {**super().get_config(), "size": self.size}


@functools.cache
def face_pixels(size):
    """Pixels of the mean frame that show the mean face.

    Returns: int32 ``(n,)``, their places in row order; int32 ``(size * size,)``, for each pixel the nearest of them, as
    its number among the ``n``.
    """
    inside = texture_table(size)[2].reshape(-1) > 0
    pixels = np.flatnonzero(inside)
    rows, columns = np.divmod(np.arange(size * size), size)
    distance = (rows[:, None] - rows[None, pixels]) ** 2 + (columns[:, None] - columns[None, pixels]) ** 2
    return pixels.astype("int32"), distance.argmin(1).astype("int32")


class FaceHull(Float32Layer):
    """Logits, -3 to 3, of whether places of the mean frame, ``(batch, n, n, 2)``, lie on the mean face."""

    def call(self, places):
        size = places.shape[1]
        inside = np.broadcast_to(texture_table(size)[2][None], (1, size, size, 1)) * 6.0 - 3.0
        count = ops.shape(places)[0]
        face = ops.broadcast_to(ops.convert_to_tensor(inside.astype("float32")), (count, size, size, 1))
        return sample(face, places * size, border="edge")


class Gate(Float32Layer):
    """A mask, given how sure a verdict is: ``[mask logits (b, s, s, 1), p_fake (b, 1)]`` to ``(b, s, s, 1)`` in [0, 1].

    The product of two probabilities: the place's own, and the sigmoid of three times the distance of the verdict's
    logit above ``level``. So a photo that is called genuine has no mask. The level is not trained but chosen for a
    preset (``scripts/settle_preset.py``); it starts at the logit of 3/4, the share of fakes in a training batch. No
    gradient flows back into the verdict.
    """

    def build(self, input_shape):
        self.level = self.add_weight(
            shape=(), initializer=keras.initializers.Constant(1.1), trainable=False, name="level"
        )

    def call(self, inputs):
        places, p_fake = inputs
        p = ops.clip(ops.stop_gradient(p_fake), 1e-4, 1.0 - 1e-4)
        verdict = ops.log(p) - ops.log(1.0 - p)
        return ops.sigmoid(places) * ops.sigmoid(3.0 * (verdict - self.level))[:, :, None, None]
