"""Draw what a data set holds and the swaps that are made of it.

    python -m pipelines.show SHARDS --split train --out sheet.png
    python -m pipelines.show SHARDS --split train --family affine --count 24 --out affine.png
    python -m pipelines.show SHARDS --split train --family all --count 8 --out families.png

Without --family the sheet shows records: crop, texture, uv map and hull. With it, a row holds swaps: the fake, its
mask, the true target and the true donor; ``all`` shows so many of each family, one after the other. --augment shows
them as training does, post-processed; --morphs takes the faces of morphs of two people instead of one person's.
"""

import argparse

import cv2
import numpy as np

from keras_uncover import morphs
from keras_uncover.augment import DRAWS as AUGMENT_DRAWS
from keras_uncover.augment import augment
from keras_uncover.models.autoencoder import KIND, load_autoencoder
from keras_uncover.swaps import DRAWS, FAMILIES, make_swaps
from pipelines.make import to_float
from pipelines.pairs import pair_people
from pipelines.read import read_records

COLUMNS = 4  # cells a row of the sheet


def parse_arguments(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shards")
    parser.add_argument("--split", default="train")
    parser.add_argument("--out", default="sheet.png")
    parser.add_argument("--count", type=int, default=24, help="cells of the sheet (default %(default)s)")
    parser.add_argument("--family", choices=(*FAMILIES, "all"), help="show swaps of this family, not records")
    parser.add_argument("--plain", action="store_true", help="whole faces at full strength only")
    parser.add_argument("--augment", action="store_true", help="post-processed as in training")
    parser.add_argument("--morphs", action="store_true", help="paste morphs of two people")
    parser.add_argument("--autoencoder", default=KIND, help="preset or folder for the family resynth (%(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(arguments)


def take_records(shards, split, count):
    """The first records of a split, stacked."""
    records, total = read_records(shards, split)
    if total < 2:
        raise SystemExit(f"A sheet needs two people at least; split {split} of {shards} holds {total}.")
    rows = list(records.take(count).as_numpy_iterator())
    return {key: np.stack([row[key] for row in rows]) for key in rows[0] if key != "person"}


def record_cells(records):
    """Crop, texture, uv map (u red, v green) and hull of each record side by side: uint8 ``(n, s, 4 s, 3)``."""
    uv = np.concatenate([records["uv"] // 257, np.zeros_like(records["uv"][..., :1])], axis=-1)
    hull = np.repeat(records["hull"], 3, axis=-1)
    return np.concatenate([records["crop"], records["texture"], uv.astype("uint8"), hull], axis=2)


def swap_cells(records, family, options):
    """Fake, mask, target and donor of each swap of a family side by side: uint8 ``(n, s, 4 s, 3)``."""
    count, size = records["crop"].shape[:2]
    rng = np.random.default_rng(options.seed)
    donor = pair_people(count, options.seed)
    people = np.arange(count), donor, donor[donor]
    targets, donors, partners = (to_float({key: value[rows] for key, value in records.items()}) for rows in people)
    draws = rng.random((count, DRAWS), "float32")
    if options.morphs:
        donors = morphs.morph_records(donors, partners["texture"], rng.random((count, morphs.DRAWS), "float32"))
    resynthesise = load_autoencoder(options.autoencoder) if family == "resynth" else None
    swap = make_swaps(targets, donors, draws, {family: 1.0}, options.plain, resynthesise=resynthesise)
    if options.augment:
        noise = rng.standard_normal((count, size, size, 3), "float32")
        swap = augment(swap, rng.random((count, AUGMENT_DRAWS), "float32"), noise)
    parts = [np.asarray(swap[key]) for key in ("input", "mask", "target", "donor")]
    parts[1] = np.repeat(parts[1], 3, axis=-1)
    return np.round(np.concatenate(parts, axis=2) * 255).clip(0, 255).astype("uint8")


def lay_out(cells):
    """Cells in rows of ``COLUMNS``, the last row filled up with white."""
    missing = -len(cells) % COLUMNS
    blank = np.full((missing, *cells.shape[1:]), 255, "uint8")
    cells = np.pad(np.concatenate([cells, blank]), ((0, 0), (2, 2), (2, 2), (0, 0)), constant_values=255)
    rows = cells.reshape(-1, COLUMNS, *cells.shape[1:])
    return np.concatenate([np.concatenate(list(row), axis=1) for row in rows], axis=0)


def main(arguments=None):
    options = parse_arguments(arguments)
    records = take_records(options.shards, options.split, options.count)
    families = FAMILIES if options.family == "all" else [options.family]
    sheets = [lay_out(swap_cells(records, name, options) if name else record_cells(records)) for name in families]
    if not cv2.imwrite(options.out, np.concatenate(sheets)[..., ::-1]):
        raise SystemExit(f"{options.out} could not be written; check the folder and the suffix.")
    what = f"swaps each of {', '.join(families)}" if options.family else "records"
    print(f"{options.out}: {len(records['crop'])} {what} of {options.split}")


if __name__ == "__main__":
    main()
