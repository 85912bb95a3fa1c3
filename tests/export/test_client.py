"""The client where things go wrong: no server, a slow one, one that does not fit; and what it sends."""

import base64
import json
import subprocess
import sys
import threading
import time
from concurrent import futures
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import grpc
import pytest
import tensorflow as tf
from image_files import WHOLE
from named_proxy import PROXIES, named_proxy
from tensorflow_serving.apis import get_model_metadata_pb2, predict_pb2, prediction_service_pb2_grpc

from export import client, servers
from export.fields import FIELDS, PICTURE_FIELDS
from export.replies import check_description, read_reply
from export.servers import Description, GrpcServer, RestServer, ServerError
from keras_uncover.images.decode import ImageError

ROOT = Path(__file__).parents[2]
METADATA = {"model_spec": {"version": "7"}, "metadata": {"signature_def": {"signature_def": {
    "faces": {"outputs": dict.fromkeys(FIELDS + PICTURE_FIELDS, {})}}}}}
NOBODY = {
    "count": [0], "faces_found": [0], "faces_unsure": [1], "threshold": [0.5], "model": ["told"], "error_rates": [""],
    "error": [""], "error_code": [""],
    "found": [[False]], "verdict": [["no_face"]], "p_fake": [[-1.0]], "bbox": [[[0, 0, 0, 0]]], "mask_area": [[-1.0]],
    "reswap_ssim": [[-1.0]], "reswap_residual": [[-1.0]], "warnings": [["a caution\nanother"]],
}


@pytest.fixture
def rest():
    """Starts REST servers that answer by a function of path and number; gives ``(url, requests seen)``."""
    servers = []

    def start(function):
        seen = []

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *arguments):
                """Say nothing."""

            def do_GET(self):  # noqa: N802
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                seen.append((self.path, json.loads(body) if body else None))
                code, answer = function(self.path, len(seen))
                data = json.dumps(answer).encode() if not isinstance(answer, bytes) else answer
                self.send_response(code)
                if 300 <= code < 400:
                    self.send_header("Location", answer)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_POST = do_GET  # noqa: N815

        server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_address[1]}", seen

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def fitting(path, number):
    return (200, METADATA) if path.endswith("/metadata") else (200, {"outputs": NOBODY})


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.jpg"
    path.write_bytes(WHOLE["JPEG"])
    return path


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(servers, "FIRST_PAUSE", 0.01)


def closed_port():
    server = HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    port = server.server_address[1]
    server.server_close()
    return port


def run(capsys, *arguments):
    code = client.main(list(map(str, arguments)))
    out, err = capsys.readouterr()
    return code, [json.loads(line) for line in out.splitlines()], err


def test_bytes_go_out_as_they_are_and_the_record_is_complete(rest, photo, capsys):
    url, seen = rest(fitting)
    code, records, _ = run(capsys, photo, "--url", url, "--json")
    assert code == 0
    (path, _), (ask, body) = seen
    assert path == "/v1/models/keras_uncover/metadata" and ask == "/v1/models/keras_uncover:predict"
    assert body["signature_name"] == "faces"
    assert base64.b64decode(body["inputs"]["photo_bytes"][0]["b64"]) == WHOLE["JPEG"]
    (record,) = records
    assert record["verdict"] == "no_face" and record["p_fake"] is None and record["reswap"] is None
    assert record["faces"] == {"found": 0, "answered": 0, "left_out": 0, "unsure": 1}
    assert record["warnings"] == ["a caution", "another"] and record["model"] == "told"


def test_photos_are_sent_a_few_at_a_time_and_what_cannot_be_read_is_not_sent(rest, photo, tmp_path, capsys):
    def answer(path, number):
        if path.endswith("/metadata"):
            return 200, METADATA
        return 200, {"outputs": {name: value * 2 for name, value in NOBODY.items()}}

    url, seen = rest(answer)
    for name in "abc":
        (tmp_path / f"{name}.jpg").write_bytes(WHOLE["JPEG"])
    photos = [*sorted(tmp_path.glob("?.jpg")), Path("/no/such.jpg"), photo]
    code, records, err = run(capsys, *photos, "--url", url, "--json", "--batch", "2")
    assert code == 3 and [record["file"] for record in records] == list(map(str, photos))
    assert [len(body["inputs"]["photo_bytes"]) for _, body in seen[1:]] == [2, 2]
    assert records[3]["error"]["received"] == 'nothing there: "/no/such.jpg"' and "refused" in err


def test_a_batch_keeps_below_a_size(tmp_path):
    for number, size in enumerate((10, 10, 50, 10, 10)):
        (tmp_path / f"{number}.jpg").write_bytes(bytes(size))
    paths = sorted(tmp_path.iterdir())
    sizes = [[len(data) for _, data in batch] for batch in client.make_batches(paths, 3, 30)]
    assert sizes == [[10, 10], [50], [10, 10]]


def test_a_server_that_is_down_is_told(photo, capsys):
    port = closed_port()
    for door in (("--url", f"http://127.0.0.1:{port}"), ("--grpc", f"127.0.0.1:{port}")):
        code, records, err = run(capsys, photo, *door, "--json", "--timeout", "5")
        assert code == 5 and records == []
        assert "A model server must answer; received nothing from" in err and "Start it, or check the address" in err


def test_a_busy_server_is_asked_again(rest, photo, capsys):
    url, seen = rest(lambda path, number: (503, {"error": "busy"}) if number in (1, 3) else fitting(path, number))
    code, records, _ = run(capsys, photo, "--url", url, "--json")
    assert code == 0 and len(seen) == 4 and records[0]["verdict"] == "no_face"
    url, seen = rest(lambda path, number: (503, {"error": "busy"}))
    code, _, err = run(capsys, photo, "--url", url, "--json")
    assert code == 5 and len(seen) == servers.RETRIES + 1 and "HTTP 503" in err and "busy" in err


def test_an_answer_that_is_late_is_told(rest, photo, capsys):
    stop = threading.Event()

    def answer(path, number):
        if not path.endswith("/metadata"):
            stop.wait(5)
        return fitting(path, number)

    url, _ = rest(answer)
    started = time.monotonic()
    code, _, err = run(capsys, photo, "--url", url, "--json", "--timeout", "1")
    stop.set()
    assert code == 5 and "An answer must come within 1 s" in err and "Raise --timeout" in err
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("answer, words", [
    ((404, {"error": "Servable not found for request: Latest(keras_uncover)"}), "must serve the model 'keras_uncover'"),
    ((200, {"metadata": {}}), "an answer without signatures"),
    ((200, b"<html>no model server</html>"), "an answer without signatures"),
    ((400, b"<html>bad</html>"), "HTTP 400"),
])
def test_a_server_of_something_else_is_told(rest, photo, capsys, answer, words):
    url, _ = rest(lambda path, number: answer)
    code, _, err = run(capsys, photo, "--url", url, "--json")
    assert code == 5 and words in err


@pytest.mark.parametrize("outputs, words", [
    ({name: value for name, value in NOBODY.items() if name not in ("bbox", "verdict")}, "one without bbox, verdict"),
    ({**NOBODY, "found": [[False], [False]]}, "2 rows of found for 1 photos"),
    ({**NOBODY, "count": 0}, "no list of rows of count"),
    ({**NOBODY, "found": [[]]}, "values that cannot be read: IndexError"),
    ({**NOBODY, "count": [3], "found": [[True]]}, "values that cannot be read: "),
    ({**NOBODY, "found": [[True]], "mask_area": [["wide"]]}, "values that cannot be read: "),
    ({**NOBODY, "found": [[True]], "error_rates": ["{"]}, "values that cannot be read: JSONDecodeError"),
])
def test_a_reply_without_all_that_was_asked_for_is_told(rest, photo, capsys, outputs, words):
    url, _ = rest(lambda path, number: (200, METADATA if path.endswith("/metadata") else {"outputs": outputs}))
    code, records, err = run(capsys, photo, "--url", url, "--json")
    assert code == 5 and records == []
    assert f"must hold every output for every photo; received {words}" in err and "Export the preset" in err


def test_a_model_that_is_too_old_is_told():
    check_description(Description("7", {"faces": {*FIELDS, *PICTURE_FIELDS}}))
    with pytest.raises(ServerError, match="signature 'faces'; received version 7 with crops. Export the preset"):
        check_description(Description("7", {"crops": {"p_fake"}}))
    with pytest.raises(ServerError, match="received version 7 without crop_png_bytes, warnings. Export"):
        check_description(Description("7", {"faces": {*FIELDS, *PICTURE_FIELDS} - {"warnings", "crop_png_bytes"}}))


def test_a_refusal_is_taken_apart_as_the_gate_made_it():
    error = ImageError("An image has at most 50,000,000 pixels", "2 x 3 = 6 pixels (or so). So", "Crop or shrink it.")
    reply = {**NOBODY, "error": [str(error).encode()], "error_code": [b"too_many_pixels"]}
    with pytest.raises(ImageError) as caught:
        read_reply(reply, 0, "a.jpg", b"")
    assert (caught.value.rule, caught.value.received, caught.value.hint) == (error.rule, error.received, error.hint)


class Told(prediction_service_pb2_grpc.PredictionServiceServicer):
    """A gRPC server that fails as it is told, the first times that it is asked."""

    def __init__(self, failures):
        self.failures, self.asked, self.seen, self.reply = list(failures), 0, [], None

    def GetModelMetadata(self, request, context):  # noqa: N802
        self.asked += 1
        if self.failures:
            context.abort(self.failures.pop(0), "told so")
        answer = get_model_metadata_pb2.GetModelMetadataResponse(model_spec=request.model_spec)
        known = get_model_metadata_pb2.SignatureDefMap()
        known.signature_def["faces"].outputs["p_fake"].name = "x"
        answer.metadata["signature_def"].Pack(known)
        return answer

    def Predict(self, request, context):  # noqa: N802
        self.seen.append(request)
        if self.reply is None:
            time.sleep(3)
        return self.reply


@pytest.fixture
def told():
    servers = []

    def start(*failures):
        server, service = grpc.server(futures.ThreadPoolExecutor(2)), Told(failures)
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(service, server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        servers.append(server)
        return service, f"127.0.0.1:{port}"

    yield start
    for server in servers:
        server.stop(0)


def test_grpc_asks_for_what_the_warm_up_has_run_and_keeps_what_was_asked_for(told):
    """Of other outputs a server makes a graph of its own, and the first client would wait for it."""
    service, address = told()
    service.reply = predict_pb2.PredictResponse()
    for name in ("p_fake", "mask_png_bytes"):
        service.reply.outputs[name].CopyFrom(tf.make_tensor_proto([0.5]))
    door = GrpcServer(address, "keras_uncover", 10, 2**20)
    assert door.predict("faces", [b"photo"], ("p_fake", "verdict")) == {"p_fake": [0.5]}
    (request,) = service.seen
    assert list(request.output_filter) == [] and request.inputs["photo_bytes"].string_val == [b"photo"]
    assert (request.model_spec.name, request.model_spec.signature_name) == ("keras_uncover", "faces")


def test_grpc_is_asked_again_where_the_server_is_unavailable(told):
    service, address = told(*[grpc.StatusCode.UNAVAILABLE] * 2)
    assert GrpcServer(address, "keras_uncover", 20, 2**20).describe().signatures == {"faces": {"p_fake"}}
    assert service.asked == 3


@pytest.mark.parametrize("status, words", [
    (grpc.StatusCode.NOT_FOUND, "must serve the model 'keras_uncover'.*told so"),
    (grpc.StatusCode.FAILED_PRECONDITION, "FAILED_PRECONDITION, told so"),
    (grpc.StatusCode.RESOURCE_EXHAUSTED, "Raise --max-message"),
])
def test_grpc_errors_are_told_in_words(told, status, words):
    service, address = told(status)
    with pytest.raises(ServerError, match=words):
        GrpcServer(address, "keras_uncover", 20, 2**20).describe()
    assert service.asked == 1


def test_a_grpc_deadline_holds_and_a_message_has_its_limit(told):
    _, address = told()
    with pytest.raises(ServerError, match="An answer must come within 0.5 s"):
        GrpcServer(address, "keras_uncover", 0.5, 2**20).predict("faces", [b"x"], FIELDS)
    with pytest.raises(ServerError, match="A message must fit into gRPC's limit.*Raise --max-message"):
        GrpcServer(address, "keras_uncover", 5, 1000).predict("faces", [bytes(2000)], FIELDS)


@pytest.fixture
def proxy():
    with named_proxy() as found:
        yield found


def test_no_proxy_of_the_environment_hears_anything(rest, told, proxy, photo, capsys):
    url, _ = rest(fitting)
    assert run(capsys, photo, "--url", url, "--json")[0] == 0
    service, address = told()
    GrpcServer(address, "keras_uncover", 20, 2**20).describe()
    assert service.asked == 1 and proxy[1] == []


@pytest.mark.parametrize("door, line", [("url", "GET http://"), ("grpc", "CONNECT ")])
def test_a_proxy_that_is_named_is_asked(rest, told, proxy, photo, capsys, door, line):
    place = rest(fitting)[0] if door == "url" else told()[1]
    address, heard = proxy
    # Undone before the proxy's own settings are: a later end would bring them back for all tests to come.
    with pytest.MonkeyPatch.context() as patch:
        for name in PROXIES:
            patch.delenv(name)
        asked = (f"--{door}", place, "--proxy", f"http://{address}", "--timeout", "2", "--json")
        code, _, err = run(capsys, photo, *asked)
    assert code == 5 and heard and all(first.startswith(line) for first in heard), err


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("first", ["metadata", ":predict"])
def test_no_redirect_is_followed(rest, photo, capsys, status, first):
    elsewhere, heard = rest(fitting)

    def send_away(path, number):
        return (status, elsewhere + path) if path.endswith(first) else fitting(path, number)

    url, _ = rest(send_away)
    code, records, err = run(capsys, photo, "--url", url, "--json")
    assert code == 5 and heard == [] and records == []
    assert "must answer at the address that is named" in err and f"a redirect to {elsewhere}" in err


def test_a_wrong_command_line_is_refused(photo, capsys):
    for arguments, words in (
        ([photo, "--url", "x", "--proxy", "localhost"], "must be http://HOST:PORT; received 'localhost'"),
        ([photo, "--url", "x", "--proxy", "http://localhost:x"], "must be http://HOST:PORT"),
        ([photo], "one of the arguments --url --grpc is required"),
        ([photo, "--url", "x", "--grpc", "y"], "not allowed with"),
        ([photo, "--url", "x", "--batch", "0"], "a whole number from 1 on; received '0'"),
        (["*.none", "--url", "x"], "matches nothing"),
        ([photo, "--url", "x", "--out", photo], "--out must be a folder"),
    ):
        with pytest.raises(SystemExit) as stop:
            client.main(list(map(str, arguments)))
        assert stop.value.code == 2 and words in capsys.readouterr().err


def test_the_rest_client_needs_no_tensorflow(rest, photo):
    url, _ = rest(fitting)
    code = (
        "import sys\nfrom export import client\n"
        f"assert client.main([{str(photo)!r}, '--url', {url!r}, '--json']) == 0\n"
        "loaded = [name for name in ('tensorflow', 'keras', 'jax', 'grpc') if name in sys.modules]\n"
        "assert not loaded, loaded\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_a_door_is_closed_where_its_package_is_missing(monkeypatch, photo, capsys):
    for name, door in (("requests", "--url"), ("tensorflow_serving.apis", "--grpc")):
        monkeypatch.setitem(sys.modules, name, None)
        code, _, err = run(capsys, photo, door, "localhost:1", "--json")
        assert code == 5 and "pip install 'keras-uncover[serve]'" in err


def test_an_address_without_a_scheme_is_told():
    with pytest.raises(ServerError, match="A model server must answer"):
        RestServer("localhost:8501", "keras_uncover", 1).describe()
