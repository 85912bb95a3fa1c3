"""Command line of the portraits builder."""

import argparse
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


def build(args):
    """Build the data set beside its place, then move it there."""
    import tensorflow_datasets as tfds

    from pipelines.folders import build_folder
    from pipelines.portraits.portraits_dataset_builder import Builder, PortraitsConfig

    options = {name: getattr(args, name) for name in ("size", "photos", "split", "validation", "limit", "workers")}
    config = PortraitsConfig(name=f"custom_{args.size}px", **options)
    with build_folder(args.shards, args.overwrite) as work:
        builder = Builder(data_dir=work, config=config)
        builder.download_and_prepare(download_config=tfds.download.DownloadConfig(try_download_gcs=False))
        os.rename(builder.data_path, work / "done")


def main(argv=None):
    """Run the command line; returns the exit status."""
    args = parse(argv)
    from pipelines.folders import BuildError, check_destination

    try:
        check_destination(args.shards, args.overwrite)
        build(args)
    except BuildError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"Written to {args.shards}.")
    return 0


if __name__ == "__main__":
    # One thread a photo, so that --workers means what it says; read when TensorFlow is loaded.
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    raise SystemExit(main())
