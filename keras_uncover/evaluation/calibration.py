"""Fit a probability, a threshold and an uncertain band on the scores of held-out people, and write them.

Scores are the network's own ``p_fake``. Rows are dicts of arrays ``(n,)``: ``p_fake``, ``person``, ``donor_person``
(the person again for a genuine photo).
"""

import numpy as np

from keras_uncover.evaluation import bootstrap, ranking
from keras_uncover.inference.calibration import NEAREST
from keras_uncover.inference.scores import count_scores
from keras_uncover.inference.wording import describe_rates
from keras_uncover.presets import preset_folder
from keras_uncover.presets.schema import uncalibrated
from keras_uncover.presets.weights import WEIGHTS, load_verified, read_manifest, save_config
from keras_uncover.refusals import DataError, OptionError

STEPS, TOLERANCE = 100, 1e-9


def logit(p_fake):
    """Log odds of scores, float64, within about 16 of 0."""
    p_fake = np.clip(np.asarray(p_fake, float), NEAREST, 1.0 - NEAREST)
    return np.log(p_fake) - np.log1p(-p_fake)


def sigmoid(x):
    """The inverse of ``logit``, without overflow."""
    return np.exp(-np.logaddexp(0.0, -x))


def scale(p_fake, temperature, bias):
    """Calibrated probabilities ``sigmoid(logit(p_fake) / temperature + bias)``, float64."""
    return sigmoid(logit(p_fake) / temperature + bias)


def log_loss(genuine, fake):
    """Mean negative log likelihood of probabilities, genuine photos and fakes weighing the same in all."""
    parts = [np.log1p(np.exp(sign * logit(p))).mean() for sign, p in ((1, genuine), (-1, fake))]
    return float(np.mean(parts))


def fit_scale(genuine, fake, n_people, with_bias=True):
    """Temperature and bias of the greatest likelihood, genuine photos and fakes weighing the same in all.

    The temperature makes scores less or more extreme and leaves 0.5 where it is. The bias moves 0.5, too: a training
    batch holds more fakes than genuine photos, and weak fakes among them, so a score of 0.5 is no even chance.

    Source: J. Platt, "Probabilities for SV Machines", 1999, with his targets short of 0 and 1 for few examples, here
    for as few as there are people: without them scores that are fully apart have no likeliest temperature. Solved by
    Newton's method with halved steps (H. Lin, C. Lin and R. Weng, 2007); the loss is convex in ``1 / temperature``
    and the bias.

    Args:
        genuine, fake: scores, ``(n,)`` and ``(m,)``.
        n_people: how many people the scores are of.
        with_bias: False leaves the bias at 0.

    Returns: temperature and bias, floats.

    Raises:
        DataError: one kind is missing, or the scores rank genuine photos above fakes.
    """
    if not len(genuine) or not len(fake):
        raise DataError(f"A calibration needs genuine and fake scores; received {len(genuine)} and {len(fake)}.")
    weight = np.repeat([0.5 / len(genuine), 0.5 / len(fake)], [len(genuine), len(fake)])
    label = np.repeat([1.0, n_people + 1.0], [len(genuine), len(fake)]) / (n_people + 2.0)
    inputs = np.stack([np.concatenate([logit(genuine), logit(fake)]), np.full(len(label), float(with_bias))])

    def loss(at):
        z = at @ inputs
        return float(weight @ (np.logaddexp(0.0, z) - label * z))

    at = np.array([1.0, 0.0])
    for _ in range(STEPS):
        p = sigmoid(at @ inputs)
        slope = inputs @ (weight * (p - label))
        curve = (inputs * (weight * p * (1.0 - p))) @ inputs.T + 1e-12 * np.eye(2)
        step = np.linalg.solve(curve, slope)
        while loss(at - step) > loss(at) and np.abs(step).max() > TOLERANCE:
            step = step / 2
        at = at - step
        if np.abs(step).max() <= TOLERANCE:
            break
    if at[0] <= 1e-6:
        raise DataError(
            "A calibration needs scores that are higher for fakes than for genuine photos; received scores of which "
            f"{100 * ranking.auc(genuine, fake):.1f} % of the pairs are in that order. Train the network first."
        )
    return float(1.0 / at[0]), float(at[1])


def choose_threshold(genuine, fake, rate):
    """The threshold that keeps false alarms within a rate, and the band in which nothing is claimed.

    The threshold is the lowest for which at most ``rate`` of the genuine scores reach it. The band goes up to it from
    the highest cut for which at most ``rate`` of the fake scores lie below: so at most ``rate`` of the genuine photos
    are called fake, and at most ``rate`` of the fakes genuine. Where that cut is not below the threshold, the
    threshold alone keeps both rates and there is no band. Both lie midway between two neighbouring scores.

    Args:
        genuine, fake: calibrated scores, ``(n,)`` and ``(m,)``.
        rate: in (0, 1).

    Returns: threshold, and ``[low, threshold]`` or None.

    Raises:
        DataError: so many genuine photos score 1 that no threshold keeps the rate.
    """
    if not 0.0 < rate < 1.0:
        raise OptionError(f"The rate of false alarms must be between 0 and 1, such as 0.05; received {rate}.")
    genuine, fake = np.sort(np.asarray(genuine, float)), np.sort(np.asarray(fake, float))
    scores = np.unique(np.concatenate([[0.0], genuine, fake, [1.0]]))
    # The highest genuine score that must stay below the threshold, and the lowest fake one that must not be below the
    # band.
    last = genuine[::-1][int(np.floor(rate * len(genuine) + 1e-9))]
    first = fake[int(np.floor(rate * len(fake) + 1e-9))]
    if last >= 1.0:
        raise DataError(f"No threshold keeps false alarms within {rate}: more genuine photos than that score 1.")
    threshold = float((last + scores[np.searchsorted(scores, last, "right")]) / 2)
    low = float((first + scores[max(np.searchsorted(scores, first, "left") - 1, 0)]) / 2)
    return threshold, [low, threshold] if low < threshold else None


def rate_with_interval(wrong, counts, n_people):
    """A share with its 95 % interval over people and n.

    Where nobody, or everybody, was wrong, it is the Clopper-Pearson interval of ``n_people`` independent tries.
    """
    return bootstrap.open_interval(bootstrap.mean_with_interval(wrong, counts), n_people)


def measure_rates(genuine, fakes, threshold, band):
    """How often verdicts are wrong, and how often none is given.

    Args:
        genuine, fakes: rows, ``p_fake`` calibrated.
        threshold, band: as ``choose_threshold`` returns them.

    Returns: dict of ``false_alarm`` (genuine photos called fake), ``miss`` (fakes called genuine), and
    ``uncertain_genuine`` and ``uncertain_fake``, each ``{"value", "interval", "n"}``; ``n_people``.
    """
    low = threshold if band is None else band[0]
    people = len(np.unique(np.concatenate([genuine["person"], fakes["person"]])))

    def rate(rows, wrong):
        return rate_with_interval(wrong, bootstrap.draw_people(rows["person"], rows["donor_person"]), people)

    return {
        "n_people": people,
        "false_alarm": rate(genuine, genuine["p_fake"] >= threshold),
        "miss": rate(fakes, fakes["p_fake"] < low),
        "uncertain_genuine": rate(genuine, (genuine["p_fake"] >= low) & (genuine["p_fake"] < threshold)),
        "uncertain_fake": rate(fakes, (fakes["p_fake"] >= low) & (fakes["p_fake"] < threshold)),
    }


def calibrate(genuine, fakes, rate, **provenance):
    """Fit scale, threshold and band, and measure what they come to on the same rows.

    Args:
        genuine, fakes: rows, ``p_fake`` as the network gives it.
        rate: wanted rate of false alarms, in (0, 1).
        provenance: what else a reader must know, such as ``split`` and ``weights_sha256``; plain data.

    Returns: dict of the entries ``threshold``, ``band`` and ``calibration`` of a preset's configuration.
    """
    people = len(np.unique(np.concatenate([genuine["person"], fakes["person"]])))
    temperature, bias = fit_scale(genuine["p_fake"], fakes["p_fake"], people)
    scaled = [{**rows, "p_fake": scale(rows["p_fake"], temperature, bias)} for rows in (genuine, fakes)]
    before, after = ([rows["p_fake"] for rows in pair] for pair in ((genuine, fakes), scaled))
    threshold, band = choose_threshold(*after, rate)
    calibration = {
        "temperature": temperature,
        "bias": bias,
        "rate": float(rate),
        **measure_rates(*scaled, threshold, band),
        **{f"{name}_{when}": float(measure(*scores)) for name, measure in
           (("ece", ranking.calibration_error), ("log_loss", log_loss))
           for when, scores in (("before", before), ("after", after))},
        **provenance,
    }
    return {"threshold": threshold, "band": band, "calibration": calibration}


def write_calibration(preset, rate, rows, **said):
    """Fit a calibration on the first split's people, measure its error rates on the last one's, and write both.

    Args:
        preset: as ``preset_folder`` takes it; its ``config.json`` and manifest are rewritten, the weights are not.
        rate: wanted rate of false alarms, in (0, 1).
        rows: dict from split to ``p_fake`` as the network itself gives it, ``person`` and ``donor_person``, ``(n,)``
            each, the last empty for genuine photos. With one split alone nothing is measured on others.
        said: what else the configuration shall tell of these examples; ``shards`` must be among it.

    Returns: dict of the entries written: ``threshold``, ``band``, ``calibration`` and, where there is another split,
    ``measured``.

    Raises:
        WeightsError: there is no such preset, or it was altered.
        ValueError: the scores cannot be calibrated.
    """
    folder = preset_folder(preset)
    said = {**said, "weights_sha256": read_manifest(folder)[WEIGHTS]}
    (split, fit_rows), *others = rows.items()
    entries = calibrate(*part_kinds(fit_rows), rate, split=split, **said)
    if others:
        split, test_rows = others[-1]
        found = entries["calibration"]
        scaled = {**test_rows, "p_fake": scale(test_rows["p_fake"], found["temperature"], found["bias"])}
        entries["measured"] = measure_calibrated(*part_kinds(scaled), entries, split=split, **said)
    save_config(folder, {**uncalibrated(load_verified(folder)), **entries})
    return entries


def part_kinds(rows):
    """Rows of genuine photos and rows of fakes."""
    genuine = rows["donor_person"] == ""
    return [{key: value[kind] for key, value in rows.items()} for kind in (genuine, ~genuine)]


def measure_calibrated(genuine, fakes, entries, **said):
    """Error rates, calibration error and histogram of scores at a preset's threshold, with what they belong to."""
    at = {key: entries[key] for key in ("threshold", "band")}
    ece = ranking.calibration_error(genuine["p_fake"], fakes["p_fake"])
    scores = count_scores(genuine["p_fake"], fakes["p_fake"])
    return {**measure_rates(genuine, fakes, **at), "ece": ece, "scores": scores, **at, **said}


def describe_calibration(entries):
    """What ``write_calibration`` wrote, as text."""
    found, band = entries["calibration"], entries["band"]
    lines = [
        f"temperature {found['temperature']:.3f}, bias {found['bias']:.3f}, fitted on {found['n_people']} "
        f"{found['split']} people: calibration error {found['ece_before']:.4f}, then {found['ece_after']:.4f}",
        f"threshold {entries['threshold']:.4f}, "
        + ("no uncertain band" if band is None else f"uncertain from {band[0]:.4f} up to it"),
        describe_rates(found),
    ]
    if "measured" in entries:
        lines.append(f"calibration error {entries['measured']['ece']:.4f}; {describe_rates(entries['measured'])}")
    return "\n".join(lines)
