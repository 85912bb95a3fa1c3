"""The tables of ``docs/security_figures.md``, made from ``benchmarks/results/hostile.json``."""

import json
import sys
from pathlib import Path

BEGIN, END = "<!-- made by benchmarks/hostile table -->", "<!-- end of what was made -->"
SIGNATURES = ("gate", "detect", "serving_default")
NAMES = {
    "builder": "builder, `pipelines.portraits`", "trainer": "trainer, `train_keras.py`",
    "exporter": "exporter, `export.saved_model`", "predict": "batch, `keras-uncover predict`",
    "library": "library, pictures written", "demo": "demo, `/predict`", "client": "serving client",
    "server": "stand-in for the model server, behind the client",
}
FOUND = ("answered", "refused", "raised", "wrong", "crash", "hang", "memory")


def table(head, rows):
    """A Markdown table as lines."""
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(str(cell) for cell in line) + " |" for line in lines] + [""]


def describe_fuzz(title, found):
    """Counts of a fuzzing run, by damage."""
    head = ["damage", "cases", *FOUND[:2], "other errors, wrong answers, crashes, hangs, memory"]
    rows = []
    for damage, counts in found["by_damage"].items():
        bad = sum(counts.get(name, 0) for name in FOUND[2:])
        rows.append([damage.replace("_", " "), sum(counts.values()), *(counts.get(name, 0) for name in FOUND[:2]), bad])
    bad = sum(found[name] for name in FOUND[2:])
    rows.append(["**all**", found["cases"], *(found[name] for name in FOUND[:2]), bad])
    return [f"### {title}", "", *table(head, rows)]


def describe_bombs(found):
    rows = [[name, f"{each['bytes']:,}", each["refused"].split("; ")[0], each["milliseconds"], each["megabytes"]]
            for name, each in found.items() if isinstance(each, dict) and "refused" in each]
    head = ["file that declares 20,000 x 20,000", "bytes", "refused, because", "ms, at most", "MB"]
    return ["### Bombs", "", *table(head, rows)]


def describe_largest(found):
    rows = [[kind, f"{each['pixels']:,}", each["file_megabytes"],
             *(f"{each[name]['megabytes']:.0f}" for name in SIGNATURES)]
            for kind, each in found.items()]
    head = ["stored as", "pixels", "file, MB", "image gate, MB", "`detect`, MB", "`serving_default`, MB"]
    words = "Memory above that of the process before, in a fresh process each that had answered one small photo."
    return ["### The largest admitted photo", "", words, "", *table(head, rows)]


def describe_kills(found):
    rows = [[NAMES[name], each["kills"], each["survived"], "yes" if each["completed_after"] else "no"]
            for name, each in found.items() if name in NAMES]
    return ["### kill -9 at random moments", "", *table(["killed", "times", "nothing half passed for whole",
                                                         "a later run completed"], rows)]


def describe_load(found):
    rows = [[NAMES[name], f"{each['photos']:,}", f"{each['after_warm_up_mib']:,.0f}", f"{each['at_the_end_mib']:,.0f}",
             f"{100 * each['growth']:+.1f} %"] for name, each in found.items() if name in NAMES]
    head = ["road", "photos", "MiB after a fifth of them", "MiB at the end", "growth"]
    return ["### Memory over many photos", "", *table(head, rows)]


def describe(results):
    """All tables that there are results for, as text."""
    lines = []
    if "fuzz" in results:
        lines += describe_fuzz("Damaged files through the image gate", results["fuzz"])
    if "bombs" in results:
        lines += describe_bombs(results["bombs"])
    if "served" in results:
        title = "Damaged files through the SavedModel, each beside a sound one"
        lines += describe_fuzz(title, results["served"]["files"])
        lines += describe_largest(results["served"]["largest_photo"])
    if "kills" in results:
        lines += describe_kills(results["kills"])
    if "load" in results:
        lines += describe_load(results["load"])
    return "\n".join(lines)


def write(results, page, check=False):
    """Put the tables between the marks of a page, or say by the exit code whether they are there."""
    page = Path(page)
    text, made = page.read_text("utf-8"), describe(json.loads(Path(results).read_text("utf-8")))
    before, rest = text.split(BEGIN)
    fresh = f"{before}{BEGIN}\n\n{made}\n{END}{rest.split(END)[1]}"
    if not check:
        page.write_text(fresh, "utf-8")
    elif fresh != text:
        print(f"hostile: {page} has not the tables of {results}; run python benchmarks/hostile table", file=sys.stderr)
        return 1
    return 0
