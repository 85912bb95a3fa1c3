"""Weights under the paths of their variables: they come back, and other files are refused in words."""

import keras
import numpy as np
import pytest

from keras_uncover.presets.by_path import fill_by_path, save_by_path
from keras_uncover.refusals import DataError


def small(units=3, first="first"):
    keras.utils.set_random_seed(5)
    return keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(units, name=first), keras.layers.BatchNormalization(name="norm")],
        name="small",
    )


def arrays_of(model):
    variables = model.trainable_variables + model.non_trainable_variables
    return {variable.path: keras.ops.convert_to_numpy(variable) for variable in variables}


def test_weights_come_back_as_float16_where_it_holds_them(tmp_path):
    path, arrays = tmp_path / "weights.npz", arrays_of(small())
    kernel = next(name for name in arrays if name.endswith("first/kernel"))
    large = next(name for name in arrays if name.endswith("moving_variance"))
    arrays[large] = np.float32([1, 2, 7e4])
    save_by_path(path, arrays)
    assert [file.name for file in tmp_path.iterdir()] == ["weights.npz"]
    with np.load(path) as stored:
        assert set(stored) == set(arrays)
        assert stored[kernel].dtype == np.float16 and stored[large].dtype == np.float32
    other = small()
    other.set_weights([weight * 0 for weight in other.get_weights()])
    assert fill_by_path(other, path) == 6
    found = arrays_of(other)
    assert np.array_equal(found[large], arrays[large])
    assert np.array_equal(found[kernel], arrays[kernel].astype("float16").astype("float32"))
    assert all(np.abs(found[name] - arrays[name]).max() < 1e-3 for name in arrays)


def test_what_has_another_shape_is_left_as_it_is(tmp_path):
    model, arrays = small(), arrays_of(small())
    kernel = next(name for name in arrays if name.endswith("first/kernel"))
    before = arrays[kernel]
    arrays = {name: array + 1 for name, array in arrays.items()}
    arrays[kernel] = np.zeros((5, 3), "float32")
    save_by_path(tmp_path / "weights.npz", arrays)
    assert fill_by_path(model, tmp_path / "weights.npz") == 5
    assert np.array_equal(arrays_of(model)[kernel], before)


def test_weights_of_another_network_are_refused(tmp_path):
    path = tmp_path / "weights.npz"
    save_by_path(path, arrays_of(small(units=7)))
    with pytest.raises(DataError, match="must be of the network they fill; .*weights.npz fits 0 of 6 arrays"):
        fill_by_path(small(), path)


def write_text(path):
    path.write_text("no weights")


def write_nothing(path):
    path.touch()


def write_array(path):
    with open(path, "wb") as file:
        np.save(file, np.zeros(3))


def write_half(path):
    save_by_path(path, arrays_of(small()))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize("write", [lambda path: None, write_text, write_nothing, write_array, write_half],
                         ids=["absent", "text", "empty", "array", "cut"])
def test_a_foreign_file_is_refused_in_words(tmp_path, write):
    write(tmp_path / "weights.npz")
    with pytest.raises(DataError, match="Weights by path are a file of NumPy arrays; .*weights.npz cannot be read"):
        fill_by_path(small(), tmp_path / "weights.npz")
