"""The classifier that starts from ImageNet: its answers, what each loss teaches, its crop, its folder."""

import json

import keras
import numpy as np
import pytest
from drawn_faces import mean_points
from keras import ops

from keras_uncover.faces.alignment import align_faces
from keras_uncover.faces.finder import Face
from keras_uncover.inference.uncoverer import Uncoverer
from keras_uncover.models.build import build_from_folder
from keras_uncover.models.classifier import build_classifier
from keras_uncover.models.config import EvidenceConfig, ModelConfig, read_config, view_of
from keras_uncover.models.evidence import MAP_STRIDE, build_evidence_classifier
from keras_uncover.models.painters import build_coarse_painter, build_fine_painter, painting_loss
from keras_uncover.presets.weights import WeightsError, save_config, save_preset

SIZE = 32
ARCH = {"name": "evidence", "size": SIZE, "view": 125, "encoder": "efficientnet-lite0"}


def crops(count=2):
    return np.random.default_rng(0).random((count, SIZE, SIZE, 3), "float32")


def numpy(value):
    return ops.convert_to_numpy(value)


@pytest.fixture(scope="module")
def network():
    """With every weight moved, so that no answer is a constant of its start. Only to be read."""
    keras.utils.set_random_seed(0)
    model, rng = build_evidence_classifier(SIZE), np.random.default_rng(0)
    for weight in model.trainable_weights:
        weight.assign(numpy(weight) + rng.normal(0, 0.05, weight.shape).astype("float32"))
    return model


def test_answers_and_their_shapes(network):
    outputs = {key: numpy(value) for key, value in network(crops(), training=False).items()}
    side = SIZE // MAP_STRIDE
    assert {key: value.shape for key, value in outputs.items()} == {
        "p_fake": (2, 1), "logit": (2, 1), "map_logits": (2, side, side, 1),
    }
    assert all(value.dtype == np.float32 for value in outputs.values())
    assert np.allclose(outputs["p_fake"], 1 / (1 + np.exp(-outputs["logit"])), atol=1e-6)
    assert outputs["logit"][0, 0] != outputs["logit"][1, 0] and np.ptp(outputs["map_logits"]) > 0


def test_both_losses_teach_the_encoder_and_the_maps_loss_its_own_layers(network):
    import tensorflow as tf

    model = keras.models.clone_model(network)
    truth = np.float32([[0], [1]])
    with tf.GradientTape(persistent=True) as tape:
        outputs = model(crops(), training=True)
        verdict = keras.losses.binary_crossentropy(truth, outputs["logit"], from_logits=True)
        region = np.broadcast_to(truth[:, None, None], outputs["map_logits"].shape)
        place = keras.losses.binary_crossentropy(region, outputs["map_logits"], from_logits=True)
    weights = model.trainable_weights
    moved = {}
    for name, loss in (("verdict", verdict), ("place", place)):
        found = tape.gradient(loss, weights)
        moved[name] = {w.path for w, g in zip(weights, found) if g is not None and np.abs(g).max() > 0}
    stem = next(w.path for w in weights if "stem_conv" in w.path)
    own = {w.path for w in weights if w.path.startswith("map_")}
    head = {w.path for w in weights if w.path.startswith(("head_", "logit"))}
    assert len(own) == 17 and len(head) == 5
    assert stem in moved["verdict"] and stem in moved["place"]
    assert own <= moved["place"] and not head & moved["place"]
    # The verdict sees the map, so it teaches it, too; all but what the map's peak and mean hang on alike.
    assert head <= moved["verdict"] and len(own & moved["verdict"]) > 10


@pytest.fixture(scope="module")
def folder(network, tmp_path_factory):
    """The network's verdict as a preset that sees a crop of 1.25. Only to be read."""
    model = build_classifier(read_config(ARCH))
    model.set_weights(network.get_weights())
    assert list(model.output) == ["p_fake"]
    folder = tmp_path_factory.mktemp("presets") / "mine"
    config = {"format": 1, "kind": "classifier", "name": "mine", "arch": ARCH, "threshold": None}
    save_preset(model, folder, config, half=False)
    return folder


@pytest.fixture(scope="module")
def loaded(folder):
    return build_from_folder(folder)


def test_a_preset_comes_back_and_answers_the_same(network, loaded):
    model, config = loaded
    assert config["arch"] == ARCH and list(model.output) == ["p_fake"]
    assert all(np.array_equal(one, other) for one, other in zip(model.get_weights(), network.get_weights()))
    assert np.array_equal(numpy(model(crops())["p_fake"]), numpy(network(crops())["p_fake"]))


def test_its_answers_are_of_the_wider_crop(loaded, monkeypatch):
    uncoverer = Uncoverer(*loaded)
    seen = []
    monkeypatch.setattr(uncoverer, "predict", lambda crops: seen.append(crops) or {"p_fake": np.float32([0.75])})
    # An upright face whose usual crop is 160 px wide and begins at (60, 40): a wider one begins 20 px before it.
    photo = np.random.default_rng(1).integers(0, 256, (240, 280, 3), "uint8")
    points = mean_points(160, view=1.0) + np.float32([60, 40])
    face = Face((60, 40, 220, 200), 0.9, np.concatenate([points, np.zeros((478, 1), "float32")], -1), 1.0)
    (answer,) = uncoverer.answer_faces(photo, [face])
    assert np.allclose(answer.place, [[200, 0, 40], [0, 200, 20]], atol=0.01)
    wide, unit, _ = align_faces(photo, [face], SIZE, 1.25)
    assert np.array_equal(seen[0], wide) and np.array_equal(answer.crop, wide[0])
    assert not np.array_equal(wide, align_faces(photo, [face], SIZE)[0])
    assert np.allclose(unit[0, :, :2], (points - [40, 20]) / 200, atol=1e-4)
    assert answer.verdict == "fake" and answer.p_fake == 0.75


@pytest.mark.parametrize("change", [{"dropout": 1}, {"view": 90}, {"size": 48}, {"encoder": "other"}],
                         ids=["unknown", "view", "size", "encoder"])
def test_another_arch_is_refused(folder, tmp_path, change):
    arch = {**ARCH, **change}
    with pytest.raises(ValueError, match="has the fields|has the encoder"):
        read_config(arch)
    (tmp_path / "copy").mkdir()
    for file in folder.iterdir():
        (tmp_path / "copy" / file.name).write_bytes(file.read_bytes())
    config = json.loads((folder / "config.json").read_text("utf-8"))
    save_config(tmp_path / "copy", {**config, "arch": arch})
    with pytest.raises(WeightsError, match="arch must be that of a network"):
        build_from_folder(tmp_path / "copy")


def test_configurations_are_told_apart_by_their_encoder():
    assert read_config(ARCH) == EvidenceConfig(size=SIZE) and view_of(ARCH) == 1.25
    plain = {"name": "tiny", "size": 64, "stem": 4, "widths": [32, 64], "blocks": [1, 1]}
    assert isinstance(read_config(plain), ModelConfig) and view_of(plain) == 1.0
    missing = {key: value for key, value in ARCH.items() if key != "view"}
    with pytest.raises(ValueError, match="has the fields .*; received"):
        read_config(missing)


@pytest.mark.parametrize("build", [build_fine_painter, build_coarse_painter])
def test_a_painter_paints_through_its_code(build):
    model = build(SIZE)
    codes = keras.Model(model.input, model.get_layer("code").output)
    painted, code = model(crops()), codes(crops())
    assert painted.shape == (2, SIZE, SIZE, 3)
    # 24 numbers for 8 x 8 pixels, or 32 for 16 x 16: far fewer than 3 a pixel.
    assert tuple(code.shape) in ((2, 4, 4, 24), (2, 2, 2, 32))
    assert np.prod(code.shape) <= painted.shape[0] * SIZE**2 * 3 / 8


def test_the_painters_loss_weighs_pixels_and_fine_detail():
    flat = np.full((1, SIZE, SIZE, 3), 0.5, "float32")
    board = 0.1 * (np.indices((SIZE, SIZE)).sum(0)[None, ..., None] % 2 - 0.5).astype("float32")
    assert float(painting_loss(flat, flat)) == pytest.approx(0, abs=1e-6)
    # A shift of colour has no detail; a chequerboard of +-.05 is nothing else.
    assert float(painting_loss(flat + 0.1, flat)) == pytest.approx(0.1, abs=1e-4)
    assert float(painting_loss(flat, flat + board)) == pytest.approx(0.1, abs=2e-3)
