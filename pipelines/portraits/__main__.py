"""Command line of the portraits builder."""

import sys

from pipelines.build import command
from pipelines.build.folders import BuildError

EXAMPLES = """examples:
  python -m pipelines.portraits photos shards                  all pictures below photos/, split by person
  python -m pipelines.portraits faces.csv shards --size 256    files, and splits if it has them, from a CSV
  python -m pipelines.portraits visitors shards --split test   everyone into one split

A CSV has the column file (relative to the CSV) and may have split and person; width, height, source and licence are not
read, other columns are refused. Capitals, spaces around names and empty rows do not matter.

Folders below PHOTOS mean nothing: splits come from a hash of the person (the file's name without its suffix), from the
CSV, or from --split. SHARDS/rejects.csv names every file that was refused and why. Read the shards with
tfds.builder_from_directory("shards"); pack them for NumPy with python -m pipelines.bank.

millions of portraits, by Apache Beam (python -m pip install ".[beam]", in an environment of its own):
  python -m pipelines.portraits photos shards --beam           in this process, to try it
  ... --beam --beam-options "--direct_running_mode=multi_processing --direct_num_workers=8"
  ... --beam --beam-options "--runner=FlinkRunner --flink_master=HOST:8081 --parallelism=64
                             --environment_type=DOCKER --environment_config=IMAGE"
  ... --beam --beam-options "--runner=SparkRunner --spark_master_url=spark://HOST:7077
                             --environment_type=DOCKER --environment_config=IMAGE"
  python -m pipelines.portraits gs://BUCKET/faces.csv gs://BUCKET/shards --beam
      --beam-options "--runner=DataflowRunner --project=PROJECT --region=REGION
                      --temp_location=gs://BUCKET/temp --sdk_container_image=IMAGE"

Records, splits and rejects.csv are the same as without --beam. PHOTOS and SHARDS must lie where all workers find them
by the same name: on a shared disk or, with a CSV, in a bucket. IMAGE is one of Beam's for Python 3.11 with ".[beam]"
and this checkout, its folder in PYTHONPATH. DataflowRunner needs apache-beam[gcp], too. The runner without a name holds
all records in memory. Only that one was tried.
"""


def parse(argv=None):
    """Read the command line."""
    source = ("PHOTOS", "folder, or CSV with the columns file, split, person")
    description = "Turn portraits into TFRecord shards: crop, texture, uv map and hull of each face."
    parser = command.make_parser("portraits", description, EXAMPLES, source, "photos")
    parser.add_argument("--beam", action="store_true", help="let Apache Beam do the work")
    parser.add_argument("--beam-options", default=None, metavar="OPTIONS",
                        help='options of Beam in one string (default: "--runner=DirectRunner")')
    return parser.parse_args(join_value(sys.argv[1:] if argv is None else argv, "--beam-options"))


def join_value(argv, option):
    """``--option value`` as ``--option=value``: argparse takes a value that begins with ``--`` for another option."""
    argv = list(argv)
    if option in argv[:-1]:
        place = argv.index(option)
        argv[place : place + 2] = [f"{option}={argv[place + 1]}"]
    return argv


def read_beam_options(args):
    """What TFDS is told of Beam: a dict of ``beam_options``, empty without ``--beam``."""
    if not args.beam:
        if args.beam_options is not None:
            raise BuildError("--beam-options goes with --beam; received it alone. Add --beam.")
        return {}
    if args.workers != 1:
        raise BuildError(f"--beam has workers by --beam-options; received --workers {args.workers}. Leave it out.")
    try:
        from pipelines.portraits.distributed import read_options
    except ModuleNotFoundError as error:
        if error.name != "apache_beam":
            raise
        words = 'Run python -m pip install ".[beam]".'
        raise BuildError(f"--beam needs apache_beam; none is installed. {words}") from error
    return {"beam_options": read_options(args.beam_options or "--runner=DirectRunner")}


def main(argv=None):
    """Run the command line; returns the exit status."""
    args = parse(argv)

    def make_builder(work):
        from pipelines.portraits.portraits_dataset_builder import Builder, FaceConfig

        return Builder(data_dir=work, config=FaceConfig(**command.configure(args)))

    return command.run(args, make_builder, lambda: read_beam_options(args))


if __name__ == "__main__":
    command.set_environment()
    raise SystemExit(main())
