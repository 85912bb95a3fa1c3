"""Turn MediaPipe's face_landmarker.task into the presets face_detector and face_mesh.

    python -m scripts.convert_face_landmarker face_landmarker.task keras_uncover/presets
    python -m scripts.convert_face_landmarker face_landmarker.task --reference tests/data/face_nets_reference.npz \
        --photos tests/data/face_0.jpg tests/data/face_1.jpg

The first writes the two preset folders. The second asks the original networks, run by the TFLite interpreter, about
crops of the given photos and stores crops and answers for the tests.
"""

import io
import os
import sys
import zipfile

from keras_uncover.backend import settle_or_exit
from keras_uncover.escapes import Parser, for_stdout
from keras_uncover.files import hash_bytes
from keras_uncover.overwriting import check_or_exit
from keras_uncover.refusals import DataError, end_in_words


def parse_arguments(arguments=None):
    parser = Parser(description=__doc__.split("\n")[0])
    parser.add_argument("task", help="MediaPipe's face_landmarker.task")
    parser.add_argument("presets", nargs="?", help="folder that gets face_detector/ and face_mesh/")
    parser.add_argument("--reference", help="write crops and TFLite's answers to this .npz")
    parser.add_argument("--photos", nargs="+", default=[], help="portraits for --reference")
    parser.add_argument("--overwrite", action="store_true", help="replace files that are there")
    options = parser.parse_args(arguments)
    if options.reference:
        check_or_exit(parser, [options.reference, f"{options.reference}.npz"], options.overwrite)
    if not options.presets and not options.reference:
        parser.error("give a folder for the presets, or --reference with --photos")
    if options.reference and not options.photos:
        parser.error("--reference needs --photos")
    return options


if __name__ == "__main__":
    parse_arguments()  # Answers --help, or refuses the command line, before Keras is loaded, which takes seconds.
    settle_or_exit("convert_face_landmarker.py")

import keras  # noqa: E402
import numpy as np  # noqa: E402
from PIL import Image  # noqa: E402

from keras_uncover.models.face_detector import build_face_detector  # noqa: E402
from keras_uncover.models.face_mesh import build_face_mesh  # noqa: E402
from keras_uncover.presets.weights import save_preset  # noqa: E402

TASK_SHA256 = "64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff"
DETECTOR, MESH = "face_detector.tflite", "face_landmarks_detector.tflite"
DETECTOR_OUTPUTS = {"regressors": "regressors", "classificators": "logits"}
MESH_OUTPUTS = {"Identity": "points", "Identity_1": "presence_logit"}


def read_task(path):
    """``{member: bytes}`` of the .task file, which must be the one that this script was written for."""
    with open(path, "rb") as file:
        data = file.read()
    received = hash_bytes(data)
    if received != TASK_SHA256:
        raise DataError(
            f"The .task file must have the SHA-256 {TASK_SHA256}. Received: {path} with {received}. "
            "Use MediaPipe's face_landmarker.task, float16, version 1."
        )
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in (DETECTOR, MESH)}


def read_layers(flatbuffer):
    """Convolutions and PReLUs of a TFLite graph in the order in which they run: ``[(operator's name, arrays)]``.

    Weights are stored as float16 and widened by a DEQUANTIZE operator, which is looked through here.
    """
    from tensorflow.lite.python import schema_py_generated as schema

    operators = {code: name for name, code in vars(schema.BuiltinOperator).items() if not name.startswith("_")}
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(flatbuffer, 0))
    graph = model.subgraphs[0]

    def kind(operator):
        code = model.operatorCodes[operator.opcodeIndex]
        return operators[max(code.builtinCode, code.deprecatedBuiltinCode)]

    widened = {o.outputs[0]: o.inputs[0] for o in graph.operators if kind(o) == "DEQUANTIZE"}

    def array(index):
        tensor = graph.tensors[widened[index]]
        return np.frombuffer(bytes(model.buffers[tensor.buffer].data), np.float16).reshape(tensor.shape)

    wanted = ("CONV_2D", "DEPTHWISE_CONV_2D", "PRELU")
    found = []
    for operator in graph.operators:
        if kind(operator) in wanted:
            found.append((kind(operator), [array(index) for index in operator.inputs[1:]]))
    return found


def to_keras(kind, arrays):
    """TFLite's layout to Keras's: (out, h, w, in) to (h, w, in, out), and depthwise (1, h, w, c) to (h, w, c, 1)."""
    if kind == "CONV_2D":
        return [arrays[0].transpose(1, 2, 3, 0), arrays[1]]
    if kind == "DEPTHWISE_CONV_2D":
        if np.any(arrays[1]):
            raise DataError("A depthwise convolution of these networks must have a zero bias; received another.")
        return [arrays[0].transpose(1, 2, 3, 0)]
    return [arrays[0]]


# The heads' order in the graph; "" is the mesh's third answer, which nothing here uses.
HEADS = {
    "face_detector": ["fine_logits_conv", "coarse_logits_conv", "fine_regressors_conv", "coarse_regressors_conv"],
    "face_mesh": ["", "presence_conv", "points_conv"],
}


def layer_order(model):
    """Names of the model's weighted layers in the order in which the TFLite graph runs them."""
    kinds = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.PReLU)
    names = [layer.name for layer in model.layers if isinstance(layer, kinds)]
    return [name for name in names if name not in HEADS[model.name]] + HEADS[model.name]


def carry_over(model, flatbuffer):
    """Put the TFLite graph's weights into the Keras model, layer by layer; kinds, counts and shapes must agree."""
    sources, names = read_layers(flatbuffer), layer_order(model)
    if len(sources) != len(names):
        raise DataError(f"{model.name} must have {len(names)} weighted layers; received {len(sources)}.")
    for name, (kind, arrays) in zip(names, sources):
        if name:
            model.get_layer(name).set_weights([a.astype(np.float32) for a in to_keras(kind, arrays)])
    return model


def convert(members, presets):
    for build, member, purpose in (
        (build_face_detector, DETECTOR, "finds faces"), (build_face_mesh, MESH, "478 points on a face")
    ):
        model = carry_over(build(), members[member])
        config = {
            "format": 1, "kind": model.name, "name": model.name, "arch": {}, "purpose": purpose,
            "origin": f"MediaPipe face_landmarker.task, float16, version 1, member {member}", "licence": "Apache-2.0",
            "source_sha256": TASK_SHA256, "member_sha256": hash_bytes(members[member]),
        }
        save_preset(model, os.path.join(presets, model.name), config)
        print(f"{model.name}: {model.count_params()} parameters")


def ask_tflite(flatbuffer, images, outputs):
    """Answers of the TFLite interpreter to float32 images in the network's own range, one at a time."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=flatbuffer)
    interpreter.allocate_tensors()
    answers = {name: [] for name in outputs.values()}
    for image in images:
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], image[None].astype(np.float32))
        interpreter.invoke()
        for detail in interpreter.get_output_details():
            if detail["name"] in outputs:
                answers[outputs[detail["name"]]].append(interpreter.get_tensor(detail["index"])[0])
    return {name: np.stack(values) for name, values in answers.items()}


def write_reference(members, photos, path):
    """Store each photo's middle square, and a corner of the first photo (no face there), with TFLite's answers.

    The mesh's input repeats every pixel of the detector's twice each way: one stored picture serves both.
    """
    pictures = [Image.open(photo).convert("RGB") for photo in photos]
    squares = [picture.crop(_middle_square(*picture.size)) for picture in pictures]
    squares.append(pictures[0].crop((0, 0, 48, 48)))
    crops = np.stack([np.asarray(square.resize((128, 128), Image.BOX)) for square in squares])
    small = crops.astype(np.float32) / 255
    detector = ask_tflite(members[DETECTOR], small * 2 - 1, DETECTOR_OUTPUTS)
    mesh = ask_tflite(members[MESH], small.repeat(2, axis=1).repeat(2, axis=2), MESH_OUTPUTS)
    # Steps of 1/256 pixel pack well and are far below what the test allows.
    regressors, points = (np.round(x * 256) / 256 for x in (detector["regressors"], mesh["points"]))
    np.savez_compressed(
        path, crops=crops, regressors=regressors, logits=detector["logits"][:, :, 0],
        points=points.reshape(-1, 478, 3), presence_logit=mesh["presence_logit"].reshape(-1),
    )
    logits, presence = detector["logits"].max(axis=(1, 2)), mesh["presence_logit"].ravel()
    print(for_stdout(f"{path}: best logits {logits}, presence {presence}"))


def _middle_square(width, height):
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    return left, top, left + side, top + side


def main(arguments=None):
    options = parse_arguments(arguments)
    members = read_task(options.task)
    if options.presets:
        convert(members, options.presets)
    if options.reference:
        write_reference(members, options.photos, options.reference)


if __name__ == "__main__":
    sys.exit(end_in_words("convert_face_landmarker", main))
