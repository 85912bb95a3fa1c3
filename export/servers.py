"""TF Serving's model server, asked by REST or gRPC, each with deadline, retries and words for what goes wrong.

Both give ``describe()``, the version and signatures that are served, and ``predict(signature, photos, fields)``. Photos
are sent as the bytes they are, to the server that is named and to nobody else: no proxy of the environment is asked, no
redirect is followed. TensorFlow is imported by neither; the protos of gRPC import it.
"""

import base64
import json
import os
from typing import NamedTuple

from export.fields import PHOTOS
from keras_uncover.refusals import Refusal

CONNECT_SECONDS = 5
RETRIES = 4
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0
CERTIFICATES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


class ServerError(Refusal, RuntimeError):
    """A server that is not there, does not fit, or fails.

    Attributes: ``rule`` that it breaks, ``received`` instead, and ``hint``, the way out; each is a str.
    """

    exit_code = 5

    def __init__(self, rule, received, hint):
        super().__init__(f"{rule}; received {received}. {hint}")
        self.rule, self.received, self.hint = rule, received, hint


class Description(NamedTuple):
    """What is served: version as text, and signature to the set of its outputs' names."""

    version: str
    signatures: dict


def no_answer(place, reason):
    """The error for a server that cannot be reached."""
    return ServerError("A model server must answer", f"nothing from {place} ({reason})",
                       "Start it, or check the address and the port: REST is --url, gRPC is --grpc.")


def too_late(place, seconds):
    """The error for an answer that did not come in time."""
    return ServerError(f"An answer must come within {seconds:g} s", f"none from {place}",
                       "Raise --timeout, or send fewer photos at a time with --batch.")


def no_model(place, name, reason):
    """The error for a server without the model."""
    return ServerError(f"The server must serve the model {name!r}", f"from {place}: {reason}",
                       "Check --model and the server's models.config, or wait until it has loaded a version.")


def sent_elsewhere(place, target):
    """The error for a server that wants the photos to go to another place."""
    return ServerError("The server must answer at the address that is named",
                       f"from {place} a redirect to {shorten(target or 'nowhere')}",
                       "Nothing was sent there. If you trust it, give that address by --url.")


def failed(place, reason):
    """The error for a request that the server does not answer."""
    return ServerError("The server must answer a request", f"from {place}: {reason}",
                       "Look at the server's log; too large a request needs a smaller --batch.")


class RestServer:
    """TF Serving's REST API.

    Args:
        url: ``http://host:port``, or ``https://…`` of a server before it.
        model: its name on the server.
        timeout: seconds that one answer may take.
        proxy: URL of a proxy that everything goes through; None for none, whatever the environment says.
    """

    def __init__(self, url, model, timeout, proxy=None):
        import requests
        from requests.adapters import HTTPAdapter, Retry

        self.errors = requests.exceptions
        self.place = f"{url.rstrip('/')}/v1/models/{model}"
        self.model, self.timeout = model, timeout
        # Asking again is safe: a prediction changes nothing.
        retry = Retry(
            total=RETRIES, read=0, backoff_factor=FIRST_PAUSE, backoff_max=LONGEST_PAUSE, allowed_methods=None,
            status_forcelist=(429, 502, 503, 504), raise_on_status=False,
        )
        self.session = requests.Session()
        # The environment names no proxy and no password for us; certificates to trust, which send nothing, it may.
        self.session.trust_env = False
        self.session.verify = next(filter(None, map(os.environ.get, CERTIFICATES)), True)
        self.session.proxies = {} if proxy is None else {"http": proxy, "https": proxy}
        for scheme in ("http://", "https://"):
            self.session.mount(scheme, HTTPAdapter(max_retries=retry))

    def describe(self):
        """``Description`` of the version that answers."""
        answer = self.ask("GET", f"{self.place}/metadata")
        known = answer.get("metadata", {}).get("signature_def", {}).get("signature_def")
        if not known:
            raise no_model(self.place, self.model, "an answer without signatures")
        signatures = {name: set(entry.get("outputs", ())) for name, entry in known.items()}
        return Description(str(answer.get("model_spec", {}).get("version", "?")), signatures)

    def predict(self, signature, photos, fields):
        """Outputs by name as nested lists, first axis the photos; ``fields`` alone are kept."""
        rows = [{"b64": base64.b64encode(photo).decode("ascii")} for photo in photos]
        body = json.dumps({"signature_name": signature, "inputs": {PHOTOS: rows}})
        answer = self.ask("POST", f"{self.place}:predict", data=body, headers={"Content-Type": "application/json"})
        outputs = answer.get("outputs")
        if not isinstance(outputs, dict):
            raise failed(self.place, "an answer without outputs")
        return {name: unpack(outputs[name]) for name in fields if name in outputs}

    def ask(self, method, url, **content):
        """JSON of one answer."""
        try:
            answer = self.session.request(
                method, url, timeout=(CONNECT_SECONDS, self.timeout), allow_redirects=False, **content
            )
        except self.errors.ReadTimeout as error:
            raise too_late(self.place, self.timeout) from error
        except self.errors.ConnectionError as error:
            if "Read timed out" in str(error):
                raise too_late(self.place, self.timeout) from error
            raise no_answer(self.place, shorten(error)) from error
        except self.errors.RequestException as error:
            raise no_answer(self.place, shorten(error)) from error
        if 300 <= answer.status_code < 400:
            raise sent_elsewhere(self.place, answer.headers.get("Location"))
        try:
            body = answer.json()
        except ValueError:
            body = {"error": answer.text[:200]}
        if answer.status_code == 404:
            raise no_model(self.place, self.model, body.get("error", "nothing there"))
        if not answer.ok or not isinstance(body, dict):
            raise failed(self.place, f"HTTP {answer.status_code}, {shorten(body)}")
        return body


def unpack(value):
    """Nested lists with the bytes that ``{"b64": …}`` stands for."""
    if isinstance(value, list):
        return [unpack(item) for item in value]
    return base64.b64decode(value["b64"]) if isinstance(value, dict) else value


def shorten(error):
    """An error's words on one line of at most 200 characters."""
    return " ".join(str(error).split())[:200]


class GrpcServer:
    """TF Serving's gRPC API, unencrypted, as the server offers it.

    Args:
        address: ``host:port``.
        model: its name on the server.
        timeout: seconds that one answer may take, retries included.
        max_message: bytes of the largest request and the largest answer.
        proxy: URL of a proxy that everything goes through; None for none, whatever the environment says.
    """

    def __init__(self, address, model, timeout, max_message, proxy=None):
        import grpc
        from tensorflow_serving.apis import prediction_service_pb2_grpc

        # gRPC itself tries again, by this description.
        policy = {
            "maxAttempts": RETRIES + 1, "initialBackoff": f"{FIRST_PAUSE}s", "maxBackoff": f"{LONGEST_PAUSE}s",
            "backoffMultiplier": 2, "retryableStatusCodes": ["UNAVAILABLE"],
        }
        service = {"name": [{"service": "tensorflow.serving.PredictionService"}], "retryPolicy": policy}
        options = [
            ("grpc.max_send_message_length", max_message), ("grpc.max_receive_message_length", max_message),
            ("grpc.enable_retries", 1), ("grpc.service_config", json.dumps({"methodConfig": [service]})),
            ("grpc.address_http_proxy", ""), ("grpc.enable_http_proxy", 0 if proxy is None else 1),
            *([] if proxy is None else [("grpc.http_proxy", proxy)]),
        ]
        self.place, self.model, self.timeout = address, model, timeout
        self.stub = prediction_service_pb2_grpc.PredictionServiceStub(grpc.insecure_channel(address, options))
        self.error, self.status = grpc.RpcError, grpc.StatusCode

    def describe(self):
        """``Description`` of the version that answers."""
        from tensorflow_serving.apis import get_model_metadata_pb2

        request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
        request.model_spec.name = self.model
        answer = self.ask(self.stub.GetModelMetadata, request)
        known = get_model_metadata_pb2.SignatureDefMap()
        answer.metadata["signature_def"].Unpack(known)
        signatures = {name: set(entry.outputs) for name, entry in known.signature_def.items()}
        return Description(str(answer.model_spec.version.value), signatures)

    def predict(self, signature, photos, fields):
        """Outputs by name as nested lists, first axis the photos; ``fields`` alone are kept.

        All are asked for: with a filter the server would make another graph of the signature, which its warm-up has not
        run, and the first request would wait for it as long as a warm-up takes.
        """
        from tensorflow_serving.apis import predict_pb2

        request = predict_pb2.PredictRequest()
        request.model_spec.name, request.model_spec.signature_name = self.model, signature
        tensor = request.inputs[PHOTOS]
        tensor.dtype = 7  # DT_STRING
        tensor.tensor_shape.dim.add().size = len(photos)
        tensor.string_val.extend(photos)
        answer = self.ask(self.stub.Predict, request)
        return {name: nest(answer.outputs[name]) for name in fields if name in answer.outputs}

    def ask(self, method, request):
        """One answer."""
        try:
            return method(request, timeout=self.timeout)
        except self.error as error:
            code, words = error.code(), shorten(error.details())
            if code == self.status.UNAVAILABLE:
                raise no_answer(self.place, words) from error
            if code == self.status.DEADLINE_EXCEEDED:
                raise too_late(self.place, self.timeout) from error
            if code == self.status.NOT_FOUND:
                raise no_model(self.place, self.model, words) from error
            if code == self.status.RESOURCE_EXHAUSTED:
                raise ServerError(
                    "A message must fit into gRPC's limit", f"from {self.place}: {words}",
                    "Raise --max-message, or send fewer photos at a time with --batch.",
                ) from error
            raise failed(self.place, f"{code.name}, {words}") from error


def nest(tensor):
    """A ``TensorProto`` as nested lists."""
    from tensorflow import make_ndarray

    return make_ndarray(tensor).tolist()
