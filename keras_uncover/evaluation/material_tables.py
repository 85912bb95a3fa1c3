"""The material's numbers as a page of tables in Markdown, for people and for terminals."""

from keras_uncover.evaluation.tables import align, number, to_markdown
from keras_uncover.overwriting import PAGE

NOTE = (
    "Brackets: 95 % intervals over scenes. A scene is a film clip or a target picture, and each has the same weight; n "
    "of faces, the largest of each picture."
)


def percent(entry):
    """A share with its interval in percent; ``n/a`` for None."""
    if entry is None:
        return "n/a"
    low, high = (100 * end for end in entry["interval"])
    return f"{100 * entry['value']:.1f} % [{low:.0f}, {high:.0f}]"


def counts(entry, role):
    """Faces found, of how many files of a role."""
    files = entry["files"].get(role, {"files": 0, "faces": 0})
    return f"{files['faces']} of {files['files']}"


def photo_table(report):
    """Sources of photos, the first row the header."""
    rows = [["photos", "faces", "called fake", "uncertain", *(f"over the {r} % cut" for r in rates_of(report))]]
    entries = {**report["sources"], "**all photos**": report["photos"]}
    for name, entry in entries.items():
        above = [percent(value) for value in entry["above_threshold"].values()]
        rows.append([name, counts(entry, "photo"), percent(entry["called_fake"]), percent(entry["uncertain"]), *above])
    return rows


def rates_of(report):
    """Rates of false alarms in percent, as text."""
    return [f"{100 * float(rate):g}" for rate in report["thresholds"]]


def swap_entries(report):
    """Tools, then all of them together."""
    together = {f"**{name}**": entry for name, entry in report["together"].items() if entry["files"]}
    return {**report["tools"], **together}


def swap_table(report):
    """Swap tools: verdicts, and their targets'."""
    rows = [["swaps", "faces", "scenes", "called fake", "uncertain", "targets' faces", "targets called fake"]]
    for name, entry in swap_entries(report).items():
        own = counts(entry, "result"), str(entry["scenes"]), percent(entry["called_fake"]), percent(entry["uncertain"])
        rows.append([name, *own, counts(entry, "target"), percent(entry["targets"]["called_fake"])])
    return rows


def ranking_table(report):
    """Swap tools: how well they are told from genuine photos."""
    found = [f"found at {rate} %" for rate in rates_of(report)]
    rows = [["swaps", "AUC, own targets", "AUC, photos", *found, "above own target", "AUC, clips"]]
    for name, entry in swap_entries(report).items():
        clips = entry["clips"] and entry["clips"]["auc_targets"]
        shares = [percent(entry["found_at"][rate]) for rate in report["thresholds"]]
        above = percent(entry["above_own_target"])
        rows.append([name, number(entry["auc_targets"]), number(entry["auc_photos"]), *shares, above, number(clips)])
    return rows


def part_table(report, group):
    """Photos and all swaps by size or by sharpness."""
    words = {"by_size": "eye distance", "by_sharpness": "sharpness"}[group]
    rows = [[words, "photos", "called fake", "uncertain", "swaps", "called fake", "uncertain", "AUC, own targets",
             "AUC, photos"]]
    photos = (report["photos"] or {}).get(group, {})
    swaps = (report["together"] or {"all": {}})["all"].get(group, {})
    for name in photos or swaps:
        row = [name]
        for side in (photos, swaps):
            entry = side.get(name) or {"faces": 0, "called_fake": None, "uncertain": None}
            row += [str(entry["faces"]), percent(entry["called_fake"]), percent(entry["uncertain"])]
        rows.append([*row, *(number(swaps[name][key]) if swaps else "n/a" for key in ("auc_targets", "auc_photos"))])
    return rows


def distance_table(report):
    """The judge's distances by tool; None where nothing was recovered and compared."""
    rows = [["judge's distance to the truth", "n", "recovered", "input as it is", "recovered over input", "no face"]]
    for name, entry in swap_entries(report).items():
        for role, numbers in entry["distances"].items():
            if numbers is not None:
                n = "0" if numbers["answer"] is None else str(numbers["answer"]["n"])
                cells = [number(numbers.get(key)) for key in ("answer", "input", "answer_over_input")]
                rows.append([f"{name}, {role}", n, *cells, str(numbers["no_face"])])
    return rows if len(rows) > 1 else None


def material_tables(report):
    """All tables, each a list of rows of text."""
    found = [photo_table(report)] if report["photos"] else []
    if report["together"]:
        found += [swap_table(report), ranking_table(report)]
    found += [part_table(report, "by_size"), part_table(report, "by_sharpness")]
    distances = distance_table(report) if report["together"] else None
    return found if distances is None else [*found, distances]


def heading(report):
    """What was measured, in a sentence."""
    source = report["reference"] or "all photos"
    return f"{report['model']} (weights {report['weights_sha256'][:12]}), thresholds from {source}. {NOTE}"


def left_out_lines(report):
    """The files without an answer, each with its reason."""
    return [f"{entry['file']}: {entry['reason']}" for entry in report["left_out"]]


def to_page(report):
    """The whole report in Markdown."""
    parts = [f"# {report['model']} on pictures of {report['material']}", heading(report)]
    parts += [to_markdown(rows) for rows in material_tables(report)]
    lines = left_out_lines(report)
    parts += [f"## Without an answer: {len(lines)} files", "\n".join(f"- {line}" for line in lines)] if lines else []
    return PAGE + "\n\n".join(parts) + "\n"


def describe_material(report):
    """The report as lines for a terminal."""
    yield heading(report)
    for rows in material_tables(report):
        yield ""
        yield from align(rows)
    if report["left_out"]:
        yield ""
        yield f"{len(report['left_out'])} files without an answer; they are listed with their reasons in the report"
