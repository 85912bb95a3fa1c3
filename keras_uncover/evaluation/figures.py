"""What the figures of an evaluation share, and the page of its best and worst answers.

Colours are told apart in grey, too. The page shows failures as well as what came out well.
"""

from pathlib import Path

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from keras_uncover.evaluation.examples import COLUMNS
from keras_uncover.files import new_file
from keras_uncover.overwriting import FIGURES, figure_metadata

# Dark blue and orange differ in hue and in lightness; the shade is lighter than both.
INK, OURS, CHANCE, SHADE = "#1A1A1A", "#00598F", "#C65A00", "#B9D3E3"
DPI = 160
CELL = 1.5  # inches of a picture's side
TITLES = {
    "input": "input", "truth": "target: truth", "answer": "target: answer", "baseline": "target: {best}",
    "donor_truth": "donor: truth", "donor_answer": "donor: answer",
}


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
    finish(figure, folder, "examples")


def finish(figure, folder, name):
    """Write a figure, one of ``FIGURES``, as the files that it becomes; files there are replaced."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    FigureCanvasAgg(figure)
    for kind in FIGURES[name]:
        metadata = figure_metadata(kind)  # No date: the same numbers give the same file.
        with matplotlib.rc_context({"pdf.fonttype": 42}):  # Fonts whose text can be selected and is taken by journals.
            with new_file(Path(folder) / f"{name}.{kind}") as file:
                figure.savefig(file, format=kind, dpi=DPI, facecolor="white", metadata=metadata)
