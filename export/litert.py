"""Write the networks of the detect path as LiteRT files with float16 weights, and measure what that changes.

    python -m pip install ".[litert]"
    python -m export.litert small lite/

Three files: ``face_detector.tflite`` (a letterbox of 128 px to boxes), ``face_mesh.tflite`` (a face of 256 px to 478
points) and ``verdict.tflite`` (an aligned crop to ``p_fake``, calibrated where the preset is; no decoder of the
network is in it). What lies between them (decoding, suppression and alignment) needs operations and free sizes that
LiteRT lacks: a program on the device does it, as ``keras_uncover.faces.finder`` and ``ops.mesh`` describe.

exit codes: 0 written, 1 not alike, 4 weights missing or altered.
"""

import argparse
import os
import sys
from pathlib import Path

from keras_uncover.backend import settle_or_exit
from keras_uncover.escapes import Parser, for_stdout
from keras_uncover.overwriting import check_or_exit
from keras_uncover.process import open_closed_streams, tell
from keras_uncover.refusals import end_in_words

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

NAMES = ("face_detector", "face_mesh", "verdict")


def parse_arguments(arguments=None):
    parser = Parser(
        prog="python -m export.litert", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("preset", metavar="PRESET|RUN")
    parser.add_argument("folder")
    parser.add_argument("--overwrite", action="store_true", help="replace files that are there")
    options = parser.parse_args(arguments)
    check_or_exit(parser, [Path(options.folder) / f"{name}.tflite" for name in NAMES], options.overwrite)
    return options


if __name__ == "__main__":
    open_closed_streams()
    parse_arguments()  # Answers --help, or refuses the command line, before TensorFlow is loaded, which takes seconds.
    settle_or_exit("export", ("tensorflow",))

import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

from export.serving.assets import ROOT  # noqa: E402
from keras_uncover.faces.finder import letterbox_matrices, letterboxes  # noqa: E402
from keras_uncover.images.decode import decode_image  # noqa: E402
from keras_uncover.inference.uncoverer import Uncoverer  # noqa: E402
from keras_uncover.models.face_mesh import SIZE as MESH_SIZE  # noqa: E402
from keras_uncover.ops.geometry import cut_crops  # noqa: E402

PHOTO = ROOT / "examples" / "fake_1.jpg"
MOST = 0.01  # of p_fake


def networks(uncoverer):
    """The three networks and what each sees of a bundled photo, ``{name: (model, input (1, …))}``."""
    photo = decode_image(PHOTO.read_bytes())
    box = letterboxes(photo, letterbox_matrices(*photo.shape[:2]))[:1]
    result = uncoverer(PHOTO)
    x0, y0, x1, y1 = result.bbox
    face = np.array([[[x1 - x0, 0, x0], [0, y1 - y0, y0]]], "float32")
    model = uncoverer.model
    return {
        "face_detector": (uncoverer.finder.detector, box),
        "face_mesh": (uncoverer.finder.mesh, cut_crops(photo, face, MESH_SIZE, border="zero")),
        "verdict": (keras.Model(model.input, model.output["p_fake"]), result.crop[None]),
    }


def convert(model, shape):
    """Bytes of the LiteRT file of a model for one input shape."""
    module = tf.Module()
    module.weights = [variable.value for variable in model.variables]  # What is not held by it would not be stored.
    function = tf.function(lambda x: model(x, training=False), input_signature=[tf.TensorSpec(shape)], autograph=False)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function.get_concrete_function()], module)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_types = [tf.float16]
    return converter.convert()


def run(path, image):
    """Outputs of a LiteRT file in the order of its own list."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path))
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], np.asarray(image, "float32"))
    interpreter.invoke()
    return [interpreter.get_tensor(output["index"]) for output in interpreter.get_output_details()]


def difference(model, path, image):
    """Largest absolute difference of a file's outputs to the model's, told apart by shape."""
    expected = tf.nest.flatten(model(image, training=False))
    found = {value.shape: value for value in run(path, image)}
    return max(float(np.abs(found[tuple(value.shape)] - value.numpy()).max()) for value in expected)


def main(arguments=None):
    """Run the command; returns the exit code."""
    open_closed_streams()
    return end_in_words("export", write_files, parse_arguments(arguments))


def write_files(options):
    """Write the files and tell how far each is from its network; returns the exit code."""
    uncoverer = Uncoverer.from_preset(options.preset)
    folder, measured = Path(options.folder), {}
    folder.mkdir(parents=True, exist_ok=True)
    for name, (model, image) in networks(uncoverer).items():
        path = folder / f"{name}.tflite"
        path.write_bytes(convert(model, image.shape))
        measured[name] = difference(model, path, image)
        print(for_stdout(f"{path}: {path.stat().st_size:,} bytes, differs by at most {measured[name]:.2e}"))
    if not measured["verdict"] <= MOST:  # NaN is no agreement
        tell(f"export: p_fake must agree to {MOST:g}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
