"""What a visitor of the demo can have read: plain HTTP calls to one running demo, as anybody could make them."""

import json
import os
import stat
import urllib.error
import urllib.request
import uuid
from pathlib import Path
from types import SimpleNamespace

import pytest
from served import served
from stand_in import FAKE, photo

from keras_uncover.demo.uploads import NotYours

pytestmark = pytest.mark.filterwarnings("ignore")  # of Gradio and of what it is made of

META = {"_type": "gradio.FileData"}
ENDPOINTS = ("predict", "report")
NEUTRAL = str(NotYours())


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A running demo, and on its machine what a visitor might name."""
    folder = tmp_path_factory.mktemp("demo")
    with served(folder, max_megabytes=1) as page:
        place = SimpleNamespace(url=page.local_url, uploads=Path(os.environ["GRADIO_TEMP_DIR"]), folder=folder)
        place.outside = Path(photo(str(folder / "private" / "secret.png"), FAKE))
        place.sample = folder / "samples" / "bright.jpg"
        beside = place.uploads / "beside"  # What no visitor can put there, were it there.
        beside.mkdir()
        (beside / "link.png").symlink_to(place.outside)
        (beside / "folder").symlink_to(place.outside.parent)
        os.mkfifo(beside / "pipe.png")
        os.mkfifo(folder / "pipe.png")
        yield place


def send(place, path, body=None, headers=(), seconds=20):
    """Status and text of one request."""
    data = json.dumps(body).encode() if isinstance(body, dict) else body
    headers = {"Content-Type": "application/json", **dict(headers)}
    asked = urllib.request.Request(place.url + path, data, headers)
    try:
        with urllib.request.urlopen(asked, timeout=seconds) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def call(place, endpoint, said, **more):
    """The last event of a call, ``complete`` or ``error``, and its data."""
    _, event = send(place, f"gradio_api/call/{endpoint}", {"data": [said], **more})
    _, text = send(place, f"gradio_api/call/{endpoint}/{json.loads(event)['event_id']}")
    lines = text.strip().splitlines()
    return lines[-2].removeprefix("event: "), json.loads(lines[-1].removeprefix("data: "))


def upload(place, name="mine.png", level=FAKE):
    """Bring a photo; returns its path on the server, as it tells it."""
    path, edge = photo(str(place.folder / "to_bring" / name), level), uuid.uuid4().hex
    head = f'--{edge}\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'
    body = head.encode() + Path(path).read_bytes() + f"\r\n--{edge}--\r\n".encode()
    _, text = send(place, "gradio_api/upload", body, {"Content-Type": f"multipart/form-data; boundary={edge}"}.items())
    return json.loads(text)[0]


def said_of(path, **more):
    return {"path": str(path), "meta": META, **more}


CASES = {
    "absolute": lambda place: said_of(place.outside),
    "absolute_without_meta": lambda place: {"path": str(place.outside)},
    "nothing_there": lambda place: said_of("/no/such/photo.png"),
    "nothing_there_without_meta": lambda place: {"path": "/no/such/photo.png"},
    "not_for_us": lambda place: {"path": "/etc/shadow"},
    "text": lambda place: said_of("/etc/passwd"),
    "relative": lambda place: said_of(os.path.relpath(place.outside)),
    "relative_upload": lambda place: said_of(os.path.relpath(upload(place))),
    "dots": lambda place: said_of(f"{place.uploads}/../{place.outside.relative_to('/')}"),
    "dots_through_tmp": lambda place: {"path": f"{place.uploads}/{os.path.relpath(place.outside, place.uploads)}"},
    "link": lambda place: said_of(place.uploads / "beside" / "link.png"),
    "link_without_meta": lambda place: {"path": str(place.uploads / "beside" / "link.png")},
    "linked_folder": lambda place: said_of(place.uploads / "beside" / "folder" / "secret.png"),
    "pipe": lambda place: {"path": str(place.folder / "pipe.png")},
    "pipe_among_uploads": lambda place: said_of(place.uploads / "beside" / "pipe.png"),
    "pipe_without_meta": lambda place: {"path": str(place.uploads / "beside" / "pipe.png")},
    "device": lambda place: {"path": "/dev/zero"},
    "folder": lambda place: said_of(place.uploads),
    "folder_without_meta": lambda place: {"path": str(place.outside.parent)},
    "address": lambda place: said_of("http://192.0.2.1/photo.png"),
    "address_without_meta": lambda place: {"path": "http://192.0.2.1/photo.png"},
    "address_of_itself": lambda place: said_of(f"{place.url}config", url=f"{place.url}config"),
    "file_address": lambda place: said_of(f"file://{place.outside}"),
    "upload_without_meta": lambda place: {"path": upload(place)},
    "upload_with_a_false_meta": lambda place: {"path": upload(place), "meta": {"_type": "another"}},
    "meta_is_text": lambda place: {"path": str(place.outside), "meta": "gradio.FileData"},
    "meta_is_a_list": lambda place: {"path": str(place.outside), "meta": [META]},
    "path_is_a_number": lambda place: {"path": 0, "meta": META},
    "path_is_a_list": lambda place: {"path": [said_of(place.outside)], "meta": META},
    "null_byte": lambda place: said_of(f"{place.uploads}/a\0b"),
    "too_long": lambda place: said_of(f"{place.uploads}/{'a/' * 4000}"),
    "half_a_letter": lambda place: said_of(f"{place.uploads}/\ud800"),
    "text_alone": lambda place: str(place.outside),
    "a_list_of_files": lambda place: [said_of(place.outside)],
    "data_address": lambda place: {"url": "data:image/png;base64,iVBORw0KGgo="},
    "stream": lambda place: said_of(place.outside, is_stream=True),
    "another_visitors": lambda place: used_by_another(place),
    "another_visitors_without_meta": lambda place: {"path": used_by_another(place)["path"]},
    "a_single_call_before": lambda place: used_by_another(place, None),
}


def used_by_another(place, session="another"):
    """An upload that another visitor asked for."""
    said = said_of(upload(place, "theirs.png"))
    event, _ = call(place, "predict", said, **({} if session is None else {"session_hash": uuid.uuid4().hex}))
    assert event == "complete"
    return said


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("case", CASES)
def test_what_is_not_the_visitors_is_answered_by_one_sentence(place, case, endpoint):
    event, data = call(place, endpoint, CASES[case](place))
    assert (event, data["error"]) == ("error", NEUTRAL)


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_an_own_upload_and_the_samples_are_answered(place, endpoint):
    for said in (said_of(upload(place), url="http://192.0.2.1/a.png", orig_name="a.png"), said_of(place.sample)):
        event, data = call(place, endpoint, said)
        assert event == "complete" and "fake" in str(data)


@pytest.mark.parametrize("road", ["run", "api"])
def test_calls_without_the_queue_have_the_same_rules(place, road):
    assert send(place, f"gradio_api/{road}/predict", {"data": [said_of(upload(place))]})[0] == 200
    status, text = send(place, f"gradio_api/{road}/report", {"data": [{"path": str(place.outside)}]})
    assert (status, json.loads(text)["error"]) == (500, NEUTRAL)


def test_calls_by_name_have_the_same_rules(place):
    for said in ({"path": str(place.outside)}, said_of(place.outside)):
        _, event = send(place, "gradio_api/call/v2/predict", {"photo": said})
        assert NEUTRAL in send(place, f"gradio_api/call/predict/{json.loads(event)['event_id']}")[1]


def test_an_upload_belongs_to_the_first_session_that_asks_for_it(place):
    said, mine = said_of(upload(place)), uuid.uuid4().hex
    assert [call(place, "predict", said, session_hash=mine)[0] for _ in range(2)] == ["complete"] * 2
    assert call(place, "predict", said, session_hash=uuid.uuid4().hex)[1]["error"] == NEUTRAL
    assert call(place, "report", said, session_hash=mine)[0] == "complete"


def test_an_upload_for_a_single_call_is_gone_afterwards(place):
    path = Path(upload(place))
    assert path.is_file() and call(place, "predict", said_of(path))[0] == "complete"
    assert not path.exists() and not path.parent.exists()


def test_uploads_of_one_photo_have_names_that_nobody_can_guess(place):
    paths = [Path(upload(place, "same.png")) for _ in range(3)]
    assert len({path.parent.name for path in paths}) == 3 and {path.name for path in paths} == {"same.png"}
    assert all(len(path.parent.name) >= 32 for path in paths)


@pytest.mark.parametrize("route", [
    "file={outside}", "file={uploads}/beside/link.png", "file={uploads}/beside/pipe.png", "file={uploads}",
    "file=http://192.0.2.1/a.png", "file=/no/such/file", "file=", "file/{outside}", "proxy=http://192.0.2.1/a.png",
    "deep_link?session_hash=another", "vibe-code", "file={uploads}/../{outside}", "file%3D{outside}",
])
def test_the_server_hands_out_no_other_file_and_asks_no_address(place, route):
    names = {"outside": str(place.outside), "uploads": str(place.uploads)}
    assert send(place, f"gradio_api/{route.format(**names)}") == (404, NEUTRAL)


def test_the_page_shows_the_photo_that_was_brought(place):
    request = urllib.request.urlopen(f"{place.url}gradio_api/file={upload(place)}", timeout=20)
    assert request.read()[:8] == b"\x89PNG\r\n\x1a\n"


def test_an_example_is_given_to_every_visitor(place):
    """By the event of the page's examples: their copies lie among the uploads and belong to nobody."""
    config = json.loads(send(place, "config")[1])
    (number,) = (entry["id"] for entry in config["dependencies"] if any("click" in t for t in entry["targets"])
                 and len(entry["outputs"]) == 1 and entry["api_name"] not in ENDPOINTS)
    for _ in range(2):
        session = uuid.uuid4().hex
        body = {"data": [0], "fn_index": number, "session_hash": session}
        send(place, "gradio_api/queue/join", body)
        given = send(place, f"gradio_api/queue/data?session_hash={session}")[1]
        done = next(json.loads(line[6:]) for line in given.splitlines() if "process_completed" in line)
        (photo_given,) = done["output"]["data"]
        photo_given = photo_given.get("value", photo_given)
        assert call(place, "predict", photo_given, session_hash=session)[0] == "complete"


def test_no_event_of_the_page_acts_on_a_file_or_an_address_that_is_named(place):
    """Such as that of the examples, which takes a number: a file in its place is dropped before Gradio looks at it."""
    events = [entry["id"] for entry in json.loads(send(place, "config")[1])["dependencies"] if entry["inputs"]]
    assert len(events) >= 4
    for number in events:
        for said in (said_of("http://192.0.2.1/a.png"), said_of(place.outside)):
            session = uuid.uuid4().hex
            send(place, "gradio_api/queue/join", {"data": [said], "fn_index": number, "session_hash": session})
            text = send(place, f"gradio_api/queue/data?session_hash={session}")[1]
            assert "process_completed" in text and "192.0.2.1" not in text and str(place.outside) not in text


def test_the_upload_folder_is_for_this_user_alone(place):
    assert stat.S_IMODE(place.uploads.stat().st_mode) == 0o700
