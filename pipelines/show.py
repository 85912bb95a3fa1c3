"""Draw what a data set holds and the swaps that are made of it.

    python -m pipelines.show SHARDS --split train --out sheet.png
    python -m pipelines.show SHARDS --split train --family affine --count 24 --out affine.png
    python -m pipelines.show SHARDS --split train --family all --count 8 --out families.png

The sheet shows records (crop, texture, uv map and hull), then a row of swaps of each family (the fake, its mask, the
true target and the true donor). With --family it shows swaps of that family only; ``all`` shows so many of each, one
after the other. --augment shows them as training does, post-processed; --morphs takes the faces of morphs of two people
instead of one person's. Of ready-made fakes, written by ``python -m pipelines.swap_pairs``, it shows what they hold.
"""

import argparse
import itertools
import os
import sys

from keras_uncover.backend import settle_or_exit
from keras_uncover.escapes import Parser, for_stdout
from keras_uncover.overwriting import check_or_exit, mark_png
from keras_uncover.process import open_closed_streams
from keras_uncover.refusals import DataError, OptionError, Refusal, end_in_words
from keras_uncover.swaps.family_names import FAMILIES


def parse_arguments(arguments=None):
    parser = Parser(
        "python -m pipelines.show", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("shards")
    parser.add_argument("--split", default="train")
    parser.add_argument("--out", default="sheet.png")
    parser.add_argument("--count", type=int, default=24, help="cells of the sheet (default %(default)s)")
    parser.add_argument("--family", choices=(*FAMILIES, "all"), help="show swaps of this family only")
    parser.add_argument("--plain", action="store_true", help="whole faces at full strength only")
    parser.add_argument("--augment", action="store_true", help="post-processed as in training")
    parser.add_argument("--morphs", action="store_true", help="paste morphs of two people")
    parser.add_argument("--autoencoder", default="autoencoder",
                        help="preset or folder for the family resynth (%(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--overwrite", action="store_true", help="replace files that are there")
    options = parser.parse_args(arguments)
    check_or_exit(parser, [options.out], options.overwrite)
    return options


if __name__ == "__main__":
    open_closed_streams()
    parse_arguments()  # Answers --help, or refuses the command line, before TensorFlow is loaded, which takes seconds.
    settle_or_exit("show")

import cv2  # noqa: E402
import numpy as np  # noqa: E402

from keras_uncover.files import new_file  # noqa: E402
from keras_uncover.models.autoencoder import load_autoencoder  # noqa: E402
from keras_uncover.swaps import morphs  # noqa: E402
from keras_uncover.swaps.augment import DRAWS as AUGMENT_DRAWS  # noqa: E402
from keras_uncover.swaps.augment import augment  # noqa: E402
from keras_uncover.swaps.synthesis import DRAWS, make_swaps  # noqa: E402
from pipelines.batches import to_float  # noqa: E402
from pipelines.fixed_swaps import pair_people  # noqa: E402
from pipelines.records import holds_pairs, iterate_records, open_builder  # noqa: E402
from pipelines.schema import PORTRAIT  # noqa: E402

COLUMNS = 4  # cells a row of the sheet
SWAP = ("input", "mask", "target", "donor")  # pictures of a cell that shows a swap
HEAD = 20  # pixels of the line above its cells that says what they are


def take_records(shards, split, count, keys=PORTRAIT):
    """The first records of a split, stacked."""
    if count < 1:
        raise OptionError(f"--count is a number from 1; received {count}.")
    total = open_builder(shards, split, keys).info.splits[split].num_examples
    if total < 2 and keys == PORTRAIT:
        raise DataError(f"A sheet needs two people at least; split {split} of {shards} holds {total}.")
    rows = list(itertools.islice(iterate_records(shards, split, keys=keys), count))
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
    return side_by_side({key: np.round(np.asarray(swap[key]) * 255).clip(0, 255).astype("uint8") for key in SWAP})


def side_by_side(swap):
    """The pictures of swaps, uint8, side by side: ``(n, s, 4 s, 3)``."""
    return np.concatenate([np.broadcast_to(swap[key], swap["input"].shape) for key in SWAP], axis=2)


def lay_out(title, cells):
    """Cells in rows of ``COLUMNS`` below a line of text, the last row filled up with white."""
    missing = -len(cells) % COLUMNS
    blank = np.full((missing, *cells.shape[1:]), 255, "uint8")
    cells = np.pad(np.concatenate([cells, blank]), ((0, 0), (2, 2), (2, 2), (0, 0)), constant_values=255)
    rows = cells.reshape(-1, COLUMNS, *cells.shape[1:])
    sheet = np.concatenate([np.concatenate(list(row), axis=1) for row in rows], axis=0)
    head = np.full((HEAD, sheet.shape[1], 3), 255, "uint8")
    cv2.putText(head, title, (4, HEAD - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1, cv2.LINE_AA)
    return np.concatenate([head, sheet])


def draw_portraits(options):
    """Records and swaps of portraits: list of laid out sheets, and what they show."""
    records = take_records(options.shards, options.split, options.count)
    few, sheets, shown = records, [], []
    if options.family is None:
        sheets.append(lay_out("records: crop, texture, uv map, hull", record_cells(records)))
        shown.append(f"{len(records['crop'])} records")
        few = {key: value[:COLUMNS] for key, value in records.items()}
    families = FAMILIES if options.family in (None, "all") else [options.family]
    if len(few["crop"]) > 1 or options.family:
        last = {"self": "a face that is not used"}
        titles = [f"{name}: fake, mask, target, {last.get(name, 'donor')}" for name in families]
        sheets += [lay_out(title, swap_cells(few, name, options)) for title, name in zip(titles, families)]
        shown.append(f"{len(few['crop'])} swaps each of {', '.join(families)}")
    return sheets, " and ".join(shown)


def draw_pairs(options):
    """Ready-made fakes, as ``draw_portraits``."""
    if options.family:
        raise OptionError(f"Ready-made fakes have no family; received --family {options.family}. Leave it out.")
    records = take_records(options.shards, options.split, options.count, SWAP)
    title = "ready-made fakes: fake, mask (black where none could be derived), target, donor"
    return [lay_out(title, side_by_side(records))], f"{len(records['input'])} ready-made fakes"


def main(arguments=None):
    """Run the command line; returns the exit status."""
    return end_in_words("error", draw_sheet, parse_arguments(arguments))


def draw_sheet(options):
    """Draw what is asked for into one picture, and say what it shows."""
    sheets, shown = (draw_pairs if holds_pairs(options.shards) else draw_portraits)(options)
    try:
        write_sheet(options.out, np.concatenate(sheets))
    except (cv2.error, OSError) as error:  # OpenCV's own is of a suffix that it does not know.
        raise Refusal(f"{options.out} could not be written; check the folder and the suffix.") from error
    print(for_stdout(f"{options.out}: {shown} of {options.split}"))


def write_sheet(path, sheet):
    """Write a sheet, uint8 RGB, in the format of its suffix; a PNG carries our mark. A file there is replaced."""
    suffix = os.path.splitext(path)[1]
    data = cv2.imencode(suffix, sheet[..., ::-1])[1].tobytes()
    with new_file(path) as file:
        file.write(mark_png(data) if suffix.lower() == ".png" else data)


if __name__ == "__main__":
    sys.exit(main())
