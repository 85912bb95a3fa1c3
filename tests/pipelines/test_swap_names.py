"""Fakes and their sources by name: patterns, splits, and people and pictures kept apart."""

import random

import pytest

from pipelines.build.folders import BuildError
from pipelines.build.pictures import Picture
from pipelines.build.screening import Screened
from pipelines.build.splits import split_of
from pipelines.swap_pairs.names import choose_reading, parse_pattern, read_name
from pipelines.swap_pairs.sources import SUFFIXES, Swap, list_swaps
from pipelines.swap_pairs.survey import keep_images_apart

SPLITS = ("train", "validation", "test")


# Names


@pytest.mark.parametrize(
    "pattern, stem, readings",
    [
        ("{target}_{donor}", "12_34", [("12", "34")]),
        ("{target}_{donor}.png", "12_34", [("12", "34")]),
        ("{target}_{donor}", "a_b_c", [("a", "b_c"), ("a_b", "c")]),
        ("{target}__{donor}", "a_b__c_d", [("a_b", "c_d")]),
        ("{target}__{donor}", "a___b", [("a", "_b"), ("a_", "b")]),
        ("swap-{donor}-to-{target}.v2", "swap-x_1-to-y.v2", [("y", "x_1")]),
        ("swap-{donor}-to-{target}.v2", "swap-x_1-to-y", []),
        ("aa{target}-{donor}aa", "aaa", []),
        ("{target}_{donor}", "_b", []),
        ("{target}_{donor}", "a_", []),
        ("{target}{donor}", "abc", [("a", "bc"), ("ab", "c")]),
    ],
)
def test_a_name_is_read_in_every_way_that_the_pattern_allows(pattern, stem, readings):
    assert read_name(parse_pattern(pattern, SUFFIXES), stem) == readings


@pytest.mark.parametrize(
    "pattern", ["", "{target}", "{target}_{target}", "{target}_{donor}_{donor}", "{target}/{donor}", "{target_{donor}",
                "{target!r}_{donor}", "{target:3}_{donor}", "{}_{donor}", "{target}_{donor}_{seed}"]
)
def test_any_other_pattern_is_refused(pattern):
    with pytest.raises(BuildError, match="with {target} and {donor} once each"):
        parse_pattern(pattern, SUFFIXES)


def test_of_several_readings_the_one_with_both_sources_counts():
    def choose(targets, donors, readings=(("a", "b_c"), ("a_b", "c"))):
        return choose_reading(list(readings), targets, donors)

    assert choose({"a", "a_b"}, {"c"}) == (("a_b", "c"), None)
    assert choose({"a"}, {"c", "b_c"}) == (("a", "b_c"), None)
    for targets, donors, rule, words in [
        ({"a", "a_b"}, {"c", "b_c"}, "bad_name", "target a and donor b_c or target a_b and donor c"),
        ({"a"}, {"c"}, "donor_missing", "donor b_c"),
        (set(), {"c"}, "target_missing", "target a_b"),
        (set(), set(), "bad_name", "none has both"),
    ]:
        people, refusal = choose(targets, donors)
        assert people is None
        assert refusal[0] == rule
        assert words in refusal[1]
    assert choose({"a"}, {"a"}, [("a", "a")])[1][0] == "bad_name"
    assert choose(set(), set(), [("a", "b")])[1] == ("target_missing", "there is no photo of its target a")


# Splits


def touch(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def people_by_split(swaps):
    return {split: {person for swap in swaps if swap.split == split
                    for person in (swap.target_person, swap.donor_person)} for split in SPLITS}


def assert_apart(groups):
    for first, second in (("train", "validation"), ("train", "test"), ("validation", "test")):
        assert not groups[first] & groups[second]


def test_without_split_folders_people_are_divided_by_their_hash(tmp_path):
    pairs = sorted({tuple(random.Random(n).sample(range(60), 2)) for n in range(400)})
    for person in range(60):
        touch(tmp_path / "src" / f"{person}.jpg")
        touch(tmp_path / "src_remb" / f"{person}.png")
    for target, donor in pairs:
        touch(tmp_path / "df" / f"{target}_{donor}.png")
    swaps, rejects = list_swaps(tmp_path, validation=0.3)
    shares = {"test": 0.1, "validation": 0.3, "train": 0.6}
    home = {str(person): split_of(str(person), shares) for person in range(60)}
    whole = {f"df/{t}_{d}.png": home[str(t)] for t, d in pairs if home[str(t)] == home[str(d)]}
    assert {swap.fake.file: swap.split for swap in swaps} == whole
    assert {reject.file for reject in rejects} == {f"df/{t}_{d}.png" for t, d in pairs} - set(whole)
    assert {reject.rule for reject in rejects} == {"ties_splits"}
    groups = people_by_split(swaps)
    assert all(groups.values())
    assert_apart(groups)
    everyone, rejects = list_swaps(tmp_path, split="test", limit=7)
    assert (len(everyone), rejects, {swap.split for swap in everyone}) == (7, [], {"test"})
    with pytest.raises(BuildError, match="validation share is 0 to 0.9; received 0.95"):
        list_swaps(tmp_path, validation=0.95)


def test_split_folders_that_share_people_are_pulled_apart(tmp_path):
    chance = random.Random(3)
    wanted = set()
    for part in ("train", "test"):
        for person in range(40):
            touch(tmp_path / part / "src" / f"{person}.jpg")
            touch(tmp_path / part / "segmented_face" / f"{person}.png")
        for _ in range(30 if part == "train" else 4):
            target, donor = chance.sample(range(40), 2)
            wanted.add((part, target, donor))
            touch(tmp_path / part / "df" / f"{target}_{donor}.png")
    swaps, rejects = list_swaps(tmp_path, validation=0.4)
    assert len(swaps) + len(rejects) == len(wanted)
    groups = people_by_split(swaps)
    assert all(groups.values())
    assert_apart(groups)
    # Nothing in test is lost, and validation is made inside train.
    assert {swap.fake.file for swap in swaps if swap.split == "test"} == {
        f"test/df/{target}_{donor}.png" for part, target, donor in wanted if part == "test"
    }
    assert all(reject.file.startswith("train/") and reject.rule == "ties_splits" for reject in rejects)
    assert any("is in test too" in reject.reason for reject in rejects)
    assert any("belongs to validation" in reject.reason for reject in rejects)


def test_pictures_with_the_same_pixels_are_kept_in_one_split():
    def row(split, fake, target, donor):
        pictures = [Picture(f"{split}/{name}", None) for name in (fake, target, donor)]
        looks = [Screened(None, name.split(".")[-1], (9, 9)) for name in (fake, target, donor)]
        return (Swap(*pictures, "t", "d", split), *looks)

    # A name's last part stands for its pixels.
    rows = [
        row("train", "1.f", "1.photo", "1.d"),
        row("train", "2.g", "2.same", "1.d"),
        row("train", "3.h", "2.t", "3.same"),
        row("train", "4.k", "2.t", "1.d"),
        row("train", "5.k", "4.t", "1.d"),
        row("test", "6.m", "5.u", "6.same"),
    ]
    kept, rejects = keep_images_apart(rows)
    assert [found.swap.fake.file for found in kept] == ["test/6.m", "train/1.f", "train/4.k"]
    assert rejects == [
        ("train/2.g", "ties_splits", "train/2.same has the same pixels as test/6.same in test"),
        ("train/3.h", "ties_splits", "train/3.same has the same pixels as test/6.same in test"),
        ("train/5.k", "duplicate", "the same pixels as train/4.k"),
    ]


@pytest.mark.parametrize(
    "folders, words",
    [
        (["src", "src_remb"], "has neither"),
        (["df", "src", "src_remb", "train/df"], "has both df and train"),
        (["df", "src_remb"], "has no src"),
        (["df", "src"], "has no src_remb or segmented_face"),
        (["train/df", "train/src", "train/src_remb", "test/src"], "has no df, no src_remb or segmented_face"),
    ],
)
def test_another_layout_is_refused(tmp_path, folders, words):
    for folder in folders:
        (tmp_path / folder).mkdir(parents=True)
    with pytest.raises(BuildError, match=words):
        list_swaps(tmp_path)
