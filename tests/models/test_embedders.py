"""The two networks that look on in losses: their conversion against an independent NumPy implementation, which reads
the published arrays in their own names and layouts, with random numbers in them.

The real weights are not in the package. Where they were converted to, the environment variable
KERAS_UNCOVER_EMBEDDERS names a folder with ``face_mobilenet/``, ``efficientnet/`` and the published ``reference.npz``.
"""

import os
from pathlib import Path

import keras
import numpy as np
import pytest
from loaded_script import load_script

from keras_uncover.models.efficientnet import FEATURES, build_efficientnet, build_features
from keras_uncover.models.face_identity import build_face_mobilenet
from keras_uncover.presets.weights import load_verified, load_weights, save_preset
from keras_uncover.refusals import DataError
from keras_uncover.training.face_losses import BUILDERS

STORED = os.environ.get("KERAS_UNCOVER_EMBEDDERS")
# Channels and strides as the papers' tables have them.
MOBILENET = [64, 128, 128, 256, 256, *[512] * 6, 1024, 1024]
HALVING = (2, 4, 6, 12)
EFFICIENTNET = [
    (16, 3, 1), (24, 3, 2), (24, 3, 1), (40, 5, 2), (40, 5, 1), (80, 3, 2), (80, 3, 1), (80, 3, 1), (112, 5, 1),
    (112, 5, 1), (112, 5, 1), (192, 5, 2), (192, 5, 1), (192, 5, 1), (192, 5, 1), (320, 3, 1),
]


# Ranges of a normalisation's arrays.
PARTS = (("weight", 0.5, 1.5), ("bias", -0.3, 0.5), ("running_mean", -0.2, 0.2), ("running_var", 0.1, 0.5))


@pytest.fixture(scope="module")
def script():
    return load_script("scripts/convert_embedders.py")


def windows(x, kernel, stride):
    """Patches (n, h, w, kernel, kernel, c) with TensorFlow's SAME padding: the odd pixel at the end."""
    sides = [-(-side // stride) for side in x.shape[1:3]]
    short = [max((new - 1) * stride + kernel - old, 0) for new, old in zip(sides, x.shape[1:3])]
    x = np.pad(x, [(0, 0), *((s // 2, s - s // 2) for s in short), (0, 0)])
    patches = np.lib.stride_tricks.sliding_window_view(x, (kernel, kernel), axis=(1, 2))[:, ::stride, ::stride]
    return patches.transpose(0, 1, 2, 4, 5, 3)


def relu6(x):
    return np.clip(x, 0, 6)


def mobilenet_arrays(rng):
    """Random arrays by the published names, scaled so that signals neither vanish nor saturate."""
    arrays = {"conv1/convolution/merged_input": rng.normal(0, 0.01, (3, 3, 3, 32))}
    arrays["conv1_bn/batchnorm_1/sub"] = rng.normal(0.5, 0.1, 32)
    width = 32
    for number, channels in enumerate(MOBILENET, start=1):
        arrays[f"conv_dw_{number}/depthwise_kernel"] = rng.normal(0, 0.5, (3, 3, width, 1))
        arrays[f"conv_dw_{number}_bn/batchnorm_1/mul"] = rng.uniform(0.5, 1.5, width)
        arrays[f"conv_dw_{number}_bn/batchnorm_1/sub"] = rng.normal(0.1, 0.1, width)
        pointwise = rng.normal(0, (2 / width) ** 0.5, (1, 1, width, channels))
        arrays[f"conv_pw_{number}/convolution/merged_input"] = pointwise
        arrays[f"conv_pw_{number}_bn/batchnorm_1/sub"] = rng.normal(0.1, 0.1, channels)
        width = channels
    return {name: array.astype("float32") for name, array in arrays.items()}


def slow_mobilenet(arrays, images):
    """The published network on RGB in [0, 1]: BGR minus means, 13 separable convolutions, mean over places."""
    x = images[..., ::-1].astype("float64") * 255 - [103.939, 116.779, 123.68]
    kernel = arrays["conv1/convolution/merged_input"]
    x = relu6(np.einsum("nhwijc,ijco->nhwo", windows(x, 3, 2), kernel) + arrays["conv1_bn/batchnorm_1/sub"])
    for number in range(1, 14):
        name = f"conv_dw_{number}"
        kernel = arrays[f"{name}/depthwise_kernel"][..., 0]
        x = np.einsum("nhwijc,ijc->nhwc", windows(x, 3, 2 if number in HALVING else 1), kernel)
        x = relu6(x * arrays[f"{name}_bn/batchnorm_1/mul"] + arrays[f"{name}_bn/batchnorm_1/sub"])
        name = f"conv_pw_{number}"
        x = relu6(x @ arrays[f"{name}/convolution/merged_input"][0, 0] + arrays[f"{name}_bn/batchnorm_1/sub"])
    return x.mean((1, 2))


def efficientnet_arrays(rng):
    """Random arrays by the published names, in PyTorch's layout."""
    arrays = {}

    def convolve(name, norm, out, width, kernel):
        arrays[f"{name}.weight"] = rng.normal(0, (width * kernel**2) ** -0.5, (out, width, kernel, kernel))
        for part, low, high in PARTS:
            arrays[f"{norm}.{part}"] = rng.uniform(low, high, out)

    convolve("_conv_stem", "_bn0", 32, 3, 3)
    width = 32
    for number, (channels, kernel, _) in enumerate(EFFICIENTNET):
        block, wide = f"_blocks.{number}", width * (6 if number else 1)
        if number:
            convolve(f"{block}._expand_conv", f"{block}._bn0", wide, width, 1)
        convolve(f"{block}._depthwise_conv", f"{block}._bn1", wide, 1, kernel)
        convolve(f"{block}._project_conv", f"{block}._bn2", channels, wide, 1)
        width = channels
    convolve("_conv_head", "_bn1", 1280, width, 1)
    arrays["_fc.weight"], arrays["_fc.bias"] = rng.normal(0, 0.05, (1000, 1280)), rng.normal(0, 1, 1000)
    return {name: array.astype("float32") for name, array in arrays.items()}


def slow_efficientnet(arrays, images):
    """The published network on RGB in [0, 1]: pooled features, logits, and the blocks' maps."""

    def norm(x, name):
        scale, shift, mean, variance = (
            arrays[f"{name}.{part}"] for part in ("weight", "bias", "running_mean", "running_var")
        )
        return (x - mean) / np.sqrt(variance + 1e-3) * scale + shift

    def pointwise(x, name):
        return x @ arrays[f"{name}.weight"][:, :, 0, 0].T

    x = (images.astype("float64") * 255 - 127) / 128
    x = np.einsum("nhwijc,ocij->nhwo", windows(x, 3, 2), arrays["_conv_stem.weight"])
    x, maps = relu6(norm(x, "_bn0")), []
    for number, (channels, kernel, stride) in enumerate(EFFICIENTNET):
        block, y = f"_blocks.{number}", x
        if number:
            y = relu6(norm(pointwise(y, f"{block}._expand_conv"), f"{block}._bn0"))
        taps = arrays[f"{block}._depthwise_conv.weight"][:, 0]
        y = relu6(norm(np.einsum("nhwijc,cij->nhwc", windows(y, kernel, stride), taps), f"{block}._bn1"))
        y = norm(pointwise(y, f"{block}._project_conv"), f"{block}._bn2")
        x = x + y if stride == 1 and y.shape == x.shape else y
        maps.append(x)
    pooled = relu6(norm(pointwise(x, "_conv_head"), "_bn1")).mean((1, 2))
    return pooled, pooled @ arrays["_fc.weight"].T + arrays["_fc.bias"], maps


def relative(ours, theirs):
    """Largest error of a row over the length of the row."""
    flat = ours.reshape(len(ours), -1), theirs.reshape(len(theirs), -1)
    return np.max(np.linalg.norm(flat[0] - flat[1], axis=1) / np.linalg.norm(flat[1], axis=1))


# SAME padding is even at both ends of an odd side and not of an even one; 45, 23, 12, 6, 3 and 32, 16 ... 1 meet both.
@pytest.mark.parametrize("side", [32, 45])
def test_mobilenet_is_the_published_one(script, side):
    rng = np.random.default_rng(side)
    arrays, images = mobilenet_arrays(rng), rng.random((2, side, side, 3)).astype("float32")
    model = script.carry_over(build_face_mobilenet(side), script.mobilenet_weights(arrays))
    expected = slow_mobilenet(arrays, images)
    assert relative(expected[:1], expected[1:]) > 0.05 and 0.1 < expected.mean() < 5.9
    assert relative(model.predict_on_batch(images), expected) < 1e-4


def test_efficientnet_is_the_published_one(script, tmp_path):
    side, rng = 45, np.random.default_rng(45)
    arrays, images = efficientnet_arrays(rng), rng.random((2, side, side, 3)).astype("float32")
    images[1] *= 0.3
    model = script.carry_over(build_efficientnet(side), script.efficientnet_weights(arrays))
    pooled, logits, maps = slow_efficientnet(arrays, images)
    answer = model.predict_on_batch(images)
    assert relative(pooled[:1], pooled[1:]) > 0.05
    # Random blocks in a row double float32's rounding each time: 1e-7 after the first, 2e-4 after the sixteenth.
    assert relative(answer["pooled"], pooled) < 2e-3 and relative(answer["logits"], logits) < 2e-3
    last = dict(zip((2, 4, 8, 16, 32), (maps[k] for k in (0, 2, 4, 10, 15))))
    save_preset(model, tmp_path / "net", {"format": 1, "kind": model.name}, half=False)
    levels = build_features(side, tmp_path / "net")
    assert [level.shape[-1] for level in levels.outputs] == [16, 24, 40, 112, 320]
    assert len(levels.trainable_weights) > 100
    for stride, level in zip(FEATURES, levels.predict_on_batch(images)):
        assert level.shape[1] == -(-side // stride)
        assert relative(level, last[stride]) < 2e-3


@pytest.mark.parametrize("build, count", [(build_face_mobilenet, 3_196_032), (build_efficientnet, 4_694_024)])
def test_weights_fit_any_size(tmp_path, build, count):
    model = build(64)
    assert model.count_params() == count
    save_preset(model, tmp_path / model.name, {"format": 1, "kind": model.name}, half=False)
    open_sides = build(None)
    load_weights(open_sides, tmp_path / model.name)
    image = np.random.default_rng(0).random((1, 64, 64, 3)).astype("float32")
    answers = [keras.tree.flatten(net.predict_on_batch(image))[0] for net in (model, open_sides)]
    assert relative(*answers) < 1e-5
    again = keras.Model.from_config(model.get_config())
    assert [layer.name for layer in again.layers] == [layer.name for layer in model.layers]


def test_conversion_refuses_what_does_not_fit(script, tmp_path):
    np.savez(tmp_path / "other.npz", fc=np.zeros(3))
    with pytest.raises(DataError, match="by its SHA-256: d2ec836308fb... .* Received: .*other.npz with"):
        script.read_source(tmp_path / "other.npz")
    pairs = list(script.mobilenet_weights(mobilenet_arrays(np.random.default_rng(0))))
    with pytest.raises(DataError, match="fill all layers of face_mobilenet; none came for \\['pointwise_13'\\]"):
        script.carry_over(build_face_mobilenet(32), pairs[:-1])
    with pytest.raises(DataError, match="each layer of face_mobilenet once; received 'pointwise_13'"):
        script.carry_over(build_face_mobilenet(32), [*pairs, pairs[-1]])


@pytest.mark.skipif(not STORED, reason="KERAS_UNCOVER_EMBEDDERS names no folder of converted weights")
@pytest.mark.parametrize("name", ["face_mobilenet", "efficientnet"])
def test_converted_weights_answer_as_the_original(name):
    model, folder = BUILDERS[name](224), Path(STORED)
    load_weights(model, folder / name)
    assert load_verified(folder / name)["kind"] == name
    with np.load(folder / "reference.npz") as reference:
        answer = model.predict(reference["crops_224"].astype("float32") / 255, batch_size=4, verbose=0)
        if name == "face_mobilenet":
            assert relative(answer, reference["face_mobilenet_vggface2"]) < 1e-4
        else:
            # Stored as float16 at the origin of the reference's own weights.
            assert relative(answer["pooled"], reference["efficientnet_lite0_pooled"]) < 1e-2
            assert relative(answer["logits"], reference["efficientnet_lite0_logits"]) < 1e-2
