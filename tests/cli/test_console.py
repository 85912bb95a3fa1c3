"""Words on stderr: the counter, the summary, and what is held back at the start."""

import os
import sys
import time

import pytest

from keras_uncover.cli.console import Console, describe
from keras_uncover.inference.answers import FaceAnswer, Result
from keras_uncover.inference.records import to_records
from keras_uncover.process import hushed_start
from keras_uncover.terminal import describe_seconds

NOTE = b"I0000 00:00:1795411198.797172    8222 port.cc:153] custom operations are on.\n"
HEADER = b"WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\n"


def record(verdict="fake", p_fake=0.75, outputs=None):
    answer = FaceAnswer(
        face_index=2, bbox=(0, 0, 1, 1), verdict=verdict, p_fake=p_fake, threshold=0.5, mask_area=0.25, model="tiny",
        warnings=["a caution"],
    )
    return to_records(Result("a.jpg", "ab", [answer]), outputs)[0]


def test_an_answer_in_words():
    first, second, third = describe(record(outputs=[{"target": "x/t.png", "figure": "x/f.png"}]))
    assert first.startswith("a.jpg face 2: FAKE, ") and first.endswith("(p_fake 0.750, threshold 0.5)")
    assert "25.0 % of the crop" in second and third.strip() == "wrote x/t.png, x/f.png"
    (genuine,) = describe(record("genuine", 0.49996))
    assert "GENUINE, no swap found" in genuine and "0.49996" in genuine


def test_the_error_rates_stand_beside_the_verdict():
    entry = {"value": 0.05, "interval": [0.03, 0.08], "n": 40}
    names = ("false_alarm", "miss", "uncertain_genuine", "uncertain_fake")
    rates = {"split": "validation", "shards": "faces", "n_people": 20, **dict.fromkeys(names, entry)}
    first, second, *_ = describe({**record("genuine", 0.2), "error_rates": rates})
    assert "GENUINE" in first
    assert second.startswith("  at this threshold 5.0 % (3.0 to 8.0) of 40 genuine validation photos were called fake")


def test_no_face_in_words():
    answer = FaceAnswer.no_face(0.5, "tiny")
    assert describe(to_records(Result("a.jpg", "ab", [answer]))[0]) == [
        "a.jpg: NO FACE, no face found, so nothing was judged"
    ]


def test_the_faces_of_a_photo_are_counted_with_its_first(capsys):
    said = {"bbox": (0, 0, 1, 1), "verdict": "genuine", "p_fake": 0.1, "threshold": 0.5, "mask_area": 0.25}
    answers = [FaceAnswer(face_index=k, model="tiny", **said) for k in range(2)]
    first, second = to_records(Result("a.jpg", "ab", answers, found=3))
    words = "  3 faces were found; the 2 largest are answered, 1 is left out and may be a fake"
    assert describe(first)[1] == words and words not in describe(second)
    console = Console(2, talks=True)
    for told in (first, second, first, second):
        console.tell(told)
    console.finish(0)
    assert capsys.readouterr().err.endswith("2 of 2 photos answered (4 genuine), 0 refused, 2 faces left out\n")


def test_a_warning_is_told_once_a_run(capsys):
    console = Console(2, talks=True)
    console.tell(record())
    console.tell(record())
    console.finish(0)
    err = capsys.readouterr().err
    assert err.count("a caution") == 1 and err.count("FAKE") == 2
    assert err.endswith("2 of 2 photos answered (2 fake), 0 refused\n")


def test_a_quiet_console_still_tells_refusals(capsys):
    console = Console(1, talks=False)
    console.tell(record())
    assert capsys.readouterr().err == ""
    console.refuse("b.jpg", ValueError("a rule"))
    console.finish(1)
    assert capsys.readouterr().err == "b.jpg: refused. a rule\n0 of 1 photos answered (1 fake), 1 refused\n"


@pytest.mark.parametrize("terminal, total, shown", [(True, 2, True), (False, 2, False), (True, 1, False)])
def test_a_counter_is_shown_for_several_photos_on_a_terminal(terminal, total, shown, monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    console = Console(total, talks=True)
    console.count(1)
    console.say("a line")
    bar = "\r\x1b[K[############............] 1 of 2 photos\r\x1b[Ka line\n"
    assert capsys.readouterr().err == (bar if shown else "a line\n")


def test_the_time_left_is_told_from_the_second_photo_on_and_without_the_first(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    clock = iter([0.0, 60.0, 62.0, 64.0])  # the first photo took a minute, with the compilation
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    console = Console(101, talks=True)
    for done in range(4):
        console.count(done)
    shown = capsys.readouterr().err.split("\r\x1b[K")[1:]
    assert [words.split("] ")[1] for words in shown] == [
        "0 of 101 photos", "1 of 101 photos", "2 of 101 photos, about 3 min 18 s left",
        "3 of 101 photos, about 3 min 16 s left",
    ]


@pytest.mark.parametrize(
    "seconds, words", [(0.4, "0 s"), (59.4, "59 s"), (59.6, "1 min 0 s"), (3599, "59 min 59 s"), (7321, "2 h 2 min")]
)
def test_a_time_in_words(seconds, words):
    assert describe_seconds(seconds) == words


@pytest.mark.parametrize("level", [None, "0"])
def test_notes_at_the_start_are_held_back_unless_asked_for_and_errors_never(level, monkeypatch, capfd):
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", level or "3")  # Restored afterwards, whatever becomes of it.
    if level is None:
        monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL")
    with pytest.raises(RuntimeError), hushed_start():
        os.write(2, HEADER + NOTE)
        os.write(2, b"E0000 00:00:1795411198.797173    8222 port.cc:9] broken driver\nI am no log line\n")
        print("a warning of Python", file=sys.stderr)
        raise RuntimeError
    print("afterwards", file=sys.stderr)
    err = capfd.readouterr().err
    kept = "E0000 00:00:1795411198.797173    8222 port.cc:9] broken driver\nI am no log line\na warning of Python\n"
    shown = ("" if level is None else (HEADER + NOTE).decode()) + kept
    # pytest takes what Python writes past the file descriptor, so the order of the first lines is not ours to test.
    assert sorted(err.splitlines()) == sorted([*shown.splitlines(), "afterwards"])
    assert err.endswith("afterwards\n")
    assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == (level or "3")
