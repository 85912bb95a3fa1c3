"""A preset's calibration: the layer that applies it, the error rates that go with each verdict, and its writing."""

import keras
from keras import ops

from keras_uncover.evaluation import calibration as fitting
from keras_uncover.evaluation import ranking
from keras_uncover.inference.answers import describe_rates
from keras_uncover.inference.scores import count_scores
from keras_uncover.presets import preset_folder
from keras_uncover.presets.schema import uncalibrated
from keras_uncover.presets.weights import WEIGHTS, load_verified, read_manifest, save_config


class ScaleScore(keras.layers.Layer):
    """``sigmoid(logit(p) / temperature + bias)`` of probabilities of any shape, in float32."""

    def __init__(self, temperature, bias, **kwargs):
        super().__init__(**kwargs)
        self.temperature, self.bias = float(temperature), float(bias)

    def call(self, p):
        p = ops.clip(p, fitting.NEAREST, 1.0 - fitting.NEAREST)
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


def write_calibration(preset, rate, rows, **said):
    """Fit a calibration on the first split's people, measure its error rates on the last one's, and write both.

    Args:
        preset: as ``preset_folder`` takes it; its ``config.json`` and manifest are rewritten, the weights are not.
        rate: wanted rate of false alarms, in (0, 1).
        rows: dict from split to ``p_fake`` as the network itself gives it, ``person`` and ``donor_person``, ``(n,)``
            each, the last empty for genuine photos. With one split alone nothing is measured on others.
        said: what else the configuration shall tell of these examples; ``shards`` must be among it.

    Returns: dict of the entries written: ``threshold``, ``band``, ``calibration`` and, where there is another split,
    ``measured``.

    Raises:
        WeightsError: there is no such preset, or it was altered.
        ValueError: the scores cannot be calibrated.
    """
    folder = preset_folder(preset)
    said = {**said, "weights_sha256": read_manifest(folder)[WEIGHTS]}
    (split, fitted), *others = rows.items()
    entries = fitting.calibrate(*part_kinds(fitted), rate, split=split, **said)
    for split, others_rows in others[-1:]:
        scale = (entries["calibration"][name] for name in ("temperature", "bias"))
        scaled = {**others_rows, "p_fake": fitting.scale(others_rows["p_fake"], *scale)}
        entries["measured"] = measure_calibrated(*part_kinds(scaled), entries, split=split, **said)
    save_config(folder, {**uncalibrated(load_verified(folder)), **entries})
    return entries


def part_kinds(rows):
    """Rows of genuine photos and rows of fakes."""
    genuine = rows["donor_person"] == ""
    return [{key: value[kind] for key, value in rows.items()} for kind in (genuine, ~genuine)]


def measure_calibrated(genuine, fakes, entries, **said):
    """Error rates, calibration error and histogram of scores at a preset's threshold, with what they belong to."""
    at = {key: entries[key] for key in ("threshold", "band")}
    ece = ranking.calibration_error(genuine["p_fake"], fakes["p_fake"])
    scores = count_scores(genuine["p_fake"], fakes["p_fake"])
    return {**fitting.measure_rates(genuine, fakes, **at), "ece": ece, "scores": scores, **at, **said}


def describe_calibration(entries):
    """What ``write_calibration`` wrote, as text."""
    found, band = entries["calibration"], entries["band"]
    lines = [
        f"temperature {found['temperature']:.3f}, bias {found['bias']:.3f}, fitted on {found['n_people']} "
        f"{found['split']} people: calibration error {found['ece_before']:.4f}, then {found['ece_after']:.4f}",
        f"threshold {entries['threshold']:.4f}, "
        + ("no uncertain band" if band is None else f"uncertain from {band[0]:.4f} up to it"),
        describe_rates(found),
    ]
    if "measured" in entries:
        lines.append(f"calibration error {entries['measured']['ece']:.4f}; {describe_rates(entries['measured'])}")
    return "\n".join(lines)
