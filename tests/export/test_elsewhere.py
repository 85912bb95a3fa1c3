"""The network on other engines, where those are installed: ONNX Runtime and LiteRT."""

import pytest

from export import litert, onnx
from export.serving.versions import ExportError
from keras_uncover.inference.uncoverer import Uncoverer


def test_onnx_runtime_answers_as_the_saved_model_does(served, tmp_path, capsys):
    pytest.importorskip("tf2onnx")
    pytest.importorskip("onnxruntime")
    path = tmp_path / "crops.onnx"
    assert onnx.main([str(served / "1"), str(path)]) == 0
    said = capsys.readouterr().out
    for name in ("p_fake", "mask", "target", "donor"):
        assert f"{name:8} differs by at most" in said
    differences = onnx.compare(served / "1", path, onnx.example_crops(served / "1"))
    assert differences.pop("p_fake") < 1e-5
    assert max(differences.values()) < 4e-4  # a tenth of a level of 255


def test_what_tf2onnx_cannot_write_is_told(tmp_path, capsys):
    pytest.importorskip("tf2onnx")
    with pytest.raises(ExportError, match="tf2onnx must write"):
        onnx.convert(tmp_path, tmp_path / "crops.onnx")
    assert onnx.main([str(tmp_path), str(tmp_path / "crops.onnx")]) == 1
    assert "SavedModel file does not exist" in capsys.readouterr().err


def test_litert_in_half_precision_stays_near(tmp_path):
    pytest.importorskip("ai_edge_litert")
    model, image = litert.networks(Uncoverer.from_preset("classifier"))["verdict"]
    path = tmp_path / "verdict.tflite"
    path.write_bytes(litert.convert(model, image.shape))
    assert 0 < litert.difference(model, path, image) < litert.MOST
    # Half a float32 file, and a little for the graph.
    assert path.stat().st_size < 2.4 * model.count_params()
