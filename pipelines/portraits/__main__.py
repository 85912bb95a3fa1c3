"""Command line of the portraits builder."""

import argparse
import contextlib
import io
import logging
import os
import sys

EXAMPLES = """examples:
  python -m pipelines.portraits photos shards                  all pictures below photos/, split by person
  python -m pipelines.portraits faces.csv shards --size 256    files, and splits if it has them, from a CSV
  python -m pipelines.portraits visitors shards --split test   everyone into one split

Folders below PHOTOS mean nothing: splits come from a hash of the person (the file's name without its suffix), from the
CSV, or from --split. SHARDS/rejects.csv names every file that was refused and why. Read the shards with
tfds.builder_from_directory("shards"); pack them for NumPy with python -m pipelines.bank.
"""


def parse(argv=None):
    """Read the command line."""
    parser = argparse.ArgumentParser(
        "python -m pipelines.portraits",
        description="Turn portraits into TFRecord shards: crop, texture, uv map and hull of each face.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("photos", metavar="PHOTOS", help="folder, or CSV with the columns file, split, person")
    parser.add_argument("shards", metavar="SHARDS", help="folder to write; new or empty")
    parser.add_argument("--size", type=int, default=128, help="pixels of a crop's side (default: 128)")
    parser.add_argument("--split", choices=("train", "validation", "test"), help="put everyone into this split")
    parser.add_argument("--validation", type=float, default=0.1, metavar="SHARE",
                        help="share of people in validation, of all or of the CSV's train (default: 0.1)")
    parser.add_argument("--workers", type=int, default=1, help="photos worked on side by side (default: 1)")
    parser.add_argument("--limit", type=int, help="only the first so many photos")
    parser.add_argument("--overwrite", action="store_true", help="replace a data set that is in SHARDS")
    return parser.parse_args(argv)


def check(args):
    """Refuse numbers that make no sense, before TensorFlow is loaded."""
    from pipelines.folders import BuildError

    for name, low, high in (("size", 16, 1024), ("workers", 1, 256), ("limit", 1, 10**9)):
        value = getattr(args, name)
        if value is not None and not low <= value <= high:
            raise BuildError(f"--{name} is a number from {low} to {high:,}; received {value}.")


def build(args):
    """Build the data set beside its place, then move it there."""
    import tensorflow_datasets as tfds

    from pipelines.folders import build_folder
    from pipelines.portraits.portraits_dataset_builder import Builder, PortraitsConfig

    logging.getLogger("absl").setLevel("ERROR")
    if not sys.stderr.isatty():
        tfds.disable_progress_bar()
    options = {name: getattr(args, name) for name in ("size", "photos", "split", "validation", "limit", "workers")}
    config = PortraitsConfig(name=f"custom_{args.size}px", **options)
    with build_folder(args.shards, args.overwrite) as work:
        builder = Builder(data_dir=work, config=config)
        with contextlib.redirect_stdout(io.StringIO()), plain_disk_errors():  # TFDS announces the working folder.
            builder.download_and_prepare(download_config=tfds.download.DownloadConfig(try_download_gcs=False))
        os.rename(builder.data_path, work / "done")


@contextlib.contextmanager
def plain_disk_errors():
    """Turn what TFDS makes of a full disk into one sentence."""
    import tensorflow as tf

    from pipelines.folders import BuildError

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


def main(argv=None):
    """Run the command line; returns the exit status."""
    args = parse(argv)
    from pipelines.folders import BuildError, check_destination

    try:
        check(args)
        check_destination(args.shards, args.overwrite)
        build(args)
    except (BuildError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"Written to {args.shards}; files that were left out are in rejects.csv there.", file=sys.stderr)
    return 0


if __name__ == "__main__":
    # One thread a photo, so that --workers means what it says; read when TensorFlow is loaded.
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    raise SystemExit(main())
