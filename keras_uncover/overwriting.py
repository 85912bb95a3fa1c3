"""Every command asks here before it writes: an input, or a file that something else wrote, is not overwritten.

A second run may replace files of ours. They carry a mark in their content: pictures in their metadata, tables in their
header, numbers as a first entry. A format without room for a mark is never taken for ours.
"""

import os
import re
import stat
import struct
import zlib

MARK = "keras_uncover"
LOOKED_AT = 65_536  # bytes of a file's beginning and of its end
TABLE = "file,sha256,face_index,bbox_x0,"  # how every table of answers begins
PAGE = "<!-- keras_uncover -->\n"  # how every report in Markdown begins
WRITTEN_BY = {"written_by": MARK}  # the first entry of a JSON file of numbers
# Every figure of an evaluation and the kinds of files that it becomes, of which the second is for print.
FIGURES = {
    **dict.fromkeys(("roc", "det", "reliability", "confusion", "robustness", "families", "material"), ("png", "pdf")),
    "examples": ("png",),
}
HINT = "Choose another name, or say --overwrite."
PNG = b"\x89PNG\r\n\x1a\n"
MARKS = (
    (b"\x89PNG", b"tEXtSoftware\0" + MARK.encode()),
    (b"%PDF", f"/Creator ({MARK})".encode()),
    (b"<?xml", f"<dc:title>{MARK}</dc:title>".encode()),
    (b"%!PS", f"%%Creator: {MARK}\n".encode()),
    (TABLE.encode(), b""),
    (PAGE.encode(), b""),
)


class OverwriteError(FileExistsError):
    """An output would take the place of a file that somebody else wrote, or that is an input."""


def check_output(path, inputs=(), overwrite=False, replaced=True):
    """Refuse to write where a file would be lost.

    Args:
        path: of the output.
        inputs: paths that are read; a file among them is told by its inode, whatever the links on the way.
        overwrite: whether the user allows it.
        replaced: whether the output takes the file's place, so that what a link leads to stays; otherwise it is written
            into what is there.

    Raises: OverwriteError.
    """
    if overwrite or not os.path.lexists(path):
        return
    if any(is_same(path, source) for source in inputs):
        raise OverwriteError(f'An output is no input; received "{path}", which is read, too. {HINT}')
    if os.path.islink(path) and (replaced or not os.path.exists(path)):
        return
    if stat.S_ISREG(os.stat(path).st_mode) and not is_ours(path):
        raise OverwriteError(
            f'An output replaces only what this program wrote; received "{path}", which something else wrote. {HINT}'
        )


def check_or_exit(parser, paths, overwrite=False, inputs=(), replaced=True):
    """``check_output`` of each path for a command line; a refusal ends it with exit code 2."""
    try:
        for path in paths:
            check_output(path, inputs, overwrite, replaced)
    except OverwriteError as error:
        parser.error(str(error))


def is_same(path, other):
    """Whether two paths lead to one file."""
    try:
        return os.path.samefile(path, other)
    except OSError:
        return False


def is_ours(path):
    """Whether a file carries our mark or is empty, so that nothing is lost with it."""
    try:
        with open(path, "rb") as file:
            head = file.read(LOOKED_AT)
            file.seek(max(0, os.path.getsize(path) - LOOKED_AT))
            tail = file.read(LOOKED_AT)
    except OSError:
        return False
    if not head or re.match(rb'\s*\{\s*"written_by": "keras_uncover"', head):
        return True
    return any(head.startswith(start) and (mark in head or mark in tail) for start, mark in MARKS)


def figure_metadata(kind):
    """What Matplotlib writes into a figure of a kind ("png", "pdf", "svg", "ps", "eps") as our mark; else None."""
    if kind == "png":
        return {"Software": MARK}
    dated = {"pdf": {"CreationDate": None}, "svg": {"Date": None}}.get(kind, {})
    return {"Creator": MARK, **dated} if kind in ("pdf", "svg", "ps", "eps") else None


def mark_png(data):
    """A PNG, bytes, with our mark behind its header."""
    text = b"tEXtSoftware\0" + MARK.encode()
    chunk = struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text))
    end = len(PNG) + 25  # of the header's chunk, which is the first
    return data[:end] + chunk + data[end:]
