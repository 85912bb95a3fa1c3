"""Families and morphs in the batches that are loaded, and on contact sheets."""

import cv2
import numpy as np
import pytest
import tensorflow as tf
from loaded_batches import load_batches

from keras_uncover.models.autoencoder import load_autoencoder
from keras_uncover.swaps import morphs, synthesis
from keras_uncover.swaps.family_names import SHARES
from pipelines import show
from pipelines.batches import synthesise
from pipelines.config import choose_shares
from pipelines.records import read_records

PLAIN = dict(augment=False, training=False, plain=True)


def first(dataset):
    return next(dataset.as_numpy_iterator())


def crops_of(shards, split):
    records, _ = read_records(shards, split, keys=("crop",))
    return np.stack([record["crop"] for record in records.as_numpy_iterator()]).astype("float32") / 255


def test_resynth_is_among_the_families_where_there_is_an_autoencoder():
    assert abs(sum(SHARES.values()) - 1) < 1e-6 and set(SHARES) == set(synthesis.FAMILIES)
    assert choose_shares(None, "autoencoder") == SHARES
    assert set(choose_shares(None, None)) == set(SHARES) - {"resynth"}
    own = {"resynth": 0.0, "mesh": 1.0}
    assert choose_shares(own, None) is own
    with pytest.raises(ValueError, match="received shares with resynth and autoencoder=None. Give autoencoder="):
        choose_shares({"resynth": 0.1, "mesh": 1.0}, None)


def test_the_genuine_photo_beside_a_resynth_fake_is_painted_again_and_stays_genuine(shards):
    options = dict(shares={"resynth": 1.0}, autoencoder="autoencoder", genuine_share=0.5, **PLAIN)
    image, truth, weight = first(load_batches(shards, "validation", 4, **options))
    painted = load_autoencoder("autoencoder")(crops_of(shards, "validation")).numpy()
    assert truth["p_fake"][:, 0].tolist() == [1, 1, 0, 0]
    assert np.abs(image[2:] - painted).max() < 1e-5
    assert np.abs(painted - crops_of(shards, "validation")).mean() > 0.005
    for rows in (slice(0, 2), slice(2, 4)):
        assert np.abs(truth["target"][rows, ..., :3] - painted).max() < 1e-5
    assert truth["mask"][2:].max() == 0 and truth["mask"][:2].max() == 1
    # The donor's truth is not painted.
    face = truth["donor"][:2, ..., 3] == 1
    assert np.abs(truth["donor"][:2, ..., :3] - crops_of(shards, "validation")[::-1])[face].max() < 1e-5
    assert weight["donor"].tolist() == [1, 1, 0, 0]


def test_all_families_in_a_batch_have_static_shapes(shards):
    dataset = load_batches(shards, "train", 5, autoencoder="autoencoder", morph_share=0.3)
    assert dataset.element_spec[0].shape == (5, 64, 64, 3)
    image, truth, _ = first(dataset)
    assert np.isfinite(image).all() and image.min() >= 0 and image.max() <= 1
    assert np.array_equal(image[4], truth["target"][4, ..., :3])


def test_a_share_of_the_donors_are_morphs():
    rng = np.random.default_rng(0)
    images = {"crop": 3, "texture": 3, "uv": 2, "hull": 1}
    records = {key: rng.integers(0, 256, (4, 32, 32, c)).astype("uint8") for key, c in images.items()}
    records["hull"] = np.full((4, 32, 32, 1), 255, "uint8")
    records |= {"points": rng.random((4, 468, 3)).astype("float32"), "person": np.array([b"a", b"b", b"c", b"d"])}
    records = {key: tf.constant(value) for key, value in records.items()}
    draws = rng.random((4, synthesis.DRAWS + morphs.DRAWS), "float32")
    draws[:, synthesis.DRAWS] = [0.5, 0.1, 0.9, 0.2]
    one, mixed = (synthesise(records, draws, {"mesh": 1.0}, True, synthesis.as_is, None, share) for share in (0.0, 0.5))
    changed = [np.abs(a - b).max() > 0.1 for a, b in zip(one["donor"].numpy(), mixed["donor"].numpy())]
    assert changed == [False, True, False, True]
    assert mixed["has_donor"].numpy().tolist() == [1] * 4


def test_every_family_is_drawn(shards, tmp_path, capsys):
    path = tmp_path / "all.png"
    show.main([str(shards), "--split", "train", "--family", "all", "--plain", "--out", str(path)])
    # Four people: a line of text and a row of four cells a family, each of four pictures and a white edge.
    sheet, row = cv2.imread(str(path)), 20 + 68
    assert sheet.shape == (5 * row, 4 * (4 * 64 + 4), 3)
    assert all(sheet[k * row : k * row + 20].min() < 100 for k in range(5))
    mesh, resynth = (sheet[k * row + 22 : k * row + 86, 2:66].astype(float) for k in (0, 4))
    assert 1 < np.abs(mesh - resynth).mean() < 20
    assert "4 swaps each of mesh, affine, self, pyramid, resynth of train" in capsys.readouterr().out
    other = tmp_path / "morphs.png"
    show.main([str(shards), "--split", "train", "--family", "mesh", "--plain", "--morphs", "--out", str(other)])
    assert np.abs(cv2.imread(str(other)).astype(float) - sheet[:row]).mean() > 2
