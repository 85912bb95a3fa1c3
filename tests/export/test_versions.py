"""Versions: whole or not at all, answering as their preset, with all that belongs to them."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from image_files import save
from PIL import Image
from shard_files import small_disk

from export import check, saved_model
from export.graph.answers import decide
from export.graph.pictures import encode_pictures
from export.serving import warmup
from export.serving.versions import ExportError, keep_highest, new_version, versions
from keras_uncover.images.provenance import read_mark
from keras_uncover.inference.answers import FaceAnswer, Result
from keras_uncover.inference.answers import decide as decide_on_the_host
from keras_uncover.presets import preset_folder
from keras_uncover.presets.weights import load_verified

GOLDEN = Path(__file__).parents[1] / "data" / "signatures.json"


def read_signatures(version):
    """Names, types and shapes of every signature, read from the protocol buffer alone."""
    from tensorflow.core.protobuf import saved_model_pb2

    saved = saved_model_pb2.SavedModel.FromString((version / "saved_model.pb").read_bytes())

    def tell(tensors):
        return {
            name: [tf.as_dtype(info.dtype).name, [size.size for size in info.tensor_shape.dim]]
            for name, info in sorted(tensors.items())
        }

    known = saved.meta_graphs[0].signature_def
    return {
        name: {"inputs": tell(known[name].inputs), "outputs": tell(known[name].outputs)}
        for name in sorted(known) if not name.startswith("__")
    }


def test_signatures_are_those_that_clients_rely_on(served):
    assert read_signatures(served / "1") == json.loads(GOLDEN.read_text())


def test_what_belongs_to_a_version_travels_with_it(served):
    extra = served / "1" / "assets.extra"
    record = json.loads((extra / "export.json").read_text())
    files = sorted(path for path in (served / "1").rglob("*") if path.is_file() and path.name != "export.json")
    assert record["files"] == {
        path.relative_to(served / "1").as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files
    }
    assert load_verified(extra / "preset") == load_verified(preset_folder("small"))
    assert (extra / "preset" / "card.md").read_bytes() == (preset_folder("small") / "card.md").read_bytes()
    assert "MIT" in (extra / "LICENSE").read_text()
    assert {path.stem for path in (extra / "cards").iterdir()} == {"face_detector", "face_mesh", "judge"}
    assert record["limits"]["max_pixels"] == 50_000_000 and record["made_with"]["tensorflow"] == tf.__version__
    assert oct((served / "1").stat().st_mode & 0o755) == oct(0o755), "a server that is another user must read it"


def test_a_warm_up_request_for_each_signature(served):
    from tensorflow_serving.apis import prediction_log_pb2

    records = tf.data.TFRecordDataset(str(served / "1" / warmup.EXTRA / warmup.FILE)).as_numpy_iterator()
    requests = [prediction_log_pb2.PredictionLog.FromString(record).predict_log.request for record in records]
    signatures = read_signatures(served / "1")
    assert sorted(request.model_spec.signature_name for request in requests) == sorted(signatures)
    for request in requests:
        assert set(request.inputs) == set(signatures[request.model_spec.signature_name]["inputs"])
        assert request.model_spec.name == "keras_uncover"


class FakeServed:
    """Writes a file in place of a SavedModel, so that what happens around it is tested in no time."""

    def __init__(self, preset):
        self.uncoverer = SimpleNamespace(name=str(preset), size=64, threshold=0.5, band=None)

    def save(self, folder):
        (folder / "variables").mkdir(parents=True)
        (folder / "saved_model.pb").write_bytes(b"graph")


@pytest.fixture
def fake(monkeypatch):
    """Exports that save next to nothing and are believed."""
    monkeypatch.setattr(saved_model, "Served", FakeServed)
    monkeypatch.setattr(saved_model, "check_version", lambda *arguments: None)


def names(folder):
    return sorted(os.listdir(folder))


def test_versions_count_up_and_are_never_overwritten(fake, tmp_path, capsys):
    for expected in ("1", "2"):
        assert saved_model.main(["small", str(tmp_path)]) == 0
        assert capsys.readouterr().out.strip() == str(tmp_path / expected)
    assert saved_model.main(["small", str(tmp_path), "--version", "2"]) == 1
    assert "A version is never overwritten" in capsys.readouterr().err
    assert saved_model.main(["small", str(tmp_path), "--version", "0"]) == 1
    assert "whole number from 1 on; received 0" in capsys.readouterr().err
    assert saved_model.main(["small", str(tmp_path), "--version", "20261124"]) == 0
    assert names(tmp_path) == ["1", "2", "20261124"]
    assert (tmp_path / "1" / "assets.extra" / "tf_serving_warmup_requests").is_file()


def test_only_the_highest_versions_are_kept(fake, tmp_path, capsys):
    (tmp_path / "notes").mkdir()
    for version in ("3", "10", "9"):
        assert saved_model.main(["small", str(tmp_path), "--version", version]) == 0
    assert saved_model.main(["small", str(tmp_path), "--keep", "2"]) == 0
    assert names(tmp_path) == ["10", "11", "notes"]
    assert saved_model.main(["small", str(tmp_path), "--version", "5", "--keep", "1"]) == 0
    assert names(tmp_path) == ["11", "5", "notes"], "the new version stays even where it is not the highest"
    assert saved_model.main(["small", str(tmp_path), "--keep", "0"]) == 1
    assert "At least one version is kept; received --keep 0" in capsys.readouterr().err
    assert keep_highest(tmp_path, 1, also=11) == [5] and versions(tmp_path) == [11]


def test_a_version_that_answers_otherwise_is_not_moved_into_place(fake, monkeypatch, tmp_path, capsys):
    def refuse(folder, uncoverer, photos):
        assert (folder / "saved_model.pb").is_file() and all(photo.is_file() for photo in photos)
        raise ExportError("A SavedModel must answer as its preset does; p_fake differs.")

    monkeypatch.setattr(saved_model, "check_version", refuse)
    assert saved_model.main(["small", str(tmp_path / "served")]) == 1
    assert "p_fake differs" in capsys.readouterr().err
    assert names(tmp_path / "served") == []


class LargeServed(FakeServed):
    """Writes a SavedModel of 8 MB by TensorFlow's own writer."""

    def save(self, folder):
        module = tf.Module()
        module.weights = tf.Variable(tf.random.stateless_normal((2_000_000,), (1, 2)))
        tf.saved_model.save(module, str(folder))


@pytest.mark.root
@pytest.mark.parametrize("size", ["2m", "10m"], ids=["in TensorFlow's writer", "in what travels with it"])
def test_a_full_disk_is_a_plain_error_and_leaves_the_versions_there_are(fake, monkeypatch, tmp_path, capsys, size):
    assert saved_model.main(["small", str(tmp_path / "whole")]) == 0
    files = {path.relative_to(tmp_path / "whole"): path.read_bytes()
             for path in (tmp_path / "whole").rglob("*") if path.is_file()}
    kept = sum(map(len, files.values())) + 2**20
    monkeypatch.setattr(saved_model, "Served", LargeServed)
    with small_disk(tmp_path / "disk", kept + int(size[:-1]) * 2**20) as disk:
        shutil.copytree(tmp_path / "whole", disk, dirs_exist_ok=True)
        assert saved_model.main(["small", str(disk)]) == 1
        said = capsys.readouterr().err
        assert said.startswith("export: ") and "No space left on device" in said and "Traceback" not in said
        assert names(disk) == ["1"]
        assert all((disk / path).read_bytes() == data for path, data in files.items())
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        assert saved_model.main(["small", str(disk)]) == 1
        assert "Read-only file system" in capsys.readouterr().err and names(disk) == ["1"]


def test_a_version_is_seen_whole_or_not_at_all(tmp_path):
    seen, stop = [], threading.Event()

    def look():
        while not stop.is_set():
            if (tmp_path / "1").exists():
                seen.append(names(tmp_path / "1"))

    watcher = threading.Thread(target=look)
    watcher.start()
    with new_version(tmp_path, 1) as fresh:
        fresh.mkdir()
        for name in ("a", "b"):
            (fresh / name).write_bytes(bytes(1000))
        assert not (tmp_path / "1").exists()
    while not seen:
        pass
    stop.set()
    watcher.join()
    assert set(map(tuple, seen)) == {("a", "b")}
    with pytest.raises(RuntimeError, match="power"), new_version(tmp_path, 2) as fresh:
        fresh.mkdir()
        raise RuntimeError("the power is gone")
    assert names(tmp_path) == ["1"]


def test_two_exports_at_once_do_not_overwrite_each_other(tmp_path):
    with pytest.raises(ExportError, match="Version 1 appeared in .* while it was written"):
        with new_version(tmp_path, 1) as fresh:
            fresh.mkdir()
            (tmp_path / "1").mkdir()
            (tmp_path / "1" / "other").touch()
    assert names(tmp_path) == ["1"] and names(tmp_path / "1") == ["other"]


def test_an_unknown_preset_is_refused(tmp_path, capsys):
    assert saved_model.main(["no_such", str(tmp_path)]) == 4
    assert "A preset is one of" in capsys.readouterr().err and names(tmp_path) == []


def test_without_the_serving_protos_the_way_out_is_said(fake, monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, "tensorflow_serving.apis", None)
    assert saved_model.main(["small", str(tmp_path)]) == 1
    assert "pip install 'keras-uncover[serve]', or export with --no-warmup" in capsys.readouterr().err
    assert names(tmp_path) == []
    assert saved_model.main(["small", str(tmp_path), "--no-warmup"]) == 0
    assert "tf_serving_warmup_requests" not in names(tmp_path / "1" / "assets.extra")


# --- the check ----------------------------------------------------------------------------------------------------

CROP = np.full((8, 8, 3), 0.5, "float32")


class Told(tf.Module):
    """A small SavedModel that answers what it is told."""

    def __init__(self, answer, crops_p_fake=0.25):
        super().__init__()
        self.answer_, self.crops_p_fake = answer, crops_p_fake

    def save(self, folder):
        photos, crops = tf.TensorSpec((None,), tf.string), tf.TensorSpec((None, 8, 8, 3), tf.float32)

        @tf.function(input_signature=[photos])
        def say(photo_bytes):
            return {name: tf.repeat(tf.constant(value)[None], tf.size(photo_bytes), 0) for name, value in
                    self.answer_.items()}

        @tf.function(input_signature=[crops])
        def score(crops):
            return {"p_fake": tf.fill([tf.shape(crops)[0], 1], self.crops_p_fake)}

        tf.saved_model.save(self, str(folder), signatures={
            "serving_default": say, "detect": say, "crops": score})


def right_answer(**others):
    picture = encode_pictures(tf.constant(CROP[None]), "crop", "told").numpy()[0]
    answer = {"verdict": "genuine", "bbox": [1.0, 2.0, 3.0, 4.0], "p_fake": 0.25, "mask_area": -1.0,
              "reswap_ssim": -1.0, "reswap_residual": -1.0, "crop_png_bytes": picture,
              **{f"{name}_png_bytes": b"" for name in ("mask", "target", "donor", "reswap")}}
    return {**answer, **others}


class Answers:
    """Stands for the ``Uncoverer`` whose answers are the right ones."""

    def __call__(self, path):
        face = FaceAnswer(
            face_index=0, bbox=(1.0, 2.0, 3.0, 4.0), verdict="genuine", p_fake=0.25, threshold=0.5, model="told",
            crop=CROP,
        )
        return Result(str(path), "", [face])

    def model(self, crops, training):
        return {"p_fake": np.full((len(crops), 1), 0.25, "float32")}


WRONG = [
    ({"p_fake": 0.2502}, 0.25, "p_fake differs by 0.0002"),
    ({"verdict": "fake"}, 0.25, "verdict differs by inf"),
    ({"bbox": [1.0, 2.0, 3.0, 4.5]}, 0.25, "bbox differs by 0.5"),
    ({"mask_area": 0.5}, 0.25, "mask_area differs by 1.5"),
    ({"donor_png_bytes": save(Image.new("RGB", (16, 16)), "PNG")}, 0.25, "donor_png_bytes differs by inf"),
    ({"crop_png_bytes": b""}, 0.25, "crop_png_bytes differs by inf"),
    ({"p_fake": float("nan")}, 0.25, "p_fake differs by nan"),
    ({}, 0.3, "p_fake of crops differs by 0.05"),
]


def test_the_check_loads_what_was_written_and_compares_it(tmp_path, monkeypatch):
    monkeypatch.setattr(check, "decode_image", lambda data: np.full((8, 8, 3), 128, "uint8"))
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(b"bytes")
    Told(right_answer()).save(tmp_path / "right")
    check.check_version(tmp_path / "right", Answers(), [photo])
    for number, (others, crops_p_fake, words) in enumerate(WRONG):
        Told(right_answer(**others), crops_p_fake).save(tmp_path / str(number))
        with pytest.raises(ExportError, match=words):
            check.check_version(tmp_path / str(number), Answers(), [photo])


# --- pieces of the graph that need no export ------------------------------------------------------------------------

def test_verdicts_are_those_of_the_host():
    scores = np.unique(np.concatenate([np.linspace(0, 1, 101), [0.3, 0.7, 0.1 + 0.2]])).astype("float32")
    scores = np.concatenate([scores, *(np.nextafter(scores, np.float32(end)) for end in (0, 1))])
    for threshold, band in ((0.5, None), (0.7, (0.3, 0.7)), (0.3, (0.3, 0.3)), (0.0, None), (1.0, None)):
        ours = decide(tf.constant(scores), threshold, band).numpy()
        assert [verdict.decode() for verdict in ours] == [
            decide_on_the_host(float(score), threshold, band) for score in scores
        ]


def test_pictures_carry_the_mark_that_says_what_they_are(tmp_path):
    images = np.random.default_rng(0).random((2, 20, 24, 3)).astype("float32")
    for kind in ("target", "donor", "mask", "reswap"):
        pictures = images[..., :1] if kind == "mask" else images
        for data, picture in zip(encode_pictures(tf.constant(pictures), kind, "small").numpy(), pictures):
            path = tmp_path / "picture.png"
            path.write_bytes(data)
            mark = read_mark(path)
            assert mark["kind"] == kind and mark["model"] == "small" and "MODEL'S GUESS" in mark["xmp"]
            with Image.open(path) as image:
                image.load()
                pixels = np.asarray(image).reshape(picture.shape)
            np.testing.assert_array_equal(pixels, np.round(picture * 255))
