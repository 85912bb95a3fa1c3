"""Whose picture a fake was made from, read from its file's name."""

import string
import unicodedata
from typing import NamedTuple

from pipelines.build.folders import BuildError

ROLES = ["donor", "target"]


class Pattern(NamedTuple):
    """A template taken apart: text ``before`` the first id, ``between`` both and ``after``; the ``first`` id's role."""

    before: str
    first: str
    between: str
    after: str


def parse_pattern(text, suffixes):
    """Take a template apart.

    Args:
        text: str with ``{target}`` and ``{donor}`` once each, such as ``"{target}_{donor}"``; a suffix is ignored.
        suffixes: suffixes of pictures.

    Raises: BuildError for any other template.
    """
    name = next((text[: -len(suffix)] for suffix in suffixes if text.lower().endswith(suffix)), text)
    try:
        parts = list(string.Formatter().parse(unicodedata.normalize("NFC", name)))
    except ValueError:
        parts = []
    fields = [field for _, field, *_ in parts[:2]]
    plain = not any(rest and any(rest) for _, _, *rest in parts)
    if sorted(map(str, fields)) != ROLES or any(field for _, field, *_ in parts[2:]) or "/" in name or not plain:
        raise BuildError(
            "The pattern is a file's name with {target} and {donor} once each; "
            f'received "{text}". The default is "{{target}}_{{donor}}".'
        )
    after = "".join(part[0] for part in parts[2:])
    return Pattern(parts[0][0], fields[0], parts[1][0], after)


def read_name(pattern, stem):
    """All ways to read a name: list of ``(target, donor)``. Ids hold whatever the pattern leaves, at least one sign."""
    before, first, between, after = pattern
    if len(stem) < len(before) + len(after) or not (stem.startswith(before) and stem.endswith(after)):
        return []
    inner = stem[len(before) : len(stem) - len(after)]
    cuts = [k for k in range(1, len(inner) - len(between)) if inner.startswith(between, k)]
    pairs = [(inner[:k], inner[k + len(between) :]) for k in cuts]
    return pairs if first == "target" else [(target, donor) for donor, target in pairs]


def choose_reading(readings, targets, donors):
    """The one reading of a name whose sources exist.

    Args:
        readings: list of ``(target, donor)``.
        targets, donors: collections of the ids that have a picture.

    Returns: ``(target, donor), None``, or ``None, (rule, reason)`` where there is not exactly one.
    """
    if not readings:
        return None, ("bad_name", "its name does not follow the pattern; see --pattern")
    whole = [pair for pair in readings if pair[0] in targets and pair[1] in donors]
    if len(whole) == 1:
        target, donor = whole[0]
        if target == donor:
            return None, ("bad_name", f"target and donor are both {target}; that is no swap")
        return whole[0], None
    listed = " or ".join(f"target {target} and donor {donor}" for target, donor in whole or readings)
    if whole:
        return None, ("bad_name", f"its name may mean {listed}, and all have pictures; rename it or give a --pattern")
    without_donor = [pair for pair in readings if pair[0] in targets]
    without_target = [pair for pair in readings if pair[1] in donors]
    if len(without_donor) == 1:
        return None, ("donor_missing", f"there is no picture of its donor {without_donor[0][1]}")
    if len(without_target) == 1 or len(readings) == 1:
        return None, ("target_missing", f"there is no photo of its target {(without_target or readings)[0][0]}")
    return None, ("bad_name", f"its name may mean {listed}, and none has both pictures; rename it or give a --pattern")
