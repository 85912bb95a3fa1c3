"""The figure of a score among those of test photos."""

from io import BytesIO

import numpy as np
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from keras_uncover.inference.figures import COLOURS, INK, SOFT

TICKS = (0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999)


def draw_scores(scores, p_fake, threshold, band=None):
    """Draw the histogram of scores of genuine and fake test photos with one photo's score in it.

    Genuine photos are hatched bars and fakes an outline, so that both can be told apart without colour.

    Args:
        scores: as ``scores.measured_scores`` gives it.
        p_fake, threshold: in [0, 1].
        band: None, or the ends of the uncertain band.

    Returns: SVG as bytes.
    """
    figure = Figure(figsize=(4.6, 3.1), layout="constrained")
    axes = figure.subplots()
    edges = cut_logit(np.array(scores["edges"]))
    genuine, fake = (100 * np.array(scores[name]) / sum(scores[name]) for name in ("genuine", "fake"))
    axes.stairs(genuine, edges, fill=True, facecolor="#C9DDEA", edgecolor=COLOURS["genuine"], hatch="////",
                linewidth=0.6, label="genuine test photos")
    axes.stairs(fake, edges, color=COLOURS["fake"], linewidth=2.0, label="fake test photos")
    if band is not None:
        axes.axvspan(*cut_logit(np.array(band)), color="#777777", alpha=0.18, linewidth=0, label="too close to call")
    axes.axvline(cut_logit(threshold), color=INK, linestyle="--", linewidth=1.2, label=f"threshold {threshold:.3g}")
    top = 1.18 * max(genuine.max(), fake.max())
    place = float(np.clip(cut_logit(p_fake), edges[0], edges[-1]))
    axes.plot([place, place], [0, top], color=INK, linewidth=2.4, label="this face")
    axes.plot([place], [top * 0.97], marker="v", color=INK, markersize=9)
    axes.set(ylim=(0, top), xlim=(edges[0], edges[-1]), xlabel="p_fake", ylabel="% of the photos")
    axes.set_xticks(cut_logit(np.array(TICKS)), [f"{tick:g}" for tick in TICKS])
    axes.tick_params(labelsize=8, colors=SOFT)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper center", ncols=2, fontsize=8, frameon=False)
    file = BytesIO()
    FigureCanvasSVG(figure).print_svg(file, metadata={"Date": None, "Creator": None})
    return file.getvalue()


def cut_logit(p_fake):
    """Where a score stands on the axis: its logit, cut to -8 .. 8."""
    p_fake = np.clip(p_fake, 1e-9, 1 - 1e-9)
    return np.clip(np.log(p_fake) - np.log1p(-p_fake), -8.0, 8.0)
