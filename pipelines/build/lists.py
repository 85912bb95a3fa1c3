"""The one reader of CSV files that name pictures, their splits and the people in them."""

import csv
import io
from pathlib import PurePath

from pipelines.build.buckets import is_remote
from pipelines.build.folders import BuildError, as_path
from pipelines.schema import SPLITS

COLUMNS = ("file", "split", "person")  # what is read; the first is needed
NOTES = ("width", "height", "source", "licence", "license")  # what a list may say beside it
BLANK = "\ufeff \t\u00a0\u200b"  # around names: byte order marks, and spaces of all kinds


def read_list(path):
    """Rows of a CSV file in UTF-8, in its order.

    Capitals, and spaces around names of columns and splits, do not matter; nor does a byte order mark. Rows whose cells
    are all empty are left out.

    Args:
        path: of the file, local or in a bucket.

    Returns: list of dicts with ``file``, ``split`` and ``person``, the last two empty where nothing is said, and
    ``line``, the number of the row's first line in the file, from 1 on.

    Raises:
        BuildError: the file cannot be read, a column is not known or there twice, or a row makes no sense; it names the
            line.
    """
    lines = read_cells(path)
    number, header = next(lines, (1, []))
    columns = read_header(path, number, header)
    rows = [read_row(path, number, cells, columns) for number, cells in lines]
    if not rows:
        raise BuildError(f"A list has a header and at least one row; {path} has no row. Add a line for each picture.")
    return rows


def read_cells(path):
    """Yield ``(line, cells)`` of every row that is not empty, cells without what is blank around them."""
    try:
        text = as_path(path).read_bytes().decode("utf-8-sig")
        # Strict: a quote that is never closed would otherwise take all rows after it into one cell.
        reader = csv.reader(io.StringIO(text, newline=""), skipinitialspace=True, strict=True)
        line = 1
        for cells in reader:
            cells = [cell.strip().strip(BLANK) for cell in cells]
            if any(cells):
                yield line, cells
            line = reader.line_num + 1
    except UnicodeDecodeError as error:
        raise BuildError(f"A list is a CSV file in UTF-8; {path} is not: {error}. Save it as UTF-8.") from error
    except csv.Error as error:
        raise BuildError(f"A list is a CSV file; line {line} of {path} cannot be read: {error}. Mend it.") from error
    except OSError as error:
        raise BuildError(f"A list is a CSV file; {path} cannot be read: {error}. Check the path.") from error


def read_header(path, number, header):
    """Names of the columns as they are known here, in the order of the file; "" for a column without a name."""
    columns = [name.casefold() for name in header]
    unknown = [name for name, column in zip(header, columns) if column not in ("", *COLUMNS, *NOTES)]
    if "file" not in columns or unknown:
        found = "; it has " + ", ".join(map(repr, unknown or header)) if header else ""
        raise BuildError(
            f"The CSV needs a column named file, and may have {', '.join(COLUMNS[1:])}, and {', '.join(NOTES)}, which "
            f"are not read; line {number} of {path} {'is' if header else 'holds'} no such header{found}. Separate "
            "columns by commas, and rename or remove others."
        )
    twice = [name for name in COLUMNS if columns.count(name) > 1]
    if twice:
        raise BuildError(f"A column is there once; line {number} of {path} names {twice[0]} twice. Remove one.")
    return columns


def read_row(path, number, cells, columns):
    """The dict of one row."""
    place = f"line {number} of {PurePath(path).name}"
    beyond = [cell for k, cell in enumerate(cells) if cell and not (columns[k:] and columns[k])]
    if beyond:
        raise BuildError(
            f"A row has a cell for each column; {place} has {beyond[0]!r} beyond them. Put a name that holds a comma "
            "into double quotes."
        )
    found = dict(zip(columns, cells))
    row = {"line": number, **{name: found.get(name, "") for name in COLUMNS}}
    if not row["file"] or PurePath(row["file"]).is_absolute():
        raise BuildError(f"Each line names a file relative to the CSV; {place} has {row['file']!r}.")
    if leads_out(row["file"]):
        raise BuildError(f"Each line names a file below the folder of the CSV; {place} has {row['file']!r}.")
    row["split"] = row["split"].casefold()
    if row["split"] not in ("", *SPLITS):
        raise BuildError(f"A split is one of {', '.join(SPLITS)}; {place} has {found['split']!r}.")
    return row


def leads_out(file):
    """Whether a name leads out of the folder that it is looked up in: lists come with data from elsewhere."""
    return ".." in PurePath(file).parts or is_remote(file)
