"""Was the face swapped in? Encoder, pooled and normalised feature, one logit."""

import keras
from keras import layers

from keras_uncover.backend import own_settings
from keras_uncover.models.config import EvidenceConfig
from keras_uncover.models.encoder import build_encoder
from keras_uncover.models.evidence import build_evidence_classifier


def build_verdict(config):
    """The head that both networks carry: feature maps of every level to ``p_fake``.

    All levels are pooled, because a blending seam is a fine detail and a mismatched light a coarse one.

    Returns: functional model ``verdict``: list of feature maps to float32 ``(batch, 1)`` in [0, 1].
    """
    sides = [config.size // config.stem // 2**level for level in range(len(config.widths))]
    maps = [
        keras.Input((side, side, width), name=f"level_{level}")
        for level, (side, width) in enumerate(zip(sides, config.widths))
    ]
    pooled = [layers.GlobalAveragePooling2D(name=f"pool_{level}")(x) for level, x in enumerate(maps)]
    peaks = [layers.GlobalMaxPooling2D(name=f"peak_{level}")(x) for level, x in enumerate(maps)]
    feature = layers.Concatenate(name="feature")([*pooled, *peaks])
    feature = layers.LayerNormalization(name="feature_norm")(feature)
    feature = layers.Dense(64, activation="relu", name="hidden")(feature)
    logit = layers.Dense(1, dtype="float32", name="logit")(feature)
    return keras.Model(maps, layers.Activation("sigmoid", dtype="float32", name="p_fake")(logit), name="verdict")


@own_settings()
def build_classifier(config):
    """The classifier.

    Args:
        config: a ``ModelConfig`` or an ``EvidenceConfig``.

    Returns: functional model ``classifier``: ``crop`` float32 ``(batch, size, size, 3)`` in [0, 1] to a dict with
    ``p_fake`` float32 ``(batch, 1)``, the probability that the face was swapped in.
    """
    if isinstance(config, EvidenceConfig):
        network = build_evidence_classifier(config.size)
        return keras.Model(network.input, {"p_fake": network.output["p_fake"]}, name="classifier")
    crop = keras.Input((config.size, config.size, 3), name="crop")
    features = build_encoder(config)(crop)
    return keras.Model(crop, {"p_fake": build_verdict(config)(features)}, name="classifier")
