"""The autoencoder: one definition as a model and as a function, and what its preset holds."""

from pathlib import Path

import cv2
import keras
import numpy as np
import pytest
from keras import ops

from keras_uncover.models.autoencoder import ARCH, build_autoencoder, freeze_autoencoder, load_autoencoder
from keras_uncover.models.layers import depth_to_space, space_to_depth
from keras_uncover.presets import preset_folder, preset_names
from keras_uncover.presets.weights import WeightsError

PORTRAITS = sorted((Path(__file__).parents[1] / "data" / "portraits").glob("p*.jpg"))


def numpy(value):
    return ops.convert_to_numpy(value)


def noise(count=2, size=32):
    return np.random.default_rng(0).random((count, size, size, 3), "float32")


def faces(size=128):
    """The middle of the portraits of the tests, which nobody trained on: float32 ``(8, size, size, 3)``."""
    crops = []
    for path in PORTRAITS:
        photo = cv2.imread(str(path))[..., ::-1]
        side = int(0.7 * min(photo.shape[:2]))
        y, x = (photo.shape[0] - side) // 3, (photo.shape[1] - side) // 2
        crops.append(cv2.resize(photo[y : y + side, x : x + side], (size, size), interpolation=cv2.INTER_AREA))
    return np.stack(crops).astype("float32") / 255


def psnr(truth, answer):
    return np.mean(-10 * np.log10(np.mean((truth - answer) ** 2, axis=(1, 2, 3))))


def test_patches_become_channels_and_pixels_again():
    images = noise(size=16)
    deep = numpy(space_to_depth(images, 4))
    assert deep.shape == (2, 4, 4, 48)
    assert np.array_equal(deep[1, 2, 3], images[1, 8:12, 12:16].reshape(-1))
    assert np.array_equal(numpy(depth_to_space(deep, 4)), images)


@pytest.mark.parametrize("size", [32, 48])
def test_the_function_answers_as_the_model_it_was_made_of(size):
    keras.utils.set_random_seed(1)
    model = build_autoencoder(size=size)
    expected = np.clip(numpy(model(noise(size=size))), 0, 1)
    answer = numpy(freeze_autoencoder(model, ARCH)(noise(size=size)))
    assert answer.shape == (2, size, size, 3) and answer.std() > 0.01
    assert np.abs(answer - expected).max() < 1e-5


def test_a_small_network():
    model = build_autoencoder()
    assert 50_000 < model.count_params() <= 150_000
    code = model.get_layer("code").output
    assert np.prod(code.shape[1:]) * 12 == np.prod(model.input_shape[1:])


def test_what_ships_paints_softer_faces_that_look_alike():
    truth = faces()
    answer = numpy(load_autoencoder("autoencoder")(truth))
    small = [cv2.resize(cv2.resize(face, (16, 16), interpolation=cv2.INTER_AREA), (128, 128)) for face in truth]
    # Soft, but much nearer than what is left of a picture with as many places as the code has.
    assert psnr(truth, np.stack(small)) + 4 < psnr(truth, answer) < 36
    assert answer.min() >= 0 and answer.max() <= 1


def test_the_same_in_dataset_map_and_under_xla():
    import tensorflow as tf

    resynthesise, crops = load_autoencoder("autoencoder"), faces(64)[:4]
    eager = numpy(resynthesise(crops))
    mapped = tf.data.Dataset.from_tensors(crops).map(resynthesise).get_single_element().numpy()
    compiled = tf.function(resynthesise, jit_compile=True)(crops).numpy()
    assert np.abs(mapped - eager).max() < 1e-5 and np.abs(compiled - eager).max() < 1e-5


def test_a_preset_that_answers_no_photos_is_not_among_those_that_do():
    assert "autoencoder" not in preset_names()
    assert (preset_folder("autoencoder") / "card.md").read_text().startswith("# autoencoder\n")
    assert (preset_folder("autoencoder") / "model.weights.h5").stat().st_size < 300_000


def test_what_is_no_autoencoder_is_refused():
    with pytest.raises(WeightsError, match="painted again by an autoencoder. Received: .*'face_mesh'"):
        load_autoencoder("face_mesh")
    with pytest.raises(ValueError, match="sides are multiples of 16; received 40 x 40"):
        load_autoencoder("autoencoder")(noise(size=40))
