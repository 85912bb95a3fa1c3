"""What the figures of an evaluation share: colours that are told apart in grey, and the files that they become."""

from pathlib import Path

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg

from keras_uncover.overwriting import check_output, figure_metadata

# Dark blue and orange differ in hue and in lightness; the shade is lighter than both.
INK, OURS, CHANCE, SHADE = "#1A1A1A", "#00598F", "#C65A00", "#B9D3E3"
DPI = 160


# Every figure of an evaluation and the kinds of files that it becomes, of which the second is for print.
NAMES = {
    **dict.fromkeys(("roc", "det", "reliability", "confusion", "robustness", "families"), ("png", "pdf")),
    "examples": ("png",),
}


def check_figures(folder, overwrite=False):
    """Refuse a folder in which figures would take the place of files that something else wrote.

    Raises: OverwriteError.
    """
    for name, kinds in NAMES.items():
        for kind in kinds:
            check_output(Path(folder) / f"{name}.{kind}", overwrite=overwrite)


def finish(figure, folder, name):
    """Write a figure, one of ``NAMES``, as the files that it becomes; files there are replaced."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    FigureCanvasAgg(figure)
    for kind in NAMES[name]:
        metadata = figure_metadata(kind)  # No date: the same numbers give the same file.
        with matplotlib.rc_context({"pdf.fonttype": 42}):  # Fonts whose text can be selected and is taken by journals.
            figure.savefig(Path(folder) / f"{name}.{kind}", dpi=DPI, facecolor="white", metadata=metadata)
