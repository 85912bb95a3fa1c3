"""The files for TF Serving: what can be parsed is parsed, and what they must say is there."""

import re
from pathlib import Path

import pytest
from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from export import saved_model
from export.client import build_parser

SERVING = Path(__file__).parents[2] / "export" / "serving"
# BatchingParameters and MonitoringConfig are not among the protos of tensorflow-serving-api.
BATCHING = ("max_batch_size", "batch_timeout_micros", "max_enqueued_batches", "num_batch_threads")


def lines(name):
    text = (SERVING / name).read_text()
    return [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]


def test_the_model_config_is_one_model_under_the_name_that_client_and_warm_up_use():
    config = model_server_config_pb2.ModelServerConfig()
    text_format.Parse((SERVING / "models.config").read_text(), config)
    (model,) = config.model_config_list.config
    assert model.name == saved_model.NAME == build_parser().parse_args(["a.jpg", "--url", "x"]).model
    assert model.model_platform == "tensorflow" and model.model_version_policy.latest.num_versions == 1
    assert any(f":{model.base_path}:ro" in line for line in lines("compose.yaml"))


def test_the_client_sends_no_batch_that_the_server_refuses():
    values = dict(re.fullmatch(r"(\w+) { value: (\d+) }", line).groups() for line in lines("batching.config"))
    assert tuple(sorted(values)) == tuple(sorted(BATCHING))
    assert build_parser().parse_args(["a.jpg", "--url", "x"]).batch <= int(values["max_batch_size"])


def test_monitoring_is_on():
    text = " ".join(lines("monitoring.config"))
    assert re.fullmatch(r'prometheus_config { enable: true path: "/monitoring/prometheus/metrics" }', text)


@pytest.mark.parametrize("line", [
    "image: tensorflow/serving:2.20.0", '- "127.0.0.1:8500:8500"', '- "127.0.0.1:8501:8501"', 'user: "65534:65534"',
    "read_only: true", "mem_limit: 6g", "- ALL", "- no-new-privileges:true", '- "./:/config:ro"',
])
def test_the_compose_file_keeps_the_server_to_itself(line):
    assert line in lines("compose.yaml")


def test_every_port_is_bound_to_localhost_and_every_file_that_is_named_is_there():
    found = lines("compose.yaml")
    ports = found[found.index("ports:") + 1 : found.index("volumes:")]
    assert ports and all(port.startswith('- "127.0.0.1:') for port in ports)
    named = {match for line in found for match in re.findall(r"/config/([\w.]+)", line)}
    assert named == {path.name for path in SERVING.glob("*.config")}
