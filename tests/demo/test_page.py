"""An answer as HTML: what is on it, what must not be, and that it asks for nothing."""

import base64
import json
import re
from html.parser import HTMLParser
from io import BytesIO
from types import SimpleNamespace

import numpy as np
import pytest
from made_up_answers import make_answer
from PIL import Image

from keras_uncover.demo import answers as answering
from keras_uncover.demo.page import show_face
from keras_uncover.demo.report import write_report
from keras_uncover.images.provenance import read_mark
from keras_uncover.inference.answers import Result
from keras_uncover.inference.scores import NO_SCORES, count_scores
from keras_uncover.inference.wording import LIMITS, NO_RATES, SWAPS_ONLY

SCORES = count_scores(np.array([0.1, 0.2, 0.3]), np.array([0.6, 0.999]))


class Reader(HTMLParser):
    """Words, pictures by their alternative text, and every address in a page."""

    def __init__(self, html):
        super().__init__()
        self.words, self.pictures, self.links, self.open = "", {}, [], []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "img":
            self.pictures[attributes["alt"]] = attributes["src"]
        self.links += [attributes[name] for name in ("src", "href", "action") if name in attributes]
        if tag not in ("img", "br", "input", "meta"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, "tags are nested"

    def handle_data(self, data):
        self.words += f"{data} "


def photo():
    return np.full((90, 120, 3), 200, "uint8")


def show(answer, **options):
    reader = Reader(show_face(photo(), answer, **options))
    assert reader.open == []
    return reader


def test_a_fake_shows_all_pictures_and_the_limits_beside_the_verdict():
    page = show(make_answer(), scores=SCORES)
    assert list(page.pictures) == [
        "The photo, boxed: face 0, the one judged here", "Recovered target, a model's guess",
        "Recovered donor, a model's guess", "Re-swap check, a model's guess",
        "The crop in grey with the mask in yellow", "Input crop", "Recovered target, a guess",
        "Histogram of scores. 0.0 % of 3 genuine test photos score about as high or higher; 50.0 % of 2 fake ones "
        "about as low or lower.",
    ]
    assert "FAKE" in page.words and "p_fake 0.900, threshold 0.5" in page.words and NO_RATES.rstrip(".") in page.words
    assert page.words.index("FAKE") < page.words.index(LIMITS[0]) < page.words.index("Recovered target")
    assert all(limit in page.words for limit in LIMITS)
    assert "SSIM 0.900, residual 0.050" in page.words and "25.0 % of the crop" in page.words


def test_the_pictures_carry_their_marks(tmp_path):
    page = show(make_answer())
    for name, kind in (("Recovered target", "target"), ("Recovered donor", "donor"), ("Re-swap check", "reswap")):
        data = base64.b64decode(page.pictures[f"{name}, a model's guess"].split(",", 1)[1])
        (tmp_path / "x.png").write_bytes(data)
        assert read_mark(tmp_path / "x.png")["kind"] == kind
        with Image.open(BytesIO(data)) as picture:
            assert picture.height > picture.width, "the caption is below the picture"


def test_a_genuine_face_names_nobody():
    page = show(make_answer("genuine"))
    assert "no donor: nothing was swapped in" in page.words and "no re-swap" in page.words
    assert not any("donor" in name or "Re-swap" in name for name in page.pictures)


def test_no_face_shows_the_input_and_words():
    page = show(make_answer("no_face"))
    assert list(page.pictures) == ["The photo, no face found"] and "NO FACE" in page.words
    assert "p_fake" not in page.words


def test_error_rates_and_warnings_stand_with_the_verdict():
    entry = {"value": 0.05, "interval": [0.03, 0.08], "n": 40}
    names = ("false_alarm", "miss", "uncertain_genuine", "uncertain_fake")
    rates = {"split": "test", "shards": "faces", "n_people": 20, **dict.fromkeys(names, entry)}
    page = show(make_answer(error_rates=rates, warnings=["Mind <this>."]))
    assert "At this threshold 5.0 % (3.0 to 8.0) of 40 genuine test photos were called fake" in page.words
    assert "Mind <this>." in page.words and NO_SCORES in page.words


def test_a_note_that_a_limit_says_already_is_not_said_twice():
    page = show(make_answer(warnings=[SWAPS_ONLY]))
    assert SWAPS_ONLY not in page.words and "Notes on this answer" not in page.words


def test_a_classifier_has_words_in_place_of_pictures():
    page = show(make_answer(mask=None, target=None, donor=None, reswap_image=None, reswap=None, mask_area=None))
    assert page.words.count("not computed") == 5 and len(page.pictures) == 1


@pytest.mark.parametrize("verdict", ["fake", "genuine", "uncertain", "no_face"])
def test_the_report_holds_everything_and_asks_for_nothing(verdict):
    answers = [make_answer(verdict)] + ([make_answer("genuine", face_index=1)] if verdict == "fake" else [])
    result = Result("/secret/folder/a.jpg", "ab" * 32, answers, photo())
    sections = [show_face(result.photo, answer, SCORES, None) for answer in answers]
    html = write_report(result, sections, "cd" * 32, name="a <b>.jpg")
    page = Reader(html)
    assert page.open == [] and "/secret" not in html and "<b>" not in html
    assert all(link.startswith("data:") for link in page.links)
    assert not re.search(r"url\(|@import|<script|<link|http", re.sub(r"data:[^\"']*", "", html))
    assert "ab" * 32 in page.words and "cd" * 32 in page.words and "a <b>.jpg" in page.words
    assert all(limit in page.words for limit in LIMITS)
    records = json.loads(page.words[page.words.index("[") :])
    assert [record["verdict"] for record in records] == [answer.verdict for answer in answers]


def test_a_face_is_drawn_once_for_the_page_and_the_report(monkeypatch):
    drawn = []
    monkeypatch.setattr(answering, "show_face", lambda _, face, *__: drawn.append(face) or f"<p>{len(drawn)}</p>")
    answers = answering.Answers(load=None, uploads=None)
    answers.loading.set_result(SimpleNamespace(config={}, band=None, weights_sha256="cd" * 32))
    result = Result("a.jpg", "ab" * 32, [make_answer(), make_answer("genuine", face_index=1)], photo())
    sections = answers.show(result)
    assert sections == ["<p>1</p>", "<p>2</p>"] and drawn == result.faces
    assert all(section in answers.report(result, sections) for section in sections) and len(drawn) == 2
    assert "<p>4</p>" in answers.report(result)  # A program asks for the report alone.
