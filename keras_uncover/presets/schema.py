"""What a preset's ``config.json`` may hold: plain JSON of known types and bounds, checked before a network is built.

Fields that are not named here are carried along and never read. Networks are built by our own code from ``arch``, whose
numbers are bounded, so that no configuration can ask for gigabytes; nothing in it names code.
"""

import collections.abc
import math
import typing

from keras_uncover.presets.weights import WeightsError

ENTRIES = ("threshold", "band", "calibration", "measured")  # of a configuration, that calibrating writes
AGAIN = "Run evaluate_keras.py with --calibrate on this preset again."
LARGEST = 4096  # of a number in ``arch``: channels, pixels, blocks
LONGEST = 16  # values of a list there
RATES = ("false_alarm", "miss", "uncertain_genuine", "uncertain_fake")


class Rule(typing.NamedTuple):
    """What a field may be: a function of its value to a bool, and the same in words, for the error."""

    test: collections.abc.Callable
    words: str


def is_text(value):
    return isinstance(value, str) and 0 < len(value) <= 1000


def is_whole(value):
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def is_pair(value):
    return isinstance(value, list) and len(value) == 2 and all(map(is_number, value))


def is_part(value):
    """Of ``arch``: small enough that no network of gigabytes can be asked for."""
    small = isinstance(value, int) and not isinstance(value, bool) and 0 < value <= LARGEST
    several = isinstance(value, list) and len(value) <= LONGEST and not any(isinstance(each, list) for each in value)
    return small or isinstance(value, bool) or is_text(value) or (several and all(map(is_part, value)))


def are_counts(value):
    return isinstance(value, list) and len(value) <= 1000 and all(map(is_number, value))


TEXT = Rule(is_text, "a short text")
WHOLE = Rule(is_whole, "a whole number from 0 on")
NUMBER = Rule(is_number, "a finite number")
PAIR = Rule(is_pair, "two numbers")
PART = Rule(is_part, f"a text, a whole number from 1 to {LARGEST}, or up to {LONGEST} of them")
COUNTS = Rule(are_counts, "a list of numbers")
RATE = {"value": NUMBER, "interval": PAIR, "n": WHOLE}
SAID = {"split": TEXT, "shards": TEXT, "n_people": WHOLE, "weights_sha256": TEXT, **dict.fromkeys(RATES, RATE)}
ARCH = {"*": PART}
MUST = {"format": WHOLE, "kind": TEXT, "name": TEXT, "arch": ARCH}
MAY = {
    "threshold": NUMBER, "band": PAIR,
    "calibration": {**SAID, "temperature": NUMBER, "bias": NUMBER},
    "measured": {**SAID, "threshold": NUMBER},
}
SCORES = {"edges": COUNTS, "genuine": COUNTS, "fake": COUNTS}


def check_config(config, folder):
    """Refuse the configuration of a preset that answers photos where it does not follow the schema.

    Args:
        config: dict, as ``config.json`` holds it. folder: path, for the message.

    Raises: WeightsError, which names the field.
    """
    check_fields(config, MUST, "", folder)
    if config["format"] != 1:
        refuse("format", "1, which this version of keras_uncover reads", config["format"], folder)
    check_fields(config, {name: MAY[name] for name in MAY if config.get(name) is not None}, "", folder)
    scores = (config.get("measured") or {}).get("scores")
    if scores is not None:
        check_fields({"scores": scores}, {"scores": SCORES}, "measured.", folder)


def check_arch(config, folder):
    """``check_config`` of the field ``arch`` alone."""
    check_fields(config, {"arch": ARCH}, "", folder)


def check_fields(values, schema, place, folder):
    """Check the fields that a schema names: a ``Rule``, or a dict of them; ``*`` is every field.

    Raises: WeightsError.
    """
    fields = dict.fromkeys(values, schema["*"]) if "*" in schema else schema
    for name, rule in fields.items():
        if name not in values:
            refuse(f"{place}{name}", "present", "no such field", folder)
        value = values[name]
        if isinstance(rule, dict):
            if not isinstance(value, dict) or len(value) > 1000:
                refuse(f"{place}{name}", "an object", value, folder)
            check_fields(value, rule, f"{place}{name}.", folder)
        elif not rule.test(value):
            refuse(f"{place}{name}", rule.words, value, folder)


def refuse(place, words, received, folder):
    raise WeightsError(
        f"In a preset's config.json, {place} must be {words}.", f"{received!r:.80} in {folder}",
        "Copy the preset folder again from where it was published, or calibrate or train it again.",
    )


def uncalibrated(config):
    """The configuration without a calibration's entries; new weights need a new calibration."""
    return {**{key: value for key, value in config.items() if key not in ENTRIES}, "threshold": None}


def check_calibration(config, weights_sha256):
    """Refuse a calibration that is not of these weights, or rates that are not of this threshold.

    Args:
        config: as ``config.json`` holds it.
        weights_sha256: hash of the weights file beside it.

    Raises:
        WeightsError: as said, or a number is not what it should be.
    """
    calibration, measured = config.get("calibration"), config.get("measured")
    threshold, band = config.get("threshold"), config.get("band")
    if calibration is None:
        for name in ("threshold", "band", "measured"):
            if config.get(name) is not None:
                raise WeightsError(f"A {name} must come with its calibration.", f"{name} {config[name]!r:.80}", AGAIN)
        return
    for name, entry in (("calibration", calibration), ("measured error rates", measured)):
        if entry is not None and entry.get("weights_sha256") != weights_sha256:
            raise WeightsError(
                f"The {name} must be of the weights beside it ({weights_sha256[:12]}...).",
                f"one of {str(entry.get('weights_sha256'))[:12]}...", AGAIN,
            )
    if measured is not None and (measured.get("threshold"), measured.get("band")) != (threshold, band):
        raise WeightsError(
            f"Measured error rates must be of the preset's threshold and band, {threshold} and {band}.",
            f"{measured.get('threshold')} and {measured.get('band')}", AGAIN,
        )
    low, high = (threshold, threshold) if band is None else band
    numbers = [calibration.get("temperature"), calibration.get("bias"), threshold, low, high]
    if not (all(map(is_number, numbers)) and numbers[0] > 0 and 0 <= low <= high == threshold <= 1):
        raise WeightsError(
            "A calibration must have a temperature above 0, a bias, a threshold in [0, 1], and no band or one that "
            "ends at it.",
            f"temperature, bias, threshold, low, high = {numbers}", AGAIN,
        )
