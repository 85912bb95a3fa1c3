"""How a batch is composed: rows of each kind, people kept apart, weights of what is not known."""

import numpy as np
import pytest
import tensorflow as tf
from loaded_batches import load_batches

from keras_uncover.models.build import TASKS
from keras_uncover.swaps import synthesis
from keras_uncover.training import losses
from pipelines import load as loading
from pipelines.batches import choose_donors, join, ready_swap, synthesise
from pipelines.config import Rows, count_rows
from pipelines.records import HeldRecords

SIZE = 32


def make_pairs(count=6, seed=0):
    """Ready-made fakes as records: every second without a mask, the last one of one person only."""
    rng = np.random.default_rng(seed)
    shapes = {"input": 3, "target": 3, "donor": 3, "donor_hull": 1, "mask": 1}
    pairs = {key: rng.integers(0, 256, (count, SIZE, SIZE, c)).astype("uint8") for key, c in shapes.items()}
    pairs["donor_hull"] = 255 * (pairs["donor_hull"] > 128).astype("uint8")
    pairs["has_mask"] = np.arange(count) % 2 == 0
    pairs["target_person"] = np.array([f"t{k}".encode() for k in range(count)])
    pairs["donor_person"] = np.array([f"d{k}".encode() for k in range(count - 1)] + [f"t{count - 1}".encode()])
    return pairs


def make_portraits(people):
    """Portraits of the people named, all of another colour."""
    count = len(people)
    points = np.random.default_rng(1).random((count, 468, 3)).astype("float32")
    colours = np.linspace(40, 200, count).astype("uint8")[:, None, None, None]
    return {
        "crop": np.broadcast_to(colours, (count, SIZE, SIZE, 3)),
        "texture": np.broadcast_to(colours, (count, SIZE, SIZE, 3)),
        "uv": np.full((count, SIZE, SIZE, 2), 32768, "uint16"),
        "hull": np.full((count, SIZE, SIZE, 1), 255, "uint8"),
        "points": points,
        "person": np.array([name.encode() for name in people]),
    }


@pytest.fixture
def in_memory(monkeypatch):
    """Let ``load`` read made-up records: folders are named portraits and pairs."""
    folders = {"portraits": make_portraits([f"p{k}" for k in range(7)]), "pairs": make_pairs()}

    def open_records(shards, split, keys, cache):
        return HeldRecords({key: folders[shards][key] for key in keys})

    monkeypatch.setattr(loading, "open_records", open_records)


def take(dataset):
    return list(dataset.as_numpy_iterator())


def test_rows_of_a_batch():
    assert count_rows(16, 0.25) == Rows(12, 0, 4, 0)
    assert count_rows(16, 0.25, 0.3) == Rows(8, 4, 3, 1)
    assert count_rows(16, 0.5, 0.5) == Rows(4, 4, 4, 4)
    assert count_rows(16, 0.25, 0.5) == Rows(6, 6, 2, 2)
    assert count_rows(16, 0.25, 1.0) == Rows(0, 12, 0, 4)
    for batch_size in range(4, 40):
        for mix in np.linspace(0, 1, 11):
            for share in (0.0, 0.25, 0.5):
                try:
                    rows = count_rows(batch_size, share, mix)
                except ValueError:
                    continue
                assert sum(rows) == batch_size
                assert rows.made_genuine <= rows.made and rows.ready_genuine <= rows.ready
    for mix in (-0.1, 1.2, 0.01, 0.95, float("nan")):
        with pytest.raises(ValueError, match="mix must be in 0 .. 1|cannot convert"):
            count_rows(16, 0.25, mix)


def test_a_donor_is_somebody_else():
    donor, apart = choose_donors(tf.constant(["a", "b", "c", "d"]))
    assert donor.numpy().tolist() == [3, 0, 1, 2] and apart.numpy().all()
    donor, apart = choose_donors(tf.constant(["a", "a", "b", "b", "a"]))
    assert donor.numpy().tolist() == [3, 3, 1, 1, 3] and apart.numpy().all()
    _, apart = choose_donors(tf.constant(["a", "a"]))
    assert not apart.numpy().any()


def test_portraits_of_one_person_are_not_swapped_among_themselves():
    draws = np.full((4, synthesis.DRAWS), 0.5, "float32")
    for people, donors, known in ((["a", "a", "b", "b"], [3, 3, 1, 1], 1), (["a"] * 4, None, 0)):
        portraits = make_portraits(people)
        tensors = {k: tf.constant(v) for k, v in portraits.items()}
        swap = synthesise(tensors, draws, {"mesh": 1.0}, True, synthesis.as_is)
        assert swap["has_donor"].numpy().tolist() == [known] * 4
        if donors:
            assert np.allclose(swap["donor"], portraits["crop"][donors] / 255.0, atol=1e-6)


def test_a_ready_made_fake_weighs_only_what_is_known():
    pairs = make_pairs()
    swap = {key: value.numpy() for key, value in ready_swap({k: tf.constant(v) for k, v in pairs.items()}).items()}
    assert np.allclose(swap["input"] * 255, pairs["input"], atol=1e-3)
    assert np.allclose(swap["mask"][::2] * 255, pairs["mask"][::2], atol=1e-3)
    assert swap["mask"][1::2].max() == 0
    assert swap["has_mask"].tolist() == [1, 0, 1, 0, 1, 0]
    assert swap["has_donor"].tolist() == [1, 1, 1, 1, 1, 0]
    assert swap["flow"].shape == (6, SIZE // 4, SIZE // 4, 3) and swap["flow"].max() == 0
    outside = pairs["donor_hull"][..., 0] == 0
    assert (swap["donor"][outside] == 0.5).all()
    assert np.allclose(swap["donor"][~outside] * 255, pairs["donor"][~outside], atol=1e-3)


def test_the_first_rows_of_both_kinds_stand_first():
    made, ready = ({"x": tf.range(start, start + n)} for start, n in ((0, 5), (100, 3)))
    assert join(made, ready, Rows(5, 3, 2, 1))["x"].numpy().tolist() == [0, 1, 100, 2, 3, 4, 101, 102]
    assert join(made, None, Rows(5, 0, 2, 0)) is made and join(None, ready, Rows(0, 3, 0, 1)) is ready


@pytest.mark.parametrize("mix, ready", [(0.5, 3), (1.0, 6)])
def test_every_batch_has_both_kinds_and_their_genuine_photos(in_memory, mix, ready):
    options = dict(swap_pairs="pairs", mix=mix, genuine_share=0.25, augment=False, training=False)
    data = load_batches("portraits", "train", 8, **options)
    assert data.element_spec[0].shape == (8, SIZE, SIZE, 3)
    (image, truth, weight), *rest = take(data)
    assert len(rest) == (1 if ready == 3 else 0)
    assert truth["p_fake"][:, 0].tolist() == [1] * 6 + [0] * 2
    pairs, genuine = make_pairs(), round(2 * mix)
    first, made = slice(2 - genuine, 2), slice(0, 2 - genuine)
    assert np.allclose(image[first] * 255, pairs["input"][:genuine], atol=1e-3)
    assert np.allclose(image[6 + 2 - genuine :] * 255, pairs["target"][:genuine], atol=1e-3)
    assert np.allclose(truth["target"][6:], np.concatenate([truth["target"][:2, ..., :3], 0 * image[:2, ..., :1]], -1))
    assert weight["flow"][first].max() == 0 and weight["flow"][6:].max() == 0
    assert weight["mask"].sum() == 8 - ready // 2
    assert weight["mask"][6:].tolist() == [1, 1] and (weight["mask"][made] == 1).all()
    assert np.isclose(weight["p_fake"][:6].sum(), weight["p_fake"][6:].sum())


def test_validation_of_mixed_batches_is_the_same_to_the_byte_and_training_is_not(in_memory):
    options = dict(swap_pairs="pairs", mix=0.5, shares={"mesh": 1.0}, plain=True)
    one, two = (take(load_batches("portraits", "validation", 8, training=False, **options)) for _ in range(2))
    assert len(one) == len(two) == 2
    flat = [[a.tobytes() for a in tf.nest.flatten(batch)] for batch in one + two]
    assert flat[:2] == flat[2:] and flat[0] != flat[1]
    first, second = take(load_batches("portraits", "train", 8, **options).take(2))
    assert not np.array_equal(first[0], second[0])


def test_a_folder_that_is_too_small_is_named(in_memory):
    with pytest.raises(ValueError, match="Split train of pairs holds 6 records; a batch needs 8"):
        load_batches("portraits", "train", 20, swap_pairs="pairs", mix=0.5)


def test_an_unknown_mask_does_not_move_the_mask_loss(in_memory):
    options = dict(swap_pairs="pairs", mix=1.0, augment=False, training=False)
    (_, truth, weight), = take(load_batches("portraits", "train", 8, **options))
    loss, guess = losses.task_losses(TASKS["reconstruct"])["mask"], np.full_like(truth["mask"], 0.3)
    other = np.where(weight["mask"][:, None, None, None] > 0, guess, 0.9)
    values = [float(loss(truth["mask"], answer, sample_weight=weight["mask"])) for answer in (guess, other)]
    assert (weight["mask"] == 0).sum() == 3 and values[0] == values[1]
    assert float(loss(truth["mask"], other)) != pytest.approx(float(loss(truth["mask"], guess)), rel=0.05)
