"""The averages of the weights that the optimizer keeps, in the weights' place for as long as they are wanted."""

import contextlib

import keras
from keras import ops


def pair_averages(optimizer):
    """Pairs of a trainable weight and its average. A loss-scaling optimizer hides the one that keeps them."""
    optimizer = getattr(optimizer, "inner_optimizer", optimizer)
    return list(zip(optimizer._trainable_variables, optimizer._model_variables_moving_average, strict=True))


def put_averages(model):
    """Lay the averages into the weights; returns what was there, for ``put_back``."""
    raw = []
    for weight, average in pair_averages(model.optimizer):
        raw.append(ops.convert_to_numpy(weight))
        weight.assign(ops.convert_to_numpy(average))
    return raw


def put_back(model, raw):
    """The weights as they were before ``put_averages``, to the bit."""
    for (weight, _), value in zip(pair_averages(model.optimizer), raw, strict=True):
        weight.assign(value)


@contextlib.contextmanager
def averaged(model):
    """Within the block the model's weights are their averages."""
    raw = put_averages(model)
    try:
        yield model
    finally:
        put_back(model, raw)


class ValidateAverages(keras.callbacks.Callback):
    """Validation of the averaged weights, which are what a run saves.

    ``keras.callbacks.SwapEMAWeights`` exchanges the two by adding and subtracting on TensorFlow, which rounds: a run
    that was stopped and went on would differ in the last bits from one that was not. This one puts back what was there.
    """

    def on_test_begin(self, logs=None):
        self.raw = put_averages(self.model)

    def on_test_end(self, logs=None):
        put_back(self.model, self.raw)
