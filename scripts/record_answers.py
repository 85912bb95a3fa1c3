"""Record what shipped presets answer beside their weights, for ``keras-uncover doctor`` and ``match``.

    python scripts/record_answers.py small

Needed where weights were published otherwise than by ``scripts/ship_preset.py``, which does the same. Rates are taken
from ``benchmarks/results/evaluate_NAME.json`` where that evaluation is one of these weights.
"""

import argparse
import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from keras_uncover.backend import settle_or_exit  # noqa: E402

if __name__ == "__main__":
    settle_or_exit("record_answers.py")

from keras_uncover.escapes import Parser  # noqa: E402
from keras_uncover.inference.self_test import record_answers  # noqa: E402

RESULTS = ROOT / "benchmarks" / "results"


def main():
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+", metavar="NAME")
    for name in parser.parse_args().names:
        path = RESULTS / f"evaluate_{name}.json"
        report = json.loads(path.read_text("utf-8")) if path.is_file() else None
        answer, rates = record_answers(name, report)
        print(f"{name}: {answer}; rates at the judge's mark: {'written' if rates else 'none of these weights'}")


if __name__ == "__main__":
    main()
