"""Figures of where an evaluation's answers hold: under damage, and by family of swaps."""

import numpy as np
from matplotlib.figure import Figure

from keras_uncover.evaluation.figures import CHANCE, INK, OURS, finish
from keras_uncover.evaluation.robustness import LEVELS

AXES = {
    "jpeg": "JPEG quality", "resize": "times smaller", "blur": "sigma of the blur, pixels",
    "noise": "deviation of the noise",
}
# A column of the family figure: its title, where its number stands, and its baseline.
COLUMNS = (
    ("AUC", ("detection", "auc"), 0.5),
    ("found at 1 % false alarms", ("detection", "tpr_at_fpr_1"), 0.01),
    ("mask IoU", ("localisation", "iou"), None),
    ("target: distance\nover copying the input", ("target", "distance_over_copy"), 1.0),
    ("donor: distance\nover a masked copy", ("donor", "distance_over_masked_copy"), 1.0),
)


def save_robustness(folder, report):
    """Write ``robustness``: AUC and mask IoU under each kind of damage, from none to the strongest.

    Args:
        folder: made if it is missing.
        report: as ``evaluate_keras.py`` writes it.
    """
    figure = Figure(figsize=(10, 2.9), layout="constrained")
    panels = figure.subplots(1, len(LEVELS), sharey=True)
    for axes, (kind, levels) in zip(panels, LEVELS.items()):
        names = ["clean", *(f"{kind}_{level:g}" for level in levels)]
        entries = [report["robustness"][name] for name in names]
        draw_levels(axes, [entry["detection"]["auc"] for entry in entries], "o", "-", OURS, "detection AUC")
        if entries[0]["localisation"] is not None:
            draw_levels(axes, [entry["localisation"]["iou"] for entry in entries], "s", "--", CHANCE, "mask IoU")
        axes.axhline(0.5, color=INK, linestyle=":", linewidth=0.7)
        axes.set_xticks(range(len(names)), ["none", *(f"{level:g}" for level in levels)])
        axes.set(xlabel=AXES[kind], ylim=(0, 1.02), xlim=(-0.3, len(names) - 0.7))
    panels[0].legend(loc="lower left", frameon=False, fontsize=8)
    words = "under damage to photo and fake alike; dotted: chance for the AUC"
    figure.suptitle(f"{report['model']}: {words}", color=INK, fontsize=10)
    finish(figure, folder, "robustness")


def draw_levels(axes, entries, marker, line, colour, label):
    """One measure along the levels, with its intervals."""
    values = np.array([entry["value"] for entry in entries])
    ends = np.array([entry["interval"] for entry in entries]).T
    axes.errorbar(range(len(values)), values, yerr=np.abs(ends - values), marker=marker, linestyle=line, color=colour,
                  capsize=3, markersize=5, linewidth=1.4, label=label)


def save_families(folder, report):
    """Write ``families``: the headline and every family of swaps, a row each, with intervals and baselines."""
    rows = {"all but self": report, **report["families"]}
    columns = [column for column in COLUMNS if any(number_of(entry, column[1]) for entry in rows.values())]
    figure = Figure(figsize=(2.6 * len(columns) + 0.8, 0.42 * len(rows) + 1.3), layout="constrained")
    panels = figure.subplots(1, len(columns), sharey=True, squeeze=False)[0]
    for axes, (title, path, baseline) in zip(panels, columns):
        for place, entry in enumerate(rows.values()):
            draw_number(axes, number_of(entry, path), place)
        if baseline is not None:
            axes.axvline(baseline, color=CHANCE, linestyle="--", linewidth=1.0)
        axes.set_title(title, fontsize=9)
        axes.margins(x=0.12)
        axes.grid(axis="y", color="#E4E4E0", linewidth=0.6)
        axes.tick_params(labelsize=8)
    panels[0].set_yticks(range(len(rows)), rows, fontsize=9)
    panels[0].set_ylim(len(rows) - 0.5, -0.6)
    words = "brackets: 95 % interval over people; dashed: chance, or what copying gives"
    figure.suptitle(f"{report['model']}: {words}", color=INK, fontsize=10)
    finish(figure, folder, "families")


def number_of(entry, path):
    """The measured number at a path of keys, or None."""
    for key in path:
        entry = (entry or {}).get(key)
    return entry


def draw_number(axes, number, place):
    """A dot with its interval and its value in words; a dash where nothing was measured."""
    if number is None:
        axes.annotate("-", (0.5, place), xycoords=("axes fraction", "data"), ha="center", va="center", color=INK)
        return
    value, ends = number["value"], np.array(number["interval"])[:, None]
    axes.errorbar([value], [place], xerr=np.abs(ends - value), marker="o", color=OURS, capsize=3, markersize=5)
    style = {"xytext": (0, 5), "textcoords": "offset points", "ha": "center", "fontsize": 8, "color": INK}
    axes.annotate(f"{value:.3f}", (value, place), **style)
