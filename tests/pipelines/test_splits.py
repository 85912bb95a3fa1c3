"""People and splits: known hashes, shares, and who is the same person."""

import hashlib
import os
import subprocess
import sys
from collections import Counter

import pytest

from pipelines.build.folders import BuildError
from pipelines.build.splits import SALT, person_of, place_of, split_of
from pipelines.portraits.sources import list_portraits

KNOWN = {"00000": 0.6350756230288951, "Zoé Müller": 0.1203211296457875, "한 지민": 0.19439224599398355}
SHARES = {"test": 0.1, "validation": 0.1, "train": 0.8}


def test_places_are_sha256_and_stay_for_ever():
    # These numbers must never change: a data set built again would move people between splits.
    assert {person: place_of(person) for person in KNOWN} == KNOWN
    digest = hashlib.sha256(SALT.encode() + b"\n00000").hexdigest()
    assert place_of("00000") == pytest.approx(int(digest[:16], 16) / 16**16, abs=1e-15)


def test_places_do_not_depend_on_the_process():
    command = "from pipelines.build.splits import place_of; print(repr(place_of('Ada')))"
    for seed in ("1", "2"):
        run = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True,
                             env={**os.environ, "PYTHONHASHSEED": seed})
        assert float(run.stdout) == place_of("Ada")


def test_shares_are_kept():
    counts = Counter(split_of(f"person {n}", SHARES) for n in range(20_000))
    for split, share in SHARES.items():
        # Five standard deviations of a binomial draw of 20,000.
        assert abs(counts[split] - share * 20_000) < 5 * (20_000 * share * (1 - share)) ** 0.5


def test_a_changed_share_moves_nobody_across_earlier_splits():
    more = {"test": 0.1, "validation": 0.3, "train": 0.6}
    for n in range(2_000):
        old, new = split_of(str(n), SHARES), split_of(str(n), more)
        assert old == new or (old, new) == ("train", "validation")


def test_another_salt_is_another_division():
    halves = {"a": 0.5, "b": 0.5}
    same = sum(split_of(str(n), halves) == split_of(str(n), halves, "another") for n in range(4000))
    assert 1800 < same < 2200


def test_a_share_of_nothing_and_of_all():
    assert {split_of(str(n), {"test": 0.0, "validation": 0.0, "train": 1.0}) for n in range(500)} == {"train"}


@pytest.mark.parametrize("shares", [{"train": 0.5, "test": 0.4}, {"train": 1.5, "test": -0.5}])
def test_shares_that_are_none_are_refused(shares):
    with pytest.raises(ValueError, match="sum to 1"):
        split_of("Ada", shares)


def test_a_person_is_the_file_name_however_the_accent_is_stored():
    assert person_of("a/b/Zo\u00e9 M.tar.jpg") == "Zo\u00e9 M.tar"
    assert person_of("Zoe\u0301.png") == person_of("x/Zo\u00e9.jpg")


# Lists


def write(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"")


def test_a_folder_is_listed_in_order_and_one_person_has_one_split(tmp_path):
    names = [f"{folder}/{n:03}.{suffix}" for n in range(100) for folder, suffix in (("a", "jpg"), ("b", "PNG"))]
    write(tmp_path, *reversed(names), "a/notes.txt")
    portraits, rejects = list_portraits(tmp_path)
    assert [portrait.file for portrait in portraits] == sorted(names)
    assert [reject[:2] for reject in rejects] == [("a/notes.txt", "not_a_picture")]
    splits = {}
    for portrait in portraits:
        assert portrait.path == tmp_path / portrait.file
        splits.setdefault(portrait.person, set()).add(portrait.split)
    assert len(splits) == 100
    assert all(len(found) == 1 for found in splits.values())
    assert set.union(*splits.values()) == {"train", "validation", "test"}


def test_one_split_for_everyone_and_a_limit(tmp_path):
    write(tmp_path, *(f"{n}.jpg" for n in range(40)))
    assert {portrait.split for portrait in list_portraits(tmp_path, split="test")[0]} == {"test"}
    assert [portrait.file for portrait in list_portraits(tmp_path, limit=3)[0]] == ["0.jpg", "1.jpg", "10.jpg"]


def test_links_in_a_circle_and_names_that_are_not_utf8(tmp_path):
    write(tmp_path, "a/1.jpg")
    os.symlink(tmp_path, tmp_path / "a" / "again")
    with open(os.fsencode(tmp_path) + b"/Zo\xe9.jpg", "wb"):
        pass
    portraits, rejects = list_portraits(tmp_path)
    assert [portrait.file for portrait in portraits] == ["a/1.jpg"]
    assert [(reject.file, reject.rule) for reject in rejects] == [("Zo\\udce9.jpg", "name")]


def make_csv(folder, *lines, header="file,split"):
    path = folder / "list.csv"
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8-sig")
    return path


def test_given_splits_are_kept_and_validation_is_made_inside_train(tmp_path):
    lines = [f"{n}.jpg,{'test' if n < 50 else 'train'}" for n in range(250)]
    portraits, rejects = list_portraits(make_csv(tmp_path, *lines), validation=0.2)
    assert not rejects
    for n, portrait in enumerate(portraits):
        inside = split_of(str(n), {"validation": 0.2, "train": 0.8})
        assert portrait.split == ("test" if n < 50 else inside)
    assert 20 < sum(portrait.split == "validation" for portrait in portraits) < 60


def test_a_given_validation_split_is_the_only_one(tmp_path):
    lines = ["v.jpg,validation", *(f"{n}.jpg,train" for n in range(100))]
    portraits, _ = list_portraits(make_csv(tmp_path, *lines))
    assert [portrait.file for portrait in portraits if portrait.split == "validation"] == ["v.jpg"]


def test_a_person_in_two_given_splits_is_refused_by_name(tmp_path):
    path = make_csv(tmp_path, "a/Ada.jpg,test", "b/Ada.jpg,train", "c/Ada.jpg,", "Bo.jpg,train")
    portraits, rejects = list_portraits(path, validation=0.0)
    assert [(p.file, p.split) for p in portraits] == [("a/Ada.jpg", "test"), ("c/Ada.jpg", "test"), ("Bo.jpg", "train")]
    assert [reject[:2] for reject in rejects] == [("b/Ada.jpg", "split")]
    assert "Ada is in test" in rejects[0].reason
    assert len(list_portraits(path, split="train")[0]) == 4


def test_a_csv_may_name_people(tmp_path):
    path = make_csv(tmp_path, "1.jpg,Ada", "2.jpg,Ada", "3.jpg,", header="file,person")
    assert [portrait.person for portrait in list_portraits(path)[0]] == ["Ada", "Ada", "3"]


@pytest.mark.parametrize(
    "header, line, words",
    [
        ("name,split", "1.jpg,train", "column named file"),
        ("file,split", "1.jpg,dev", "line 2 of list.csv has 'dev'"),
        ("file,split", "/etc/1.jpg,test", "relative to the CSV; line 2"),
        ("file,split", ",test", "relative to the CSV; line 2"),
        ("file,split", "../1.jpg,test", "below the folder of the CSV; line 2"),
        ("file", "more/../../1.jpg", "below the folder of the CSV; line 2"),
        ("file", "gs://a/1.jpg", "below the folder of the CSV; line 2"),
    ],
)
def test_a_csv_that_cannot_be_used_is_an_error(tmp_path, header, line, words):
    with pytest.raises(BuildError, match=words):
        list_portraits(make_csv(tmp_path, line, header=header))


def test_sources_that_are_not_there(tmp_path):
    with pytest.raises(BuildError, match="nothing at"):
        list_portraits(tmp_path / "none")
    (tmp_path / "one.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(BuildError, match="CSV file in UTF-8"):
        list_portraits(tmp_path / "one.jpg")
    with pytest.raises(BuildError, match="validation share is 0 to 0.9; received 1.5"):
        list_portraits(tmp_path, validation=1.5)
