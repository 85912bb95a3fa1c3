"""A preset's calibration at work: the layer that applies it, and the error rates that go with each verdict."""

import keras
from keras import ops

NEAREST = 2.0**-23  # to 0 and 1 that a score is taken to be, so that its logit is finite; float32 holds both exactly


class ScaleScore(keras.layers.Layer):
    """``sigmoid(logit(p) / temperature + bias)`` of probabilities of any shape, in float32."""

    def __init__(self, temperature, bias, **kwargs):
        super().__init__(**kwargs)
        self.temperature, self.bias = float(temperature), float(bias)

    def call(self, p):
        p = ops.clip(p, NEAREST, 1.0 - NEAREST)
        return ops.sigmoid((ops.log(p) - ops.log(1.0 - p)) / self.temperature + self.bias)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "temperature": self.temperature, "bias": self.bias}


def calibrate_model(model, config):
    """The same network with the calibrated ``p_fake``; the network itself where the configuration carries none.

    Only the answer is changed: what the network makes of its own verdict inside, it learned from the score as it was.
    """
    calibration = config.get("calibration")
    if calibration is None:
        return model
    layer = ScaleScore(calibration["temperature"], calibration["bias"], dtype="float32", name="calibrated_p_fake")
    return keras.Model(model.input, {**model.output, "p_fake": layer(model.output["p_fake"])}, name=model.name)


def error_rates(config):
    """How often a calibrated preset's verdicts were wrong, on the test people where that was measured.

    Returns: None for a preset without calibration, else a dict: ``split`` whose people they were, ``shards`` the data
    set's name, ``n_people``; ``false_alarm`` (genuine photos called fake), ``miss`` (fakes called genuine),
    ``uncertain_genuine`` and ``uncertain_fake``, each ``{"value", "interval", "n"}``.
    """
    found = config.get("measured") or config.get("calibration")
    if found is None:
        return None
    names = ("split", "shards", "n_people", "false_alarm", "miss", "uncertain_genuine", "uncertain_fake")
    return {name: found[name] for name in names}
