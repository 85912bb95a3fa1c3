"""One answer whatever the interface: Python, command line, SavedModel with TensorFlow alone, client and server.

The interfaces are asked once, for all photos, and the tests compare what they said.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from odd_photos import formats, turns
from PIL import Image

from export import client
from keras_uncover import Uncoverer
from keras_uncover.cli import main, predict
from keras_uncover.faces.identity import Judge
from keras_uncover.images.decode import ANIMATED, NO_END, ImageError, decode_image
from keras_uncover.images.provenance import read_mark

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.jpg"))
KINDS = ("crop", "mask", "target", "donor", "reswap")

READER = """
import sys
import numpy as np, tensorflow as tf
signatures = tf.saved_model.load(sys.argv[1]).signatures
photos = np.load(sys.argv[2])
data = tf.constant([open(path, "rb").read() for path in photos["paths"]])
crops = tf.constant(photos["crops"])
answers = {"serving_default": signatures["serving_default"](photo_bytes=data)}
answers["detect"] = signatures["detect"](photo_bytes=data)
for name in ("crops", "embed"):
    answers[name], answers[f"no {name}"] = signatures[name](crops=crops), signatures[name](crops=crops[:0])
def store(value):
    # NumPy would cut zero bytes at the end of a string.
    return value if value.dtype != object else np.array([text.hex() for text in value])
np.savez(sys.argv[3], **{f"{name}/{key}": store(value.numpy()) for name, answer in answers.items()
                         for key, value in answer.items()})
foreign = [name for name in sys.modules if name.split(".")[0] in ("keras_uncover", "export")]
assert not foreign, foreign
"""


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Paths of the examples, of one of them in every format, of two faces, no face, and files that are refused."""
    folder = tmp_path_factory.mktemp("photos")
    picture = Image.open(EXAMPLES[0]).convert("RGB")
    other = Image.open(EXAMPLES[5]).convert("RGB").resize(picture.size)
    pair = Image.new("RGB", (2 * picture.width, picture.height))
    pair.paste(picture, (0, 0))
    pair.paste(other, (picture.width, 0))
    pair.save(folder / "two.png")
    Image.new("RGB", (300, 200), (90, 120, 150)).save(folder / "nobody.png")
    scene = Image.new("RGB", (1000, 700), (90, 100, 110))
    scene.paste(Image.open(EXAMPLES[4]).convert("RGB"), (20, 60))
    scene.paste(picture.resize((160, 160), Image.Resampling.LANCZOS), (760, 420))
    scene.save(folder / "small_fake.png")
    for name, data in {**turns(picture), **formats(picture)}.items():
        (folder / name).write_bytes(data)
    (folder / "cut.jpg").write_bytes(EXAMPLES[0].read_bytes()[:20_000])
    (folder / "text.jpg").write_text("no picture")
    for path in EXAMPLES:
        shutil.copy(path, folder)
    return sorted(folder.iterdir())


@pytest.fixture(scope="module")
def uncoverer():
    return Uncoverer.from_preset("small")


@pytest.fixture(scope="module")
def results(uncoverer, photos):
    """What Python answers: ``{name: Result or ImageError}``."""
    answers = {}
    for path in photos:
        try:
            answers[path.name] = uncoverer(path)
        except ImageError as error:
            answers[path.name] = error
    return answers


@pytest.fixture(scope="module")
def loaded(served, photos, results, tmp_path_factory):
    """What the SavedModel answers in another process: ``{signature: {name: array}}``, strings as bytes."""
    folder = tmp_path_factory.mktemp("reader")
    crops = np.stack([results[path.name].crop for path in EXAMPLES])
    np.savez(folder / "photos.npz", paths=[str(path) for path in photos], crops=crops)
    command = [sys.executable, "-c", READER, served / "1", folder / "photos.npz", folder / "answers.npz"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    answers = {}
    with np.load(folder / "answers.npz") as stored:
        for key in stored:
            signature, name = key.split("/")
            value = stored[key]
            if value.dtype.kind == "U":
                value = np.array([bytes.fromhex(text) for text in value], object)
            answers.setdefault(signature, {})[name] = value
    return answers


@pytest.fixture(scope="module")
def server(served):
    """What the stand-in server says of itself, its ports first; a process with only TensorFlow, gRPC and protos."""
    command = [sys.executable, ROOT / "tests" / "support" / "model_server.py", served]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        line = process.stdout.readline()
        assert line, "the stand-in server did not start"
        yield json.loads(line)
        process.kill()


def run_client(capsys, photos, *options):
    """Exit code and records of the client."""
    code = client.main([*map(str, photos), "--json", *map(str, options)])
    out, err = capsys.readouterr()
    return code, [json.loads(line) for line in out.splitlines()], err


def door_options(server, door):
    address = f"127.0.0.1:{server[door]}"
    return (*(("--url", f"http://{address}") if door == "rest" else ("--grpc", address)), "--timeout", "600")


def same_picture(expected, pixels, name):
    """Assert that a float picture and uint8 pixels differ by at most a level on average."""
    expected = np.round(np.clip(expected, 0, 1) * 255)
    expected = expected if expected.ndim == 3 else np.repeat(expected[..., None], 3, -1)
    assert np.abs(expected - pixels).mean() <= 1, name


def test_every_photo_is_answered_or_refused_as_meant(results):
    refused = {name for name, result in results.items() if isinstance(result, ImageError)}
    assert refused == {"cut.jpg", "text.jpg"}
    assert results["nobody.png"].verdict == "no_face" and len(results["two.png"].faces) == 2
    assert [face.verdict for face in results["small_fake.png"].faces] == ["genuine", "fake"]
    verdicts = {result.verdict for name, result in results.items() if name.startswith(("fake", "genuine"))}
    assert "genuine" in verdicts and verdicts & {"fake", "uncertain"}, "both kinds of answer must be compared"
    upright = results["turn_1.png"]
    for turn in range(2, 9):
        assert results[f"turn_{turn}.png"].p_fake == pytest.approx(upright.p_fake, abs=1e-6)


def test_the_saved_model_answers_as_python_does(loaded, photos, results):
    answers = loaded["serving_default"]
    for row, path in enumerate(photos):
        result, answer = results[path.name], {name: value[row] for name, value in answers.items()}
        if isinstance(result, ImageError):
            assert not answer["found"] and answer["verdict"] == b"" and answer["p_fake"] == -1
            assert answer["error_code"] and answer["error"].decode().startswith(result.rule)
            continue
        assert answer["error"] == answer["error_code"] == b""
        assert answer["verdict"].decode() == result.verdict and answer["found"] == (result.verdict != "no_face")
        assert answer["model"] == b"small" and answer["threshold"] == result.threshold
        assert answer["warnings"].decode().split("\n") == result.warnings
        assert answer["faces_found"] == result.found and answer["faces_unsure"] == result.unsure
        if result.verdict == "no_face":
            continue
        assert answer["p_fake"] == pytest.approx(result.p_fake, abs=1e-4), path.name
        np.testing.assert_allclose(answer["bbox"], result.bbox, atol=0.02)
        assert answer["mask_area"] == pytest.approx(result.mask_area, abs=1e-4)
        assert (json.loads(answer["error_rates"]) if answer["error_rates"] else None) == result.error_rates
        for score in ("ssim", "residual"):
            expected = result.reswap[score] if result.reswap else -1.0
            assert answer[f"reswap_{score}"] == pytest.approx(expected, abs=1e-3)


def test_the_saved_model_makes_the_same_pictures(loaded, photos, results):
    compared = set()
    for row, path in enumerate(photos):
        result = results[path.name]
        for kind in KINDS:
            data = loaded["serving_default"][f"{kind}_png_bytes"][row]
            expected = None
            if not isinstance(result, ImageError):
                expected = result.reswap_image if kind == "reswap" else getattr(result, kind)
            assert (expected is None) == (data == b""), (path.name, kind)
            if expected is not None:
                same_picture(expected, decode_image(data), (path.name, kind))
                compared.add(kind)
    assert compared == set(KINDS)


def test_detect_says_the_same_score_and_box(loaded):
    full, quick = loaded["serving_default"], loaded["detect"]
    for name in ("p_fake", "bbox"):
        np.testing.assert_allclose(quick[name], full[name], atol=1e-4)
    for name in ("found", "faces_found", "faces_unsure", "error", "error_code", "model", "threshold"):
        np.testing.assert_array_equal(quick[name], full[name])
    assert not any(name.endswith("_png_bytes") for name in quick)


def test_crops_answer_as_the_network_does(loaded, uncoverer, results):
    expected = uncoverer.model(np.stack([results[path.name].crop for path in EXAMPLES]), training=False)
    assert set(loaded["crops"]) == set(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(loaded["crops"][name], value, atol=1e-4)


def test_no_crops_get_no_answers(loaded):
    for name in ("crops", "embed"):
        none = {key: value.shape for key, value in loaded[f"no {name}"].items()}
        assert none == {key: (0, *value.shape[1:]) for key, value in loaded[name].items()}


def test_the_saved_model_tells_of_a_missing_end_and_of_other_frames(loaded, photos):
    warnings = {path.name: words.decode() for path, words in zip(photos, loaded["serving_default"]["warnings"])}
    assert {name for name, words in warnings.items() if words.endswith(NO_END)} == {"endless.jpg"}
    assert {name for name, words in warnings.items() if words.endswith(ANIMATED)} == {"animated.png", "animated.webp"}


def test_embed_describes_as_the_judge_does(loaded, uncoverer, results):
    crops, size = np.stack([results[path.name].crop for path in EXAMPLES]), uncoverer.size
    whole = np.array([[[size, 0, 0], [0, size, 0]]], "float32")
    points = [uncoverer.finder.points_in(np.round(crop * 255).astype("uint8"), whole)[0] for crop in crops]
    expected = Judge.from_preset().describe(crops, np.concatenate(points) / size)
    assert loaded["embed"]["found"].all()
    np.testing.assert_allclose(loaded["embed"]["descriptor"], expected, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("door", ["rest", "grpc"])
def test_the_client_says_what_the_command_line_says(door, server, photos, uncoverer, results, monkeypatch, capsys):
    monkeypatch.setattr(predict, "load_uncoverer", lambda preset, threshold: uncoverer)
    code = main.main(["predict", *map(str, photos), "--json"])
    expected = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    client_code, records, err = run_client(capsys, photos, *door_options(server, door))
    assert client_code == code == 3, err
    assert len(records) == len(expected) == len(photos) + 2
    for ours, theirs in zip(records, expected):
        same_record(ours, theirs)


def same_record(ours, theirs):
    """Assert that two records are the same but for the last digits, and for what a decoder says of damage."""
    assert list(ours) == list(theirs)
    if "error" in theirs:
        for part in ("rule", "hint"):
            assert ours["error"][part] == theirs["error"][part]
        assert ours["error"]["received"].split(" (")[0] == theirs["error"]["received"].split(" (")[0]
    for key in set(theirs) - {"error", "seconds", "p_fake", "bbox", "mask_area", "reswap"}:
        assert ours[key] == theirs[key], key
    if theirs.get("p_fake") is not None:
        assert ours["p_fake"] == pytest.approx(theirs["p_fake"], abs=1e-4)
        assert ours["bbox"] == pytest.approx(theirs["bbox"], abs=0.02)
        assert ours["mask_area"] == pytest.approx(theirs["mask_area"], abs=1e-4)
        assert ours["reswap"] == (theirs["reswap"] and pytest.approx(theirs["reswap"], abs=1e-3))


@pytest.mark.slow
@pytest.mark.parametrize("door", ["rest", "grpc"])
def test_the_client_writes_the_pictures_of_the_command_line(door, server, uncoverer, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(predict, "load_uncoverer", lambda preset, threshold: uncoverer)
    photos = [str(EXAMPLES[0]), str(EXAMPLES[5])]
    assert main.main(["predict", *photos, "--out", str(tmp_path / "host")]) == 0
    assert client.main([*photos, "--out", str(tmp_path / door), *door_options(server, door)]) == 0
    assert "wrote" in capsys.readouterr().err
    written = sorted(path.name for path in (tmp_path / "host").iterdir())
    assert sorted(path.name for path in (tmp_path / door).iterdir()) == written
    for name in written:
        ours, theirs = tmp_path / door / name, tmp_path / "host" / name
        marks = [{key: value for key, value in read_mark(path).items()} for path in (ours, theirs)]
        assert marks[0] == marks[1]
        with Image.open(ours) as a, Image.open(theirs) as b:
            assert np.abs(np.asarray(a, int) - np.asarray(b, int)).mean() <= 1, name


@pytest.mark.slow
def test_warm_up_requests_were_answered_when_the_model_was_loaded(server):
    assert sorted(server["warmed"]) == ["crops", "detect", "embed", "faces", "serving_default"]


@pytest.mark.slow
def test_rest_answers_by_rows_as_a_curl_line_asks(server):
    import base64

    import requests

    place = f"http://127.0.0.1:{server['rest']}/v1/models/keras_uncover"
    rows = [{"b64": base64.b64encode(path.read_bytes()).decode()} for path in EXAMPLES[:1]] + [{"b64": ""}]
    answer = requests.post(f"{place}:predict", json={"instances": rows}, timeout=300).json()
    first, second = answer["predictions"]
    assert first["verdict"] in ("fake", "uncertain") and first["found"]
    assert base64.b64decode(first["donor_png_bytes"]["b64"])[:4] == b"\x89PNG"
    assert second["error_code"] == "empty" and not second["found"] and second["donor_png_bytes"] == {"b64": ""}
    json.dumps(answer, allow_nan=False)
    status = requests.get(place, timeout=60).json()
    assert status["model_version_status"][0]["state"] == "AVAILABLE"
