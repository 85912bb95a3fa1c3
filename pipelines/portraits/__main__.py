"""Command line of the portraits builder."""

import argparse

from pipelines import command

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
    command.add_options(parser, "photos")
    return parser.parse_args(argv)


def main(argv=None):
    """Run the command line; returns the exit status."""
    args = parse(argv)

    def make_builder(work):
        from pipelines.portraits.portraits_dataset_builder import Builder, PortraitsConfig

        options = {name: getattr(args, name) for name in ("size", "photos", "split", "validation", "limit", "workers")}
        return Builder(data_dir=work, config=PortraitsConfig(name=f"custom_{args.size}px", **options))

    return command.run(args, make_builder)


if __name__ == "__main__":
    command.set_environment()
    raise SystemExit(main())
