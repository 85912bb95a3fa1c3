"""Words that reach a terminal: names of files come from anybody and may hold characters that command a terminal.

Control characters, line breaks and marks that turn the direction of writing are shown as escapes (``\\x1b``), so that a
name can neither change the terminal nor pass for a line of ours.
"""

import argparse
import json
import sys


def escape(text):
    """A line for people in which every character that is not shown as itself is an escape, as Python writes it."""
    text = str(text)
    if text.isprintable():
        return text
    return "".join(mark if mark.isprintable() else mark.encode("unicode_escape").decode("ascii") for mark in text)


def escape_lines(text):
    """``escape`` of words of several lines, whose own breaks stay: names in them must have been escaped before."""
    return "\n".join(map(escape, str(text).split("\n")))


def to_json(record):
    """A record as one line of JSON: readable in any language, with escapes for what commands a terminal.

    Raises: ValueError for numbers that JSON does not know.
    """
    line = json.dumps(record, ensure_ascii=False, allow_nan=False)
    return line if line.isprintable() else "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in line)


def for_stdout(text):
    """Text for stdout: as it is for a file or a program, escaped for a terminal."""
    return escape(text) if sys.stdout is not None and sys.stdout.isatty() else str(text)


class Parser(argparse.ArgumentParser):
    """``argparse.ArgumentParser`` that repeats nothing raw of what it was given."""

    def error(self, message):
        """End with exit code 2."""
        super().error(escape(message))
