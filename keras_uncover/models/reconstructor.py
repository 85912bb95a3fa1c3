"""The reconstructor: one shared encoder, a decoder of the target and one of the donor."""

import keras
from keras import layers

from keras_uncover.backend import own_settings
from keras_uncover.models.classifier import build_verdict
from keras_uncover.models.encoder import build_encoder, convolve, normalise, residual_block
from keras_uncover.models.face_geometry import trace_geometry
from keras_uncover.models.layers import (
    Blend,
    DepthToSpace,
    EnlargeLinearly,
    Grey,
    OffsetsToPlaces,
    Recolour,
    SoftClip,
    SpaceToDepth,
    Warp,
)
from keras_uncover.models.shape_layers import FaceHull, Gate


def decode(features, config, name):
    """From the coarsest feature map back to the finest; each level's map is projected and added, which costs less than
    concatenation.

    Returns: feature map ``(batch, size / stem, size / stem, widths[0])``.
    """
    x = residual_block(features[-1], f"{name}_deep")
    for level in reversed(range(len(config.widths) - 1)):
        width = config.widths[level]
        x = convolve(x, width, f"{name}_{level}_narrow", kernel=1)
        x = layers.UpSampling2D(2, interpolation="nearest", name=f"{name}_{level}_enlarge")(x)
        skip = convolve(features[level], width, f"{name}_{level}_skip", kernel=1)
        x = layers.Add(name=f"{name}_{level}_add")([x, skip])
        x = residual_block(x, f"{name}_{level}_block")
    return layers.ReLU(name=f"{name}_relu")(normalise(x, f"{name}_norm"))


def predict_pixels(x, channels, config, name, kernel="glorot_uniform", bias="zeros"):
    """Predict ``channels`` values a pixel from the finest feature map, in patches."""
    x = layers.Conv2D(
        channels * config.stem**2, 3, padding="same", kernel_initializer=kernel, bias_initializer=bias,
        dtype="float32", name=f"{name}_conv",
    )(x)
    return DepthToSpace(config.stem, dtype="float32", name=f"{name}_pixels")(x)


def look_again(x, image, config, name, blocks):
    """Add the patches of a full-resolution picture of the same geometry to features."""
    patches = SpaceToDepth(config.stem, name=f"{name}_patches")(image)
    y = convolve(patches, config.widths[0], f"{name}_patches_conv", kernel=1)
    y = layers.Add(name=f"{name}_add")([x, y])
    for block in range(blocks):
        y = residual_block(y, f"{name}_block_{block}")
    return layers.ReLU(name=f"{name}_relu")(normalise(y, f"{name}_norm"))


def decode_target(crop, features, p_fake, face, config):
    """Mask and pixels; ``target`` is the input where the mask is 0, so that a genuine photo passes unchanged.

    Args:
        face: the estimate of the target's face that the pixels start from.
    """
    x = decode(features, config, "target")
    mask = Gate(name="mask")([predict_pixels(x, 1, config, "mask", bias=keras.initializers.Constant(-2.0)), p_fake])
    x = look_again(x, face, config, "target_again", blocks=1)
    residual = predict_pixels(x, 3, config, "target_residual", kernel="zeros")
    pixels = SoftClip(name="target_colours")(layers.Add(dtype="float32", name="target_sum")([face, residual]))
    return mask, Blend(name="target")([crop, pixels, mask])


def decode_donor(crop, features, geometry, config):
    """The donor's face in its own shape and colours, on grey.

    Much of the donor is visible in the input, moved and recoloured. The shapes give where each of the donor's places is
    visible, and a correction is added (``flow``). The input and its features are read there, so everything after it
    lies in the donor's own crop. Then colours are changed (``seen``), and a residual is added.
    """
    x = decode(features, config, "donor")
    x = Warp(name="donor_features")([x, geometry["flow"]])
    offsets = layers.Conv2D(2, 3, padding="same", kernel_initializer="zeros", dtype="float32", name="flow_offsets")(x)
    flow = OffsetsToPlaces(name="flow")([geometry["flow"], offsets])
    fine_flow = EnlargeLinearly(config.stem, dtype="float32", name="fine_flow")(flow)
    read = Warp(name="donor_seen")([crop, fine_flow])
    x = look_again(x, read, config, "donor_again", blocks=2)
    colour = layers.Conv2D(6, 3, padding="same", kernel_initializer="zeros", dtype="float32", name="colour_conv")(x)
    colour = EnlargeLinearly(config.stem, dtype="float32", name="colour")(colour)
    seen = Recolour(name="seen")([read, colour])
    residual = predict_pixels(x, 3, config, "donor_residual", kernel="zeros")
    face = SoftClip(name="donor_face")(layers.Add(dtype="float32", name="donor_sum")([seen, residual]))
    expected = EnlargeLinearly(config.stem, dtype="float32", name="donor_hull_expected")(
        FaceHull(name="donor_hull_coarse")(geometry["donor_places"])
    )
    hull = predict_pixels(x, 1, config, "donor_hull", kernel="zeros")
    hull = layers.Add(dtype="float32", name="donor_hull_sum")([expected, hull])
    hull = layers.Activation("sigmoid", dtype="float32", name="donor_hull_mask")(hull)
    return flow, seen, Blend(name="donor")([Grey(name="donor_ground")(crop), face, hull])


@own_settings()
def build_reconstructor(config):
    """The reconstructor.

    Args:
        config: a ``ModelConfig``.

    Returns: functional model ``reconstructor``: ``crop`` float32 ``(batch, size, size, 3)`` in [0, 1] to a dict of
    float32: ``p_fake`` ``(batch, 1)``; ``mask`` ``(batch, size, size, 1)``; ``target`` and ``donor``
    ``(batch, size, size, 3)`` in [0, 1] up to a hundredth of the excess (``SoftClip``): clip them; ``flow`` ``(batch,
    size / stem, size / stem, 2)``, where each place of the donor is visible in the input, in unit coordinates; ``seen``
    ``(batch, size, size, 3)``, the input read there and recoloured, unclipped: the donor before its residual, which
    training compares with the donor too.
    """
    crop = keras.Input((config.size, config.size, 3), name="crop")
    features = build_encoder(config)(crop)
    p_fake = build_verdict(config)(features)
    geometry = trace_geometry(crop, features, config)
    mask, target = decode_target(crop, features, p_fake, geometry["target_face"], config)
    flow, seen, donor = decode_donor(crop, features, geometry, config)
    outputs = {"p_fake": p_fake, "mask": mask, "target": target, "donor": donor, "flow": flow, "seen": seen}
    return keras.Model(crop, outputs, name="reconstructor")
