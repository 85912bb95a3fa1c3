"""Command line of the builder of ready-made fakes."""

from pipelines.build import command

EXAMPLES = """examples:
  python -m pipelines.swap_pairs dataset shards                  dataset/df, or dataset/train/df and so on
  python -m pipelines.swap_pairs dataset shards --size 256       larger crops
  python -m pipelines.swap_pairs fakes shards --pattern "swap-{donor}-to-{target}"
  python -m pipelines.swap_pairs fakes shards --split test       everyone into one split

DATASET holds (.jpg, .jpeg, .jpe, .jfif, .png or .webp, in small letters or capitals)
  df/{target}_{donor}.png        the fakes, named by the ids of two people, or as --pattern says
  src/{target}.png               the photos that were edited, with the fakes' field of view
  src_remb/{donor}.png           the people whose faces were pasted in, their background removed or not,
  or segmented_face/{donor}.png  or their faces alone
or the folders train/, valid/ and test/, each with these inside. An id may hold underscores: of several ways to read a
name the one counts whose two pictures exist; a name that stays unclear is refused.

An id is one person in all folders. Split folders are kept; without them, and for validation where there is none,
people are divided by a hash of their id. A fake whose people, or pictures, are in two splits is left out: a person
who is in several split folders stays in test, else in valid. The mask is derived from the difference of fake and
target; where that says nothing, has_mask is false in the record. SHARDS/rejects.csv names every file that was refused
and why. Read the shards with tfds.builder_from_directory("shards").
"""


def parse(argv=None):
    """Read the command line."""
    source = ("DATASET", "folder with df/, src/ and src_remb/ or segmented_face/")
    description = "Turn ready-made fakes and their sources into TFRecord shards."
    parser = command.make_parser("swap_pairs", description, EXAMPLES, source, "fakes")
    parser.add_argument("--pattern", default="{target}_{donor}", metavar="NAME",
                        help="names of the fakes, without suffix (default: {target}_{donor})")
    return parser.parse_args(argv)


def main(argv=None):
    """Run the command line; returns the exit status."""
    args = parse(argv)

    def make_builder(work):
        from pipelines.swap_pairs.swap_pairs_dataset_builder import Builder, SwapPairsConfig

        return Builder(data_dir=work, config=SwapPairsConfig(**command.configure(args, "pattern")))

    return command.run(args, make_builder)


if __name__ == "__main__":
    command.set_environment()
    raise SystemExit(main())
