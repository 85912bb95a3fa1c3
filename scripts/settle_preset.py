"""Choose what is not trained in a reconstructor, on the validation people.

    python -m scripts.settle_preset runs/small SHARDS runs/settled [--rate 0.05]

Two things are chosen on post-processed fakes and photos of the ``validation`` split. The first is how much of the
donor's recolouring and of its residual is taken: they lower L1 and raise SSIM, but they smooth the face and cost
likeness. The pairs of shares within ``--slack`` of the smallest distance by the judge are kept, and of these the one
with the least L1 is taken. The second is the verdict from which on there is a mask: the level that a share ``--rate``
of genuine photos exceeds. The result ships by ``scripts/ship_preset.py``.
"""

import argparse
import itertools
import sys

from keras_uncover.backend import settle_or_exit
from keras_uncover.escapes import Parser
from keras_uncover.refusals import end_in_words


def parse_arguments(arguments=None):
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("shards")
    parser.add_argument("out", help="new preset folder")
    parser.add_argument("--rate", type=float, default=0.05, help="of false alarms at the mask's level (%(default)s)")
    parser.add_argument("--slack", type=float, default=0.002, help="distance that a lower L1 may cost (%(default)s)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    parse_arguments()  # Answers --help, or refuses the command line, before Keras is loaded, which takes seconds.
    settle_or_exit("settle_preset.py")

import keras  # noqa: E402
import numpy as np  # noqa: E402

from keras_uncover.faces.identity import Judge, distance  # noqa: E402
from keras_uncover.models.build import build_from_folder, save_network  # noqa: E402
from pipelines.fixed_swaps import POSTS, fixed_swaps, genuine_photos, read_people  # noqa: E402

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
FAMILIES = ("mesh", "affine")


def gather(batches, keys):
    batches = list(batches)
    return {key: np.concatenate([batch[key] for batch in batches]) for key in keys}


def scale_layers(model, weights, shares):
    for (name, values), share in zip(weights.items(), shares):
        model.get_layer(name).set_weights([share * value for value in values])


def settle_donor(model, people, judge, slack):
    """Scale recolouring and residual; prints every pair of shares that was tried."""
    keys = ("input", "donor", "donor_hull", "donor_points")
    fakes = gather((b for f in FAMILIES for b in fixed_swaps(people, f, seed=1, post_processed=True)), keys)
    truth = judge.describe(np.clip(fakes["donor"], 0, 1), fakes["donor_points"])
    weights = {name: model.get_layer(name).get_weights() for name in ("colour_conv", "donor_residual_conv")}
    found = []
    for shares in itertools.product(SHARES, SHARES):
        scale_layers(model, weights, shares)
        donor = np.clip(model.predict(fakes["input"], batch_size=16, verbose=0)["donor"], 0, 1)
        apart = float(distance(truth, judge.describe(donor, fakes["donor_points"])).mean())
        l1 = float((np.abs(donor - fakes["donor"]) * fakes["donor_hull"]).sum() / fakes["donor_hull"].sum() / 3)
        found.append((apart, l1, shares))
        print(f"recolouring {shares[0]}, residual {shares[1]}: distance {apart:.4f}, L1 {l1:.4f}", flush=True)
    nearest = min(apart for apart, _, _ in found)
    _, apart, shares = min((l1, apart, shares) for apart, l1, shares in found if apart <= nearest + slack)
    scale_layers(model, weights, shares)
    print(f"taken: recolouring {shares[0]}, residual {shares[1]}, distance {apart:.4f}")


def settle_mask(model, people, rate):
    """Set the gate's level: the verdict that a share ``rate`` of genuine photos exceeds, as a calibration does."""
    photos = gather((b for number in range(POSTS) for b in genuine_photos(people, 1, number)), ("input",))["input"]
    p = keras.Model(model.input, model.output["p_fake"]).predict(photos, batch_size=16, verbose=0)[:, 0]
    level = np.quantile(np.log(p) - np.log(1 - p), 1 - rate)
    model.get_layer("mask").set_weights([np.float32(level)])
    print(f"taken: level {level:.2f}, exceeded by {rate:.0%} of {len(photos)} genuine photos")


def main(arguments=None):
    options = parse_arguments(arguments)
    model, config = build_from_folder(options.run, calibrated=False)
    people = read_people(options.shards, "validation", size=config["arch"]["size"])
    settle_donor(model, people, Judge.from_preset("judge"), options.slack)
    settle_mask(model, people, options.rate)
    save_network(model, options.out, config, half=False)


if __name__ == "__main__":
    sys.exit(end_in_words("settle_preset", main))
