"""The figure of an answer: what is on it, where, and what must not be."""

import os
import subprocess
import sys
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from made_up_answers import DONOR, RESWAP, SIZE, TARGET, make_answer
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from keras_uncover.images.provenance import read_mark
from keras_uncover.inference import figures
from keras_uncover.inference.figures import GAP, HEIGHT, LEFT, PANEL, TOP, WIDTH, compose, draw_answer, save_figure


def white_photo(height=100, width=100):
    return np.full((height, width, 3), 250, "uint8")


def panel(picture, column):
    left = LEFT + column * (PANEL + GAP)
    return np.asarray(picture)[TOP : TOP + PANEL, left : left + PANEL].astype(int)


def near(pixels, colour, slack=3):
    return (np.abs(pixels - np.round(np.float32(colour) * 255)) <= slack).all(-1)


def words_of(answer):
    return " ".join(text.get_text() for axes in compose(white_photo(), answer).axes for text in axes.texts).split()


def test_each_picture_is_in_its_panel():
    picture = draw_answer(white_photo(), make_answer())
    assert picture.size == (WIDTH, HEIGHT) == (1800, 420) and picture.mode == "RGB"
    for column, colour in ((2, TARGET), (3, DONOR), (4, RESWAP)):
        assert near(panel(picture, column), colour).all()
        assert near(np.asarray(picture).astype(int), colour).sum() == PANEL**2


def test_the_box_is_drawn_where_the_face_is():
    # 200 wide, 100 high: 1.4 panel pixels a photo pixel, and 70 pixels of margin above and below.
    box = near(panel(draw_answer(white_photo(100, 200), make_answer()), 0), (1.0, 0xC2 / 255, 0x0A / 255), 40)
    rows, columns = np.nonzero(box)
    assert columns.min() == pytest.approx(10 * 1.4, abs=2) and columns.max() == pytest.approx(60 * 1.4, abs=2)
    assert rows.min() == pytest.approx(70 + 20 * 1.4, abs=2) and rows.max() == pytest.approx(70 + 80 * 1.4, abs=2)
    assert not box[100 + 70 - 40 : 150, 30:70].any()


def test_the_bar_is_filled_up_to_p_fake_and_ticked_at_the_threshold():
    def filled(p_fake, threshold):
        row = panel(draw_answer(white_photo(), make_answer(p_fake=p_fake, threshold=threshold)), 1)[199, 20:-20]
        ink = near(row, (0x1A / 255,) * 3, 40)
        colour = near(row, (0xB3 / 255, 0x47 / 255, 0.0), 20)
        return colour.sum() / len(row), np.flatnonzero(ink).mean() / len(row)

    share, tick = filled(0.75, 0.25)
    assert share == pytest.approx(0.75, abs=0.04) and tick == pytest.approx(0.25, abs=0.02)
    share, tick = filled(0.5, 0.9)
    assert share == pytest.approx(0.5, abs=0.02) and tick == pytest.approx(0.9, abs=0.02)


def test_the_mask_tints_the_crop_and_is_outlined():
    shown = panel(draw_answer(white_photo(), make_answer()), 5)
    grey, tinted = shown[20, 20], shown[140, 140]
    assert grey.max() - grey.min() <= 2 and abs(grey[0] - 128) <= 2
    expected = 0.45 * 127.5 + 0.55 * np.array([0xFF, 0xC2, 0x0A])
    assert np.abs(tinted - expected).max() <= 2
    # The line is where the mask is 0.5: the edge between pixels 7 and 8 of 32.
    dark = np.flatnonzero(shown[140].max(-1) < 90)
    assert dark.min() == pytest.approx(8 / 32 * PANEL, abs=3) and dark.max() == pytest.approx(24 / 32 * PANEL, abs=3)


@pytest.mark.parametrize("value", [0.0, 0.3, 0.5, 1.0])
def test_a_mask_without_an_edge_is_no_trouble(value):
    draw_answer(white_photo(), make_answer(mask=np.full((SIZE, SIZE), value, "float32")))


def test_a_genuine_face_shows_no_donor_even_if_one_was_painted():
    answer = make_answer("genuine")
    assert answer.donor is not None and answer.reswap_image is not None
    pixels = np.asarray(draw_answer(white_photo(), answer)).astype(int)
    assert not near(pixels, DONOR, 60).any() and not near(pixels, RESWAP, 60).any()
    assert near(pixels, TARGET).sum() == PANEL**2
    words = " ".join(words_of(answer))
    assert "GENUINE" in words and "no donor: nothing was swapped in" in words and "no re-swap" in words
    assert "SSIM" not in words


def test_words_carry_the_verdict_the_numbers_and_the_caution():
    for verdict, headline in (("fake", "FAKE"), ("genuine", "GENUINE"), ("uncertain", "UNCERTAIN")):
        words = " ".join(words_of(make_answer(verdict)))
        assert headline in words and "p_fake 0." in words and "threshold 0.5" in words
        assert "a model's guess and may show nobody" in words
    words = " ".join(words_of(make_answer("no_face")))
    assert "NO FACE" in words and "nothing to recover" in words and "p_fake" not in words
    assert "Recovered donor" not in words


@pytest.mark.parametrize("verdict", ["fake", "genuine", "uncertain", "no_face"])
def test_no_text_leaves_the_picture_or_its_panel(verdict):
    answer = make_answer(verdict)
    answer.model = "/a/very/long/folder/" + "W" * 60
    figure = compose(white_photo(), answer)
    renderer = FigureCanvasAgg(figure).get_renderer()
    boxes = []
    for axes in figure.axes:
        edge = axes.get_window_extent(renderer)
        for text in axes.texts:
            if text.get_text():
                box = text.get_window_extent(renderer)
                assert edge.x0 <= box.x0 and box.x1 <= edge.x1 and 0 <= box.y0 and box.y1 <= HEIGHT, text.get_text()
                boxes.append((text.get_text(), box))
    for number, (words, box) in enumerate(boxes):
        for other, beside in boxes[:number]:
            assert not box.overlaps(beside), (words, other)


@pytest.mark.parametrize("height, width", [(1, 4000), (4000, 1), (3000, 2000)])
def test_a_photo_of_any_shape_fits(height, width):
    answer = make_answer(bbox=(-50.0, -50.0, width + 50.0, height + 50.0))
    picture = draw_answer(np.zeros((height, width, 3), "uint8"), answer)
    # The box ends where its panel ends.
    gap = np.asarray(picture)[TOP : TOP + PANEL, LEFT + PANEL : LEFT + PANEL + GAP]
    assert (gap == 255).all()


def test_a_model_name_is_shown_as_it_stands():
    assert "$a_b$/?" in " ".join(words_of(make_answer(model="$a_b$/\u540d")))
    draw_answer(white_photo(), make_answer(model="$a_{/\u540d\n"))


def test_the_users_matplotlib_settings_change_nothing():
    plain = np.asarray(draw_answer(white_photo(), make_answer()))
    settings = {"font.size": 30, "text.color": "red", "image.origin": "lower", "font.family": "serif"}
    with matplotlib.rc_context(settings):
        before = dict(matplotlib.rcParams)
        changed = np.asarray(draw_answer(white_photo(), make_answer()))
        assert dict(matplotlib.rcParams) == before
    assert (plain == changed).all()


def test_a_saved_figure_is_marked_and_whole(tmp_path):
    path = tmp_path / "figure.png"
    path.write_bytes(b"an older figure")
    save_figure(path, white_photo(), make_answer(model="small"), {"verdict": "fake"})
    assert [entry.name for entry in tmp_path.iterdir()] == ["figure.png"]
    with Image.open(path) as saved:
        assert saved.size == (WIDTH, HEIGHT)
        assert (np.asarray(saved) == np.asarray(draw_answer(white_photo(), make_answer()))).all()
    mark = read_mark(path)
    assert (mark["kind"], mark["model"], mark["verdict"]) == ("figure", "small", "fake")
    assert "compositeWithTrainedAlgorithmicMedia" in mark["xmp"]


def test_a_figure_that_fails_leaves_nothing(tmp_path):
    with pytest.raises(TypeError):
        save_figure(tmp_path / "figure.png", white_photo(), make_answer(), {"bad": object()})
    assert list(tmp_path.iterdir()) == []


def test_drawing_needs_neither_pyplot_nor_keras():
    code = (
        "import sys, numpy, keras_uncover.inference.figures as f;"
        "from keras_uncover.inference.answers import FaceAnswer;"
        "f.draw_answer(numpy.zeros((9, 9, 3), 'uint8'), FaceAnswer.no_face(.5, 'm'));"
        "print([m for m in ('matplotlib.pyplot', 'keras', 'tensorflow') if m in sys.modules])"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == "[]"


def test_verdicts_are_readable_on_their_panel():
    def luminance(colour):  # WCAG 2.2, "relative luminance"
        parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for colour in (*figures.COLOURS.values(), figures.SOFT, figures.INK):
        assert (luminance(figures.PALE) + 0.05) / (luminance(colour) + 0.05) >= 4.5
