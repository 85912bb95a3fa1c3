"""The figure of the material: what is found by tool, and false alarms by source, size and sharpness."""

import numpy as np
from matplotlib.figure import Figure

from keras_uncover.evaluation.figures import CHANCE, INK, OURS, finish

RATE = "0.05"  # of false alarms at which shares found are drawn
GRID = "#E4E4E0"


def save_material(folder, report):
    """Write ``material.png`` and ``material.pdf``.

    Args:
        folder: made if it is missing.
        report: as ``evaluate_keras.py --photos --swaps`` writes it.
    """
    tools, sources = report["tools"], report["sources"]
    if report["together"]:
        tools = {**tools, **{f"all {n}" if n != "all" else n: e for n, e in report["together"].items() if e["files"]}}
    rows = max(len(tools), len(sources) + 1, 5)
    figure = Figure(figsize=(12, 0.3 * rows + 4.2), layout="constrained")
    top, bottom = figure.subfigures(2, 1, height_ratios=(0.3 * rows + 1, 3))
    areas, found, alarms = top.subplots(1, 3)
    draw_areas(areas, tools)
    draw_shares(found, {name: {"found": entry["found_at"].get(RATE)} for name, entry in tools.items()},
                "swaps found at 5 % false alarms")
    photos = {**sources, **({"all photos": report["photos"]} if sources else {})}
    draw_shares(alarms, {name: {"called fake": e["called_fake"], "uncertain": e["uncertain"]}
                         for name, e in photos.items()}, "genuine photos")
    for axes, group, words in zip(bottom.subplots(1, 2), ("by_size", "by_sharpness"),
                                  ("distance of the eyes", "sharpness, in thirds of the photos")):
        draw_parts(axes, report, group, words)
    figure.suptitle(f"{report['model']}: brackets are 95 % intervals over scenes", color=INK, fontsize=10)
    finish(figure, folder, "material")


def draw_entry(axes, entry, place, offset, colour, marker, label, flat=True):
    """A number with its interval, if it was measured."""
    if entry is None:
        return
    value, ends = entry["value"], np.abs(np.array(entry["interval"]) - entry["value"])[:, None]
    style = {"color": colour, "marker": marker, "markersize": 5, "capsize": 2, "linewidth": 1.2, "label": label}
    if flat:
        axes.errorbar([value], [place + offset], xerr=ends, **style)
    else:
        axes.errorbar([place + offset], [value], yerr=ends, **style)


def draw_rows(axes, entries, title, chance=None):
    """A row a name; entries: dict from name to a dict from what was measured to its number."""
    if not entries:
        axes.set_axis_off()
        return
    shown = set()
    for place, numbers in enumerate(entries.values()):
        for k, (what, entry) in enumerate(numbers.items()):
            label = None if what in shown or len(numbers) == 1 else what
            shown |= {what} if entry is not None else set()
            draw_entry(axes, entry, place, 0.24 * k - 0.12 * (len(numbers) - 1), (OURS, CHANCE)[k], "os"[k], label)
    if chance is not None:
        axes.axvline(chance, color=INK, linestyle=":", linewidth=0.8)
    axes.set(xlim=(-0.02, 1.02), ylim=(len(entries) - 0.5, -0.5))
    axes.set_yticks(range(len(entries)), entries, fontsize=8)
    axes.set_title(title, fontsize=9)
    axes.grid(axis="y", color=GRID, linewidth=0.6)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, fontsize=7, loc="best")


def draw_areas(axes, tools):
    """AUC of each tool against its own targets and against the photos."""
    entries = {name: {"own targets": e["auc_targets"], "photos": e["auc_photos"]} for name, e in tools.items()}
    draw_rows(axes, entries, "AUC of swaps against (dotted: chance)", chance=0.5)


def draw_shares(axes, entries, title):
    """Shares by name."""
    draw_rows(axes, entries, title)


def draw_parts(axes, report, group, words):
    """Shares called fake of photos and of swaps, by size or sharpness."""
    kinds = {"genuine photos": report["photos"], "swaps": (report["together"] or {}).get("all")}
    names, shown = [], set()
    for k, (what, numbers) in enumerate(kinds.items()):
        for place, (name, entry) in enumerate((numbers or {}).get(group, {}).items()):
            names = list(numbers[group])
            label = None if what in shown or entry["called_fake"] is None else what
            shown |= {what} if label else set()
            look = (CHANCE, OURS)[k], "so"[k], label
            draw_entry(axes, entry["called_fake"], place, 0.16 * k - 0.08, *look, flat=False)
    axes.set_xticks(range(len(names)), names, fontsize=8)
    axes.set(ylim=(-0.02, 1.02), xlabel=words, ylabel="called fake")
    if shown:
        axes.legend(frameon=False, fontsize=8, loc="best")
