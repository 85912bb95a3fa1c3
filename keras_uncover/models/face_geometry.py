"""The shape of the face in the crop, its donor's own shape, and the texture of the target's face.

A swapped face lies in the target's shape or, where it was pasted whole, in its own. The face mesh network finds this
shape. Unwrapped into the mean frame, the face can be compared with every other face. There the donor's own shape is
estimated from the face itself, and the target's face from what is left of it around the swapped one. Linear layers
start from a closed form (``scripts/fit_geometry.py``); small networks beside them start at zero.
"""

import keras
from keras import layers

from keras_uncover.models.encoder import normalise
from keras_uncover.models.face_mesh import SIZE as MESH_SIZE
from keras_uncover.models.face_mesh import build_face_mesh
from keras_uncover.models.layers import EnlargeLinearly, Warp
from keras_uncover.models.shape_layers import (
    CentrePoints,
    FieldPlaces,
    FollowField,
    InvertField,
    PointsReader,
    ResizeLinearly,
    ShapeField,
    SpreadTexture,
    StandardiseFace,
    face_pixels,
)
from keras_uncover.ops.shapes import SHAPE
from keras_uncover.presets import preset_folder
from keras_uncover.presets.weights import load_weights

FACE_MESH, FACE_MESH_ANSWER = "face_mesh", "found_points"  # the mesh network, and the layer that reads its answer
VIEW = 32  # pixels of the side of an unwrapped face that is looked at as a whole
TEXTURE = 64  # of the target's estimated texture
RANK = 64  # of the estimate


def load_face_mesh():
    """The face mesh network that ships, frozen: it belongs to no run and is not saved with one."""
    mesh = build_face_mesh()
    load_weights(mesh, preset_folder(FACE_MESH))
    mesh.trainable = False
    return mesh


def own_part(model):
    """A model without the face mesh network, which is a preset of its own and is never trained.

    Args:
        model: a ``keras.Model``, with or without the face mesh network in it.

    Returns: a model of the same layers and weights, to which the answer of the face mesh network is an input; the
    model itself where it holds no face mesh network.
    """
    if face_mesh_of(model) is None:
        return model
    points = model.get_layer(FACE_MESH_ANSWER).output
    return keras.Model([*model.inputs, points], model.outputs, name=model.name)


def face_mesh_of(model):
    """The face mesh network that a model looks through, or None where it looks through none."""
    return next((layer for layer in model.layers if layer.name == FACE_MESH), None)


def dense(x, width, name, **how):
    return layers.Dense(width, dtype="float32", name=name, **how)(x)


def find_shape(crop, deep):
    """The shape in which the face lies in the crop: the mesh network's, corrected by the encoder's features.

    Args:
        crop: ``(batch, size, size, 3)``. deep: ``(batch, n)``, a summary of the encoder's coarsest features.

    Returns: ``(batch, SHAPE)``.
    """
    enlarged = ResizeLinearly(MESH_SIZE, name="mesh_crop")(crop)
    points = CentrePoints(name=FACE_MESH_ANSWER)(load_face_mesh()(enlarged)["points"])
    found = dense(points, SHAPE, "shape_found", kernel_initializer=PointsReader())
    hidden = dense(deep, 64, "shape_found_hidden", activation="relu")
    more = dense(hidden, SHAPE, "shape_found_more", kernel_initializer="zeros")
    return layers.Add(dtype="float32", name="shape_input")([found, more])


def view_face(crop, shape, config):
    """The crop in the mean frame, ``(batch, VIEW, VIEW, 3)``, the surroundings of the face too."""
    coarse = crop
    if config.size > 2 * VIEW:
        coarse = layers.AveragePooling2D(config.size // (2 * VIEW), dtype="float32", name="view_crop")(crop)
    places = FieldPlaces(name="view_places")(ShapeField(VIEW, name="view_field")(shape))
    return Warp(name="view")([coarse, places])


def guess_donor_shape(view, shape, deep):
    """The donor's own shape, ``(batch, SHAPE)``, from the unwrapped face and the shape in which it lies."""
    face = layers.Flatten(dtype="float32", name="view_row")(StandardiseFace(name="view_standard")(view))
    face = layers.Rescaling(1 / VIEW, dtype="float32", name="view_unit")(face)
    known = layers.Concatenate(dtype="float32", name="shape_known")([face, shape])
    straight = dense(known, SHAPE, "shape_donor_linear", kernel_initializer="zeros")
    both = layers.Concatenate(dtype="float32", name="shape_clues")([known, deep])
    hidden = dense(both, 64, "shape_donor_hidden", activation="relu")
    more = dense(hidden, SHAPE, "shape_donor_more", kernel_initializer="zeros")
    return layers.Add(dtype="float32", name="shape_donor")([straight, more])


def guess_target_texture(view, shape):
    """The target's face in the mean frame, ``(batch, TEXTURE, TEXTURE, 3)``: linear in the crop's pixels and shape."""
    row = layers.Flatten(dtype="float32", name="texture_row")(view)
    row = layers.Rescaling(1 / VIEW, -0.5 / VIEW, dtype="float32", name="texture_unit")(row)
    known = layers.Concatenate(dtype="float32", name="texture_known")([row, shape])
    code = dense(known, RANK, "texture_code")
    count = 3 * len(face_pixels(TEXTURE)[0])
    grey = keras.initializers.Constant(0.5)
    colours = dense(code, count, "texture_colours", kernel_initializer="zeros", bias_initializer=grey)
    return SpreadTexture(TEXTURE, name="texture")(colours)


def summarise(features):
    """The coarsest features as a row, places kept."""
    x = layers.ReLU(name="deep_relu")(normalise(features[-1], "deep_norm"))
    x = layers.Conv2D(16, 1, activation="relu", dtype="float32", name="deep_conv")(x)
    x = layers.Flatten(dtype="float32", name="deep_row")(x)
    return layers.Rescaling(1 / 16, dtype="float32", name="deep_unit")(x)


def trace_geometry(crop, features, config):
    """The geometry that the decoders work with.

    Returns: dict of
        flow: ``(batch, n, n, 2)``, ``n = size / stem``: where each place of the donor's own crop is visible;
        donor_places: ``(batch, n, n, 2)``, where in the mean frame it lies;
        target_face: ``(batch, size, size, 3)``, the estimate of the target's face, in the crop's own geometry.
    """
    cells = config.size // config.stem
    deep = summarise(features)
    shape = find_shape(crop, deep)
    view = view_face(crop, shape, config)
    donor = guess_donor_shape(view, shape, deep)
    field = ShapeField(cells, name="input_field")(shape)
    donor_places = InvertField(name="donor_places")(ShapeField(cells, name="donor_field")(donor))
    flow = FollowField(name="shape_flow")([field, donor_places])
    places = EnlargeLinearly(config.stem, dtype="float32", name="texture_places")(
        InvertField(name="input_places")(field)
    )
    target_face = Warp(name="target_face")([guess_target_texture(view, shape), places])
    return {"flow": flow, "donor_places": donor_places, "target_face": target_face}
