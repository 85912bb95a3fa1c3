"""What the figures of an evaluation share: colours that are told apart in grey, and the files that they become."""

from pathlib import Path

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg

from keras_uncover.overwriting import FIGURES, figure_metadata

# Dark blue and orange differ in hue and in lightness; the shade is lighter than both.
INK, OURS, CHANCE, SHADE = "#1A1A1A", "#00598F", "#C65A00", "#B9D3E3"
DPI = 160


def finish(figure, folder, name):
    """Write a figure, one of ``FIGURES``, as the files that it becomes; files there are replaced."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    FigureCanvasAgg(figure)
    for kind in FIGURES[name]:
        metadata = figure_metadata(kind)  # No date: the same numbers give the same file.
        with matplotlib.rc_context({"pdf.fonttype": 42}):  # Fonts whose text can be selected and is taken by journals.
            figure.savefig(Path(folder) / f"{name}.{kind}", dpi=DPI, facecolor="white", metadata=metadata)
