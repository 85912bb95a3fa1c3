"""The curves of a run, drawn from its history."""

from pathlib import Path

from matplotlib.figure import Figure

from keras_uncover.files import new_file
from keras_uncover.overwriting import figure_metadata

PANEL = (3.6, 2.6)  # inches
COLUMNS = 3
RATES = ("learning_rate", "images_per_second")


def draw_history(history, name=""):
    """One panel for each loss and metric, training beside validation; the rates come last.

    Args:
        history: as ``read_history`` returns it.
        name: of the run.

    Returns: ``matplotlib.figure.Figure``.
    """
    keys = [key for key in history if key != "epoch" and not key.startswith("val_") and key not in RATES]
    keys = sorted(keys, key=lambda key: (key != "loss", not key.endswith("_loss"), key))
    keys += [key for key in RATES if key in history]
    epochs = [epoch + 1 for epoch in history["epoch"]]
    rows = -(-len(keys) // COLUMNS)
    figure = Figure(figsize=(PANEL[0] * COLUMNS, PANEL[1] * rows + 0.4), layout="constrained")
    figure.suptitle(f"{name}: {len(epochs)} epochs" if name else f"{len(epochs)} epochs", parse_math=False)
    for place, key in enumerate(keys):
        axes = figure.add_subplot(rows, COLUMNS, place + 1, title=key, xlabel="epoch")
        for column, label, style in ((key, "training", "C0.-"), (f"val_{key}", "validation", "C1.-")):
            if column in history:
                axes.plot(epochs, history[column], style, label=label, linewidth=1.2, markersize=3)
        values = history[key] + history.get(f"val_{key}", [])
        if key.endswith("loss") and min(values) > 0:
            axes.set_yscale("log")
        axes.grid(alpha=0.3)
        if f"val_{key}" in history:
            axes.legend(fontsize=8)
    return figure


def save_history(figure, path):
    """Write the figure with our mark, where its kind has room for one; a file there is replaced.

    Args:
        figure: ``matplotlib.figure.Figure``.
        path: whose suffix says the kind; a PNG without one.

    Raises:
        ValueError: Matplotlib does not write such a kind.
    """
    kind = Path(path).suffix[1:].lower() or "png"
    with new_file(path) as file:
        figure.savefig(file, format=kind, dpi=120, metadata=figure_metadata(kind))
