"""An answer as data: one record a face, written as a line of JSON or a row of CSV."""

import copy
import csv
import math
import sys

from keras_uncover.escapes import for_stdout, to_json

OUTPUT_KINDS = ("target", "donor", "mask", "reswap", "figure", "heatmap")
CSV_HEADER = (
    "file", "sha256", "face_index", "bbox_x0", "bbox_y0", "bbox_x1", "bbox_y1", "verdict", "p_fake", "threshold",
    "error_rates_split", "error_rates_n_people", "error_rates_false_alarm", "error_rates_false_alarm_n",
    "error_rates_miss", "error_rates_miss_n", "mask_area", "reswap_ssim", "reswap_residual", "outputs_target",
    "outputs_donor", "outputs_mask", "outputs_reswap", "outputs_figure", "outputs_heatmap", "model", "warnings",
    "seconds", "error_rule", "error_received", "error_hint", "faces_found", "faces_answered", "faces_left_out",
    "faces_unsure",
)


def finite(value, digits=None):
    """A plain float, or None where there is no number (JSON knows neither NaN nor infinity)."""
    if value is None or not math.isfinite(value):
        return None
    return float(value) if digits is None else round(float(value), digits)


def to_records(result, outputs=None):
    """One dict a face, ready for JSON, with the same keys in the same order whatever the verdict.

    Args:
        result: ``Result``.
        outputs: None, or one dict a face from kind (``OUTPUT_KINDS``) to the path written; kinds may be missing.

    Returns: list of dicts; what does not apply is None.
    """
    outputs = outputs or [{}] * len(result.faces)
    if len(outputs) != len(result.faces):
        raise ValueError(f"outputs must have one entry a face, {len(result.faces)}; received {len(outputs)}.")
    return [face_record(result, answer, paths) for answer, paths in zip(result.faces, outputs)]


def face_record(result, answer, paths):
    """The record of one face; see ``to_records``."""
    bbox, reswap = answer.bbox, answer.reswap
    return {
        "file": str(result.file),
        "sha256": result.sha256,
        "faces": result.counts,
        "face_index": None if answer.face_index is None else int(answer.face_index),
        "bbox": None if bbox is None else [finite(value, 2) for value in bbox],
        "verdict": answer.verdict,
        "p_fake": finite(answer.p_fake),
        "threshold": finite(answer.threshold),
        "error_rates": None if answer.error_rates is None else copy.deepcopy(answer.error_rates),
        "mask_area": finite(answer.mask_area, 6),
        "reswap": None if reswap is None else {key: finite(reswap[key], 6) for key in ("ssim", "residual")},
        "outputs": {kind: None if paths.get(kind) is None else str(paths[kind]) for kind in OUTPUT_KINDS},
        "model": answer.model,
        "warnings": [str(warning) for warning in answer.warnings],
        "seconds": finite(answer.seconds, 3),
    }


def error_record(file, sha256, error):
    """The record of a refused file.

    Args:
        file: path as given.
        sha256: hash of its bytes, or None where they could not be read.
        error: an exception with ``rule``, ``received`` and ``hint``.
    """
    reasons = {"rule": str(error.rule), "received": str(error.received), "hint": str(error.hint)}
    return {"file": str(file), "sha256": sha256, "error": reasons}


def csv_row(record):
    """Flatten a record of either kind to the columns of ``CSV_HEADER``; what does not apply is an empty string."""
    flat = dict(record)
    flat.update(zip(("bbox_x0", "bbox_y0", "bbox_x1", "bbox_y1"), record.get("bbox") or ()))
    for group in ("faces", "reswap", "outputs", "error"):
        flat.update({f"{group}_{key}": value for key, value in (record.get(group) or {}).items()})
    for key, value in (record.get("error_rates") or {}).items():
        rate = isinstance(value, dict)
        flat[f"error_rates_{key}"] = value["value"] if rate else value
        if rate:
            flat[f"error_rates_{key}_n"] = value["n"]
    flat["warnings"] = "; ".join(record.get("warnings", ()))
    return ["" if flat.get(column) is None else flat[column] for column in CSV_HEADER]


class RecordWriter:
    """Writes records as they come: JSON lines on stdout, rows of a CSV file or stdout.

    Args:
        as_json: whether to write JSON lines.
        csv_path: None, a path, or ``"-"`` for stdout.
    """

    def __init__(self, as_json, csv_path):
        self.as_json, self.file, self.rows = as_json, None, None
        if (as_json or csv_path == "-") and hasattr(sys.stdout, "reconfigure"):
            # Data is UTF-8 in any locale; a byte of a file name that is not becomes an escape that JSON knows.
            sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
        if csv_path == "-":
            self.file = sys.stdout
        elif csv_path is not None:
            self.file = open(csv_path, "w", newline="", encoding="utf-8", errors="backslashreplace")
        if self.file is not None:
            self.rows = csv.writer(self.file, lineterminator="\n")
            self.rows.writerow(CSV_HEADER)

    def write(self, record):
        """Write one record; a reader at the other end of a pipe has it at once."""
        if self.as_json:
            print(to_json(record), flush=True)
        if self.rows is not None:
            row = csv_row(record)
            self.rows.writerow(map(for_stdout, row) if self.file is sys.stdout else row)
            self.file.flush()

    def close(self):
        """Close a CSV file that this opened."""
        if self.file is not None and self.file is not sys.stdout:
            self.file.close()
