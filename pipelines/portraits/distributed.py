"""The portraits builder on Apache Beam: the same screening and the same records, on as many workers as a runner has.

Two pipelines. The first screens every portrait and leaves the faces that it kept in files, so that a split of which
nothing is left is known before TFDS, which cannot write an empty one, is told of it. The second, which is TFDS's own,
makes the records; it reads each photo again, because to send pixels between workers costs more. Nothing that grows
with the data is held in one place but the list of files and the refusals.

Needs the extra ``beam``. Pictures and shards must lie where all workers find them by the same name.
"""

import shlex
import threading

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions
from apache_beam.pvalue import TaggedOutput

from pipelines.build.folders import BuildError
from pipelines.build.pictures import Reject
from pipelines.build.screening import load_finder, screen
from pipelines.portraits.record import compile_renderer, make_example, read_record
from pipelines.portraits.rows import face_of, face_row, portrait_of, portrait_row, read_rows, write_rows
from pipelines.portraits.survey import refuse_copy
from pipelines.schema import SPLITS

# The runner that Beam's DirectRunner falls back to when it cannot download a program of its own.
DIRECT_RUNNER = "apache_beam.runners.portability.fn_api_runner.FnApiRunner"
PER_FILE = 1000  # Portraits listed in a file, and about as many faces: 8 MB.
LOADING = threading.Lock()  # The threads of a worker share one finder.


def read_options(words):
    """Beam's options from words as on a command line, checked as far as Beam can before it runs.

    Args:
        words: str, such as ``"--runner=DirectRunner --direct_num_workers=2"``.

    Returns: ``PipelineOptions``.

    Raises: BuildError.
    """
    try:
        options = PipelineOptions(shlex.split(words))
        standard = options.view_as(StandardOptions)
        if (standard.runner or "direct").lower() in ("direct", "directrunner"):
            standard.runner = DIRECT_RUNNER
        beam.Pipeline(options=options)
    except (AttributeError, ImportError, ValueError) as error:
        raise BuildError(f'Beam cannot use --beam-options "{words}": {error}') from error
    return options


class FindFace(beam.DoFn):
    """From a portrait's row to ``(group, row with its face)``; refusals as ``(number, Reject)`` by the tag rejects.

    Portraits with the same pixels come into the same of ``groups`` groups.
    """

    def __init__(self, size, groups):
        super().__init__()
        self.size, self.groups = size, groups

    def setup(self):
        with LOADING:
            self.find = load_finder().find

    def process(self, row):
        answer = screen(portrait_of(row), self.find, self.size)
        if isinstance(answer, Reject):
            yield TaggedOutput("rejects", (row["number"], tuple(answer)))
        else:
            yield int(answer.hash[:8], 16) % self.groups, {**row, "hash": answer.hash, **face_row(answer.face)}


class KeepFirst(beam.DoFn):
    """From a group of rows to a file of faces for each split; yields ``(split, person)`` of each portrait kept."""

    def __init__(self, folder):
        super().__init__()
        self.folder = folder

    def process(self, group):
        name, rows = group
        first, kept = {}, {}
        for row in sorted(rows, key=lambda row: row["number"]):
            refusal = refuse_copy(row["file"], row["hash"], first)
            if refusal:
                yield TaggedOutput("rejects", (row["number"], tuple(refusal)))
            else:
                kept.setdefault(row["split"], []).append(row)
                yield row["split"], row["person"]
        for split, found in kept.items():
            write_rows(self.folder / f"{split}-{name:06d}", found)


class MakeExample(beam.DoFn):
    """From a row with a face to the key and the record that TFDS takes."""

    def __init__(self, size):
        super().__init__()
        self.size = size

    def setup(self):
        with LOADING:
            compile_renderer(self.size)

    def process(self, row):
        portrait = portrait_of(row)
        yield make_example(portrait, read_record(portrait, face_of(row), self.size), row["hash"])


def survey(portraits, size, folder, runner, options):
    """As ``pipelines.portraits.survey.survey``, by Beam.

    Args:
        portraits: list of ``Portrait``.
        size: pixels of the crops to come.
        folder: path of a folder for files that workers leave for each other; made here.
        runner, options: Beam's, either may be None.

    Returns: dict of the splits that keep portraits to their files of faces, list of ``Reject`` in the order of
    ``portraits``, and a dict of splits to the numbers of portraits and people.
    """
    rows = [portrait_row(number, portrait) for number, portrait in enumerate(portraits)]
    folder.mkdir()
    listed = [rows[start : start + PER_FILE] for start in range(0, len(rows), PER_FILE)]
    for number, part in enumerate(listed):
        write_rows(folder / f"listed-{number:06d}", part)
    with beam.Pipeline(runner=runner, options=options) as pipeline:
        lay_survey(pipeline, size, folder, len(listed))
    rejects = [Reject(*reject) for _, reject in read_rows(folder / "rejects")]
    counts = {split: (portraits, people) for split, portraits, people in read_rows(folder / "counts")}
    names = sorted(path.name for path in folder.iterdir())
    files = {split: [str(folder / name) for name in names if name.startswith(f"{split}-")] for split in SPLITS}
    return {split: found for split, found in files.items() if found}, rejects, counts


def lay_survey(pipeline, size, folder, groups):
    """Add to a pipeline the steps that screen every portrait listed in ``folder``."""
    screened = (
        pipeline
        | "Lists" >> beam.Create([str(folder / f"listed-{number:06d}") for number in range(groups)])
        | "Read lists" >> beam.FlatMap(read_rows)
        | "Spread portraits" >> beam.Reshuffle()
        | "Find faces" >> two_outputs(FindFace(size, groups), tuple[int, dict])
    )
    firsts = (
        screened.main
        | "Bring copies together" >> beam.GroupByKey()
        | "Keep first" >> two_outputs(KeepFirst(folder), tuple[str, str])
    )
    refused = (screened.rejects, firsts.rejects) | "All rejects" >> beam.Flatten()
    refused | "List rejects" >> beam.combiners.ToList() | "Write rejects" >> beam.Map(write_sorted, folder / "rejects")
    counts = (
        firsts.main
        | "Count portraits" >> beam.combiners.Count.PerElement()
        | "Take persons for one" >> beam.MapTuple(lambda key, count: (key[0], (count, 1)))
        | "Count both" >> beam.CombinePerKey(add_pairs)
        | "Make rows" >> beam.MapTuple(lambda split, counts: (split, *counts))
    )
    counts | "List counts" >> beam.combiners.ToList() | "Write counts" >> beam.Map(write_sorted, folder / "counts")


def two_outputs(function, kind):
    """A ``DoFn`` with the outputs main, of this type, and rejects; Beam would take them for one of both types."""
    return beam.ParDo(function).with_output_types(kind).with_outputs("rejects", main="main")


def write_sorted(rows, path):
    """Write a list of rows in their order."""
    write_rows(path, sorted(rows))


def add_pairs(pairs):
    """Sums of the first and of the second numbers of pairs."""
    first, second = 0, 0
    for one, other in pairs:
        first, second = first + one, second + other
    return first, second


def make_examples(files, size):
    """A transform that makes the records of all faces in some files, for TFDS to write."""
    return (
        beam.Create(files)
        | "Read faces" >> beam.FlatMap(read_rows)
        | "Spread faces" >> beam.Reshuffle()
        | "Make records" >> beam.ParDo(MakeExample(size))
    )
