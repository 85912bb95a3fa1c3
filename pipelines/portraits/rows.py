"""Portraits and faces as lines of JSON: what the workers of one build leave for each other in files."""

import base64
import json
import uuid

import numpy as np
from etils import epath

from keras_uncover.faces.finder import Face
from pipelines.portraits.sources import Portrait


def portrait_row(number, portrait):
    """A ``Portrait`` as a dict of plain values, with its number in the list."""
    row = {"number": number, "file": portrait.file, "path": str(portrait.path)}
    return {**row, "person": portrait.person, "split": portrait.split}


def portrait_of(row):
    """The ``Portrait`` of a row."""
    return Portrait(row["file"], epath.Path(row["path"]), row["person"], row["split"])


def face_row(face):
    """A ``Face`` as a dict of plain values; nothing is rounded."""
    points = base64.b64encode(np.ascontiguousarray(face.points, "<f4").tobytes()).decode()
    return {"box": list(face.box), "score": face.score, "presence": face.presence, "points": points}


def face_of(row):
    """The ``Face`` of a row."""
    points = np.frombuffer(base64.b64decode(row["points"]), "<f4").reshape(-1, 3)
    return Face(tuple(row["box"]), row["score"], points, row["presence"])


def write_rows(path, rows):
    """Write rows, whole or not at all: a runner may stop a worker, or let two do the same work."""
    path = epath.Path(path)
    draft = path.parent / f"draft-{uuid.uuid4().hex}"
    draft.write_text("".join(json.dumps(row) + "\n" for row in rows))
    draft.replace(path)


def read_rows(path):
    """Rows of a file, each as it was written but for tuples, which become lists."""
    return [json.loads(line) for line in epath.Path(path).read_text().splitlines()]
