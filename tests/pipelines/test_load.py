"""Batches from shards. Needs TensorFlow and TensorFlow Datasets."""

import dataclasses
import doctest

import numpy as np
import pytest
import tensorflow as tf
from loaded_batches import load_batches

from keras_uncover.swaps import synthesis
from pipelines import load as loading
from pipelines.batches import add_genuine, balance, to_float
from pipelines.config import BatchConfig
from pipelines.load import shuffle_numbers
from pipelines.records import StoredRecords, index_file, read_records
from pipelines.schema import IMAGES, PAIR
from pipelines.stream import shuffle_round, stream

SIZE = 64  # of the shards' crops
# Tracing every family and augmentation takes most of the time: what is not about them does without.
SIMPLE = dict(shares={"mesh": 1.0}, plain=True)
BARE = dict(SIMPLE, augment=False)


def take(dataset, count=1):
    """The first batches as NumPy arrays: a list of (input, truths, weights)."""
    return list(dataset.take(count).as_numpy_iterator())


def same(one, other):
    """Whether two batches are equal to the byte."""
    images, *dicts = zip(one, other)
    pairs = [images, *((a[key], b[key]) for a, b in dicts for key in a)]
    return all(a.dtype == b.dtype and a.tobytes() == b.tobytes() for a, b in pairs)


@pytest.fixture(scope="module")
def everything(shards):
    """Training with everything in it."""
    return load_batches(shards, seed=1)


@pytest.fixture(scope="module")
def batches(everything):
    """Its first four batches: four people, four fakes a batch, so four rounds."""
    return take(everything, 4)


def test_shapes_are_static(everything, shards):
    image, truth, weight = everything.element_spec
    assert image.shape == (5, SIZE, SIZE, 3)
    shapes = {key: tuple(spec.shape) for key, spec in truth.items()}
    assert shapes == {
        "p_fake": (5, 1),
        "mask": (5, SIZE, SIZE, 1),
        "target": (5, SIZE, SIZE, 4),
        "donor": (5, SIZE, SIZE, 4),
        "flow": (5, SIZE // 4, SIZE // 4, 3),
        "seen": (5, SIZE, SIZE, 4),
    }
    assert {key: tuple(spec.shape) for key, spec in weight.items()} == dict.fromkeys(shapes, (5,))
    image, truth, weight = load_batches(shards, task="classify", **BARE).element_spec
    assert image.shape == (5, SIZE, SIZE, 3)
    assert tuple(truth["p_fake"].shape) == (5, 1) and tuple(weight["p_fake"].shape) == (5,)
    assert set(truth) == set(weight) == {"p_fake"}


def test_one_seed_one_stream(batches, shards):
    again, other = (take(load_batches(shards, seed=seed), 3) for seed in (1, 2))
    assert all(same(a, b) for a, b in zip(batches[:3], again, strict=True))
    assert not any(same(a, b) for a, b in zip(batches[:3], other, strict=True))
    assert not same(batches[0], batches[1])


def test_validation_is_the_same_to_the_byte_in_every_pass(shards):
    dataset = load_batches(shards, "validation", batch_size=4, genuine_share=0.5, training=False)
    first, second = list(dataset.as_numpy_iterator()), list(dataset.as_numpy_iterator())
    assert len(first) == len(second) == 1
    assert all(same(a, b) for a, b in zip(first, second))


def test_training_goes_on_and_validation_ends(batches, shards):
    assert len(batches) == 4
    assert len(take(load_batches(shards, training=False, **BARE), 4)) == 1


def test_genuine_rows_are_whole_photos(shards):
    (image, truth, weight), = take(load_batches(shards, batch_size=6, genuine_share=0.4))
    genuine = truth["p_fake"][:, 0] == 0
    assert genuine.tolist() == [False] * 4 + [True] * 2
    assert truth["mask"][genuine].max() == 0
    assert np.array_equal(truth["target"][..., :3][genuine], image[genuine])
    assert np.array_equal(truth["target"][..., 3:], truth["mask"])
    assert weight["donor"][genuine].max() == 0 and weight["flow"][genuine].max() == 0
    # Each stands beside its own fake, whose target it is.
    assert np.array_equal(truth["target"][4:, ..., :3], truth["target"][:2, ..., :3])
    fake = ~genuine
    assert (truth["mask"][fake].reshape(4, -1).max(1) > 0.5).all()
    assert np.abs(truth["target"][..., :3] - image)[fake].max() > 0.05


def test_everything_is_in_range(batches):
    for image, truth, weight in batches:
        assert image.dtype == np.float32
        for part in (image, *(truth[key] for key in ("p_fake", "mask", "target", "donor"))):
            assert np.isfinite(part).all() and part.min() >= 0 and part.max() <= 1 + 1e-6
        assert image.std() > 0.05
        assert np.isfinite(truth["flow"]).all()
        assert all((value >= 0).all() for value in weight.values())


def test_without_augmentation_a_target_is_the_stored_crop(shards):
    stored, count = read_records(shards, "validation")
    crops = np.stack([record["crop"] for record in stored.as_numpy_iterator()])
    assert count == len(crops) == 2
    options = dict(batch_size=4, genuine_share=0.5, training=False, augment=False, plain=True, shares={"mesh": 1.0})
    (image, truth, weight), = take(load_batches(shards, "validation", **options))
    assert np.abs(truth["target"][:2, ..., :3] * 255 - crops).max() < 1e-3
    assert np.array_equal(image[2:], truth["target"][:2, ..., :3])
    # Two people: each is the other's donor.
    hull = truth["donor"][:2, ..., 3:]
    face = hull[..., 0] == 1
    assert np.abs(truth["donor"][:2, ..., :3] * 255 - crops[::-1])[face].max() < 1e-3
    assert (truth["donor"][:2, ..., :3][hull[..., 0] == 0] == 0.5).all()
    assert weight["donor"].tolist() == [1, 1, 0, 0]


def test_shares_are_passed_on(shards):
    (_, _, weight), = take(load_batches(shards, shares={"self": 1.0}, augment=False))
    assert weight["donor"].max() == 0
    (_, _, weight), = take(load_batches(shards, shares={"mesh": 1.0}, augment=False))
    assert weight["donor"].tolist() == [1, 1, 1, 1, 0]


def test_balance_by_hand():
    # One genuine photo weighs what four fakes do, and all together what they did.
    assert balance(np.array([[1], [1], [1], [1], [0]], "float32")).numpy().tolist() == [0.625] * 4 + [2.5]
    assert balance(np.ones((3, 1), "float32")).numpy().tolist() == [1, 1, 1]


def test_add_genuine_by_hand():
    rng = np.random.default_rng(0)
    keys = ("input", "target", "mask", "donor", "donor_hull", "flow")
    swap = {key: rng.random((3, 2, 2, 1), "float32") for key in keys}
    known = {"has_donor": [1, 0, 1], "has_mask": [0, 1, 1], "has_flow": [1, 1, 0]}
    batch, label = add_genuine({**swap, **{key: np.array(value, "float32") for key, value in known.items()}}, 2)
    assert label.numpy().tolist() == [[1], [1], [1], [0], [0]]
    assert batch["has_donor"].numpy().tolist() == [1, 0, 1, 0, 0]
    assert batch["has_mask"].numpy().tolist() == [0, 1, 1, 1, 1]
    assert batch["has_flow"].numpy().tolist() == [1, 1, 0, 0, 0]
    assert np.array_equal(batch["input"], np.concatenate([swap["input"], swap["target"][:2]]))
    assert np.array_equal(batch["mask"], np.concatenate([swap["mask"], np.zeros((2, 2, 2, 1))]))
    for key in ("target", "donor", "donor_hull", "flow"):
        assert np.array_equal(batch[key], np.concatenate([swap[key], swap[key][:2]]))


def test_stored_integers_come_in_their_own_ranges(shards):
    record = next(iter(read_records(shards, "test")[0]))
    assert {key: str(record[key].dtype.name) for key in IMAGES} == {
        "crop": "uint8", "texture": "uint8", "uv": "uint16", "hull": "uint8",
    }
    floats = to_float(record)
    assert set(floats) == {*IMAGES, "points"}
    uv, hull = floats["uv"].numpy(), floats["hull"].numpy()[..., 0] == 1
    assert hull.any() and 0.05 < uv[hull].min() and uv[hull].max() < 0.98 and np.ptp(uv[hull]) > 0.5
    assert floats["crop"].numpy().max() <= 1


def test_xla_changes_nothing_but_roundings(shards):
    plain, compiled = (
        take(load_batches(shards, "validation", batch_size=4, genuine_share=0.5, training=False, compiled=compiled))[0]
        for compiled in (False, True)
    )
    assert np.abs(plain[0] - compiled[0]).mean() < 2e-3
    for key in ("p_fake", "mask", "flow"):
        assert np.abs(plain[1][key] - compiled[1][key]).mean() < 1e-4, key
    assert all(np.array_equal(plain[2][key], compiled[2][key]) for key in plain[2])


@pytest.mark.parametrize(
    "options, words",
    [
        (dict(batch_size=4, genuine_share=0.75), "received batch_size=4, genuine_share=0.75: 1 fakes, 3 genuine"),
        (dict(batch_size=8, genuine_share=0.625), "no more genuine photos than fakes.*3 fakes, 5 genuine"),
        (dict(batch_size=4, genuine_share=-0.25), "5 fakes, -1 genuine"),
        (dict(batch_size=1, genuine_share=0.0), "at least two fakes"),
        (dict(batch_size=8), "Split train of .* holds 4 records; a batch needs 6 of them"),
        (dict(split="dev"), r"split must be one of \['test', 'train', 'validation'\] in .*; received 'dev'"),
        (dict(auto_shard_policy="host"), "auto_shard_policy must be one of .*'auto'.* or None; received 'host'"),
        (dict(batch_size=9, parts=2), "divisible into its parts; received batch_size=9, parts=2"),
        (dict(task="guess"), r"task must be one of \('classify', 'reconstruct'\); received 'guess'"),
        (dict(shares={"mash": 1.0}), f"Family shares must be for .*{synthesis.FAMILIES[0]}"),
    ],
)
def test_what_no_batch_can_be_made_of_is_refused(shards, options, words):
    with pytest.raises(ValueError, match=words):
        load_batches(shards, **{**BARE, **options})


def test_options_reach_the_dataset(shards):
    options = load_batches(shards, auto_shard_policy="data", deterministic=False, **BARE).options()
    assert options.experimental_distribute.auto_shard_policy.name == "DATA"
    assert options.deterministic is False
    assert load_batches(shards, "validation", batch_size=2, genuine_share=0, training=False,
                      deterministic=False, **BARE).options().deterministic is True


@pytest.fixture(scope="module")
def through(shards):
    """The first thirteen batches of one stream."""
    return take(load_batches(shards, seed=4, batch_size=6, genuine_share=0.5, **SIMPLE), 13)


@pytest.mark.parametrize("cache", [False, "here/cache"])
def test_how_it_is_computed_does_not_change_what_is_computed(through, shards, tmp_path, monkeypatch, cache):
    monkeypatch.chdir(tmp_path)
    options = dict(seed=4, batch_size=6, genuine_share=0.5, num_parallel_calls=1, prefetch=1, cache=cache)
    for _ in range(2 if cache else 1):
        other = load_batches(shards, **options, **SIMPLE)
        assert all(same(a, b) for a, b in zip(through[:3], take(other, 3), strict=True))
    # What was unpacked once is used again, and nothing half-written is left.
    assert len(list(tmp_path.glob("here/cache-train-*.tfrecord"))) == len(list(tmp_path.glob("**/*.*"))) == bool(cache)


@pytest.mark.parametrize("start", [1, 3, 10])
def test_a_stream_goes_on_at_any_step(through, shards, start):
    later = take(load_batches(shards, seed=4, batch_size=6, genuine_share=0.5, start=start, **SIMPLE), 3)
    assert all(same(a, b) for a, b in zip(through[start : start + 3], later, strict=True))


def test_the_parts_of_hosts_are_the_parts_of_the_whole(shards):
    options = dict(seed=4, batch_size=8, genuine_share=0.5, parts=2, start=1, **SIMPLE)
    whole = take(load_batches(shards, **options), 3)
    parts = [take(load_batches(shards, part=part, **options), 3) for part in (0, 1)]
    for batch, *halves in zip(whole, *parts, strict=True):
        joined = [np.concatenate([half[0] for half in halves])]
        joined += [{key: np.concatenate([half[k][key] for half in halves]) for key in batch[k]} for k in (1, 2)]
        assert same(batch, joined)
        assert batch[1]["p_fake"][:, 0].tolist() == 2 * [1, 1, 0, 0]
    assert not same(parts[0][0], parts[1][0])
    options = dict(training=False, batch_size=8, genuine_share=0.5, parts=2, **BARE)
    whole = take(load_batches(shards, **options), 9)
    parts = [take(load_batches(shards, part=part, **options), 9) for part in (0, 1)]
    assert len(whole) == len(parts[0]) == len(parts[1]) == 1
    assert np.array_equal(whole[0][0], np.concatenate([part[0][0] for part in parts]))


def test_shards_and_bank_give_the_same_batches(shards, bank):
    for split, training in (("train", True), ("validation", False)):
        options = dict(split=split, seed=2, batch_size=4, genuine_share=0.5, training=training, **BARE)
        one, two = (take(load_batches(data, **options), 2) for data in (shards, bank))
        assert one and all(same(a, b) for a, b in zip(one, two, strict=True))
    with pytest.raises(ValueError, match=r"split must be one of \['test'.* in .*npz; received 'dev'"):
        load_batches(bank, "dev")
    with pytest.raises(ValueError, match="packed from shards of the right kind; .*npz has no input, target"):
        load_batches(shards, swap_pairs=bank, mix=0.5)


def test_every_round_has_everybody_once_in_another_order():
    rounds = [list(shuffle_numbers(11, 5, 11 * k).take(11).as_numpy_iterator()) for k in range(40)]
    assert all(sorted(one) == list(range(11)) for one in rounds)
    assert len({tuple(one) for one in rounds}) == 40
    through = list(shuffle_numbers(11, 5).take(440).as_numpy_iterator())
    assert through == [number for one in rounds for number in one]
    assert through[:11] != list(shuffle_numbers(11, 6).take(11).as_numpy_iterator())
    # Every place is as likely: nobody's mean place is far from the middle.
    assert all(abs(np.mean([one.index(k) for one in rounds]) - 5) < 2.5 for k in range(11))


def test_a_cut_off_file_is_refused(shards, tmp_path):
    (file,) = shards.glob("*-train*")
    cut = tmp_path / "cut"
    cut.write_bytes(file.read_bytes()[:-3])
    with pytest.raises(ValueError, match="must end with a whole record; .*cut is cut off at byte"):
        index_file(str(cut))
    assert len(index_file(str(file))) == 4


def test_every_record_is_read_at_its_place_and_a_damaged_one_refused(shards, tmp_path):
    (file,) = shards.glob("*-train*")
    whole = list(tf.data.TFRecordDataset(str(file)).as_numpy_iterator())
    damaged = tmp_path / "damaged"
    start, length = index_file(str(file))[2]
    data = bytearray(file.read_bytes())
    data[start + length // 2] ^= 1
    damaged.write_bytes(data)
    records = StoredRecords([str(file), str(damaged)], lambda stored: stored)
    assert [records.read(number).numpy() for number in (4, 3, 0, 2, 1, 7)] == [whole[k] for k in (0, 3, 0, 2, 1, 3)]
    with pytest.raises(tf.errors.DataLossError, match=f"corrupted record at {start}"):
        records.read(4 + 2)  # The third of the second file.


def test_only_what_is_asked_for_is_decoded(shards):
    record = next(iter(read_records(shards, "test", keys=("hull", "person"))[0]))
    assert set(record) == {"hull", "person"}
    with pytest.raises(ValueError, match="python -m pipelines.swap_pairs wrote; .* has no input, target, donor"):
        read_records(shards, "test", keys=PAIR)


def test_noise_is_standard_normal():
    noise = loading.draw_normal((4, 50, 50, 3), np.array([1, 2]), synthesis.as_is).numpy()
    assert noise.shape == (4, 50, 50, 3)
    levels = [-2.0, -1.0, 0.0, 1.0, 2.0]
    assert np.allclose([(noise < level).mean() for level in levels], [0.0228, 0.1587, 0.5, 0.8413, 0.9772], atol=0.01)
    assert 3 < np.abs(noise).max() < 4.3
    assert abs(np.corrcoef(noise.reshape(-1, 2).T)[0, 1]) < 0.02  # two numbers of one random word


def test_the_example_of_load_gives_what_it_says(shards, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shards").symlink_to(shards)
    (example,) = doctest.DocTestFinder().find(loading.load, globs={})
    assert len(example.examples) == 5
    assert doctest.DocTestRunner().run(example).failed == 0


def test_one_configuration_serves_the_loader_without_tf_data(bank):
    config = BatchConfig(bank, 8, genuine_share=0.5, parts=2, seed=3, task="classify", **BARE)
    image, truth, weight = stream(config, "train")[2]
    (expected,) = take(loading.load(config, "train", compiled=False))
    assert image.shape == expected[0].shape and image.dtype == expected[0].dtype
    assert np.array_equal(truth["p_fake"], expected[1]["p_fake"])
    assert np.array_equal(weight["p_fake"], expected[2]["p_fake"])
    later, half = stream(config, "train", start=2)[0], stream(dataclasses.replace(config, part=1), "train", start=1)[1]
    assert np.array_equal(later[0], image) and np.array_equal(half[0], image[4:])
    assert len({tuple(shuffle_round((3, 0), turn, 4)) for turn in range(8)}) > 1
    assert stream(dataclasses.replace(config, batch_size=4, parts=1), "validation", training=False).num_batches == 1
