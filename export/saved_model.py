"""Write a preset as one SavedModel: photo bytes in, every answer out. It needs no code of ours.

    python -m export.saved_model small served/keras_uncover
    python -m export.saved_model runs/mine served/keras_uncover --keep 3

The folder is what TF Serving calls a model's base path: each export makes a new integer version in it, written beside
the others and moved into place whole, after it has answered two bundled photos as the preset does. The preset itself,
cards, licence, hashes and warm-up requests travel in its assets.extra/. Signatures: see export/signatures.py.
"""

import argparse
import contextlib
import os
import sys
from pathlib import Path

from keras_uncover.backend import settle_or_exit
from keras_uncover.escapes import Parser, for_stdout
from keras_uncover.process import open_closed_streams
from keras_uncover.refusals import end_in_words

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def parse_arguments(arguments=None):
    parser = Parser(
        prog="python -m export.saved_model", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("preset", metavar="PRESET|RUN", help="name of a preset, or folder of a preset or a run")
    parser.add_argument("folder", metavar="SERVED_DIR", help="folder of versions")
    parser.add_argument("--version", type=int, metavar="N", help="default: one more than the highest there is")
    parser.add_argument("--keep", type=int, metavar="N", help="remove all but the N highest versions")
    parser.add_argument("--no-warmup", action="store_true", help="write no warm-up requests")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    open_closed_streams()
    parse_arguments()  # Answers --help, or refuses the command line, before TensorFlow is loaded, which takes seconds.
    settle_or_exit("export", ("tensorflow",))

import tensorflow as tf  # noqa: E402

from export.check import check_version  # noqa: E402
from export.serving.assets import ROOT, copy_preset, write_record  # noqa: E402
from export.serving.versions import ExportError, choose_version, keep_highest, new_version  # noqa: E402
from export.serving.warmup import write_warmup  # noqa: E402
from export.signatures import Served  # noqa: E402
from keras_uncover.process import ended_by_term  # noqa: E402

# One whose answer takes every step of the road, and one without a donor.
PHOTOS = (ROOT / "examples" / "fake_1.jpg", ROOT / "examples" / "genuine_2.jpg")
NAME = "keras_uncover"


def export(preset, folder, version=None, keep=None, warmup=True):
    """Write ``folder/VERSION``.

    Args:
        preset: name of a shipped preset, preset folder or run folder.
        folder: of the versions.
        version: integer; None for one more than the highest.
        keep: how many of the highest versions stay, from 1 on; None for all. The new one always does.
        warmup: whether to write warm-up requests, which takes the extra ``serve``.

    Returns: ``pathlib.Path`` of the version.

    Raises:
        ExportError: the version exists already, cannot be written, or does not answer as the preset does.
        WeightsError: there is no such preset, or it was altered.
    """
    if keep is not None and keep < 1:
        raise ExportError(f"At least one version is kept; received --keep {keep}.")
    version = choose_version(folder, version)
    served = Served(preset)
    with new_version(folder, version) as fresh, plain_disk_errors(folder):
        served.save(fresh)
        check_version(fresh, served.uncoverer, PHOTOS)
        copy_preset(preset, fresh)
        if warmup:
            write_warmup(fresh, NAME, PHOTOS[0].read_bytes(), served.uncoverer.size)
        write_record(preset, served.uncoverer, fresh)
    if keep is not None:
        keep_highest(folder, keep, also=version)
    return Path(folder) / str(version)


@contextlib.contextmanager
def plain_disk_errors(folder):
    """Turn what TensorFlow makes of a full disk into one sentence."""
    try:
        yield
    except tf.errors.ResourceExhaustedError as error:
        reason = error.message.splitlines()[0]
        raise ExportError(
            f"The version could not be written into {folder}: {reason}. Make room or choose another disk."
        ) from error


def main(arguments=None):
    """Run the command; returns the exit code: 0 written, 1 not written, 2 usage, 4 weights missing or altered."""
    open_closed_streams()
    options = parse_arguments(arguments)
    return end_in_words("export", export_and_tell, options)


def export_and_tell(options):
    """Write the version, and print its path."""
    with ended_by_term():
        written = export(options.preset, options.folder, options.version, options.keep, not options.no_warmup)
        print(for_stdout(written))


if __name__ == "__main__":
    sys.exit(main())
