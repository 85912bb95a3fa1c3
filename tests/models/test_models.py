"""Encoder, classifier, reconstructor and their sizes."""

import functools
import re

import cv2
import h5py
import keras
import numpy as np
import pytest
from keras import ops

from keras_uncover.models import layers as own_layers
from keras_uncover.models import shape_layers
from keras_uncover.models.build import build_from_folder, save_network
from keras_uncover.models.classifier import build_classifier
from keras_uncover.models.config import BASE, SMALL, TINY, ModelConfig, model_config
from keras_uncover.models.encoder import build_encoder
from keras_uncover.models.face_geometry import FACE_MESH, load_face_mesh
from keras_uncover.models.layers import EnlargeLinearly, Warp
from keras_uncover.models.reconstructor import build_reconstructor
from keras_uncover.models.shape_layers import FollowField, InvertField, ShapeField
from keras_uncover.ops.shapes import describe_shapes
from keras_uncover.training.setup import run_config

SMALLEST = ModelConfig("smallest", size=32, stem=4, widths=(8, 12), blocks=(1, 1))
BUILDERS = [build_classifier, build_reconstructor]


def crops(config, count=2, seed=0):
    return np.random.default_rng(seed).random((count, config.size, config.size, 3), "float32")


def run(model, images):
    return {key: ops.convert_to_numpy(value) for key, value in model(images, training=False).items()}


@functools.cache
def built(builder, config):
    """A network with every weight drawn, so that no output is a constant of its start. Only to be read."""
    keras.utils.set_random_seed(0)
    model = builder(config)
    scatter(model)
    return model


def scatter(model, seed=0):
    """Move every weight a little, those that start as zeros too."""
    rng = np.random.default_rng(seed)
    for weight in model.trainable_weights:
        value = ops.convert_to_numpy(weight)
        weight.assign(value + rng.normal(0, 0.05, value.shape).astype("float32"))


def all_layers(model):
    """Every layer of a model and of the models inside of it."""
    for layer in model.layers:
        yield layer
        if isinstance(layer, keras.Model):
            yield from all_layers(layer)


@pytest.mark.parametrize("config", [TINY, SMALL], ids=lambda config: config.name)
def test_the_reconstructors_outputs(config):
    model = build_reconstructor(config)
    size, coarse = config.size, config.size // 4
    shapes = {"p_fake": (1,), "mask": (size, size, 1), "target": (size, size, 3), "donor": (size, size, 3)}
    shapes["flow"], shapes["seen"] = (coarse, coarse, 2), (size, size, 3)
    assert {key: value.shape for key, value in model.output.items()} == {k: (None, *s) for k, s in shapes.items()}
    outputs = run(model, crops(config))
    assert {key: value.shape for key, value in outputs.items()} == {key: (2, *s) for key, s in shapes.items()}
    assert all(value.dtype == np.float32 for value in outputs.values())
    assert model.input.shape == (None, size, size, 3) and model.input.name == "crop"


@pytest.mark.parametrize("config", [TINY, SMALL], ids=lambda config: config.name)
def test_the_classifiers_output(config):
    model = build_classifier(config)
    outputs = run(model, crops(config))
    assert list(outputs) == ["p_fake"] == list(model.output)
    assert outputs["p_fake"].shape == (2, 1) and outputs["p_fake"].dtype == np.float32
    assert model.input.name == "crop"


def test_ranges():
    outputs = run(built(build_reconstructor, SMALLEST), crops(SMALLEST, count=4))
    for key in ("p_fake", "mask"):
        assert outputs[key].min() >= 0 and outputs[key].max() <= 1 and np.ptp(outputs[key]) > 1e-4, key
    assert all(np.isfinite(outputs[key]).all() for key in ("target", "donor"))  # their range has a leak, see SoftClip


def test_at_first_the_flow_leads_from_the_mean_face_to_the_shape_that_is_found():
    model = build_reconstructor(SMALLEST)
    shape = keras.Model(model.input, model.get_layer("shape_input").output)(crops(SMALLEST), training=False)
    outputs = run(model, crops(SMALLEST))
    mean = ShapeField(8)(np.zeros((2, 32), "float32"))
    expected = FollowField()([ShapeField(8)(shape), InvertField()(mean)])
    assert np.abs(outputs["flow"] - ops.convert_to_numpy(expected)).max() < 1e-6
    assert outputs["mask"].mean() < 0.4


def test_the_shape_that_is_found_is_the_face_meshs():
    model, images = build_reconstructor(SMALLEST), crops(SMALLEST)
    found = keras.Model(model.input, model.get_layer("shape_input").output)(images, training=False)
    enlarged = np.stack([cv2.resize(image, (256, 256), interpolation=cv2.INTER_LINEAR) for image in images])
    points = ops.convert_to_numpy(load_face_mesh()(enlarged)["points"])
    assert np.abs(ops.convert_to_numpy(found) - describe_shapes(points)).max() < 1e-3
    assert np.abs(describe_shapes(points)).max() > 0.1


def test_the_verdict_gates_the_mask_as_a_whole():
    model = built(build_reconstructor, SMALLEST)
    outputs = [model.get_layer("mask_pixels").output, model.output["p_fake"], model.output["mask"]]
    parts = keras.Model(model.input, outputs)
    places, p, mask = (ops.convert_to_numpy(x) for x in parts(crops(SMALLEST, count=3), training=False))
    verdict = 1 / (1 + np.exp(-3 * (np.log(p / (1 - p)) - 1.1)))
    assert np.allclose(mask, verdict[:, :, None, None] / (1 + np.exp(-places)), atol=1e-5)


def test_the_donor_is_what_is_seen_plus_a_residual_on_grey():
    model = built(build_reconstructor, SMALLEST)
    parts = keras.Model(
        model.input,
        [model.get_layer(name).output for name in ("seen", "donor_residual_pixels", "donor_hull_mask", "donor")],
    )
    seen, residual, hull, donor = (ops.convert_to_numpy(x) for x in parts(crops(SMALLEST), training=False))
    face = np.clip(seen + residual, 0, 1) + 0.01 * (seen + residual - np.clip(seen + residual, 0, 1))
    assert np.allclose(donor, 0.5 * (1 - hull) + face * hull, atol=1e-5)


@pytest.mark.parametrize(
    "builder, config, low, high",
    [
        (build_classifier, TINY, 0.3e6, 0.5e6),
        (build_reconstructor, TINY, 2.5e6, 3.5e6),
        (build_reconstructor, SMALL, 4.5e6, 6e6),
        (build_reconstructor, BASE, 9e6, 12e6),
    ],
)
def test_parameters_are_as_many_as_the_preset_allows(builder, config, low, high):
    assert low < builder(config).count_params() < high


@pytest.mark.parametrize("config", [TINY, SMALL, BASE], ids=lambda config: config.name)
def test_every_layer_has_a_name_of_its_own(config):
    automatic = re.compile(
        r"(conv2d|batch_normalization|layer_normalization|re_lu|add|activation|dense|up_sampling2d|rescaling"
        r"|concatenate|global_\w+|input_layer|functional|keras_tensor|space_to_depth|depth_to_space|enlarge_linearly"
        r"|offsets_to_places|warp|blend|recolour|resize_linearly|shape_field"
        r"|invert_field|follow_field|gate|flatten|multiply|subtract|get_item|operation|nested)(_\d+)?$"
    )
    keras.backend.clear_session()
    first = [[layer.name for layer in all_layers(builder(config))] for builder in BUILDERS]
    second = [[layer.name for layer in all_layers(builder(config))] for builder in BUILDERS]
    # Automatic names count up within a process; given ones are the same each time.
    assert first == second
    for names in first:
        assert not [name for name in names if automatic.match(name)]
        shared = {"crop", "stem_conv", *(f"level_{k}" for k in range(4))}  # each in a model of its own
        assert not {name for name in names if names.count(name) > 1} - shared


@pytest.mark.parametrize("builder", BUILDERS)
def test_everything_is_seen_through_the_encoder(builder):
    keras.utils.set_random_seed(0)
    model = builder(SMALLEST)
    scatter(model)
    encoder = model.get_layer("encoder")
    before = run(model, crops(SMALLEST))
    for weight in encoder.trainable_weights:
        weight.assign(weight * 1.5 + 0.05)
    after = run(model, crops(SMALLEST))
    for key in before:
        assert np.abs(before[key] - after[key]).max() > 1e-4, key
    shapes = [tuple(weight.shape) for weight in encoder.weights]
    assert shapes == [tuple(weight.shape) for weight in build_encoder(SMALLEST).weights]


def test_classifier_and_reconstructor_share_encoder_and_verdict_by_construction():
    one, two = built(build_classifier, SMALLEST), build_reconstructor(SMALLEST)
    for name in ("encoder", "verdict"):
        two.get_layer(name).set_weights(one.get_layer(name).get_weights())
    images = crops(SMALLEST)
    assert np.array_equal(run(one, images)["p_fake"], run(two, images)["p_fake"])


def test_the_verdict_reads_nothing_but_the_encoder():
    keras.utils.set_random_seed(0)
    model = build_reconstructor(SMALLEST)
    before = run(model, crops(SMALLEST))
    for layer in model.layers:
        if layer.name not in ("encoder", "verdict"):
            for weight in layer.trainable_weights:
                weight.assign(weight + 0.1)
    after = run(model, crops(SMALLEST))
    assert np.array_equal(before["p_fake"], after["p_fake"])
    assert np.abs(before["mask"] - after["mask"]).max() > 1e-3


def test_a_genuine_photo_passes_unchanged_where_the_mask_is_empty():
    keras.utils.set_random_seed(0)
    model = build_reconstructor(SMALLEST)
    scatter(model)
    kernel, bias = model.get_layer("mask_conv").weights
    kernel.assign(np.zeros(kernel.shape, "float32"))
    bias.assign(ops.full(bias.shape, -200.0))
    images = crops(SMALLEST)
    outputs = run(model, images)
    assert outputs["mask"].max() == 0
    assert np.array_equal(outputs["target"], images)
    bias.assign(ops.full(bias.shape, 200.0))
    assert np.abs(run(model, images)["target"] - images).mean() > 0.1


def test_the_donor_is_read_where_the_flow_points():
    keras.utils.set_random_seed(0)
    model = build_reconstructor(SMALLEST)
    for name in ("colour_conv", "donor_residual_conv"):
        kernel, bias = model.get_layer(name).weights
        kernel.assign(np.zeros(kernel.shape, "float32"))
    model.get_layer("donor_hull_conv").bias.assign(ops.full((16,), 200.0))
    images = crops(SMALLEST)
    before = run(model, images)["flow"]
    model.get_layer("flow_offsets").bias.assign(np.arctanh([4 / 32 / 0.1 / 2, 0]).astype("float32"))
    outputs = run(model, images)
    assert np.allclose(outputs["flow"] - before, [2 / 32, 0], atol=1e-5)
    fine = EnlargeLinearly(4)(outputs["flow"])
    assert np.abs(outputs["donor"] - ops.convert_to_numpy(Warp()([images, fine]))).max() < 1e-4


@pytest.mark.parametrize("builder", BUILDERS)
def test_a_network_survives_its_configuration(builder):
    model = built(builder, SMALLEST)
    both = {**vars(own_layers), **vars(shape_layers)}
    scope = {name: value for name, value in both.items() if isinstance(value, type)}
    again = keras.Model.from_config(model.get_config(), custom_objects=scope)
    again.set_weights(model.get_weights())
    images = crops(SMALLEST)
    one, two = run(model, images), run(again, images)
    assert set(one) == set(two)
    assert all(np.array_equal(one[key], two[key]) for key in one)


@pytest.mark.parametrize("builder", BUILDERS)
def test_saved_weights_give_the_same_answers(builder, tmp_path):
    model, images = built(builder, SMALLEST), crops(SMALLEST)
    model.save_weights(tmp_path / "model.weights.h5")
    again = builder(SMALLEST)
    one = run(model, images)
    assert not np.array_equal(one["p_fake"], run(again, images)["p_fake"])
    again.load_weights(tmp_path / "model.weights.h5")
    assert all(np.array_equal(one[key], value) for key, value in run(again, images).items())


@pytest.mark.parametrize("builder", BUILDERS)
def test_the_face_mesh_is_not_saved_with_a_network(builder, tmp_path):
    model, images = built(builder, SMALLEST), crops(SMALLEST)
    meshes = [layer for layer in model.layers if layer.name == FACE_MESH]
    assert len(meshes) == (builder is build_reconstructor)
    config = run_config("reconstruct" if meshes else "classify", SMALLEST, "smallest", {})
    save_network(model, tmp_path / "smallest", config, half=False)
    stored = []
    with h5py.File(tmp_path / "smallest" / "model.weights.h5") as file:
        file.visititems(lambda name, item: stored.append(item.size) if isinstance(item, h5py.Dataset) else None)
    assert sum(stored) == model.count_params() - sum(mesh.count_params() for mesh in meshes)
    again, _ = build_from_folder(tmp_path / "smallest")
    one, two = run(model, images), run(again, images)
    assert all(np.array_equal(one[key], two[key]) for key in one)


def test_presets_by_name():
    assert [model_config(name).size for name in ("tiny", "small", "base")] == [64, 128, 256]
    with pytest.raises(ValueError, match="presets tiny, small and base; received 'huge'"):
        model_config("huge")


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"widths": (8, 12, 16)}, r"same levels.*received \(8, 12, 16\), \(1, 1\)"),
        ({"widths": (), "blocks": ()}, "at least one"),
        ({"size": 36}, "divisible by 16 .* = 8; received 36"),
        ({"size": 48, "stem": 32}, "= 64; received 48"),
    ],
)
def test_a_configuration_that_no_network_can_have_is_refused(changes, words):
    values = {"name": "x", "size": 32, "stem": 4, "widths": (8, 12), "blocks": (1, 1), **changes}
    with pytest.raises(ValueError, match=words):
        ModelConfig(**values)


def test_a_configuration_goes_through_json_and_refuses_other_fields():
    values = {"name": "tiny", "size": 64, "stem": 4, "widths": [32, 64, 96], "blocks": [1, 1, 1]}
    assert ModelConfig.from_dict(values) == TINY
    words = r"has the fields \['blocks', 'name', 'size', 'stem', 'widths'\]; received"
    for wrong in ({**values, "depth": 3}, {key: values[key] for key in ("name", "size")}):
        with pytest.raises(ValueError, match=words):
            ModelConfig.from_dict(wrong)
