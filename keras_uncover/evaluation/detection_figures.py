"""Figures of an evaluation's verdicts: ROC, DET, reliability and confusion.

Ours is a solid line, what it is compared with is dashed, intervals are shades: they read in grey and with any colour
vision.
"""

from statistics import NormalDist

import numpy as np
from matplotlib.figure import Figure

from keras_uncover.evaluation import bootstrap, ranking
from keras_uncover.evaluation.calibration import rate_with_interval
from keras_uncover.evaluation.figures import CHANCE, INK, OURS, SHADE, finish
from keras_uncover.inference.answers import decide

LOWEST = 1e-3  # of the rates that are drawn
DRAWS = 200  # of people, for the shade around a curve
DET_MARKS = (0.001, 0.01, 0.05, 0.2, 0.5, 0.8)
VERDICTS = ("genuine", "uncertain", "fake")


def save_detection(folder, report, genuine, fakes, threshold, band=None):
    """Write ``roc``, ``det``, ``reliability`` and ``confusion``, each as PNG and PDF.

    Args:
        folder: made if it is missing.
        report: as ``evaluate_keras.py`` writes it.
        genuine, fakes: rows of the headline: ``p_fake``, ``person``, ``donor_person``.
        threshold, band: the preset's own.
    """
    title = f"{report['model']}: {len(genuine['p_fake'])} genuine photos, {len(fakes['p_fake'])} fakes"
    rates = np.geomspace(LOWEST, 1.0, 120)
    low, high = curve_interval(genuine, fakes, rates)
    for name, draw in (
        ("roc", lambda axes: draw_roc(axes, report["detection"], genuine, fakes, rates, low, high)),
        ("det", lambda axes: draw_det(axes, report["detection"], genuine, fakes, rates, low, high)),
        ("reliability", lambda axes: draw_reliability(axes, report["detection"], genuine, fakes)),
        ("confusion", lambda axes: draw_confusion(axes, genuine, fakes, threshold, band)),
    ):
        figure = Figure(figsize=(5.0, 4.4), layout="constrained")
        draw(figure.subplots())
        figure.suptitle(title, color=INK, fontsize=10)
        finish(figure, folder, name)


def curve_interval(genuine, fakes, rates):
    """Where 95 % of curves lie: the share of fakes found at rates of false alarms, drawn over people in both roles.

    Returns: lower and upper ends, each ``(len(rates),)``.
    """
    both = {key: np.concatenate([genuine[key], fakes[key]]) for key in ("p_fake", "person", "donor_person")}
    kind = np.repeat([0, 1], [len(genuine["p_fake"]), len(fakes["p_fake"])])
    rows, curves = np.arange(len(kind)), []
    for counts in bootstrap.draw_people(both["person"], both["donor_person"], kind, draws=DRAWS):
        drawn = np.repeat(rows, counts)
        scores, kinds = both["p_fake"][drawn], kind[drawn]
        curves.append(found_at(scores[kinds == 0], scores[kinds == 1], rates))
    return np.percentile(curves, [2.5, 97.5], axis=0)


def found_at(genuine, fake, rates):
    """The share of fakes found where at most each of some rates of genuine scores is called fake."""
    ordered = np.sort(np.asarray(genuine, float))[::-1]
    allowed = np.floor(rates * len(ordered) + 1e-9).astype(int)
    cuts = np.where(allowed < len(ordered), ordered[np.minimum(allowed, len(ordered) - 1)], -np.inf)
    fake = np.sort(np.asarray(fake, float))
    return 1.0 - np.searchsorted(fake, cuts, "right") / len(fake)


def draw_roc(axes, detection, genuine, fakes, rates, low, high):
    """Share of fakes found against share of genuine photos called fake; the first hundredth is what counts in use."""
    axes.fill_between(rates, low, high, color=SHADE, linewidth=0, label="95 % interval, over people")
    axes.plot(rates, found_at(genuine["p_fake"], fakes["p_fake"], rates), color=OURS, linewidth=1.6, label="p_fake")
    axes.plot(rates, rates, color=CHANCE, linestyle="--", linewidth=1.2, label="chance")
    axes.axvline(0.01, color=INK, linewidth=0.7, linestyle=":")
    axes.set(xscale="log", xlim=(LOWEST, 1), ylim=(0, 1.01), xlabel="genuine photos called fake", ylabel="fakes found")
    area, found = (detection[name]["value"] for name in ("auc", "tpr_at_fpr_1"))
    axes.set_title(f"AUC {area:.3f}, {found:.3f} found at 1 %", fontsize=10)
    axes.legend(loc="center right", frameon=False, fontsize=8)


def draw_det(axes, detection, genuine, fakes, rates, low, high):
    """Both error rates on axes on which two normal distributions give a straight line."""
    deviate = np.vectorize(NormalDist().inv_cdf)

    def placed(values):
        return deviate(np.clip(values, LOWEST, 1.0 - LOWEST))

    found = found_at(genuine["p_fake"], fakes["p_fake"], rates)
    axes.fill_between(placed(rates), placed(1 - high), placed(1 - low), color=SHADE, linewidth=0,
                      label="95 % interval, over people")
    axes.plot(placed(rates), placed(1 - found), color=OURS, linewidth=1.6, label="p_fake")
    ends = placed(np.array([LOWEST, 0.9]))
    axes.plot(ends, ends, color=INK, linestyle=":", linewidth=0.7, label="equal errors")
    axes.plot(ends, -ends, color=CHANCE, linestyle="--", linewidth=1.2, label="chance")
    marks = placed(np.array(DET_MARKS))
    names = [f"{100 * mark:g} %" for mark in DET_MARKS]
    axes.set_xticks(marks, names, fontsize=8)
    axes.set_yticks(marks, names, fontsize=8)
    axes.set(xlim=ends, ylim=ends, xlabel="genuine photos called fake", ylabel="fakes called genuine")
    axes.set_title(f"equal error rate {detection['eer']['value']:.3f}", fontsize=10)
    axes.legend(loc="upper right", frameon=False, fontsize=8)


def draw_reliability(axes, detection, genuine, fakes):
    """The share of fakes among photos of a score; on the diagonal a score is a probability."""
    promised, true, weight = ranking.reliability(genuine["p_fake"], fakes["p_fake"])
    full = weight > 0
    axes.plot([0, 1], [0, 1], color=CHANCE, linestyle="--", label="what a probability would be")
    axes.plot(promised[full], true[full], color=OURS, linewidth=0.8)
    axes.scatter(promised[full], true[full], s=20 + 400 * weight[full], color=OURS, alpha=0.7,
                 label="p_fake; area: share of photos")
    axes.set(xlim=(0, 1), ylim=(-0.02, 1.02), xlabel="p_fake", ylabel="share of fakes, as many as genuine photos")
    axes.set_title(f"calibration error {detection['ece']['value']:.3f}", fontsize=10)
    axes.legend(loc="upper left", frameon=False, fontsize=8)


def count_verdicts(rows, threshold, band):
    """Share with interval of each verdict among rows: dict in the order of ``VERDICTS``."""
    given = np.array([decide(float(p_fake), threshold, band) for p_fake in rows["p_fake"]])
    counts = bootstrap.draw_people(rows["person"], rows["donor_person"])
    people = len(np.unique(rows["person"]))
    return {verdict: rate_with_interval(given == verdict, counts, people) for verdict in VERDICTS}


def draw_confusion(axes, genuine, fakes, threshold, band):
    """Verdicts on genuine photos and on fakes at the preset's threshold, as a table of shares."""
    shown = [verdict for verdict in VERDICTS if verdict != "uncertain" or band is not None]
    for row, (name, rows) in enumerate((("genuine photos", genuine), ("fakes", fakes))):
        found = count_verdicts(rows, threshold, band)
        for column, verdict in enumerate(shown):
            share, count = found[verdict]["value"], found[verdict]["n"]
            low, high = (100 * end for end in found[verdict]["interval"])
            axes.imshow([[share]], extent=(column, column + 1, row + 1, row), cmap="Blues", vmin=0, vmax=1.2)
            words = f"{100 * share:.1f} %\n[{low:.1f}, {high:.1f}]\n{round(share * count)} of {count}"
            axes.text(column + 0.5, row + 0.5, words, ha="center", va="center", fontsize=10,
                      color="white" if share > 0.6 else INK)
    axes.set(xlim=(0, len(shown)), ylim=(2, 0), aspect="auto", xlabel="verdict")
    axes.set_xticks(np.arange(len(shown)) + 0.5, shown)
    axes.set_yticks([0.5, 1.5], ["genuine\nphotos", "fakes"])
    axes.tick_params(length=0)
    axes.set_title(f"at the threshold {threshold:.3g}; brackets: 95 % interval", fontsize=10)
