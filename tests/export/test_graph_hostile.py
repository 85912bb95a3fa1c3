"""The SavedModel among files from anybody: no batch fails, nothing hangs, and callers do not disturb each other."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from image_files import BOMBS, WHOLE, save
from PIL import Image

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.jpg"))


@pytest.fixture(scope="module")
def detect(served):
    """The signature ``detect``: list of bytes to its outputs by name."""
    import tensorflow as tf

    signature = tf.saved_model.load(str(served / "1")).signatures["detect"]

    def ask(*photos):
        return {name: value.numpy() for name, value in signature(photo_bytes=tf.constant(photos)).items()}

    ask.signature = signature  # holds the model
    return ask


def damage(draw, data):
    """One file, cut, or with bytes that are other ones, lacking or too many."""
    place, count = (int(value) for value in draw.integers(0, (len(data), 400)))
    head = data[:place]
    kinds = (head, head + draw.bytes(count) + data[place + count :], head + data[place + count :],
             head + draw.bytes(count) + data[place:])
    return kinds[draw.integers(len(kinds))]


def test_damaged_files_spoil_no_batch_and_no_sound_photo(detect):
    """Each in a batch with a sound photo; `benchmarks/hostile served` does the same with very many."""
    draw, sound = np.random.default_rng(0), EXAMPLES[1].read_bytes()
    alone = detect(sound)
    refused = 0
    for data in WHOLE.values():
        for _ in range(3):
            answer = detect(damage(draw, data), sound)
            assert answer["error"][1] == b"" and answer["found"][1]
            np.testing.assert_allclose(answer["p_fake"][1], alone["p_fake"][0], atol=1e-5)
            refused += answer["error_code"][0] != b""
    assert refused > 5


def test_a_batch_of_nothing_but_hostile_files_is_answered(detect):
    bombs = [make(20_000, 20_000) for make in BOMBS.values()]
    sound = EXAMPLES[0].read_bytes()
    others = [b"", b"\xff\xd8\xff", sound[:100], sound[:5000], b"<svg/>", b"GIF89a"]
    others.insert(5, save(Image.new("RGB", (2, 2)), "PNG"))
    answer = detect(*bombs, *others)
    codes = [code.decode() for code in answer["error_code"]]
    assert codes[:3] == ["too_many_pixels"] * 3
    assert codes[3:] == ["empty", "damaged", "damaged", "damaged", "not_an_image", "too_small", "not_an_image"]
    assert not answer["found"].any() and (answer["p_fake"] == -1).all()


def test_callers_at_the_same_time_get_their_own_answers(detect):
    photos = [path.read_bytes() for path in EXAMPLES[:3]] + [b"junk"]
    alone = [detect(photo) for photo in photos]
    order = [0, 1, 2, 3] * 3
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda number: detect(photos[number]), order))
    for number, answer in zip(order, together):
        for name, value in alone[number].items():
            if value.dtype.kind == "f":
                np.testing.assert_allclose(answer[name], value, atol=1e-5)
            else:
                assert answer[name].tolist() == value.tolist()


@pytest.mark.slow
def test_the_largest_photo_takes_at_most_500_megabytes(served, tmp_path):
    """Pixels stay uint8 until they are sampled, in the road that costs the most: transparency."""
    code = (
        "import json, sys; sys.path[:0] = ['.', 'benchmarks/hostile']; import bombs\n"
        "open(sys.argv[2], 'wb').write(bombs.make_largest('PNG'))\n"
        "print(json.dumps(bombs.run_apart('answer', sys.argv[1], 'serving_default', sys.argv[2])))"
    )
    command = [sys.executable, "-c", code, served / "1", tmp_path / "large.png"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900)
    found = json.loads(done.stdout)
    assert found["error"] == "" and found["megabytes"] < 500, done.stderr
