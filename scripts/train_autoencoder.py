"""Train the autoencoder of the swap family resynth on the train people, and ship it as a preset.

    python -m scripts.train_autoencoder SHARDS FOLDER --minutes 5

SHARDS is a folder written by ``python -m pipelines.portraits``; FOLDER becomes a preset folder with weights,
configuration, manifest and card. The loss is L1. The network is small on purpose, so its pictures stay soft. What ships
is measured on the validation people, beside two baselines that need no training: the picture itself reduced as far as
the code is (8 times, bilinear), and by JPEG of quality 10.
"""

import argparse
import json
import math
import os
import sys
import time
from pathlib import Path

from keras_uncover.backend import settle_or_exit
from keras_uncover.escapes import Parser
from keras_uncover.files import hash_bytes
from keras_uncover.overwriting import check_or_exit
from keras_uncover.refusals import end_in_words

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def parse_arguments(arguments=None):
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shards")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, default=5.0, help="of training (%(default)s)")
    parser.add_argument("--learning-rate", type=float, default=3e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--overwrite", action="store_true", help="replace files that are there")
    options = parser.parse_args(arguments)
    check_or_exit(parser, [options.folder / "card.md"], options.overwrite)
    return options


if __name__ == "__main__":
    parse_arguments()  # Answers --help, or refuses the command line, before Keras is loaded, which takes seconds.
    settle_or_exit("train_autoencoder.py")

import cv2  # noqa: E402
import keras  # noqa: E402
import numpy as np  # noqa: E402
import tensorflow as tf  # noqa: E402

from keras_uncover.models.autoencoder import ARCH, KIND, build_autoencoder, load_autoencoder  # noqa: E402
from keras_uncover.presets.weights import save_preset  # noqa: E402
from pipelines.records import iterate_records  # noqa: E402

BATCH = 16
CHUNK = 50  # steps between looks at the clock


def describe_data(shards, size):
    """What the configuration says of the data: people of each split, and a SHA-256 of their names by split."""
    people = {}
    for split in ("test", "train", "validation"):
        people[split] = sorted(row["person"].decode() for row in iterate_records(shards, split, keys=("person",)))
    lines = "".join(f"{split} {name}\n" for split, names in people.items() for name in names)
    digest = hash_bytes(lines.encode())
    counts = {split: len(names) for split, names in people.items()}
    return {"shards": Path(shards).name, "size": size, "people": counts, "split_sha256": digest}


def read_crops(shards, split):
    """Crops of a split, uint8 ``(n, size, size, 3)``."""
    return np.stack([record["crop"] for record in iterate_records(shards, split, keys=("crop",))])


def make_batches(crops, seed):
    """Endless shuffled batches of crops and themselves, half of them mirrored, their tint changed a little."""

    def vary(crop, number):
        key = tf.stack([tf.constant(seed, tf.int64), number])
        draws = tf.random.stateless_uniform((4,), key)
        crop = tf.cast(crop, tf.float32) / 255.0
        crop = tf.where(draws[0] < 0.5, crop[:, ::-1], crop)
        crop = tf.clip_by_value(crop * (0.8 + 0.3 * draws[1:]), 0.0, 1.0)
        return crop, crop

    data = tf.data.Dataset.from_tensor_slices(crops).shuffle(len(crops), seed=seed).repeat().enumerate()
    data = data.map(lambda number, crop: vary(crop, number), num_parallel_calls=2)
    return data.batch(BATCH, drop_remainder=True).prefetch(2)


class FallByTheClock(keras.callbacks.Callback):
    """Learning rate along a cosine of the time that has passed; ends training when it is up."""

    def __init__(self, seconds, peak):
        super().__init__()
        self.seconds, self.peak, self.start = seconds, peak, time.monotonic()

    def on_train_batch_begin(self, batch, logs=None):
        done = min((time.monotonic() - self.start) / self.seconds, 1.0)
        self.model.optimizer.learning_rate.assign(self.peak * max(0.5 + 0.5 * math.cos(math.pi * done), 0.01))

    def on_epoch_end(self, epoch, logs=None):
        self.model.stop_training = time.monotonic() - self.start >= self.seconds


def psnr(truth, answer):
    """Mean over pictures of the peak signal to noise ratio, dB; arrays in [0, 1]."""
    return float(np.mean(-10 * np.log10(np.mean((truth - answer) ** 2, axis=(1, 2, 3)))))


def measure(folder, crops):
    """PSNR of what ships and of the baselines, on crops that it was not trained on."""
    resynthesise = load_autoencoder(folder)
    truth = crops.astype("float32") / 255
    parts = (resynthesise(truth[start : start + BATCH]) for start in range(0, len(truth), BATCH))
    ours = np.concatenate([keras.ops.convert_to_numpy(part) for part in parts])
    reduced = [cv2.resize(c, None, fx=1 / 8, fy=1 / 8, interpolation=cv2.INTER_AREA) for c in crops]
    reduced = [cv2.resize(c, crops.shape[2:0:-1], interpolation=cv2.INTER_LINEAR) for c in reduced]
    jpeg = [cv2.imdecode(cv2.imencode(".jpg", c, [cv2.IMWRITE_JPEG_QUALITY, 10])[1], 1) for c in crops]
    return {
        "psnr": psnr(truth, ours),
        "psnr_reduced_8_times": psnr(truth, np.stack(reduced) / 255),
        "psnr_jpeg_10": psnr(truth, np.stack(jpeg) / 255),
        "n": len(crops),
    }


def write_card(config, numbers, parameters):
    trained = config["trained"]
    people = ", ".join(f"{count} {split}" for split, count in trained["people"].items())
    minutes = trained["minutes"]
    return f"""# {config["name"]}

An autoencoder for face crops whose sides are multiples of 16: what passes through it looks as if a small generator had
painted it. Swaps of the family `resynth` pass through it, and so do the genuine photos beside them. {parameters:,}
parameters, stored as float16. Licence: MIT.

- **Data**: crops of the `train` people of generated portraits who do not exist
  (SelfishGene/SFHQ-T2I-dataset and SelfishGene/SFHQ-dataset, MIT; faker-js/assets-person-portrait, CC0-1.0), one a
  person: {people}. Split hash `{trained["split_sha256"][:16]}`. It was trained on `train` alone.
- **Made by**: `python -m scripts.train_autoencoder SHARDS FOLDER --minutes {minutes:g} --seed {trained["seed"]}`:
  {trained["steps"]:,} steps of {BATCH} crops of {trained["size"]} px, L1, Adam.
  How many steps fit into the time depends on the machine.
- **Measured** on the {numbers["n"]} `validation` people, clean crops of {trained["size"]} px:
  PSNR {numbers["psnr"]:.2f} dB. Baselines: reduced 8 times and enlarged {numbers["psnr_reduced_8_times"]:.2f} dB,
  JPEG of quality 10 {numbers["psnr_jpeg_10"]:.2f} dB.
- **For**: making training and evaluation data. It judges nothing, recovers nobody and is not used to answer photos.
- **Limits**: it is one network with artefacts of its own; what is learned from them says nothing about other
  generators, and that was not measured.
"""


def main(arguments=None):
    options = parse_arguments(arguments)
    keras.utils.set_random_seed(options.seed)
    crops = read_crops(options.shards, "train")
    size = crops.shape[1]
    model = build_autoencoder(size=size)
    model.compile(keras.optimizers.Adam(options.learning_rate), loss="mae")
    clock = FallByTheClock(options.minutes * 60, options.learning_rate)
    data = make_batches(crops, options.seed)
    history = model.fit(data, epochs=10**6, steps_per_epoch=CHUNK, callbacks=[clock], verbose=2, shuffle=False)
    trained = {key: getattr(options, key) for key in ("minutes", "learning_rate", "seed")}
    trained |= {"steps": CHUNK * len(history.epoch), **describe_data(options.shards, size)}
    config = {"format": 1, "kind": KIND, "name": options.folder.name, "arch": ARCH, "trained": trained}
    save_preset(keras.Model(model.inputs, model.outputs, name=KIND), options.folder, config, half=True)
    numbers = measure(options.folder, read_crops(options.shards, "validation"))
    (options.folder / "card.md").write_text(write_card(config, numbers, model.count_params()))
    print(json.dumps(numbers, indent=1))


if __name__ == "__main__":
    sys.exit(end_in_words("train_autoencoder", main))
