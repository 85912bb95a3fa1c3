"""What the command lines of the builders share."""

import contextlib
import io
import logging
import os
import sys

from pipelines.folders import BuildError, build_folder, check_destination
from pipelines.people import SPLITS

RANGES = {"size": (16, 1024), "workers": (1, 256), "limit": (1, 10**9)}


def add_options(parser, things):
    """Add the options that every builder has; ``things`` is what ``--limit`` counts."""
    parser.add_argument("--size", type=int, default=128, help="pixels of a crop's side (default: 128)")
    parser.add_argument("--split", choices=SPLITS, help="put everyone into this split")
    parser.add_argument("--validation", type=float, default=0.1, metavar="SHARE",
                        help="share of people in validation, of all or of a given train (default: 0.1)")
    parser.add_argument("--workers", type=int, default=1, help="photos worked on side by side (default: 1)")
    parser.add_argument("--limit", type=int, help=f"only the first so many {things}")
    parser.add_argument("--overwrite", action="store_true", help="replace a data set that is in SHARDS")


def check_numbers(args):
    """Refuse numbers that make no sense, before TensorFlow is loaded."""
    for name, (low, high) in RANGES.items():
        value = getattr(args, name)
        if value is not None and not low <= value <= high:
            raise BuildError(f"--{name} is a number from {low} to {high:,}; received {value}.")


def build(make_builder, shards, overwrite):
    """Build a data set beside its place, then move it there.

    Args:
        make_builder: function of a working folder that returns a TFDS builder.
        shards: folder to be.
        overwrite: whether a data set that is there may be replaced.
    """
    import tensorflow_datasets as tfds

    logging.getLogger("absl").setLevel("ERROR")
    if not sys.stderr.isatty():
        tfds.disable_progress_bar()
    with build_folder(shards, overwrite) as work:
        builder = make_builder(work)
        with contextlib.redirect_stdout(io.StringIO()), plain_disk_errors():  # TFDS announces the working folder.
            builder.download_and_prepare(download_config=tfds.download.DownloadConfig(try_download_gcs=False))
        os.rename(builder.data_path, work / "done")


@contextlib.contextmanager
def plain_disk_errors():
    """Turn what TFDS makes of a full disk into one sentence."""
    import tensorflow as tf

    try:
        yield
    except BuildError:
        raise
    except Exception as error:
        cause = error
        while cause is not None and not isinstance(cause, (OSError, tf.errors.ResourceExhaustedError)):
            cause = cause.__cause__
        if cause is None:
            raise
        reason = getattr(cause, "message", None) or cause
        raise BuildError(f"The shards could not be written: {reason}. Make room or choose another disk.") from error


def run(args, make_builder):
    """Check, build, and say what happened; returns the exit status."""
    try:
        check_numbers(args)
        check_destination(args.shards, args.overwrite)
        build(make_builder, args.shards, args.overwrite)
    except (BuildError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"Written to {args.shards}; files that were left out are in rejects.csv there.", file=sys.stderr)
    return 0


def set_environment():
    """One thread a photo, so that --workers means what it says; read when TensorFlow is loaded."""
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
