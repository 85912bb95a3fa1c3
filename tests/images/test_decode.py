"""The image gate, rule by rule: colours and threads."""

import copy
import io
import struct
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction

import numpy as np
import pytest
from image_files import BOMBS, WHOLE, blocks, chunk, noise, png, refusal, save
from PIL import Image

from keras_uncover.images.decode import decode_image
from keras_uncover.images.pixels import BAND


def first_row(data):
    pixels = decode_image(data)
    assert pixels.dtype == np.uint8 and pixels.shape[2] == 3
    assert (pixels == pixels[:1]).all()
    return pixels[0]


def test_rgb_png_and_lossless_webp_come_back_exactly():
    pixels = noise(17, 31)
    flat = png(31, 17, 8, 2, None, rows=[row.tobytes() for row in pixels])
    for data in (flat, save(Image.fromarray(pixels), "WEBP", lossless=True)):
        answer = decode_image(data)
        np.testing.assert_array_equal(answer, pixels)
        assert answer.flags.c_contiguous and answer.flags.writeable


def test_jpeg_is_near_the_picture_that_was_saved():
    picture = blocks(3, "RGB")
    answer = decode_image(save(picture, "JPEG", quality=100, subsampling=0))
    assert np.abs(answer.astype(int) - np.asarray(picture)).max() <= 3


def test_grey_of_1_2_4_and_8_bits_is_stretched():
    row = bytes([0b00011011] * 4)
    expected = {1: [0, 0, 0, 255, 255, 0, 255, 255] * 4, 2: [0, 85, 170, 255] * 4, 4: [17, 187] * 4, 8: [27] * 4}
    for bits, values in expected.items():
        wide = (row * 4)[: 2 * bits] if bits > 1 else row
        values = (values * 4)[: len(wide) * 8 // bits]
        answer = first_row(png(len(values), 16, bits, 0, wide))
        np.testing.assert_array_equal(answer, np.repeat(np.array(values)[:, None], 3, 1))


WORDS = [0, 1, 127, 128, 255, 256, 383, 384, 511, 512, 32767, 32768, 65279, 65407, 65408, 65535]


def test_16_bit_grey_and_rgb_keep_the_high_byte():
    expected = np.repeat(np.array([word // 256 for word in WORDS])[:, None], 3, 1)
    np.testing.assert_array_equal(first_row(png(16, 16, 16, 0, struct.pack(">16H", *WORDS))), expected)
    triples = struct.pack(">48H", *np.repeat(WORDS, 3))
    np.testing.assert_array_equal(first_row(png(16, 16, 16, 2, triples)), expected)


def on_white(colour, alpha):
    return round(Fraction(int(colour) * int(alpha) + 255 * (255 - int(alpha)), 255))


def test_alpha_is_composited_on_white_with_exact_rounding():
    colour, alpha = np.meshgrid(np.arange(256), np.arange(256))
    expected = np.vectorize(on_white)(colour, alpha)
    rgba = np.stack([colour, colour, colour, alpha], -1).astype("uint8")
    answer = decode_image(png(256, 256, 8, 6, None, rows=[row.tobytes() for row in rgba]))
    np.testing.assert_array_equal(answer, np.repeat(expected[..., None], 3, -1))
    la = rgba[..., 2:]
    answer = decode_image(png(256, 256, 8, 4, None, rows=[row.tobytes() for row in la]))
    np.testing.assert_array_equal(answer, np.repeat(expected[..., None], 3, -1))


def test_16_bit_alpha_keeps_the_high_byte_of_both_before_compositing():
    pairs = [(word, 65535 - word) for word in WORDS]
    expected = np.array([on_white(colour // 256, alpha // 256) for colour, alpha in pairs])
    for colour, row in (
        (4, struct.pack(">32H", *np.ravel(pairs))),
        (6, struct.pack(">64H", *np.ravel([(c, c, c, a) for c, a in pairs]))),
    ):
        np.testing.assert_array_equal(first_row(png(16, 16, 16, colour, row))[:, 1], expected)


def test_webp_alpha_is_composited_on_white():
    rgba = noise(16, 16, 4)
    answer = decode_image(save(Image.fromarray(rgba), "WEBP", lossless=True, exact=True))
    expected = np.vectorize(on_white)(rgba[..., :3], rgba[..., 3:].repeat(3, -1))
    np.testing.assert_array_equal(answer, expected)


def test_palette_with_and_without_transparency():
    palette = bytes(range(0, 48))
    row = bytes(range(16))
    plain = first_row(png(16, 16, 8, 3, row, chunk(b"PLTE", palette)))
    np.testing.assert_array_equal(plain, np.arange(48).reshape(16, 3))
    clear = first_row(png(16, 16, 8, 3, row, chunk(b"PLTE", palette), chunk(b"tRNS", bytes([0, 100]))))
    assert clear[0].tolist() == [255, 255, 255]
    assert clear[1].tolist() == [on_white(value, 100) for value in (3, 4, 5)]
    np.testing.assert_array_equal(clear[2:], plain[2:])
    single = first_row(png(16, 16, 8, 3, row, chunk(b"PLTE", palette), chunk(b"tRNS", bytes([255, 255, 0]))))
    assert [i for i in range(16) if (single[i] == 255).all()] == [2]


@pytest.mark.parametrize(
    "bits, colour, row, key, expected",
    [
        (8, 0, bytes(range(16)), (5,), [255 if i == 5 else i for i in range(16)]),
        (1, 0, b"\x0f\x0f", (0,), [255] * 16),
        (2, 0, b"\x1b" * 4, (1,), [0, 255, 170, 255] * 4),
        (4, 0, b"\x1b" * 8, (1,), [255, 187] * 8),
        (16, 0, struct.pack(">16H", *WORDS), (256,), [255 if w == 256 else w // 256 for w in WORDS]),
        (8, 2, bytes(range(48)), (6, 7, 8), [255 if i == 2 else 3 * i for i in range(16)]),
    ],
)
def test_a_transparent_colour_becomes_white(bits, colour, row, key, expected):
    key = chunk(b"tRNS", struct.pack(f">{len(key)}H", *key))
    assert first_row(png(16, 16, bits, colour, row, key))[:, 0].tolist() == expected


def test_a_transparent_colour_in_16_bit_rgb_is_refused():
    key = chunk(b"tRNS", struct.pack(">3H", 256, 256, 256))
    error = refusal(png(16, 16, 16, 2, struct.pack(">48H", *np.repeat(WORDS, 3)), key))
    assert "16-bit RGB image with a transparent colour; save it with an alpha channel" in error.received


def patch_adobe(data, transform):
    """Set the Adobe marker's transform, or with None take the whole marker out."""
    place = data.index(b"\xff\xee\0\x0eAdobe")
    if transform is None:
        return data[:place] + data[place + 16 :]
    return data[: place + 15] + bytes([transform]) + data[place + 16 :]


def stored_channels(data):
    """The four channels as they lie in a JPEG, through a file whose colours nothing converts."""
    with Image.open(io.BytesIO(patch_adobe(data, 0))) as picture:
        return 255 - np.asarray(picture).astype(int)


def test_cmyk_jpeg_with_adobe_marker_holds_inverted_inks():
    picture = blocks(4, "CMYK")
    data = save(picture, "JPEG", quality=100, subsampling=0)
    answer = decode_image(data).astype(int)
    stored = stored_channels(data)
    np.testing.assert_array_equal(answer, stored[..., :3] * stored[..., 3:] // 255)
    light = 255 - np.asarray(picture).astype(int)
    assert np.abs(answer - light[..., :3] * light[..., 3:] / 255).max() <= 4


def test_cmyk_jpeg_without_adobe_marker_holds_plain_inks():
    data = save(blocks(4, "CMYK"), "JPEG", quality=100, subsampling=0)
    light = 255 - stored_channels(data)
    answer = decode_image(patch_adobe(data, None))
    np.testing.assert_array_equal(answer, light[..., :3] * light[..., 3:] // 255)


def test_ycck_jpeg_is_brought_to_inks_by_the_standard_matrix():
    data = save(blocks(4, "CMYK", seed=1), "JPEG", quality=100, subsampling=0)
    y, cb, cr, k = np.moveaxis(stored_channels(data).astype(float), -1, 0)
    cb, cr = cb - 128, cr - 128
    rgb = np.stack([y + 1.402 * cr, y - 0.344136 * cb - 0.714136 * cr, y + 1.772 * cb], -1)
    cmy = 255 - np.clip(np.round(rgb), 0, 255)
    expected = cmy * k[..., None] // 255
    assert np.abs(decode_image(patch_adobe(data, 2)) - expected).max() <= 1


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "L", "1", "P", "P with a transparent entry", "I;16", "CMYK"])
@pytest.mark.parametrize("across, down", [(14, 14), (200, 1)])
def test_a_large_picture_is_a_small_one_many_times(mode, across, down):
    """More pixels than are brought to RGB at a time, in a file of many rows and in one of few."""
    rgba = noise(6, 8, 4).repeat(8, 0).repeat(8, 1)
    container, options = "PNG", {"compress_level": 1}
    if mode == "CMYK":
        container, options = "JPEG", {"quality": 100, "subsampling": 0}
        small = Image.fromarray(rgba, "CMYK")
    elif mode == "I;16":
        small = Image.fromarray(rgba[..., 0].astype("uint16") * 257)
    elif mode.startswith("P"):
        small = Image.fromarray(rgba[..., :3]).quantize(16)
        options |= {"transparency": 3} if mode != "P" else {}
    else:
        small = Image.fromarray(rgba).convert(mode)
    large = Image.new(small.mode, (small.width * across, small.height * down))
    if small.mode == "P":
        large.putpalette(small.getpalette())
    for place in np.ndindex(across, down):
        large.paste(small, (place[0] * small.width, place[1] * small.height))
    assert large.width * large.height > 2 * BAND
    answer = decode_image(save(large, container, **options))
    np.testing.assert_array_equal(answer, np.tile(decode_image(save(small, container, **options)), (down, across, 1)))


def test_the_first_frame_of_an_animation_is_taken():
    frames = [Image.fromarray(noise(20, 24, seed=seed)) for seed in (1, 2, 3)]
    for container, options in (("WEBP", {"lossless": True}), ("PNG", {})):
        data = save(frames[0], container, save_all=True, append_images=frames[1:], **options)
        np.testing.assert_array_equal(decode_image(data), np.asarray(frames[0]))


def test_an_animated_png_gives_its_still_image_even_with_frames_out_of_order():
    still = Image.fromarray(noise(20, 24))
    frames = [Image.fromarray(noise(20, 24, seed=seed)) for seed in (1, 2)]
    data = save(still, "PNG", save_all=True, default_image=True, append_images=frames)
    np.testing.assert_array_equal(decode_image(data), np.asarray(still))
    place = data.rindex(b"fcTL") + 4
    shuffled = data[:place] + struct.pack(">I", 77) + data[place + 4 :]
    np.testing.assert_array_equal(decode_image(shuffled), np.asarray(still))


def test_colour_profiles_change_nothing():
    picture = blocks(3, "RGB")
    for container in ("JPEG", "PNG", "WEBP"):
        plain = decode_image(save(picture, container))
        np.testing.assert_array_equal(decode_image(save(picture, container, icc_profile=b"no profile")), plain)


def test_the_operations_of_a_saved_model_give_the_same_pixels():
    import tensorflow as tf

    key = [struct.pack(">16H", *WORDS), chunk(b"tRNS", struct.pack(">H", 384))]
    files = {
        "grey 16 bit with key": png(16, 16, 16, 0, *key),
        "grey 2 bit with key": png(16, 16, 2, 0, b"\x1b" * 4, chunk(b"tRNS", b"\0\1")),
        "palette": save(blocks(3, "RGB").quantize(16), "PNG", transparency=3),
        "alpha": save(Image.fromarray(noise(20, 24, 4)), "PNG"),
        "WebP": save(Image.fromarray(noise(20, 24)), "WEBP"),
        "WebP with alpha": save(Image.fromarray(noise(20, 24, 4)), "WEBP"),
    }
    for name, data in files.items():
        if name.startswith("WebP"):
            read = tf.io.decode_image(data, expand_animations=False).numpy().astype(int)
            read = read if read.shape[-1] == 4 else np.insert(read, 3, 255, axis=-1)
        else:
            read = tf.io.decode_png(data, channels=4).numpy().astype(int)
        mixed = read[..., :3] * read[..., 3:] + 255 * (255 - read[..., 3:])
        np.testing.assert_array_equal(decode_image(data), (mixed + 127) // 255, err_msg=name)
    cmyk = save(blocks(4, "CMYK"), "JPEG")
    for data in (
        save(Image.fromarray(noise(33, 47)), "JPEG"),
        save(Image.fromarray(noise(33, 47)), "JPEG", progressive=True, subsampling=1),
        save(Image.fromarray(noise(33, 47)[..., 0]), "JPEG"),
        cmyk,
        patch_adobe(cmyk, None),
        patch_adobe(cmyk, 2),
    ):
        read = tf.io.decode_jpeg(data, channels=3, dct_method="INTEGER_ACCURATE").numpy()
        np.testing.assert_array_equal(decode_image(data), read)


# --- EXIF turns --------------------------------------------------------------------------------------------------

def test_the_error_can_be_copied_and_so_travel_between_processes():
    error = refusal(b"")
    again = copy.copy(error)
    assert (str(again), again.rule, again.received, again.hint) == (str(error), error.rule, error.received, error.hint)
    assert isinstance(error, ValueError)


def test_threads_decode_side_by_side():
    limit = Image.MAX_IMAGE_PIXELS
    filters = list(warnings.filters)
    bombs = [make(20_000, 20_000) for make in BOMBS.values()]
    good = list(WHOLE.values())
    expected = [decode_image(data) for data in good]
    start = threading.Barrier(8)

    def work(number):
        start.wait()
        for turn in range(12):
            pick = (number + turn) % len(good)
            np.testing.assert_array_equal(decode_image(good[pick]), expected[pick])
            assert "at most 50,000,000 pixels" in str(refusal(bombs[(number + turn) % len(bombs)]))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert Image.MAX_IMAGE_PIXELS == limit
    assert warnings.filters == filters
