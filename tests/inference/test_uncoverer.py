"""The whole road with the weights that ship, on the bundled examples."""

import csv
import dataclasses
import doctest
import hashlib
import io
import json
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from keras_uncover import Uncoverer, WeightsError
from keras_uncover.cli import main, predict
from keras_uncover.cli.predict import ask_all
from keras_uncover.faces import finder
from keras_uncover.faces.alignment import align_faces
from keras_uncover.images.decode import ANIMATED, NO_END, ImageError, decode_image, read_bytes
from keras_uncover.images.provenance import read_mark
from keras_uncover.inference.uncoverer import open_photo
from keras_uncover.models import face_geometry
from keras_uncover.models.build import build_model, save_network
from keras_uncover.models.config import TINY
from keras_uncover.presets import preset_folder, preset_names
from keras_uncover.training.setup import run_config

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
FAKES = [EXAMPLES / f"fake_{number}.jpg" for number in (1, 2, 3, 4)]
GENUINE = [EXAMPLES / f"genuine_{number}.jpg" for number in (1, 2)]
KEYS = (
    "file sha256 faces face_index bbox verdict p_fake threshold error_rates mask_area reswap outputs model warnings "
    "seconds"
).split()


@pytest.fixture(scope="module")
def uncoverer():
    return Uncoverer.from_preset("small")


@pytest.fixture(scope="module")
def results(uncoverer):
    return {path.stem: uncoverer(path) for path in (*FAKES, *GENUINE)}


def run(*arguments):
    command = [sys.executable, "-m", "keras_uncover", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=240)


def test_fakes_score_above_genuine_photos(results):
    fakes = [results[path.stem].p_fake for path in FAKES]
    genuine = [results[path.stem].p_fake for path in GENUINE]
    assert np.mean([a > b for a in fakes for b in genuine]) >= 0.75


def test_a_recovered_target_is_nearer_to_the_truth_than_the_photo(uncoverer, results):
    """Over the fakes together, inside the predicted mask, where the truth is cut by the fake's own crop."""
    ours, copy = [], []
    for number in (1, 2, 3, 4):
        result = results[f"fake_{number}"]
        _, _, photo, _ = open_photo(EXAMPLES / "truth" / f"{number}_target.jpg")
        truth, _, _ = align_faces(photo, uncoverer.finder.find(result.photo)[:1], uncoverer.size)
        mask = result.mask[..., None]
        ours.append((np.abs(result.target - truth[0]) * mask).sum())
        copy.append((np.abs(result.crop - truth[0]) * mask).sum())
    assert sum(ours) < sum(copy)


def test_an_answer_has_its_pictures_in_range(uncoverer, results):
    size = uncoverer.size
    for result in results.values():
        for name in ("crop", "target"):
            image = getattr(result, name)
            assert image.shape == (size, size, 3) and image.min() >= 0 and image.max() <= 1
        assert result.mask.shape == (size, size) and 0 <= result.mask_area <= 1
        assert result.mask_area == pytest.approx(result.mask.mean())
        x0, y0, x1, y1 = result.bbox
        height, width = result.photo.shape[:2]
        assert 0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height


def test_a_donor_is_shown_exactly_where_the_verdict_is_fake():
    """Forced both ways by the threshold, so that it does not depend on how good the weights are."""
    always, never = Uncoverer.from_preset("small", threshold=0.0), Uncoverer.from_preset("small", threshold=1.0)
    fake, genuine = always(FAKES[0]), never(FAKES[0])
    assert fake.verdict == "fake" and fake.donor.shape == fake.crop.shape
    assert genuine.verdict == "genuine" and genuine.donor is None
    assert genuine.reswap is None and genuine.reswap_image is None


def test_the_reswap_explains_a_fake_better_than_its_recovered_target_does(results):
    shown = [result for result in results.values() if result.reswap]
    assert shown, "no example of the bundled fakes got a re-swap"
    for result in shown:
        assert -1 <= result.reswap["ssim"] <= 1 and 0 <= result.reswap["residual"] <= 1
    residual = np.mean([result.reswap["residual"] for result in shown])
    target = [
        (np.abs(r.target - r.crop).mean(-1) * r.mask).sum() / r.mask.sum() for r in shown
    ]
    assert residual < np.mean(target)


def test_crops_in_a_batch_answer_as_they_do_alone(uncoverer, results):
    crops = np.stack([results[path.stem].crop for path in FAKES])
    together = uncoverer.predict(crops)
    assert set(together) == {"p_fake", "mask", "target", "donor", "flow"}
    for index, path in enumerate(FAKES):
        assert together["p_fake"][index] == pytest.approx(results[path.stem].p_fake, abs=1e-4)
        np.testing.assert_allclose(together["target"][index], results[path.stem].target, atol=1e-3)


def test_uint8_crops_are_read_as_their_floats(uncoverer, results):
    crop = np.round(results["fake_1"].crop * 255).astype("uint8")[None]
    np.testing.assert_allclose(
        uncoverer.predict(crop)["p_fake"], uncoverer.predict(crop / np.float32(255))["p_fake"], atol=1e-6
    )


def test_crops_of_another_size_or_range_are_refused(uncoverer):
    with pytest.raises(ValueError, match=r"shape \(n, 128, 128, 3\); received \(1, 64, 64, 3\)"):
        uncoverer.predict(np.zeros((1, 64, 64, 3), "float32"))
    with pytest.raises(ValueError, match="within 0 and 1; received 0.0 to 255.0"):
        uncoverer.predict(np.linspace(0, 255, 128 * 128 * 3).reshape(1, 128, 128, 3).astype("float32"))


def test_several_faces_give_one_answer_each(uncoverer, results):
    left, right = (decode_image(read_bytes(path)) for path in (FAKES[0], GENUINE[1]))
    height = min(len(left), len(right))
    result = uncoverer(np.concatenate([left[:height], right[:height]], axis=1))
    assert [face.face_index for face in result.faces] == [0, 1]
    middles = sorted((face.bbox[0] + face.bbox[2]) / 2 for face in result.faces)
    assert middles[0] < left.shape[1] < middles[1]
    scores = sorted(face.p_fake for face in result.faces)
    assert scores == pytest.approx(sorted([results["fake_1"].p_fake, results["genuine_2"].p_fake]), abs=0.15)


def test_no_face_is_an_answer(uncoverer):
    result = uncoverer(np.full((200, 300, 3), 127, "uint8"))
    assert result.verdict == "no_face" and len(result.faces) == 1
    assert result.p_fake is None and result.bbox is None and result.donor is None


@pytest.fixture(scope="module")
def small_fake(tmp_path_factory):
    """A photo of a large genuine face, and of a fake so small that a view of the whole photo does not show it."""
    with Image.open(GENUINE[0]) as genuine, Image.open(FAKES[0]) as fake:
        scene = Image.new("RGB", (1000, 700), (90, 100, 110))
        scene.paste(genuine.convert("RGB"), (20, 60))
        scene.paste(fake.convert("RGB").resize((160, 160), Image.Resampling.LANCZOS), (760, 420))
    path = tmp_path_factory.mktemp("small") / "small_fake.png"
    scene.save(path)
    return path


def test_a_small_fake_beside_a_large_genuine_face_is_answered(uncoverer, small_fake):
    result = uncoverer(small_fake)
    assert [face.verdict for face in result.faces] == ["genuine", "fake"] and result.faces[1].bbox[0] > 760
    assert result.counts == {"found": 2, "answered": 2, "left_out": 0, "unsure": 0}


@pytest.mark.parametrize("options, code, answered, words", [
    ([], 10, 2, "2 faces were found; all are answered"),
    (["--top-face"], 0, 1, "2 faces were found; the largest is answered, 1 is left out and may be a fake"),
])
def test_fail_on_sees_it(options, code, answered, words, uncoverer, small_fake, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(predict, "load_uncoverer", lambda preset, threshold: uncoverer)
    command = ["predict", str(small_fake), "--fail-on", "fake", *options]
    assert main.main(command) == code and words in capsys.readouterr().err
    assert main.main([*command, "--json", "--csv", str(tmp_path / "a.csv")]) == code
    for line in capsys.readouterr().out.splitlines():
        assert json.loads(line)["faces"] == {"found": 2, "answered": answered, "left_out": 2 - answered, "unsure": 0}
    with open(tmp_path / "a.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == answered
    assert {(row["faces_found"], row["faces_answered"]) for row in rows} == {("2", str(answered))}


def test_what_the_mesh_is_unsure_of_gets_no_verdict(uncoverer, monkeypatch):
    photo = decode_image(read_bytes(GENUINE[0]))
    (face,) = uncoverer.finder.find_all(photo)
    wall = dataclasses.replace(face, presence=0.89)
    monkeypatch.setattr(uncoverer.finder, "find_all", lambda photo, small: [face, wall])
    assert uncoverer(photo).counts == {"found": 1, "answered": 1, "left_out": 0, "unsure": 1}
    monkeypatch.setattr(uncoverer.finder, "find_all", lambda photo, small: [wall])
    result = uncoverer(photo)
    assert result.verdict == "no_face" and result.counts == {"found": 0, "answered": 0, "left_out": 0, "unsure": 1}


def test_path_bytes_and_array_answer_alike(uncoverer, results):
    data = FAKES[1].read_bytes()
    by_bytes, by_array = uncoverer(memoryview(data)), uncoverer(decode_image(data))
    assert by_bytes.file == "<bytes>"
    assert by_bytes.p_fake == by_array.p_fake == pytest.approx(results["fake_2"].p_fake, abs=1e-6)
    assert by_bytes.sha256 == results["fake_2"].sha256 != by_array.sha256


def test_no_crops_get_no_answers(uncoverer, results):
    one = uncoverer.predict(results["fake_2"].crop[None])
    none = uncoverer.predict(np.zeros((0, uncoverer.size, uncoverer.size, 3), "float32"))
    assert {name: value.shape for name, value in none.items()} == {
        name: (0, *value.shape[1:]) for name, value in one.items()
    }
    points, presence = uncoverer.finder.points_in(results["fake_2"].photo, np.zeros((0, 2, 3), "float32"))
    assert points.shape == (0, 478, 3) and presence.shape == (0,)


def test_the_reader_of_an_answer_is_told_of_a_missing_end_and_of_other_frames(uncoverer, results):
    whole = FAKES[1].read_bytes()
    result = uncoverer(whole[:-2])
    assert result.warnings == [*results["fake_2"].warnings, NO_END]
    assert result.p_fake == pytest.approx(results["fake_2"].p_fake, abs=1e-6)
    file = io.BytesIO()
    frame = Image.new("RGB", (64, 48), "grey")
    frame.save(file, "PNG", save_all=True, append_images=[Image.new("RGB", (64, 48), "white")])
    assert uncoverer(file.getvalue()).warnings[-1] == ANIMATED


def test_a_refused_photo_raises_its_reason(uncoverer):
    with pytest.raises(ImageError) as refused:
        uncoverer(b"not a photo")
    assert refused.value.sha256 == hashlib.sha256(b"not a photo").hexdigest(), "so that nobody reads the file again"
    with pytest.raises(ValueError, match=r"uint8 \(height, width, 3\), RGB; received float32"):
        uncoverer(np.zeros((64, 64, 3), "float32"))


def test_the_face_mesh_is_built_and_loaded_once(monkeypatch, tmp_path):
    built = []
    for module in (face_geometry, finder):
        make = module.build_face_mesh
        monkeypatch.setattr(module, "build_face_mesh", lambda make=make: built.append(make()) or built[-1])
    save_network(build_model("reconstruct", TINY), tmp_path, run_config("reconstruct", TINY, "tiny", {}))
    built.clear()
    tiny = Uncoverer.from_preset(tmp_path)
    assert [tiny.finder.mesh] == built and tiny.model.get_layer("face_mesh") is built[0]


def test_the_example_of_the_uncoverer_gives_what_it_says(uncoverer, monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(Uncoverer, "from_preset", lambda name: uncoverer)
    (example,) = [found for found in doctest.DocTestFinder().find(Uncoverer, globs={}) if found.examples]
    assert doctest.DocTestRunner().run(example).failed == 0


def test_nothing_is_asked_of_the_network(monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError(f"a connection was tried: {arguments}")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert Uncoverer.from_preset("small")(FAKES[0]).p_fake is not None


def test_the_classifier_answers_without_pictures():
    result = Uncoverer.from_preset("classifier")(FAKES[0])
    assert 0 <= result.p_fake <= 1 and result.target is None and result.mask_area is None


def test_the_command_line_answers_as_the_library_does(results, tmp_path):
    done = run("predict", "examples/fake_1.jpg", "examples/genuine_2.jpg", "--json", "--out", tmp_path / "answer")
    assert done.returncode == 0, done.stderr
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert [record["file"] for record in records] == ["examples/fake_1.jpg", "examples/genuine_2.jpg"]
    for record in records:
        assert list(record) == KEYS
        result = results[Path(record["file"]).stem]
        assert record["p_fake"] == pytest.approx(result.p_fake, abs=1e-4)
        assert record["sha256"] == result.sha256 and record["verdict"] == result.verdict
        written = [path for path in record["outputs"].values() if path]
        assert written and all(read_mark(path)["model"] == "small" for path in written)
        assert (record["outputs"]["donor"] is not None) == (record["verdict"] == "fake")


def test_altered_weights_end_with_their_own_exit_code(tmp_path):
    folder = tmp_path / "small"
    shutil.copytree(preset_folder("small"), folder)
    data = bytearray((folder / "model.weights.h5").read_bytes())
    data[len(data) // 2] ^= 1
    (folder / "model.weights.h5").write_bytes(data)
    with pytest.raises(WeightsError, match="must have the SHA-256"):
        Uncoverer.from_preset(folder)
    done = run("predict", "examples/fake_1.jpg", "--preset", folder)
    assert done.returncode == 4 and "SHA-256" in done.stderr and "Traceback" not in done.stderr


def test_a_preset_that_answers_nothing_is_refused():
    with pytest.raises(WeightsError, match="answered by a classifier or a reconstructor.*face_mesh"):
        Uncoverer.from_preset("face_mesh")
    with pytest.raises(WeightsError, match="A preset is one of classifier, small"):
        Uncoverer.from_preset("no_such")


@pytest.mark.parametrize("name", ["classifier", "small"])
def test_the_published_numbers_are_those_of_the_weights_that_ship(name):
    """The committed evaluation carries the hash of the weights that it measured; what the README claims holds in it."""
    assert name in preset_names()
    numbers = json.loads((ROOT / "benchmarks" / "results" / f"evaluate_{name}.json").read_text())
    manifest = json.loads((preset_folder(name) / "manifest.json").read_text())
    assert numbers["weights_sha256"] == manifest["model.weights.h5"]
    assert numbers["split"] == "test" and numbers["n_people"] == 158
    assert numbers["detection"]["auc"]["value"] >= 0.90
    if name == "small":
        for family in ("mesh", "affine"):
            assert numbers["families"][family]["target"]["l1_closed"]["interval"][0] > 0


def test_photos_that_are_asked_for_in_threads_are_answered_the_same(uncoverer, results):
    photos = [*FAKES, *GENUINE] * 2
    found = list(ask_all(uncoverer, photos, jobs=3))
    assert [photo for photo, _ in found] == photos
    for photo, result in found:
        expected = results[photo.stem]
        assert (result.sha256, result.verdict, result.bbox) == (expected.sha256, expected.verdict, expected.bbox)
        assert result.p_fake == pytest.approx(expected.p_fake, abs=1e-6)
        np.testing.assert_allclose(result.target, expected.target, atol=1e-5)


def test_the_place_of_a_crop_in_its_photo_is_told(results):
    for result in results.values():
        x, y = result.main.place @ [0.5, 0.5, 1.0]
        x0, y0, x1, y1 = result.bbox
        assert x0 < x < x1 and y0 < y < y1
        # The mean face's hull is 0.65 of a crop's width.
        assert np.hypot(*result.main.place[:, 0]) == pytest.approx((x1 - x0) / 0.65, rel=0.35)
        assert (x0, y0, x1, y1) == pytest.approx((*result.main.points[:, :2].min(0), *result.main.points[:, :2].max(0)))
