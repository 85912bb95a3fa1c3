"""The report of an answer: one HTML file with its pictures, numbers, limits and hashes, which loads nothing."""

import json
from datetime import datetime, timezone
from html import escape

from keras_uncover.demo.page import read_style
from keras_uncover.inference.records import to_records
from keras_uncover.inference.wording import describe_counts

STYLE = """
body { margin: 24px auto; max-width: 1200px; padding: 0 16px; background: #fff; color: #1a1a1a;
  font-family: system-ui, "DejaVu Sans", sans-serif; line-height: 1.45; }
table { border-collapse: collapse; } th, td { text-align: left; padding: 3px 14px 3px 0; vertical-align: top; }
td { overflow-wrap: anywhere; } pre { background: #f1f1ee; padding: 12px; overflow-x: auto; }
"""


def write_report(result, sections, weights_sha256, name=None, made=None):
    """The report of a photo's answer.

    Args:
        result: ``Result``.
        sections: list of str, the HTML of each face as ``page.show_face`` gives it.
        weights_sha256: hash of the weights that answered.
        name: what the photo is called in it; None for the name of its file.
        made: ``datetime`` of the answer; None for now.

    Returns: str, HTML that loads nothing from anywhere.
    """
    made = (made or datetime.now(timezone.utc)).strftime("%Y-%m-%d %H:%M UTC")
    name = str(result.file if name is None else name)
    rows = {
        "photo": name, "SHA-256 of the photo": result.sha256, "model": result.model,
        "SHA-256 of the model's weights": weights_sha256, "answered": made,
        "faces found": result.found, "faces answered": result.answered,
    }
    if counts := describe_counts(result.counts):
        rows["about the faces"] = "; ".join(counts)
    table = "".join(f"<tr><th>{escape(key)}</th><td>{escape(str(value))}</td></tr>" for key, value in rows.items())
    faces = "".join(
        f"<h2>{escape(title_face(answer))}</h2>{section}"
        for answer, section in zip(result.faces, sections, strict=True)
    )
    records = [{**record, "file": name} for record in to_records(result)]
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Report on {escape(name)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{STYLE}{read_style()}</style></head><body><h1>Was a face swapped in?</h1>"
        f"<table>{table}</table>{faces}<h2>As data</h2>"
        f"<pre>{escape(json.dumps(records, indent=1, ensure_ascii=False, allow_nan=False))}</pre></body></html>"
    )


def title_face(answer):
    """A face's number and verdict."""
    verdict = answer.verdict.replace("_", " ")
    return verdict if answer.face_index is None else f"Face {answer.face_index}: {verdict}"
