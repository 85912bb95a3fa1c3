"""The page of an evaluation's best and worst answers: failures are shown, not only what came out well."""

from matplotlib.figure import Figure

from keras_uncover.evaluation.examples import COLUMNS
from keras_uncover.evaluation.paper_figures import INK, finish

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
