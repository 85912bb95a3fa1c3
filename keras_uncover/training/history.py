"""The history of a run: a row an epoch, through every stop and start."""

import csv
import io
import os
from pathlib import Path

from keras_uncover.files import write_whole

HISTORY = "history.csv"


def cut_history(folder, epochs):
    """Drop the rows of a history after so many epochs, and a last row that was cut off: they are trained again."""
    path = Path(folder) / HISTORY
    if not path.exists():
        return
    lines = path.read_text("utf-8").splitlines(keepends=True)
    rows = list(csv.DictReader(line for line in lines if line.endswith("\n")))
    kept = [row for row in rows if None not in row.values() and int(row["epoch"]) < epochs]
    if not kept:
        os.remove(path)
        return
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(kept)
    write_whole(path, text.getvalue())
