"""What is recorded beside a published preset's weights: the bundled photo's answer, and what ``match`` tells of it."""

import json
from importlib import resources
from pathlib import Path

from keras_uncover.files import write_whole
from keras_uncover.inference.likeness import recovered_rates
from keras_uncover.presets import preset_folder
from keras_uncover.presets.weights import WEIGHTS, load_verified, read_manifest, save_config

SAMPLE = resources.files("keras_uncover") / "data" / "samples" / "fake.jpg"
SELF_TEST = "self_test.json"
NEAR = {"p_fake": 0.02, "mask_area": 0.02, "box": 3.0}  # how far an answer may be from the recorded one


def record_answers(preset, report=None):
    """Write the bundled photo's answer into ``self_test.json``, which ``keras-uncover doctor`` compares with, and the
    rates at the judge's mark into ``config.json`` under ``recovered``.

    Args:
        preset: as ``preset_folder`` takes it.
        report: an evaluation, as ``evaluate_keras.py --json`` writes it, or None. Where it is one of other weights,
            what the configuration held is taken out.

    Returns: the answer and the rates, the latter None where there are none.
    """
    folder = preset_folder(preset)
    rates = None if report is None else recovered_rates(report, read_manifest(folder)[WEIGHTS])
    config = {key: value for key, value in load_verified(folder).items() if key != "recovered"}
    save_config(folder, config if rates is None else {**config, "recovered": rates})
    answer = answer_sample(folder)
    write_whole(folder / SELF_TEST, json.dumps(answer, indent=2) + "\n")
    return answer, rates


def answer_sample(folder):
    """The bundled photo's answer without calibration, which would hide what the network does: plain data.

    Returns: dict of ``weights_sha256``, ``box``, ``p_fake`` and ``mask_area`` (None from a classifier).
    """
    from keras_uncover.inference.uncoverer import Uncoverer

    uncoverer = Uncoverer.from_preset(folder, calibrated=False)
    answer = uncoverer(SAMPLE).main
    area = None if answer.mask_area is None else round(answer.mask_area, 6)
    box = None if answer.bbox is None else [round(value, 2) for value in answer.bbox]
    p_fake = None if answer.p_fake is None else round(answer.p_fake, 6)
    return {"weights_sha256": uncoverer.weights_sha256, "box": box, "p_fake": p_fake, "mask_area": area}


def read_recorded(folder):
    """The recorded answer of a preset's weights, or None where there is none or it is one of other weights."""
    path = Path(folder) / SELF_TEST
    if not path.is_file():
        return None
    recorded = json.loads(path.read_text("utf-8"))
    return recorded if recorded["weights_sha256"] == read_manifest(folder)[WEIGHTS] else None


def differences(found, expected):
    """Words on every number that is farther from the recorded one than another device or backend brings it."""
    said = []
    for name, near in NEAR.items():
        pair = (found[name], expected[name])
        both = all(value is not None for value in pair)
        numbers = zip(*(value if isinstance(value, list) else [value] for value in pair)) if both else ()
        if any(abs(a - b) > near for a, b in numbers) or (not both and pair != (None, None)):
            said.append(f"{name} {pair[0]}, recorded {pair[1]}")
    return said
