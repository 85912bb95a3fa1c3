"""Write the network of a version, its signature ``crops``, as ONNX, and measure ONNX Runtime against TensorFlow.

    python -m pip install ".[onnx]"
    python -m export.onnx served/keras_uncover/1 crops.onnx

Finding and aligning faces, verdict, re-swap and PNG are not in it: crops go in, as
``keras_uncover.inference.uncoverer`` cuts them, and tensors come out. The other signatures cannot be written: ONNX
has no decoders of files. exit codes: 0 written and alike, 1 not.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

from keras_uncover.backend import settle_or_exit
from keras_uncover.escapes import Parser, for_stdout
from keras_uncover.overwriting import check_or_exit
from keras_uncover.process import open_closed_streams, tell
from keras_uncover.refusals import end_in_words

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def parse_arguments(arguments=None):
    parser = Parser(
        prog="python -m export.onnx", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("version", help="folder of a version, as export.saved_model wrote it")
    parser.add_argument("path", help="file to write")
    parser.add_argument("--overwrite", action="store_true", help="replace files that are there")
    options = parser.parse_args(arguments)
    check_or_exit(parser, [options.path], options.overwrite)
    return options


if __name__ == "__main__":
    open_closed_streams()
    parse_arguments()  # Answers --help, or refuses the command line, before TensorFlow is loaded, which takes seconds.
    settle_or_exit("export", ("tensorflow",))

import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

from export.serving.versions import ExportError  # noqa: E402
from keras_uncover.ops.filters import resize_matrix  # noqa: E402

SIGNATURE, OPSET = "crops", 18
# A score or a value of a picture; on the same processor 2e-4 was measured.
MOST = 1e-3


def convert(version, path):
    """Write the ONNX file with tf2onnx, which is a command. Raises ``ExportError`` where it fails."""
    command = [sys.executable, "-m", "tf2onnx.convert", "--saved-model", str(version), "--signature_def", SIGNATURE,
               "--tag", "serve", "--opset", str(OPSET), "--output", str(path)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode or not Path(path).is_file():
        raise ExportError(f"tf2onnx must write {path}; it failed: {done.stderr.strip()[-500:]}")


def compare(version, path, crops):
    """Largest absolute difference of each output, ``{name: float}``.

    Args:
        version: folder of the SavedModel. path: of the ONNX file.
        crops: float32 ``(n, size, size, 3)`` in [0, 1].
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    found = dict(zip(names, session.run(names, {session.get_inputs()[0].name: crops})))
    expected = load_signature(version)(crops=tf.constant(crops))
    return {name: float(np.abs(found[name] - value.numpy()).max()) for name, value in sorted(expected.items())}


def load_signature(version):
    """The signature that is written. Raises ``ExportError`` where a folder holds no such SavedModel."""
    signatures = tf.saved_model.load(str(version)).signatures
    if SIGNATURE not in signatures:
        raise ExportError(
            f"A version must have the signature {SIGNATURE!r}; {version} has {', '.join(sorted(signatures)) or 'none'}."
            " Give a folder that export.saved_model wrote."
        )
    return signatures[SIGNATURE]


def example_crops(version):
    """Two crops to compare on: of noise in cells of eight pixels, and of a slow change of colours.

    The donor is read at places: where they differ by a rounding, pictures do by that times their slope, and finer noise
    than this is steeper than any photo.
    """
    size = load_signature(version).structured_input_signature[1]["crops"].shape[1]
    slope = np.linspace(0, 1, size, dtype="float32")
    slow = np.stack(np.broadcast_arrays(slope[:, None], slope[None], np.float32(0.5)), -1)
    enlarge = resize_matrix(size // 8, 0.0, 1.0, size)
    noise = np.random.default_rng(0).random((size // 8, size // 8, 3), "float32")
    return np.stack([np.einsum("yi,xj,ijc->yxc", enlarge, enlarge, noise), slow]).astype("float32")


def main(arguments=None):
    """Run the command; returns the exit code."""
    open_closed_streams()
    return end_in_words("export", write_file, parse_arguments(arguments))


def write_file(options):
    """Write the file and tell how far it is from the SavedModel; returns the exit code."""
    crops = example_crops(options.version)
    convert(options.version, options.path)
    differences = compare(options.version, options.path, crops)
    for name, difference in differences.items():
        print(f"{name:8} differs by at most {difference:.2e}")
    print(for_stdout(f"{options.path}: {Path(options.path).stat().st_size:,} bytes"))
    if not all(difference <= MOST for difference in differences.values()):  # NaN is no agreement
        tell(f"export: the ONNX file must answer as the SavedModel does, to {MOST:g}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
