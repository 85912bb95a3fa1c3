"""A small autoencoder of face crops: what passes through it looks as if a generator had painted it.

It makes the swap family ``resynth`` and takes no part in a verdict. One definition is used twice: as a functional model
that is trained and saved, and as a function of ``keras.ops`` with its weights as constants, which holds for crops of
any size and can stand in a data pipeline, on any backend, without variables that a graph would have to carry along.
"""

import keras
from keras import layers, ops

from keras_uncover.backend import own_settings
from keras_uncover.models.layers import depth_to_space, space_to_depth
from keras_uncover.presets import preset_folder
from keras_uncover.presets.schema import check_arch
from keras_uncover.presets.weights import WeightsError, load_verified, load_weights
from keras_uncover.process import claim_process
from keras_uncover.refusals import DataError

KIND = "autoencoder"
STRIDE = 16  # a crop's side must be a multiple of it
PATCH = 4  # pixels a side that the stem turns into channels
ARCH = {"width": 64, "code": 16, "fine": 32}  # channels: inside, of the code (8 x 8 pixels each), before the pixels
BUILT_FOR = 64  # pixels of the functional model's crops; its weights do not depend on it


def paint(images, arch, convolve):
    """Encode crops in a twelfth as many numbers and decode them.

    Dense convolutions at an eighth of the side, and one at a quarter: a crop of 128 px is a code of 16 x 16 places.

    Args:
        images: ``(batch, height, width, 3)`` in [0, 1]; sides static multiples of ``STRIDE``.
        arch: dict like ``ARCH``.
        convolve: function of features, layer name, channels, kernel side and stride.
    """
    x = space_to_depth(images * 2.0 - 1.0, PATCH)
    x = ops.relu(convolve(x, "stem", arch["width"], 3, 2))
    x = convolve(x, "code", arch["code"], 1, 1)
    x = ops.relu(convolve(x, "wide", arch["width"], 3, 1))
    x = ops.relu(convolve(x, "enlarge", 4 * arch["fine"], 1, 1))
    x = convolve(depth_to_space(x, 2), "pixels", 3 * PATCH**2, 3, 1)
    return depth_to_space(x, PATCH) + 0.5


@own_settings()
def build_autoencoder(arch=None, size=BUILT_FOR):
    """The autoencoder as a model to be trained, with new weights.

    Returns: functional model ``autoencoder``: ``crop`` float32 ``(batch, size, size, 3)`` in [0, 1] to the same, but
    for what lies beyond the range.
    """
    crop = keras.Input((size, size, 3), name="crop")

    def convolve(x, name, width, kernel, stride):
        return layers.Conv2D(width, kernel, stride, padding="same", dtype="float32", name=name)(x)

    return keras.Model(crop, paint(crop, arch or ARCH, convolve), name=KIND)


def freeze_autoencoder(model, arch):
    """A trained model as a pure function of crops; see ``load_autoencoder``."""
    kernels = {layer.name: [ops.convert_to_numpy(w) for w in layer.get_weights()] for layer in model.layers}

    def convolve(x, name, width, kernel, stride):
        weights, bias = kernels[name]
        return ops.conv(x, weights, strides=stride, padding="same", data_format="channels_last") + bias

    def resynthesise(images):
        height, width = images.shape[1:3]
        if height % STRIDE or width % STRIDE:
            raise DataError(
                f"The autoencoder takes crops whose sides are multiples of {STRIDE}; received {height} x {width}."
            )
        return ops.clip(paint(images, arch, convolve), 0.0, 1.0)

    return resynthesise


@own_settings()
def load_autoencoder(name_or_folder=KIND):
    """The autoencoder that a preset holds.

    Args:
        name_or_folder: name of a shipped preset, or a folder that ``scripts/train_autoencoder.py`` wrote.

    Returns: function of float32 ``(batch, height, width, 3)`` in [0, 1] to the same, sides multiples of 16.

    Raises:
        WeightsError: there is no such preset, it was altered, or it is no autoencoder.
    """
    claim_process()
    folder = preset_folder(name_or_folder)
    config = load_verified(folder)
    if config.get("kind") != KIND:
        raise WeightsError(
            "Crops are painted again by an autoencoder.",
            f"{folder}, which holds {config.get('kind')!r}",
            f"The preset that ships is {KIND}.",
        )
    check_arch(config, folder)
    model = build_autoencoder(config["arch"])
    load_weights(model, folder, config)
    return freeze_autoencoder(model, config["arch"])
