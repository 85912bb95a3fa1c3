"""Pictures that leave the product are marked, and the model's answer stays in them to the last bit."""

import json
import os
import re
import stat
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from keras_uncover.images import provenance
from keras_uncover.images.decode import ImageError

TRAINED = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
COMPOSITE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
TERMS = {"target": COMPOSITE, "donor": TRAINED, "mask": TRAINED, "reswap": COMPOSITE, "figure": COMPOSITE}


def noise(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, "uint8")


def open_pixels(path):
    with Image.open(path) as picture:
        assert picture.format == "PNG" and picture.mode == "RGB"
        return np.asarray(picture)


@pytest.mark.parametrize("kind", TERMS)
def test_the_metadata_says_that_a_model_made_it(tmp_path, kind):
    path = provenance.save_marked(tmp_path / "a.png", noise(20, 20, 3), kind, "tiny", {"verdict": "fake"})
    with Image.open(path) as picture:
        text = picture.text
    assert text["Software"] == "keras_uncover"
    assert text["Description"] == provenance.caption(kind)
    assert provenance.caption(kind).startswith("MODEL'S GUESS - ")
    comment = json.loads(text["Comment"])
    place = {"height": 20, "width": 20, "scale": 20}
    expected = {"kind": kind, "model": "tiny", "verdict": "fake", "caption": provenance.caption(kind), "picture": place}
    assert comment == expected
    packet = ElementTree.fromstring(re.sub(r"<\?xpacket.*?\?>", "", text["XML:com.adobe.xmp"]))
    (described,) = packet.iter("{http://www.w3.org/1999/02/22-rdf-syntax-ns#}Description")
    assert described.get("{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType") == TERMS[kind]
    assert described.get("{http://ns.adobe.com/xap/1.0/}Label") == provenance.caption(kind)
    read = provenance.read_mark(path)
    assert read == {**expected, "xmp": text["XML:com.adobe.xmp"]}


def test_xmp_stands_in_the_chunk_that_readers_look_into(tmp_path):
    path = provenance.save_marked(tmp_path / "a.png", noise(20, 20, 3), "donor", "tiny")
    assert b"iTXtXML:com.adobe.xmp\0\0\0\0\0<?xpacket" in path.read_bytes()
    with Image.open(path) as picture:
        assert picture.info["xmp"].decode("utf-8").endswith('<?xpacket end="r"?>')


def test_a_caption_never_says_photograph_without_not():
    for kind in TERMS:
        words = provenance.caption(kind).replace("not a photograph", "").replace("not photographs", "")
        assert "photograph" not in words
    for kind in ("target", "donor", "reswap"):
        assert provenance.caption(kind).endswith("not a photograph")


@pytest.mark.parametrize("height, width", [(1, 1), (64, 64), (128, 128), (100, 130), (256, 256), (384, 384), (50, 500)])
def test_the_answer_stays_in_the_file_to_the_last_bit(tmp_path, height, width):
    image = noise(height, width, 3)
    path = provenance.save_marked(tmp_path / "a.png", image, "target", "small")
    pixels = open_pixels(path)
    scale = provenance.read_mark(path)["picture"]["scale"]
    assert scale == max(1, int(np.ceil(384 / width)))
    assert pixels.shape[1] == scale * width >= 384
    np.testing.assert_array_equal(pixels[: scale * height : scale, : scale * width : scale], image)
    blocks = pixels[: scale * height].reshape(height, scale, width, scale, 3)
    np.testing.assert_array_equal(blocks, np.broadcast_to(image[:, None, :, None], blocks.shape))


def drawn_words(strip, lines):
    """How nearly a strip equals words drawn by this test: the share of bright pixels that both have."""
    canvas = Image.new("L", (strip.shape[1], strip.shape[0]))
    for number, line in enumerate(lines):
        font = ImageFont.load_default(15)
        ImageDraw.Draw(canvas).text((8, 8 + 20 * number), line, font=font, fill=255)
    ours, theirs = strip[..., 0] > 100, np.asarray(canvas) > 100
    return (ours & theirs).sum() / (ours | theirs).sum()


@pytest.mark.parametrize("kind, size", [(kind, size) for kind in TERMS for size in (64, 128, 256)])
def test_the_caption_is_drawn_below_the_picture_as_a_whole(tmp_path, kind, size):
    path = provenance.save_marked(tmp_path / "a.png", noise(size, size, 3), kind, "tiny")
    pixels = open_pixels(path)
    strip = pixels[provenance.read_mark(path)["picture"]["scale"] * size :]
    words = provenance.caption(kind).split()
    splits = [[" ".join(words[:n]), " ".join(words[n:])] for n in range(1, len(words) + 1)]
    assert max(drawn_words(strip, [line for line in lines if line]) for lines in splits) == 1.0
    # Nothing is cut off at the border, and white on black can be read.
    assert strip[:, -4:].max() == 0 and strip[:4].max() == 0 and strip[-4:].max() == 0
    assert strip.max() > 240 and np.median(strip) == 0


def test_float_grey_and_uint8_pictures_are_stored_alike(tmp_path):
    image = noise(40, 400, 3)
    provenance.save_marked(tmp_path / "a.png", image, "donor", "tiny")
    provenance.save_marked(tmp_path / "b.png", image.astype("float32") / 255, "donor", "tiny")
    np.testing.assert_array_equal(open_pixels(tmp_path / "a.png"), open_pixels(tmp_path / "b.png"))
    ramp = np.array([[0.0, 0.25, 0.5, 1.0]], "float32").repeat(100, 1)
    for number, mask in enumerate((ramp, ramp[..., None])):
        path = provenance.save_marked(tmp_path / f"{number}.png", mask, "mask", "tiny")
        row = open_pixels(path)[0]
        assert (row == row[:, :1]).all()
        assert row[::100, 0].tolist() == [0, 64, 128, 255]


@pytest.mark.parametrize(
    "image, kind, name, words",
    [
        (noise(8, 8, 3), "source", "a.png", "one of target, donor, mask, reswap, figure, heatmap; received 'source'"),
        (noise(8, 8, 3), "donor", "a.jpg", 'is a PNG; received the name "a.jpg"'),
        (noise(8, 8, 4), "donor", "a.png", "received (8, 8, 4)"),
        (noise(1, 8, 8, 3), "donor", "a.png", "received (1, 8, 8, 3)"),
        (noise(8, 0, 3), "donor", "a.png", "received (8, 0, 3)"),
        (noise(8, 8, 3).astype("int32"), "donor", "a.png", "uint8 or float; received int32"),
        (np.arange(256.0).reshape(16, 16), "mask", "a.png", "in [0, 1]; received 0.0 to 255.0"),
        (np.full((8, 8), np.nan), "mask", "a.png", "in [0, 1]; received nan"),
    ],
)
def test_what_is_no_picture_is_refused_and_nothing_is_left(tmp_path, image, kind, name, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        provenance.save_marked(tmp_path / name, image, kind, "tiny")
    assert list(tmp_path.iterdir()) == []


def test_a_reader_meets_the_whole_file_or_none(tmp_path, monkeypatch):
    path = provenance.save_marked(tmp_path / "é 한국어.png", noise(20, 20, 3), "donor", "tiny")
    before = path.read_bytes()

    def save_half(self, file, *arguments, **options):
        file.write(before[:100])
        raise OSError("no space left")

    monkeypatch.setattr(Image.Image, "save", save_half)
    with pytest.raises(OSError, match="no space left"):
        provenance.save_marked(path, noise(20, 20, 3), "donor", "tiny")
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_marked_file_has_the_usual_permissions_and_replaces_an_older_one(tmp_path):
    path = tmp_path / ("n" * 250 + ".PNG")
    path.write_bytes(b"old")
    before = os.umask(0o022)
    try:
        provenance.save_marked(str(path), noise(20, 20, 3), "donor", "tiny")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert provenance.read_mark(path)["kind"] == "donor"


def test_names_in_any_script_come_back(tmp_path):
    details = {"input_sha256": "ab" * 32, "note": "<&\"'>", "kind": "no", "model": "no"}
    path = provenance.save_marked(tmp_path / "a.png", noise(20, 20, 3), "reswap", "runs/모델 é\udc80", details)
    read = provenance.read_mark(path)
    assert (read["model"], read["kind"], read["note"]) == ("runs/모델 é\udc80", "reswap", "<&\"'>")


def test_nothing_else_is_in_the_file(tmp_path):
    path = provenance.save_marked(tmp_path / "a.png", noise(20, 20, 3), "reswap", "tiny")
    kinds = [path.read_bytes()[start - 4 : start] for kind, start, _ in provenance.png_chunks(path.read_bytes())]
    assert sorted(set(kinds)) == [b"IDAT", b"IEND", b"IHDR", b"iTXt", b"tEXt"]


def test_the_metadata_fits_any_png_that_pillow_or_matplotlib_writes(tmp_path):
    from matplotlib.figure import Figure

    figure = Figure()
    figure.add_subplot().plot([0, 1])
    figure.savefig(tmp_path / "a.png", pil_kwargs={"pnginfo": provenance.png_metadata("figure", "tiny")})
    metadata = provenance.png_metadata("figure", "tiny", {"p_fake": 0.5})
    Image.new("RGB", (9, 9)).save(tmp_path / "b.png", pnginfo=metadata)
    assert provenance.read_mark(tmp_path / "a.png")["caption"] == provenance.caption("figure")
    assert provenance.read_mark(tmp_path / "b.png")["p_fake"] == 0.5
    with pytest.raises(ValueError, match="JSON compliant"):
        provenance.png_metadata("figure", "tiny", {"p_fake": float("nan")})


def test_a_file_without_a_mark_is_refused(tmp_path):
    path = tmp_path / "a.png"
    with pytest.raises(ImageError, match="nothing there"):
        provenance.read_mark(path)
    Image.new("RGB", (20, 20)).save(path)
    with pytest.raises(ValueError, match="carries XMP and a comment of keras_uncover"):
        provenance.read_mark(path)
    Image.new("RGB", (20, 20)).save(path, "JPEG")
    with pytest.raises(ValueError, match="is a PNG; received JPEG"):
        provenance.read_mark(path)
