"""What the gate reads from headers, and what it refuses: sizes, damage, other formats, EXIF turns."""

import struct
import subprocess
import sys
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from image_files import (
    BOMBS,
    WHOLE,
    blocks,
    chunk,
    huge_cmyk,
    huge_jpeg,
    huge_png,
    huge_webp,
    noise,
    png,
    refusal,
    save,
)
from PIL import Image

from keras_uncover.images.decode import ANIMATED, MAX_SIDE, NO_END, ImageError, decode_image, decode_with_notes
from keras_uncover.images.headers import SCANS_MISSING

ROOT = Path(__file__).parents[2]


def test_400_declared_megapixels_are_refused_at_once():
    for make in BOMBS.values():
        data = make(20_000, 20_000)
        assert len(data) < 50_000
        error = refusal(data)
        assert error.rule == "An image has at most 50,000,000 pixels"
        assert error.received == "20000 x 20000 = 400,000,000 pixels"
        assert "shrink" in error.hint


@pytest.mark.parametrize("make", BOMBS.values(), ids=BOMBS)
def test_refusing_400_megapixels_takes_neither_time_nor_memory(make, tmp_path):
    path = tmp_path / "bomb"
    path.write_bytes(make(20_000, 20_000))
    code = (
        "import resource, sys, time, warnings\n"
        "warnings.simplefilter('error')\n"
        "from keras_uncover.images.decode import ImageError, decode_image, read_bytes\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "started, before = time.perf_counter(), peak()\n"
        "try: decode_image(read_bytes(sys.argv[1]))\n"
        "except ImageError: print(time.perf_counter() - started, peak() - before)\n"
    )
    run = subprocess.run([sys.executable, "-c", code, path], cwd=ROOT, capture_output=True, text=True)
    seconds, kibibytes = map(float, run.stdout.split())
    assert seconds < 0.5
    assert kibibytes < 10_000


@pytest.mark.parametrize("make", [huge_png, huge_jpeg], ids=["PNG", "JPEG"])
def test_sides_are_limited(make):
    assert "at most 30,000 pixels a side; received 16 x 30001" in str(refusal(make(16, MAX_SIDE + 1)))
    assert "at most 30,000 pixels a side; received 30001 x 16" in str(refusal(make(MAX_SIDE + 1, 16)))
    assert "at least 16 pixels a side; received 15 x 400" in str(refusal(make(15, 400)))
    assert "at least 16 pixels a side; received 400 x 0" in str(refusal(make(400, 0)))


def test_limits_are_the_last_size_that_passes():
    assert decode_image(png(MAX_SIDE, 16, 1, 0, bytes(MAX_SIDE // 8))).shape == (16, MAX_SIDE, 3)
    data = png(40, 25, 8, 0, bytes(40))
    assert decode_image(data, max_pixels=1000).shape == (25, 40, 3)
    assert "at most 999 pixels; received 40 x 25 = 1,000 pixels" in str(refusal(data, max_pixels=999))


def test_a_jpeg_in_cmyk_has_at_most_three_quarters_of_the_pixels():
    """A progressive one's decoder holds two bytes a sample, so that its memory goes by components, too."""
    error = refusal(huge_cmyk(6_250, 6_001))
    assert error.rule == "A JPEG of 4 components, such as CMYK, has at most 37,500,000 pixels"
    assert error.received == "6250 x 6001 = 37,506,250 pixels"
    data = save(blocks(4, "CMYK"), "JPEG")  # 64 x 48 pixels
    assert decode_image(data, max_pixels=64 * 64).shape == (48, 64, 3)
    assert "at most 3,071 pixels" in refusal(data, max_pixels=64 * 64 - 1).rule
    for mode in ("RGB", "L"):
        assert decode_image(save(Image.new(mode, (64, 48)), "JPEG"), max_pixels=64 * 48).shape == (48, 64, 3)


def test_a_lossy_and_a_lossless_webp_state_their_size_themselves():
    for options in ({}, {"lossless": True}):
        data = save(Image.fromarray(noise(20, 33)), "WEBP", **options)
        assert data[12:16] in (b"VP8 ", b"VP8L")
        assert "received 33 x 20 = 660 pixels" in str(refusal(data, max_pixels=600))


def test_above_pillows_own_limit_the_argument_decides():
    code = (
        "import warnings; warnings.simplefilter('error')\n"
        "from PIL import Image; Image.MAX_IMAGE_PIXELS = 100\n"
        "from keras_uncover.images.decode import decode_image\n"
        "import io; b = io.BytesIO(); Image.new('RGB', (64, 64)).save(b, 'PNG')\n"
        "assert decode_image(b.getvalue()).shape == (64, 64, 3)\n"
        "assert Image.MAX_IMAGE_PIXELS == 100\n"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


def test_a_jpeg_of_endless_scans_is_refused():
    data = save(Image.fromarray(noise(32, 32)), "JPEG", progressive=True)
    place = data.index(b"\xff\xda")
    scan = data[place : data.index(b"\xff\xc4", place)]
    error = refusal(data[:place] + scan * 200 + data[place:])
    assert "scans, more than 100" in error.received


@pytest.mark.parametrize("data", WHOLE.values(), ids=WHOLE)
def test_a_cut_file_is_refused(data):
    assert len(data) > 5000
    decode_image(data)
    places = {*range(0, len(data), 512), *range(40), *range(len(data) - 40, len(data))}
    lacking_its_end = (len(data) - 2, len(data) - 1) if data[:2] == b"\xff\xd8" else ()
    for place in sorted(places.difference(lacking_its_end)):
        error = refusal(data[:place])
        assert error.rule and error.received and error.hint
        assert str(error) == f"{error.rule}; received {error.received}. {error.hint}"


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"restart_marker_blocks": 3}, {"quality": 100}])
def test_a_jpeg_that_lacks_its_end_marker_alone_is_decoded_with_a_note(options):
    for picture in (blocks(3, "RGB"), Image.fromarray(noise(40, 56)), Image.fromarray(noise(40, 56, 1)[..., 0])):
        data = save(picture, "JPEG", **options)
        for cut in (1, 2):
            pixels, notes = decode_with_notes(data[:-cut])
            np.testing.assert_array_equal(pixels, decode_image(data))
            assert notes == [NO_END]
        assert decode_with_notes(data)[1] == []
        assert [refusal(data[:-cut]).rule for cut in (12, 30, len(data) // 3)]


def test_a_jpeg_that_ends_before_its_last_scan_is_refused():
    data = save(Image.fromarray(noise(40, 56)), "JPEG", progressive=True)
    assert SCANS_MISSING in refusal(data[: data.rindex(b"\xff\xda")]).received
    assert SCANS_MISSING in refusal(data[: data.rindex(b"\xff\xc4")]).received
    many = data[:-2] + data[data.rindex(b"\xff\xda") : -2] * 40
    assert "no end marker and 5" in refusal(many).received or "no end marker and 4" in refusal(many).received


def test_an_animated_picture_is_decoded_with_a_note():
    frames = [blocks(3, "RGB", seed) for seed in range(2)]
    for container, options in (("PNG", {}), ("WEBP", {"lossless": True})):
        data = save(frames[0], container, save_all=True, append_images=frames[1:], **options)
        pixels, notes = decode_with_notes(data)
        assert notes == [ANIMATED] and pixels.shape == (48, 64, 3)
        assert decode_with_notes(save(frames[0], container, **options))[1] == []


@pytest.mark.parametrize("data", WHOLE.values(), ids=WHOLE)
def test_bytes_behind_the_image_do_no_harm(data):
    np.testing.assert_array_equal(decode_image(data + b"\0\1\2 and more" * 9), decode_image(data))


@pytest.mark.parametrize("data", WHOLE.values(), ids=WHOLE)
def test_any_altered_byte_ends_in_an_image_or_an_image_error(data):
    draw = np.random.default_rng(0)
    refused = 0
    for _ in range(150):
        broken = bytearray(data)
        for _ in range(draw.integers(1, 4)):
            place = draw.integers(min(700, len(data))) if draw.random() < 0.7 else draw.integers(len(data))
            broken[place] = draw.integers(256)
        try:
            assert decode_image(bytes(broken)).dtype == np.uint8
        except ImageError:
            refused += 1
    assert refused > 0


def test_any_palette_and_any_transparency_of_a_png_are_survived():
    kinds = [(1, 0, 2), (2, 0, 4), (8, 0, 16), (16, 0, 32), (1, 3, 2), (4, 3, 8), (8, 3, 16), (8, 2, 48)]
    draw = np.random.default_rng(1)
    refused = 0
    for _ in range(400):
        bits, colour, length = kinds[draw.integers(len(kinds))]
        ink = chunk(b"PLTE", draw.bytes(draw.integers(0, 60)))
        clear = chunk(b"tRNS", draw.bytes(draw.integers(0, 30)))
        try:
            assert decode_image(png(16, 16, bits, colour, draw.bytes(length), ink, clear)).shape == (16, 16, 3)
        except ImageError:
            refused += 1
    assert 20 < refused < 380


def test_a_wrong_checksum_in_a_png_is_named():
    data = bytearray(WHOLE["PNG"])
    data[200] ^= 1
    assert "the checksum of its chunk IDAT is wrong" in refusal(bytes(data)).received


def test_a_file_that_states_two_sizes_is_refused():
    assert "WebP file must be whole" in refusal(huge_webp(20, 20)).rule
    data = WHOLE["JPEG"]
    start, stop = data.index(b"\xff\xc0"), data.index(b"\xff\xc4")
    small = data[start : start + 5] + struct.pack(">HH", 20, 20) + data[start + 9 : stop]
    assert "states two sizes, (20, 20) and (96, 96)" in refusal(data[:start] + small + data[start:]).received


def test_codings_that_the_gate_does_not_know_are_named():
    data = WHOLE["JPEG"]
    for marker in (0xC3, 0xC9, 0xCA):
        error = refusal(data.replace(b"\xff\xc0", bytes([0xFF, marker]), 1))
        assert f"marker {marker:02x}, 8 bits) is not 8-bit baseline, extended, progressive" in error.received
    place = data.index(b"\xff\xc0") + 4
    assert "12 bits) is not 8-bit" in refusal(data[:place] + b"\x0c" + data[place + 1 :]).received
    phone = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", WHOLE["PNG"][16:29]) + chunk(b"CgBI", b"\0\0\0\0")
    assert "needs a chunk b'CgBI'" in refusal(phone + WHOLE["PNG"][33:]).received


def test_text_that_unpacks_to_gigabytes_is_never_unpacked():
    bomb = zlib.compress(bytes(20_000_000), 9)
    data = png(16, 16, 8, 0, bytes(16), chunk(b"zTXt", b"a\0\0" + bomb), chunk(b"iCCP", b"p\0\0" + bomb))
    assert decode_image(data).shape == (16, 16, 3)


def test_thousands_of_tiny_parts_cost_little():
    many = b"\xff\xfe\0\2" * 200_000
    data = WHOLE["JPEG"]
    chunks = chunk(b"teXt", b"") * 200_000
    started = time.perf_counter()
    assert "more than 100000 segments" in refusal(data[:2] + many + data[2:]).received
    assert "more than 100000 chunks" in refusal(WHOLE["PNG"][:33] + chunks + WHOLE["PNG"][33:]).received
    np.testing.assert_array_equal(decode_image(data[:2] + b"\xff" * 5_000_000 + data[2:]), decode_image(data))
    np.testing.assert_array_equal(decode_image(data[:2] + b"\xff\0" * 2_000_000 + data[2:]), decode_image(data))
    assert time.perf_counter() - started < 3


def saved(container):
    return save(Image.new("RGB", (32, 32)), container)


@pytest.mark.parametrize(
    "data, name",
    [
        (saved("GIF"), "a GIF file"),
        (saved("BMP"), "a BMP file"),
        (saved("TIFF"), "a TIFF or camera raw file"),
        (saved("PDF"), "a PDF file"),
        (saved("ICO"), "an icon file"),
        (saved("JPEG2000"), "a JPEG 2000 file"),
        (b"\0\0\0\x20ftypavif\0\0\0\0", "an AVIF file"),
        (b"\0\0\0\x20ftypheic\0\0\0\0", "a HEIC file"),
        (b"\0\0\0\x20ftypmif1\0\0\0\0", "a HEIC, AVIF or video file"),
        (b"\0\0\0\x20ftypisom\0\0\0\0", "a video file"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL file"),
        (b"8BPS\0\1", "a Photoshop file"),
        (b"PK\3\4....", "a ZIP archive"),
        (b"<?xml version='1.0'?>\n<svg xmlns='http://www.w3.org/2000/svg'/>", "an SVG file"),
        (b"<html>Not found</html>", "a text file"),
        ("Grüße,\n한국어\n".encode(), "a text file"),
        (b"RIFF\4\0\0\0WAVE", "unknown content that begins with 52 49 46 46 04 00 00 00"),
        (bytes(100), "unknown content that begins with 00 00 00"),
        (b"", "no bytes"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_another_format_is_refused_by_its_name(data, name):
    error = refusal(data)
    assert error.rule == "An image is JPEG, PNG or WebP"
    assert error.received.startswith(name)
    assert "Save it as one of the three" in error.hint


# What the upright picture 1 2 3 / 4 5 6 looks like in the file, by orientation.
STORED = {
    1: [[1, 2, 3], [4, 5, 6]],
    2: [[3, 2, 1], [6, 5, 4]],
    3: [[6, 5, 4], [3, 2, 1]],
    4: [[4, 5, 6], [1, 2, 3]],
    5: [[1, 4], [2, 5], [3, 6]],
    6: [[3, 6], [2, 5], [1, 4]],
    7: [[6, 3], [5, 2], [4, 1]],
    8: [[4, 1], [5, 2], [6, 3]],
}


def exif(turn, order=">", kind=3):
    mark = b"MM\0*" if order == ">" else b"II*\0"
    entries = struct.pack(f"{order}HHI2sH", 0x010F, 2, 1, b"x\0", 0)
    entries += struct.pack(f"{order}HHI{'HH' if kind == 3 else 'I'}", 0x0112, kind, 1, turn, *([0] * (kind == 3)))
    return mark + struct.pack(f"{order}IH", 8, 2) + entries + b"\0\0\0\0"


def tiled(cells):
    """Flat 16 x 16 cells, so that JPEG and lossy WebP keep them apart."""
    grey = (np.array(cells, "uint8") * 40).repeat(16, 0).repeat(16, 1)
    return np.repeat(grey[..., None], 3, -1)


@pytest.mark.parametrize("container", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("turn", range(1, 9))
def test_each_exif_turn_is_undone(container, turn):
    options = {"PNG": {}, "JPEG": {"quality": 100}, "WEBP": {"lossless": True}}[container]
    upright = tiled(STORED[1])
    for order, kind in ((">", 3), ("<", 3), ("<", 4)):
        block = b"Exif\0\0" + exif(turn, order, kind)
        data = save(Image.fromarray(tiled(STORED[turn])), container, exif=block, **options)
        answer = decode_image(data)
        assert answer.shape == upright.shape
        assert np.abs(answer.astype(int) - upright).max() <= 2


def test_exif_behind_the_pixels_of_a_png_counts():
    pixels = tiled(STORED[6])
    rows = [row.tobytes() for row in pixels]
    data = png(pixels.shape[1], pixels.shape[0], 8, 2, None, rows=rows, end=chunk(b"eXIf", exif(6)))
    np.testing.assert_array_equal(decode_image(data), tiled(STORED[1]))


@pytest.mark.parametrize(
    "block",
    [exif(0), exif(9), exif(65535), exif(6)[:20], exif(6)[:8], b"", b"XX\0*" + exif(6)[4:], b"MM\0*\xff\xff\xff\xff"],
)
def test_an_unreadable_exif_block_turns_nothing(block):
    pixels = tiled(STORED[6])
    data = save(Image.fromarray(pixels), "PNG")
    data = data.replace(chunk(b"IEND", b""), chunk(b"eXIf", block) + chunk(b"IEND", b""))
    np.testing.assert_array_equal(decode_image(data), pixels)


def test_only_the_first_exif_segment_of_a_jpeg_counts():
    data = save(Image.fromarray(tiled(STORED[6])), "JPEG", exif=b"Exif\0\0" + exif(6))
    second = b"Exif\0\0" + exif(3)
    place = data.index(b"\xff\xdb")
    data = data[:place] + b"\xff\xe1" + struct.pack(">H", len(second) + 2) + second + data[place:]
    assert decode_image(data).shape == tiled(STORED[1]).shape
