"""What is recorded beside a published preset's weights: the bundled photo's answer, and what ``match`` tells of it."""

import json

from keras_uncover.cli.doctor_checks import SELF_TEST, answer_sample
from keras_uncover.inference.likeness_text import recovered_rates
from keras_uncover.presets import preset_folder
from keras_uncover.presets.weights import WEIGHTS, load_verified, read_manifest, save_config


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
    (folder / SELF_TEST).write_text(json.dumps(answer, indent=2) + "\n", "utf-8")
    return answer, rates
