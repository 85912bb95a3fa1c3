"""Folders of a user's own pictures: what is read, what is asked once, and what is left out with its reason."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from told_scores import SIDE, ToldUncoverer, save_picture

import evaluate_keras
from keras_uncover.evaluation import material_answers, material_run
from keras_uncover.evaluation.material import MaterialError, Picture, read_material
from keras_uncover.images.decode import ImageError
from keras_uncover.inference.answers import FaceAnswer
from keras_uncover.refusals import end_in_words
from keras_uncover.terminal import Progress

TARGET, DONOR = np.eye(2, 128, dtype="float32")


@pytest.fixture
def folders(tmp_path):
    """Three photos of two sources; two tools: stills, one of which has a donor and one no target, and two clips."""
    photos, swaps = tmp_path / "photos", tmp_path / "swaps"
    for number, (name, score) in enumerate({"cam/a.png": 0.1, "cam/b.png": 0.2, "old/c.png": 0.6}.items()):
        save_picture(photos / name, score, number)
    stills = {"one_result": 0.9, "one_target": 0.3, "one_donor": 0.2, "two_result": 0.45, "free": 0.7}
    films = {"clip1_00000": (0.8, 0.3), "clip1_00007": (0.6, 0.1), "clip2/frame_3": (0.2, 0.4)}
    for number, (name, score) in enumerate(stills.items(), 10):
        save_picture(swaps / "stills" / f"{name}.png", score, number)
    for number, (name, (result, target)) in enumerate(films.items()):
        save_picture(swaps / "films" / f"{name}_result.png", result, 20 + number)
        save_picture(swaps / "films" / f"{name}_target.png", target, 30 + number)
    return photos, swaps


@pytest.fixture
def told(monkeypatch):
    """The model that ``measure_material`` loads."""
    uncoverer = ToldUncoverer()
    monkeypatch.setattr(material_run.Uncoverer, "from_preset", lambda preset: uncoverer)
    return uncoverer


def test_names_and_folders_tell_sources_tools_triples_and_clips(folders):
    photos, swaps = folders
    save_picture(photos / ".hidden.png", 0.5)
    found = read_material(photos, swaps)
    told = {(p.group, p.role, p.key): p.clip for p in found.pictures}
    assert [key for key in told if key[1] == "photo"] == [
        ("cam", "photo", "cam/a"), ("cam", "photo", "cam/b"), ("old", "photo", "old/c")
    ]
    assert told["stills", "result", "stills/free"] is None and told["stills", "donor", "stills/one"] is None
    assert told["films", "result", "films/clip1_00007"] == told["films", "target", "films/clip1_00000"] == "clip1"
    assert told["films", "result", "films/clip2/frame_3"] == "clip2"
    result = next(p for p in found.pictures if (p.key, p.role) == ("stills/one", "result"))
    assert found.truth(result, "donor").name == "stills/one_donor.png"
    assert found.truth(found.truth(result, "target"), "donor") is None
    assert found.left_out == []


def test_a_folder_of_pictures_is_a_source_of_its_own_and_clips_may_be_told_otherwise(folders):
    photos, swaps = folders
    assert {p.group for p in read_material(photos / "cam").pictures} == {"cam"}
    assert {p.clip for p in read_material(swaps=swaps, clips="").pictures} == {None, "clip2"}
    assert {p.group for p in read_material(swaps=swaps / "films").pictures} == {"films", "clip2"}
    clips = {p.clip for p in read_material(swaps=swaps / "stills", clips="(one|two)").pictures}
    assert clips == {"one", "two", None}


def test_two_files_of_one_role_and_id_are_not_guessed_between(folders):
    photos, swaps = folders
    save_picture(swaps / "stills" / "one_target.webp", 0.9)
    found = read_material(photos, swaps)
    assert [entry["file"] for entry in found.left_out] == ["stills/one_target.webp"]
    assert "stills/one_target.png is the target of the same ID" in found.left_out[0]["reason"]


@pytest.mark.parametrize("spoil, words", [
    (lambda photos: (photos / "new").mkdir(), "which is empty"),
    (lambda photos: photos.rename(photos.with_name("moved")), "which is none"),
    (lambda photos: save_picture(photos / "cam" / "clip" / "deep" / "a.png", 0.5), "Move its pictures up"),
])
def test_a_folder_that_cannot_be_measured_ends_the_program_in_a_sentence(folders, told, capsys, tmp_path, spoil, words):
    photos, swaps = folders
    spoil(photos)
    command = ["told", "--photos", str(photos), "--swaps", str(swaps), "--out", str(tmp_path / "out")]
    assert end_in_words("evaluate_keras.py", evaluate_keras.main, command) == 2
    assert words in capsys.readouterr().err and told.asked == []


@pytest.mark.parametrize("arguments, words", [
    (["told"], "give SHARDS, or"),
    (["told", "shards", "--photos", "x"], "give SHARDS, or"),
    (["told", "shards", "--out", "x"], "--out is of pictures of your own"),
    (["told", "--swaps", "x", "--split", "train"], "--split is of SHARDS"),
    (["told", "--swaps", "x", "--reference", "cam"], "--reference is a source of --photos"),
    (["told", "--photos", "PHOTOS", "--reference", "none"], "cam, old"),
    (["told", "--photos", "PHOTOS", "--clips", "frame"], "whose first group is the clip"),
])
def test_command_lines_that_mean_nothing_are_refused(folders, told, capsys, arguments, words):
    arguments = [str(folders[0]) if word == "PHOTOS" else word for word in arguments]
    try:
        code = end_in_words("evaluate_keras.py", evaluate_keras.main, arguments)
    except SystemExit as end:  # of the parser
        code = end.code
    assert code == 2 and words in capsys.readouterr().err


def test_a_run_tells_every_file_and_a_second_one_asks_nothing(folders, told, capsys, tmp_path):
    photos, swaps = folders
    (photos / "old" / "list.csv").write_text("file,person\n")
    save_picture(photos / "old" / "empty.png", 0)
    (photos / "old" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    out = tmp_path / "out"
    folders = ["--photos", str(photos), "--swaps", str(swaps), "--out", str(out)]
    command = ["told", *folders, "--json", str(tmp_path / "n")]
    evaluate_keras.main(command)
    assert "AUC, own targets" in capsys.readouterr().out
    numbers = json.loads((out / "numbers.json").read_text())
    assert numbers == json.loads((tmp_path / "n").read_text())
    assert {entry["file"]: entry["reason"] for entry in numbers["left_out"]} == {
        "old/empty.png": "no face was found",
        "old/gone.png": 'An input is an image file; received nothing there: "old/gone.png". Check the path.',
        "old/list.csv": next(e["reason"] for e in numbers["left_out"] if "An image is JPEG" in e["reason"]),
    }
    assert numbers["sources"]["old"]["files"] == {"photo": {"files": 4, "faces": 1}}
    assert numbers["sources"]["old"]["called_fake"]["value"] == 1 and numbers["photos"]["faces"] == 3
    assert "old/empty.png: no face was found" in (out / "report.md").read_text()
    assert (out / "material.png").stat().st_size and (out / "material.pdf").stat().st_size
    assert len(told.asked) == 3 + 3 + 5 + 6
    evaluate_keras.parse_arguments(command)  # A second run may replace what the first one wrote, and nothing else.
    (out / "report.md").write_text("# My own notes\n")
    with pytest.raises(SystemExit):
        evaluate_keras.parse_arguments(command)
    told.asked.clear()
    answer_all(told, out, photos, swaps)
    assert told.asked == ["gone.png"]  # There is nothing to know it by.


def answer_all(told, out, photos=None, swaps=None):
    """What ``measure_material`` does before it counts; returns the records."""
    with material_answers.Answers(out / "answers.jsonl") as answers:
        material = read_material(photos, swaps)
        examined = material_answers.examine_all(material_answers.Examiner(told), material, answers)
        return [record for _, record in examined]


def test_a_run_that_was_cut_off_goes_on_where_it_was(folders, told, tmp_path):
    records = answer_all(told, tmp_path, folders[0])
    lines = (tmp_path / "answers.jsonl").read_text().splitlines()
    assert len(lines) == 3 and told.asked == ["a.png", "b.png", "c.png"]
    (tmp_path / "answers.jsonl").write_text("\n".join([lines[0], lines[1][: len(lines[1]) // 2]]))
    assert answer_all(told, tmp_path, folders[0]) == records
    assert told.asked[3:] == ["b.png", "c.png"]
    assert len((tmp_path / "answers.jsonl").read_text().splitlines()) == 4


@pytest.mark.parametrize("change", [
    lambda told: setattr(told, "weights_sha256", "b" * 64),
    lambda told: told.config.update(calibration={"bias": 1.0}),
])
def test_another_model_is_asked_anew(folders, told, tmp_path, change):
    answer_all(told, tmp_path, folders[0])
    change(told)
    answer_all(told, tmp_path, folders[0])
    assert len(told.asked) == 6


def test_another_picture_or_truth_is_asked_anew(folders, told, tmp_path):
    photos, swaps = folders
    answer_all(told, tmp_path, photos, swaps)
    told.asked.clear()
    save_picture(photos / "cam" / "a.png", 0.4, 77)
    save_picture(swaps / "stills" / "one_donor.png", 0.4, 78)
    answer_all(told, tmp_path, photos, swaps)
    assert sorted(told.asked) == ["a.png", "one_donor.png", "one_result.png"]


def test_two_runs_do_not_write_to_one_file(tmp_path):
    path = tmp_path / "answers.jsonl"
    with material_answers.Answers(path), pytest.raises(MaterialError, match="One run at a time"):
        material_answers.Answers(path)
    with material_answers.Answers(path) as answers:
        assert answers.get(("a", None)) is None
        assert answers.add(("a", None), {"p_fake": 0.5}) == answers.get(("a", None))
    with material_answers.Answers(path) as answers:
        assert answers.get(("a", None))["p_fake"] == 0.5


class StubMatcher:
    """Pictures are descriptors: truths at two corners of a square, the input at the target; black shows no face."""

    judge = SimpleNamespace(describe=lambda pictures, points: pictures)
    finder = SimpleNamespace(points_in_crop=lambda picture: np.zeros((478, 3)) if picture.any() else None)

    def look(self, path):
        if path == "x_bad":
            raise ImageError("A reference photo shows a face", "none", "Take another.")
        return np.stack([TARGET, TARGET if path == "x_result" else DONOR]), np.zeros((2, 478, 3))


def test_recovered_faces_are_compared_whatever_the_verdict():
    examiner = material_answers.Examiner(SimpleNamespace(predict=lambda crops: {"donor": crops}))
    examiner.matcher = StubMatcher()
    result, target, donor, bad = (
        Picture(f"x_{role}", "", "g", role, "k", None) for role in ("result", "target", "donor", "bad")
    )
    answer = FaceAnswer(
        face_index=0, bbox=(0, 0, 1, 1), verdict="genuine", p_fake=0.1, threshold=0.5, model="told", target=DONOR,
        crop=DONOR,
    )
    found = examiner.compare(result, answer, {"target": target, "donor": donor})
    assert found["target"] == pytest.approx({"answer": 2**0.5, "input": 0.0})
    assert found["donor"] == pytest.approx({"answer": 0.0, "input": 2**0.5})
    answer.donor, answer.verdict = 0 * DONOR, "fake"
    found = examiner.compare(result, answer, {"target": bad, "donor": donor})
    assert found == {"donor": {"answer": None, "input": pytest.approx(2**0.5)}}
    assert examiner.compare(result, answer, {"target": bad}) == examiner.compare(result, answer, {}) == {}
    answer.target = None  # as of a classifier
    assert examiner.compare(result, answer, {"donor": donor}) == {}


def test_size_and_sharpness_of_a_face():
    points = np.zeros((468, 3))
    points[[33, 133]], points[[362, 263]] = [[8, 20, 0], [12, 20, 5]], [[38, 60, 1], [42, 60, 2]]
    assert material_answers.eye_distance(points) == pytest.approx(50)
    whole = np.array([[0, 0], [SIDE, SIDE]])
    noise = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 1)).repeat(3, 2).astype("uint8")
    steps = noise[::4, ::4].repeat(4, 0).repeat(4, 1)
    assert material_answers.sharpness(noise, whole) > 2 * material_answers.sharpness(steps, whole) > 0
    # Contrast is no sharpness, and what lies beside the face does not count.
    sharp = material_answers.sharpness(noise, whole)
    assert material_answers.sharpness(noise // 2, whole) == pytest.approx(sharp, rel=0.05)
    assert material_answers.sharpness(noise, whole - SIDE // 2) == pytest.approx(
        material_answers.sharpness(noise[: SIDE // 2, : SIDE // 2], whole)
    )
    assert material_answers.sharpness(np.zeros((9, 9, 3), "uint8"), whole) == 0.0
    # A large face is shrunk: pixels that only a larger copy has are no detail.
    large = steps.repeat(16, 0).repeat(16, 1)
    shrunk = steps.repeat(4, 0).repeat(4, 1)
    assert material_answers.sharpness(large, 16 * whole) == pytest.approx(material_answers.sharpness(shrunk, 4 * whole))


def test_the_bar_tells_the_time_left_from_the_last_pictures(monkeypatch, capsys):
    now = 0.0
    monkeypatch.setattr("keras_uncover.terminal.time.monotonic", lambda: now)
    progress, items = Progress(), list(range(200))
    for item in progress.count(items, "pictures"):
        now += 0.0 if item < 100 else 2.0  # The first half was answered by an earlier run.
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 11 and lines[-1].endswith("200 pictures")
    assert "180 of 200 pictures, about 40 s left" in lines[8]
    progress.counts = True
    assert list(progress.count(items, "pictures")) == items
    assert "[############............] 100 of 200 pictures, about" in capsys.readouterr().err
