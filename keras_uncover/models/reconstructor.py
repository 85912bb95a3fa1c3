"""Who was in the photo, and whose face was pasted in? One shared encoder, two decoders."""

import keras
from keras import layers

from keras_uncover.layers import Blend, DepthToSpace, EnlargeLinearly, Grey, OffsetsToPlaces, Recolour, SoftClip, Warp
from keras_uncover.models.classifier import build_verdict
from keras_uncover.models.encoder import build_encoder, convolve, normalise, residual_block


def decode(features, config, name):
    """From the coarsest feature map back to the finest; on the way each level's map is added, never concatenated:
    its channels are projected first, so that a decoder takes what it has use for and costs little.

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


def predict_pixels(x, channels, config, name, bias="zeros"):
    """Predict ``channels`` values a pixel from the finest feature map, in patches."""
    x = layers.Conv2D(
        channels * config.stem**2, 3, padding="same", bias_initializer=bias, dtype="float32", name=f"{name}_conv"
    )(x)
    return DepthToSpace(config.stem, dtype="float32", name=f"{name}_pixels")(x)


def decode_target(crop, features, p_fake, config):
    """Mask and pixels; ``target`` is the input where the mask is 0, so that a genuine photo passes unchanged.

    The verdict raises or lowers the mask's logits as a whole: what is called genuine has no mask, and a place of the
    finest map alone cannot know.
    """
    x = decode(features, config, "target")
    places = predict_pixels(x, 1, config, "mask", bias=keras.initializers.Constant(-2.0))
    gate = layers.Dense(1, kernel_initializer="zeros", dtype="float32", name="mask_gate")(p_fake)
    gate = layers.Reshape((1, 1, 1), dtype="float32", name="mask_gate_place")(gate)
    gated = layers.Add(dtype="float32", name="mask_gated")([places, gate])
    mask = layers.Activation("sigmoid", dtype="float32", name="mask")(gated)
    pixels = layers.Activation("sigmoid", dtype="float32", name="target_colours")(
        predict_pixels(x, 3, config, "target")
    )
    return mask, Blend(name="target")([crop, pixels, mask])


def decode_donor(crop, features, config):
    """The donor's face in its own shape and colours, on grey.

    Much of the donor can be seen in the input, moved and recoloured; so the decoder says where each of its places is
    to be seen (``flow``) and how the colours were changed, reads the input there (``seen``), and adds a residual.
    """
    x = decode(features, config, "donor")
    flow = layers.Conv2D(2, 3, padding="same", kernel_initializer="zeros", dtype="float32", name="flow_conv")(x)
    flow = OffsetsToPlaces(name="flow")(flow)
    colour = layers.Conv2D(6, 3, padding="same", kernel_initializer="zeros", dtype="float32", name="colour_conv")(x)
    colour = EnlargeLinearly(config.stem, dtype="float32", name="colour")(colour)
    fine_flow = EnlargeLinearly(config.stem, dtype="float32", name="fine_flow")(flow)
    seen = Recolour(name="seen")([Warp(name="donor_seen")([crop, fine_flow]), colour])
    residual = predict_pixels(x, 3, config, "donor_residual")
    face = SoftClip(name="donor_face")(layers.Add(dtype="float32", name="donor_sum")([seen, residual]))
    hull = layers.Activation("sigmoid", dtype="float32", name="donor_hull")(
        predict_pixels(x, 1, config, "donor_hull")
    )
    return flow, seen, Blend(name="donor")([Grey(name="donor_ground")(crop), face, hull])


def build_reconstructor(config):
    """The reconstructor.

    Args:
        config: a ``ModelConfig``.

    Returns: functional model ``reconstructor``: ``crop`` float32 ``(batch, size, size, 3)`` in [0, 1] to a dict of
    float32: ``p_fake`` ``(batch, 1)``; ``mask`` ``(batch, size, size, 1)``; ``target`` and ``donor``
    ``(batch, size, size, 3)`` in [0, 1], but for the hundredth by which the donor's face leaks beyond it: clip it;
    ``flow`` ``(batch, size / stem, size / stem, 2)``, where each place of the donor is to be seen in the input, in
    unit coordinates; ``seen`` ``(batch, size, size, 3)``, the input read there and recoloured, unclipped: the donor
    before its residual, which training compares with the donor too.
    """
    crop = keras.Input((config.size, config.size, 3), name="crop")
    features = build_encoder(config)(crop)
    p_fake = build_verdict(config)(features)
    mask, target = decode_target(crop, features, p_fake, config)
    flow, seen, donor = decode_donor(crop, features, config)
    outputs = {"p_fake": p_fake, "mask": mask, "target": target, "donor": donor, "flow": flow, "seen": seen}
    return keras.Model(crop, outputs, name="reconstructor")
