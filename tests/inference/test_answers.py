"""Answers, verdicts and records."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from keras_uncover.inference.answers import FaceAnswer, Result, decide
from keras_uncover.inference.records import CSV_HEADER, csv_row, error_record, to_records
from keras_uncover.inference.wording import describe_counts, describe_rates, format_score

KEYS = (
    "file sha256 faces face_index bbox verdict p_fake threshold error_rates mask_area reswap outputs model warnings "
    "seconds"
).split()


RATES = {
    "split": "test", "shards": "faces", "n_people": 158,
    "false_alarm": {"value": 0.048, "interval": [0.031, 0.066], "n": 968},
    "miss": {"value": 0.031, "interval": [0.018, 0.046], "n": 632},
    "uncertain_genuine": {"value": 0.02, "interval": [0.01, 0.03], "n": 968},
    "uncertain_fake": {"value": 0.0, "interval": [0.0, 0.02], "n": 632},
}


def fake_answer(**changes):
    values = {
        "face_index": 1,
        "bbox": (np.float32(1.256), 2.0, 30.5, 40.0),
        "verdict": "fake",
        "p_fake": np.float32(0.75),
        "threshold": 0.5,
        "mask_area": np.float32(0.25),
        "reswap": {"ssim": np.float32(0.5), "residual": 0.125},
        "model": "small",
        "warnings": ["first", "second"],
        "seconds": 1.23456,
    }
    return FaceAnswer(**{**values, **changes})


def no_face_answer():
    return FaceAnswer.no_face(0.5, "small")


@pytest.mark.parametrize(
    "p_fake, threshold, band, verdict",
    [
        (0.5, 0.5, None, "fake"),
        (0.4999, 0.5, None, "genuine"),
        (0.0, 0.0, None, "fake"),
        (0.999, 1.0, None, "genuine"),
        (0.4, 0.5, (0.4, 0.6), "uncertain"),
        (0.5999, 0.5, (0.4, 0.6), "uncertain"),
        (0.6, 0.5, (0.4, 0.6), "fake"),
        (0.3999, 0.5, (0.4, 0.6), "genuine"),
        (0.5, 0.5, (0.5, 0.5), "fake"),
    ],
)
def test_verdict_at_the_limits(p_fake, threshold, band, verdict):
    assert decide(p_fake, threshold, band) == verdict


def test_without_a_band_nothing_is_uncertain():
    assert {decide(p / 1000, 0.5) for p in range(1001)} == {"fake", "genuine"}


@pytest.mark.parametrize(
    "arguments, word",
    [
        ((float("nan"), 0.5), "p_fake"),
        ((1.1, 0.5), "p_fake"),
        ((0.5, -0.1), "threshold"),
        ((0.5, 0.5, (0.6, 0.4)), "band"),
    ],
)
def test_impossible_numbers_give_no_verdict(arguments, word):
    with pytest.raises(ValueError, match=f"{word}.*received"):
        decide(*arguments)


@pytest.mark.parametrize(
    "p_fake, threshold, text",
    [
        (0.9734, 0.5, "0.973"),
        (0.49996, 0.5, "0.49996"),
        (0.9996, 0.5, "0.9996"),
        (0.00004, 0.5, "0.00004"),
        (1.0, 0.5, "1.000"),
        (0.5, 0.5, "0.500"),
        (np.float32(1) - np.float32(2**-24), 0.5, "0.9999999"),
    ],
)
def test_a_score_never_rounds_onto_a_limit(p_fake, threshold, text):
    assert format_score(p_fake, threshold) == text


def test_a_record_is_plain_data_with_fixed_keys():
    result = Result("a.jpg", "ab", [fake_answer(), no_face_answer()])
    fake, none = to_records(result, [{"mask": "out/a_mask.png"}, {}])
    assert list(fake) == list(none) == KEYS
    assert json.loads(json.dumps(fake, allow_nan=False)) == {
        "file": "a.jpg",
        "sha256": "ab",
        "faces": {"found": 1, "answered": 1, "left_out": 0, "unsure": 0},
        "face_index": 1,
        "bbox": [1.26, 2.0, 30.5, 40.0],
        "verdict": "fake",
        "p_fake": 0.75,
        "threshold": 0.5,
        "error_rates": None,
        "mask_area": 0.25,
        "reswap": {"ssim": 0.5, "residual": 0.125},
        "outputs": {"target": None, "donor": None, "mask": "out/a_mask.png", "reswap": None, "figure": None,
                    "heatmap": None},
        "model": "small",
        "warnings": ["first", "second"],
        "seconds": 1.235,
    }
    empty = ("face_index", "bbox", "p_fake", "mask_area", "reswap")
    assert [none[key] for key in empty] == [None] * 5
    assert none["verdict"] == "no_face" and none["threshold"] == 0.5


def test_what_is_no_number_becomes_null():
    answer = fake_answer(reswap={"ssim": float("nan"), "residual": float("inf")}, mask_area=np.float32("nan"))
    record = to_records(Result("a", "b", [answer]))[0]
    assert record["reswap"] == {"ssim": None, "residual": None} and record["mask_area"] is None


def test_outputs_must_match_the_faces():
    with pytest.raises(ValueError, match="one entry a face, 1; received 2"):
        to_records(Result("a", "b", [fake_answer()]), [{}, {}])


def test_a_result_speaks_for_its_first_face():
    crop = np.zeros((4, 4, 3), "float32")
    result = Result("a", "b", [fake_answer(crop=crop), no_face_answer()])
    for name in ("face_index", "bbox", "verdict", "p_fake", "threshold", "mask_area", "reswap", "model"):
        assert getattr(result, name) == getattr(result.faces[0], name)
    assert result.crop is crop and result.donor is None and result.warnings == ["first", "second"]


def test_a_result_has_a_face_and_an_answer_a_known_verdict():
    with pytest.raises(ValueError, match="no_face"):
        Result("a", "b", [])
    with pytest.raises(ValueError, match="received 'real'"):
        fake_answer(verdict="real")


def test_csv_rows_have_the_columns_of_the_header():
    record = to_records(Result("a,b.jpg", "ab", [fake_answer()]), [{"figure": "f.png"}])[0]
    row = dict(zip(CSV_HEADER, csv_row(record), strict=True))
    assert (row["bbox_x0"], row["bbox_y0"], row["bbox_x1"], row["bbox_y1"]) == (1.26, 2.0, 30.5, 40.0)
    assert (row["reswap_ssim"], row["reswap_residual"]) == (0.5, 0.125)
    assert (row["outputs_figure"], row["outputs_donor"], row["warnings"]) == ("f.png", "", "first; second")
    # A zero is a value, not a hole.
    zero = csv_row(to_records(Result("a", "b", [fake_answer(face_index=0, p_fake=0.0)]))[0])
    assert zero[CSV_HEADER.index("face_index")] == 0 and zero[CSV_HEADER.index("p_fake")] == 0.0
    none = dict(zip(CSV_HEADER, csv_row(to_records(Result("a", "b", [no_face_answer()]))[0]), strict=True))
    assert none["bbox_x0"] == none["p_fake"] == none["error_rule"] == "" and none["verdict"] == "no_face"


def test_the_faces_of_a_photo_are_counted_in_every_record_and_row():
    result = Result("a", "b", [fake_answer(face_index=0), fake_answer()], found=9, unsure=2)
    for record in to_records(result):
        assert record["faces"] == {"found": 9, "answered": 2, "left_out": 7, "unsure": 2}
        row = dict(zip(CSV_HEADER, csv_row(record), strict=True))
        assert [row[f"faces_{name}"] for name in ("found", "answered", "left_out", "unsure")] == [9, 2, 7, 2]
    nobody = Result("a", "b", [no_face_answer()])
    assert nobody.counts == {"found": 0, "answered": 0, "left_out": 0, "unsure": 0}
    with pytest.raises(ValueError, match="found must be 2 or more, as many as are answered; received 1"):
        Result("a", "b", [fake_answer(), fake_answer()], found=1)


@pytest.mark.parametrize("found, answered, unsure, told", [
    (0, 0, 0, []),
    (1, 1, 0, []),
    (2, 2, 0, ["2 faces were found; all are answered"]),
    (2, 1, 0, ["2 faces were found; the largest is answered, 1 is left out and may be a fake"]),
    (11, 8, 0, ["11 faces were found; the 8 largest are answered, 3 are left out and may be fakes"]),
    (0, 0, 1, ["1 place looks a little like a face, too little for a verdict"]),
    (1, 1, 2, ["2 places look a little like a face, too little for a verdict"]),
])
def test_the_count_of_faces_in_words(found, answered, unsure, told):
    counts = {"found": found, "answered": answered, "left_out": found - answered, "unsure": unsure}
    assert describe_counts(counts) == told


def test_error_rates_stand_in_record_row_and_words():
    record = to_records(Result("a", "b", [fake_answer(error_rates=RATES), no_face_answer()]))[0]
    assert json.loads(json.dumps(record, allow_nan=False))["error_rates"] == RATES
    row = dict(zip(CSV_HEADER, csv_row(record), strict=True))
    assert {key: value for key, value in row.items() if key.startswith("error_")} == {
        "error_rates_split": "test", "error_rates_n_people": 158, "error_rates_false_alarm": 0.048,
        "error_rates_false_alarm_n": 968, "error_rates_miss": 0.031, "error_rates_miss_n": 632,
        "error_rule": "", "error_received": "", "error_hint": "",
    }
    words = (
        "at this threshold 4.8 % (3.1 to 6.6) of 968 genuine test photos were called fake and 3.1 % (1.8 to 4.6) of "
        "632 fakes were called genuine"
    )
    assert describe_rates(RATES) == words + "; 2.0 % and 0.0 % were too close to call"
    assert describe_rates({**RATES, "uncertain_genuine": {**RATES["uncertain_genuine"], "value": 0.0}}) == words


def test_a_refusal_as_record_and_row():
    error = SimpleNamespace(rule="a rule", received=12, hint="a way out")
    record = error_record("x.jpg", None, error)
    assert record == {
        "file": "x.jpg",
        "sha256": None,
        "error": {"rule": "a rule", "received": "12", "hint": "a way out"},
    }
    row = dict(zip(CSV_HEADER, csv_row(record), strict=True))
    assert {key: value for key, value in row.items() if value != ""} == {
        "file": "x.jpg",
        "error_rule": "a rule",
        "error_received": "12",
        "error_hint": "a way out",
    }
