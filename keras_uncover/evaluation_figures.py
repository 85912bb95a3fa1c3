"""Figures of an evaluation: how it separates and promises, and what its best and worst answers look like."""

from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from keras_uncover import statistics
from keras_uncover.examples import COLUMNS

INK, OURS, CHANCE = "#1A1A1A", "#00598F", "#B34700"
CELL = 1.5  # inches of a picture's side
TITLES = {
    "input": "input", "truth": "target: truth", "answer": "target: answer", "baseline": "target: {best}",
    "donor_truth": "donor: truth", "donor_answer": "donor: answer",
}


def save_curves(folder, report, genuine, fake):
    """Write ``curves.png``: the ROC curve, and what ``p_fake`` promises against what is true.

    Args:
        folder: made if it is missing.
        report: as ``evaluate_keras.py`` writes it.
        genuine, fake: ``p_fake`` of the headline's photos and fakes, ``(n,)`` and ``(m,)``.
    """
    figure = Figure(figsize=(10, 4.6), layout="constrained")
    roc, promise = figure.subplots(1, 2)
    draw_roc(roc, report["detection"], genuine, fake)
    draw_reliability(promise, report["detection"], genuine, fake)
    figure.suptitle(f"{report['model']}: {len(genuine)} genuine photos, {len(fake)} fakes", color=INK)
    save(figure, folder, "curves.png")


def draw_roc(axes, detection, genuine, fake):
    """Share of fakes found against share of genuine photos called fake; the first hundredth is what counts in use."""
    false_alarm, miss = statistics.error_rates(genuine, fake)
    axes.plot(np.maximum(false_alarm, 1e-3), 1.0 - miss, color=OURS, drawstyle="steps-post")
    chance = np.geomspace(1e-3, 1.0, 50)
    axes.plot(chance, chance, color=CHANCE, linestyle="--", label="chance")
    axes.axvline(0.01, color=INK, linewidth=0.6, linestyle=":")
    axes.set(xscale="log", xlim=(1e-3, 1), ylim=(0, 1.01), xlabel="genuine photos called fake", ylabel="fakes found")
    axes.set_title(f"AUC {detection['auc']['value']:.3f}, {detection['tpr_at_fpr_1']['value']:.3f} found at 1 %")
    axes.legend(loc="lower right", frameon=False)


def draw_reliability(axes, detection, genuine, fake):
    """The share of fakes among photos of a score; on the diagonal a score is a probability."""
    promised, true, weight = statistics.reliability(genuine, fake)
    axes.plot([0, 1], [0, 1], color=CHANCE, linestyle="--", label="what a probability would be")
    axes.plot(promised, true, color=OURS, linewidth=0.8)
    axes.scatter(promised, true, s=20 + 400 * weight, color=OURS, alpha=0.7, label="p_fake; area: share of photos")
    axes.set(xlim=(0, 1), ylim=(-0.02, 1.02), xlabel="p_fake", ylabel="share of fakes, as many as genuine photos")
    axes.set_title(f"calibration error {detection['ece']['value']:.3f}")
    axes.legend(loc="upper left", frameon=False)


def save_examples(folder, examples, best):
    """Write ``examples.png``, a row a fake.

    Args:
        examples: list of words, the judge's distances of target and donor, and the dict of ``examples.pictures``.
        best: name of the baseline that is shown.
    """
    figure = Figure(figsize=(CELL * (len(COLUMNS) + 1), CELL * len(examples) + 0.4), layout="constrained")
    grid = figure.subplots(len(examples), len(COLUMNS), squeeze=False)
    for axes, (words, distances, pictures) in zip(grid, examples):
        for cell, name in zip(axes, COLUMNS):
            cell.imshow(pictures[name], interpolation="nearest")
            cell.set(xticks=[], yticks=[])
        lines = f"{words}\ntarget {distances[0]:.2f}\ndonor {distances[1]:.2f}"
        axes[0].set_ylabel(lines, rotation=0, ha="right", va="center", fontsize=8, color=INK)
    for cell, name in zip(grid[0], COLUMNS):
        cell.set_title(TITLES[name].format(best=best.replace("_", " ")), fontsize=8, color=INK)
    save(figure, folder, "examples.png")


def save(figure, folder, name):
    """Write a figure as PNG."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    FigureCanvasAgg(figure)
    figure.savefig(Path(folder) / name, dpi=110, facecolor="white")
