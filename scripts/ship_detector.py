"""Turn weights of scripts/train_on_one_gpu.py into the preset that ships: calibrated and measured on photographs.

    python -m scripts.ship_detector OUT/weights_0.40.npz detector packs

Genuine are the photographs of the packs' validation and test people, as they are and after what happens to photos; fake
are swaps among them that imitate real tools (``keras_uncover.swaps.tools``). The threshold keeps the wanted rate of
false alarms on the validation people's photographs, the error rates that are said with a verdict are the test people's.
Results of real tools are measured by ``evaluate_keras.py NAME --photos DIR --swaps DIR`` and tell nothing here.
"""

import argparse
import json
import os
import sys
from pathlib import Path

from keras_uncover.escapes import Parser
from keras_uncover.refusals import DataError, end_in_words


def parse_arguments(arguments=None):
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", help="file of scripts/train_on_one_gpu.py")
    parser.add_argument("name", help="of the preset, a folder of keras_uncover/presets")
    parser.add_argument("packs", help="folder with validation.npz and test.npz of scripts/pack_faces.py")
    parser.add_argument("--rate", type=float, default=0.01, help="wanted rate of false alarms (%(default)s)")
    parser.add_argument("--misses", type=float, default=0.05, help="wanted rate of fakes called genuine (%(default)s)")
    parser.add_argument("--times", type=int, default=4, help="fakes, and aged photos, of a person (%(default)s)")
    parser.add_argument("--log", help="log.json of the training, for the configuration")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    parse_arguments()  # Answers --help, or refuses the command line, before Keras is loaded, which takes seconds.
    os.environ["KERAS_BACKEND"] = "jax"

import jax  # noqa: E402
import numpy as np  # noqa: E402

from keras_uncover.evaluation import ranking  # noqa: E402
from keras_uncover.evaluation.calibration import describe_calibration, write_calibration  # noqa: E402
from keras_uncover.models.classifier import build_classifier  # noqa: E402
from keras_uncover.models.config import EvidenceConfig  # noqa: E402
from keras_uncover.presets.by_path import fill_by_path  # noqa: E402
from keras_uncover.presets.weights import save_preset  # noqa: E402
from keras_uncover.swaps.afterlife import AFTERLIFE_DRAWS, age  # noqa: E402
from keras_uncover.swaps.draws import Uniforms  # noqa: E402
from keras_uncover.swaps.tools import FAMILIES, IMITATION_DRAWS, imitate  # noqa: E402
from keras_uncover.terminal import Progress  # noqa: E402
from pipelines.packs import read_pack  # noqa: E402

PRESETS = Path(__file__).resolve().parents[1] / "keras_uncover" / "presets"
BATCH = 8
SHARES = (0.25, 0.3, 0.45)  # of the families among the fakes


@jax.jit
def swap_and_age(target, donor, draws, noise):
    """Photos and their fakes after the same life, float32 ``(BATCH, 256, 256, 3)`` each, and families."""
    swap = imitate(target, donor, Uniforms(draws[:, :IMITATION_DRAWS]), SHARES)
    life = Uniforms(draws[:, IMITATION_DRAWS:])
    others = jax.numpy.roll(donor["crop"], 1, axis=0)
    (photo, fake), _ = age(
        [target["crop"], swap["fake"]], swap["mask"], target["points"], others, noise, life, EvidenceConfig().size
    )
    return photo, fake, swap["family"]


def choose_donors(points, people, generator):
    """For each photo one of the five of other people whose faces are turned most alike: int ``(n,)``."""
    distance = np.abs(points[:, None] - points[None]).mean((2, 3))
    distance[people[:, None] == people[None]] = np.inf
    nearest = np.argsort(distance, axis=1)[:, :5]
    return nearest[np.arange(len(points)), generator.integers(0, 5, len(points))]


def score_pack(model, path, times, seed, progress):
    """Rows of scores of a pack's photographs, as they are and aged, and of fakes made of them.

    Returns: dict of ``p_fake``, ``person``, ``donor_person`` (empty for genuine photos) and ``family`` (-1 for them).
    """
    pack = read_pack(path)
    rows = {name: value[pack["camera"]] for name, value in pack.items()}
    if len(rows["crops"]) < 2 * BATCH:
        raise DataError(f"A detector is measured on {2 * BATCH} photographs or more; {path} has {len(rows['crops'])}.")
    generator, count = np.random.default_rng(seed), len(rows["crops"])
    margin = (rows["crops"].shape[1] - EvidenceConfig().size) // 2
    plain = rows["crops"][:, margin:-margin, margin:-margin].astype("float32") / 255.0
    found = [(score(model, plain), rows["person"], np.full(count, "", object), np.full(count, -1))]
    for _ in progress.count(range(times), f"draws of {Path(path).stem}"):
        donors = choose_donors(rows["points"][:, ::16], rows["person"], generator)
        for start in range(0, count, BATCH):
            chosen = np.minimum(np.arange(start, start + BATCH), count - 1)  # the last batch repeats its last row
            kept = min(BATCH, count - start)
            target, donor = (
                {"crop": rows["crops"][k].astype("float32") / 255.0, "points": rows["points"][k]}
                for k in (chosen, donors[chosen])
            )
            draws = generator.random((BATCH, IMITATION_DRAWS + AFTERLIFE_DRAWS), "float32")
            noise = generator.standard_normal(target["crop"].shape, "float32")
            photo, fake, family = swap_and_age(target, donor, draws, noise)
            names = rows["person"][chosen][:kept], rows["person"][donors[chosen]][:kept]
            found.append((score(model, photo)[:kept], names[0], np.full(kept, "", object), np.full(kept, -1)))
            found.append((score(model, fake)[:kept], *names, np.asarray(family)[:kept]))
    joined = [np.concatenate(parts) for parts in zip(*found)]
    return dict(zip(("p_fake", "person", "donor_person", "family"), joined))


def score(model, crops):
    """The network's own ``p_fake`` of crops, in batches of ``BATCH``."""
    parts = [np.asarray(crops[k : k + BATCH]) for k in range(0, len(crops), BATCH)]
    filled = [np.concatenate([part, np.repeat(part[-1:], BATCH - len(part), 0)]) for part in parts]
    return np.concatenate([model.predict_on_batch(part)["p_fake"][:, 0] for part in filled])[: len(crops)]


def tell_families(rows):
    """AUC of each family's fakes against the genuine photos after the same life."""
    genuine = rows["p_fake"][rows["family"] < 0]
    return {
        name: round(float(ranking.auc(genuine, rows["p_fake"][rows["family"] == number])), 4)
        for number, name in enumerate(FAMILIES) if (rows["family"] == number).any()
    }


def main(arguments=None):
    options = parse_arguments(arguments)
    folder, config = PRESETS / options.name, EvidenceConfig()
    model = build_classifier(config)
    fill_by_path(model, options.weights)
    trained = json.loads(Path(options.log).read_text("utf-8"))["summary"] if options.log else {}
    arch = {"name": config.name, "size": config.size, "view": config.view, "encoder": config.encoder}
    described = {"format": 1, "kind": "classifier", "name": options.name, "arch": arch, "trained": trained,
                 "threshold": None, "photographs": True}
    save_preset(model, folder, described, half=True)
    progress, rows = Progress(), {}
    for seed, split in enumerate(("validation", "test")):
        rows[split] = score_pack(model, Path(options.packs) / f"{split}.npz", options.times, seed, progress)
        progress.say(f"{split}: AUC by family {tell_families(rows[split])}")
    said = {"shards": "photographs", "families": list(FAMILIES)}
    entries = write_calibration(str(folder), options.rate, rows, options.misses, **said)
    print(describe_calibration(entries))


if __name__ == "__main__":
    sys.exit(end_in_words("ship_detector", main))
