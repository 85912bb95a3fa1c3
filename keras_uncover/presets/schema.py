"""What a preset's ``config.json`` may hold: plain JSON of known types and bounds, checked before a network is built.

Fields that are not named here are carried along and never read. Networks are built by our own code from ``arch``, whose
numbers are bounded, so that no configuration can ask for gigabytes; nothing in it names code.
"""

import math

from keras_uncover.presets.weights import WeightsError

ENTRIES = ("threshold", "band", "calibration", "measured")  # of a configuration, that calibrating writes
AGAIN = "Run evaluate_keras.py with --calibrate on this preset again."
LARGEST = 4096  # of a number in ``arch``: channels, pixels, blocks
LONGEST = 16  # values of a list there
RATES = ("false_alarm", "miss", "uncertain_genuine", "uncertain_fake")


def text(value):
    """a short text"""
    return isinstance(value, str) and 0 < len(value) <= 1000


def whole(value):
    """a whole number from 0 on"""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53


def number(value):
    """a finite number"""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def probability(value):
    """a number from 0 to 1"""
    return number(value) and 0 <= value <= 1


def pair(value):
    """two numbers"""
    return isinstance(value, list) and len(value) == 2 and all(map(number, value))


def part(value):
    """a text, a whole number from 1 to 4096, or up to 16 of them"""
    small = isinstance(value, int) and not isinstance(value, bool) and 0 < value <= LARGEST
    several = isinstance(value, list) and len(value) <= LONGEST and not any(isinstance(each, list) for each in value)
    return small or isinstance(value, bool) or text(value) or (several and all(map(part, value)))


def counts(value):
    """a list of numbers"""
    return isinstance(value, list) and len(value) <= 1000 and all(map(number, value))


RATE = {"value": number, "interval": pair, "n": whole}
SAID = {"split": text, "shards": text, "n_people": whole, "weights_sha256": text, **dict.fromkeys(RATES, RATE)}
ARCH = {"*": part}
MUST = {"format": whole, "kind": text, "name": text, "arch": ARCH}
MAY = {
    "threshold": number, "band": pair,
    "calibration": {**SAID, "temperature": number, "bias": number},
    "measured": {**SAID, "threshold": number},
}
SCORES = {"edges": counts, "genuine": counts, "fake": counts}


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
    """The same of what a network is built from alone."""
    check_fields(config, {"arch": ARCH}, "", folder)


def check_fields(values, schema, place, folder):
    """Check the fields that a schema names: a function of a value, or a dict of them; ``*`` is every field.

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
        elif not rule(value):
            refuse(f"{place}{name}", rule.__doc__, value, folder)


def refuse(place, rule, received, folder):
    raise WeightsError(
        f"In a preset's config.json, {place} must be {rule}.", f"{received!r:.80} in {folder}",
        "Copy the preset folder again from where it was published, or calibrate or train it again.",
    )


def uncalibrated(config):
    """The configuration without what a calibration wrote; new weights need a new one."""
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
    if not (all(map(number, numbers)) and numbers[0] > 0 and 0 <= low <= high == threshold <= 1):
        raise WeightsError(
            "A calibration must have a temperature above 0, a bias, a threshold in [0, 1], and no band or one that "
            "ends at it.",
            f"temperature, bias, threshold, low, high = {numbers}", AGAIN,
        )
