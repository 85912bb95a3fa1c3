"""What the command lines of the builders share."""

import argparse
import contextlib
import errno
import io
import logging
import os
import sys

from keras_uncover.backend import check_backend, settle
from keras_uncover.escapes import Parser, escape
from keras_uncover.process import ended_by_term, open_closed_streams, tell, use_cache
from keras_uncover.refusals import end_in_words
from pipelines.build.buckets import bucket_folder, is_remote
from pipelines.build.folders import BuildError, build_folder, check_destination
from pipelines.schema import SPLITS

RANGES = {"size": (16, 1024), "workers": (1, 256), "limit": (1, 10**9)}
CONFIGURED = ("source", "size", "split", "validation", "limit", "workers")


def make_parser(package, description, examples, source, things):
    """A parser with what every builder has.

    Args:
        package: name below ``pipelines``.
        description, examples: str, for ``--help``.
        source: name and help of the first argument.
        things: what ``--limit`` counts.
    """
    parser = Parser(
        f"python -m pipelines.{package}",
        description=description,
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("source", metavar=source[0], help=source[1])
    parser.add_argument("shards", metavar="SHARDS", help="folder to write; new or empty")
    parser.add_argument("--size", type=int, default=128, help="pixels of a crop's side (default: 128)")
    parser.add_argument("--split", choices=SPLITS, help="put everyone into this split")
    parser.add_argument("--validation", type=float, default=0.1, metavar="SHARE",
                        help="share of people in validation, of all or of a given train (default: 0.1)")
    parser.add_argument("--workers", type=int, default=1, help="photos worked on side by side (default: 1)")
    parser.add_argument("--limit", type=int, help=f"only the first so many {things}")
    parser.add_argument("--overwrite", action="store_true", help="replace a data set that is in SHARDS")
    return parser


def configure(args, *more):
    """What a builder's configuration takes from the command line, as a dict; ``more`` names its own options."""
    return {"name": f"custom_{args.size}px", **{name: getattr(args, name) for name in (*CONFIGURED, *more)}}


def check_numbers(args):
    """Refuse numbers that make no sense, before TensorFlow is loaded."""
    for name, (low, high) in RANGES.items():
        value = getattr(args, name)
        if value is not None and not low <= value <= high:
            raise BuildError(f"--{name} is a number from {low} to {high:,}; received {value}.")


def build(make_builder, shards, overwrite, **download):
    """Build a data set beside its place, then move it there.

    Args:
        make_builder: function of a working folder that returns a TFDS builder.
        shards: folder to be.
        overwrite: whether a data set that is there may be replaced.
        download: options of TFDS's ``DownloadConfig``.
    """
    import tensorflow_datasets as tfds

    logging.getLogger("absl").setLevel("ERROR")
    if not sys.stderr.isatty():
        tfds.disable_progress_bar()
    folder = bucket_folder if is_remote(shards) else build_folder
    with folder(shards, overwrite) as work:
        builder = make_builder(work)
        config = tfds.download.DownloadConfig(try_download_gcs=False, **download)
        with contextlib.redirect_stdout(io.StringIO()), plain_disk_errors():  # TFDS announces the working folder.
            builder.download_and_prepare(download_config=config)
        builder.data_path.rename(work / "done")


@contextlib.contextmanager
def plain_disk_errors():
    """Turn the errors of TFDS and Beam about a full disk into one sentence. Beam keeps only the words of an error."""
    import tensorflow as tf

    try:
        yield
    except BuildError:
        raise
    except Exception as error:
        cause = error
        while cause is not None and not isinstance(cause, (OSError, tf.errors.ResourceExhaustedError)):
            cause = cause.__cause__
        full = os.strerror(errno.ENOSPC)
        if cause is None and full not in str(error):
            raise
        reason = full if cause is None else getattr(cause, "message", None) or cause
        raise BuildError(f"The shards could not be written: {reason}. Make room or choose another disk.") from error


def run(args, make_builder, make_options=dict):
    """Check, build, and say what happened. Returns: the exit status.

    Args:
        args: the command line.
        make_builder: as in ``build``.
        make_options: function that returns options of TFDS's ``DownloadConfig``; what it refuses is said, too.
    """
    return end_in_words("error", build_checked, args, make_builder, make_options)


def build_checked(args, make_builder, make_options):
    """``run`` without words for what goes wrong."""
    check_backend()
    check_numbers(args)
    if not is_remote(args.shards):
        check_destination(args.shards, args.overwrite)
    settle()
    with ended_by_term():
        build(make_builder, args.shards, args.overwrite, **make_options())
    tell(f"Written to {escape(args.shards)}; files that were left out are in rejects.csv there.")


def set_environment():
    """Streams, and one thread a photo, so that --workers means what it says; read when TensorFlow is loaded."""
    open_closed_streams()
    use_cache()
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
