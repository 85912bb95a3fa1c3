"""A stand-in for TF Serving's model server, for tests and timings where there is no such server.

    python tests/support/model_server.py SERVED_DIR [--name keras_uncover] [--grpc PORT] [--rest PORT]

It loads the highest version as the model server does: MetaGraph and signatures through TensorFlow's own SavedModel
loader into a session, no code of ours, warm-up requests replayed. gRPC is spoken through the official protos of
tensorflow-serving-api; REST is written after TF Serving's description of it. Batching, several models, version swaps
and the corners of JSON are not imitated. Port 0 takes a free one; one line of JSON on stdout tells both.
"""

import argparse
import base64
import json
import threading
import time
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import grpc
import numpy as np
import tensorflow as tf
from google.protobuf import json_format
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_log_pb2,
    prediction_service_pb2_grpc,
)

HTTP = {grpc.StatusCode.NOT_FOUND: 404, grpc.StatusCode.INVALID_ARGUMENT: 400, grpc.StatusCode.FAILED_PRECONDITION: 400}


class Refused(Exception):
    """A request that the server refuses: gRPC status and words."""

    def __init__(self, status, words):
        super().__init__(words)
        self.status, self.words = status, words


class Model:
    """The highest version in a folder, in a session."""

    def __init__(self, folder, name):
        self.name = name
        self.version = max(int(path.name) for path in Path(folder).iterdir() if path.name.isdigit())
        path = Path(folder) / str(self.version)
        self.session = tf.compat.v1.Session(graph=tf.Graph())
        with self.session.graph.as_default():
            meta = tf.compat.v1.saved_model.load(self.session, ["serve"], str(path))
        self.signatures = {key: value for key, value in meta.signature_def.items() if not key.startswith("__")}
        warmup = path / "assets.extra" / "tf_serving_warmup_requests"
        self.warmed = [self.replay(record) for record in read_records(warmup)] if warmup.is_file() else []

    def replay(self, record):
        request = prediction_log_pb2.PredictionLog.FromString(record).predict_log.request
        self.predict(request)
        return request.model_spec.signature_name

    def check_name(self, spec):
        if spec.name != self.name or (spec.HasField("version") and spec.version.value != self.version):
            words = f"Servable not found for request: Latest({spec.name})"
            raise Refused(grpc.StatusCode.NOT_FOUND, words)

    def signature(self, name):
        name = name or "serving_default"
        if name not in self.signatures:
            raise Refused(grpc.StatusCode.FAILED_PRECONDITION, f'Serving signature key "{name}" not found.')
        return self.signatures[name]

    def predict(self, request):
        """``PredictRequest`` to ``PredictResponse``."""
        self.check_name(request.model_spec)
        feeds = {key: tf.make_ndarray(value) for key, value in request.inputs.items()}
        keys = list(request.output_filter) or None
        response = predict_pb2.PredictResponse(model_spec=request.model_spec)
        response.model_spec.version.value = self.version
        for key, value in self.run(request.model_spec.signature_name, feeds, keys).items():
            response.outputs[key].CopyFrom(tf.make_tensor_proto(value))
        return response

    def run(self, name, feeds, keys=None):
        signature = self.signature(name)
        if set(feeds) != set(signature.inputs):
            words = f"input keys {sorted(feeds)} are not those of the signature, {sorted(signature.inputs)}"
            raise Refused(grpc.StatusCode.INVALID_ARGUMENT, words)
        keys = list(signature.outputs) if keys is None else keys
        try:
            values = self.session.run(
                [signature.outputs[key].name for key in keys],
                {signature.inputs[key].name: value for key, value in feeds.items()},
            )
        except (tf.errors.InvalidArgumentError, ValueError, TypeError, KeyError) as error:
            raise Refused(grpc.StatusCode.INVALID_ARGUMENT, str(error)) from error
        return dict(zip(keys, values))

    def metadata(self, request):
        """``GetModelMetadataRequest`` to its response."""
        self.check_name(request.model_spec)
        response = get_model_metadata_pb2.GetModelMetadataResponse(model_spec=request.model_spec)
        response.model_spec.version.value = self.version
        known = get_model_metadata_pb2.SignatureDefMap()
        for key, value in self.signatures.items():
            known.signature_def[key].CopyFrom(value)
        response.metadata["signature_def"].Pack(known)
        return response

    def status(self, request):
        """``GetModelStatusRequest`` to its response."""
        self.check_name(request.model_spec)
        state = get_model_status_pb2.ModelVersionStatus(version=self.version, state="AVAILABLE")
        return get_model_status_pb2.GetModelStatusResponse(model_version_status=[state])


def read_records(path):
    return list(tf.data.TFRecordDataset(str(path)).as_numpy_iterator())


class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    def __init__(self, model):
        self.model = model

    def Predict(self, request, context):  # noqa: N802, the name is the service's
        return answer(self.model.predict, request, context)

    def GetModelMetadata(self, request, context):  # noqa: N802
        return answer(self.model.metadata, request, context)


class ModelService(model_service_pb2_grpc.ModelServiceServicer):
    def __init__(self, model):
        self.model = model

    def GetModelStatus(self, request, context):  # noqa: N802
        return answer(self.model.status, request, context)


def answer(function, request, context):
    try:
        return function(request)
    except Refused as refused:
        context.abort(refused.status, refused.words)


def from_json(value, kind):
    """A tensor from JSON's nested lists; ``{"b64": ...}`` stands for bytes."""
    def unpack(item):
        if isinstance(item, list):
            return [unpack(each) for each in item]
        if isinstance(item, dict):
            return base64.b64decode(item["b64"], validate=True)
        return item.encode() if isinstance(item, str) else item

    return np.array(unpack(value), tf.as_dtype(kind).as_numpy_dtype)


def to_json(name, value):
    """Nested lists for JSON; strings are packed in base64 where the output's name ends in ``_bytes``."""
    def pack(item):
        if isinstance(item, list):
            return [pack(each) for each in item]
        if not isinstance(item, bytes):
            return item
        return {"b64": base64.b64encode(item).decode()} if name.endswith("_bytes") else item.decode()

    return pack(value.tolist())


def predict_json(model, body):
    """The body of a REST request to that of its answer, by rows or by columns."""
    try:
        name = body.get("signature_name", "serving_default")
        inputs = model.signature(name).inputs
        by_rows = "instances" in body
        values = body["instances"] if by_rows else body["inputs"]
        if by_rows:
            keys = list(inputs)
            rows = [row if isinstance(row, dict) and "b64" not in row else {keys[0]: row} for row in values]
            values = {key: [row[key] for row in rows] for key in keys}
        elif not isinstance(values, dict):
            values = {next(iter(inputs)): values}
        feeds = {key: from_json(value, inputs[key].dtype) for key, value in values.items()}
    except (KeyError, TypeError, ValueError) as error:
        raise Refused(grpc.StatusCode.INVALID_ARGUMENT, f"Failed to process the request: {error!r}") from error
    outputs = {key: to_json(key, value) for key, value in model.run(name, feeds).items()}
    if not by_rows:
        return {"outputs": outputs}
    return {"predictions": [dict(zip(outputs, row)) for row in zip(*outputs.values())]}


class Rest(BaseHTTPRequestHandler):
    """One request."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        """Say nothing."""

    def do_GET(self):  # noqa: N802
        self.reply(self.tell)

    def do_POST(self):  # noqa: N802
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.reply(lambda: self.predict(body))

    def tell(self):
        model = self.server.model
        base = f"/v1/models/{model.name}"
        spec = {"name": model.name}
        if self.path == base:
            request = get_model_status_pb2.GetModelStatusRequest(model_spec=spec)
            return json_format.MessageToDict(model.status(request), preserving_proto_field_name=True)
        if self.path == f"{base}/metadata":
            request = get_model_metadata_pb2.GetModelMetadataRequest(model_spec=spec, metadata_field=["signature_def"])
            return json_format.MessageToDict(model.metadata(request), preserving_proto_field_name=True)
        raise Refused(grpc.StatusCode.NOT_FOUND, f"Malformed request: GET {self.path}")

    def predict(self, body):
        if self.path != f"/v1/models/{self.server.model.name}:predict":
            raise Refused(grpc.StatusCode.NOT_FOUND, f"Servable not found for request: {self.path}")
        try:
            body = json.loads(body)
        except ValueError as error:
            raise Refused(grpc.StatusCode.INVALID_ARGUMENT, f"JSON Parse error: {error}") from error
        return predict_json(self.server.model, body)

    def reply(self, function):
        try:
            code, body = 200, function()
        except Refused as refused:
            code, body = HTTP[refused.status], {"error": refused.words}
        data = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def serve(model, grpc_port=0, rest_port=0):
    """Start both doors on localhost; returns ``(grpc server, its port, REST server)``."""
    limits = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1), ("grpc.so_reuseport", 0)]
    server = grpc.server(futures.ThreadPoolExecutor(8), options=limits)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(PredictionService(model), server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(ModelService(model), server)
    port = server.add_insecure_port(f"127.0.0.1:{grpc_port}")
    server.start()
    rest = ThreadingHTTPServer(("127.0.0.1", rest_port), Rest)
    rest.model = model
    threading.Thread(target=rest.serve_forever, daemon=True).start()
    return server, port, rest


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--name", default="keras_uncover")
    parser.add_argument("--grpc", type=int, default=0)
    parser.add_argument("--rest", type=int, default=0)
    options = parser.parse_args()
    started = time.perf_counter()
    model = Model(options.folder, options.name)
    seconds = round(time.perf_counter() - started, 2)
    server, port, rest = serve(model, options.grpc, options.rest)
    ports = {"grpc": port, "rest": rest.server_address[1]}
    print(json.dumps({**ports, "version": model.version, "warmed": model.warmed, "seconds": seconds}), flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main()
