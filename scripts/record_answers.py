"""Record what shipped presets answer beside their weights, for ``keras-uncover doctor`` and ``match``.

    python -m scripts.record_answers small

Needed where weights were published otherwise than by ``scripts/ship_preset.py``, which does the same. Rates are taken
from ``benchmarks/results/evaluate_NAME.json`` where that evaluation is one of these weights.
"""

import argparse
import json
import sys
from pathlib import Path

from keras_uncover.backend import settle_or_exit
from keras_uncover.escapes import Parser
from keras_uncover.refusals import end_in_words


def parse_arguments(arguments=None):
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+", metavar="NAME")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    parse_arguments()  # Answers --help, or refuses the command line, before Keras is loaded, which takes seconds.
    settle_or_exit("record_answers.py")

from keras_uncover.inference.self_test import record_answers  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"


def main(arguments=None):
    for name in parse_arguments(arguments).names:
        path = RESULTS / f"evaluate_{name}.json"
        report = json.loads(path.read_text("utf-8")) if path.is_file() else None
        answer, rates = record_answers(name, report)
        print(f"{name}: {answer}; rates at the judge's mark: {'written' if rates else 'none of these weights'}")


if __name__ == "__main__":
    sys.exit(end_in_words("record_answers", main))
