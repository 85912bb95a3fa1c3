"""The words of an answer: verdicts, scores, error rates, and the limits that stand beside every verdict."""

VERDICT_WORDS = {
    "fake": "the model says that this face was swapped in",
    "genuine": "no swap found, as far as the model can tell",
    "uncertain": "too close to call",
    "no_face": "no face found, so nothing was judged",
}
LIMITS = (
    "This is not proof. A verdict is one model's opinion and can be wrong in either direction.",
    "A recovered face is a model's guess and may show nobody. It is a lead, never evidence of who somebody is.",
    "Only a face that was swapped in is looked for: a portrait generated as a whole, or retouched, counts as genuine.",
    "The model learned from generated portraits and synthesised swaps. On camera photographs, and on swaps made by "
    "face-generating networks, its error rates were not measured.",
)
SWAPS_ONLY = "The verdict says whether a face was swapped in; a portrait generated as a whole counts as genuine."
NO_RATES = "The error rates at this threshold were not measured."
UNCALIBRATED = (
    "This preset carries no calibration: the threshold, 0.5 unless another is given, has no measured error rate, "
    "'uncertain' is never said, and p_fake is a score, not a probability."
)
OTHER_THRESHOLD = (
    "The threshold is not the one that this preset was calibrated for: its error rates were not measured, and "
    "'uncertain' is never said."
)
RATES_HOLD = (
    "The error rates were measured on photos of {n_people} people, the {split} split of {shards}, and on swaps "
    "synthesised from them; for other photos, such as a camera's, and for other swaps they were not measured. p_fake "
    "is a probability where half of the photos are fakes; where fewer are, it is too high."
)
SMALL_FACE = (
    "The face is small: its crop covers {side:.0f} pixels of the photo and is enlarged to {size}. Photos that were as "
    "small as this are not among those that error rates were measured on."
)
NO_DONOR_FACE = "No face was found in the recovered donor, so the swap could not be made again."
# In the place of a picture that an answer does not have.
NO_DONOR = "no donor: nothing was swapped in, as far as the model can tell"
NO_RESWAP = "no re-swap: there is no donor to swap in again"
NO_FACE = "no face was found, so there is no mask and nothing to recover"
MISSING = "not computed"


def format_score(p_fake, threshold):
    """``p_fake`` as text that never rounds onto the threshold, 0 or 1 when it is not there."""
    for digits in range(3, 9):
        text = f"{p_fake:.{digits}f}"
        if all(float(text) != mark or p_fake == mark for mark in (0.0, 1.0, threshold)):
            break
    return text


def percent(entry):
    """A measured share, ``{"value", "interval"}`` with numbers in [0, 1], as text in percent."""
    low, high = (100 * end for end in entry["interval"])
    return f"{100 * entry['value']:.1f} % ({low:.1f} to {high:.1f})"


def describe_rates(rates):
    """Error rates as a sentence, with n and the split's name.

    Args:
        rates: as ``calibration.error_rates`` gives it.
    """
    split, unsure = rates["split"], [rates["uncertain_genuine"], rates["uncertain_fake"]]
    alarm, miss = (f"{percent(rates[name])} of {rates[name]['n']}" for name in ("false_alarm", "miss"))
    text = (
        f"at this threshold {alarm} genuine {split} photos were called fake and {miss} fakes were called genuine"
    )
    if any(entry["value"] for entry in unsure):
        first, second = (f"{100 * entry['value']:.1f} %" for entry in unsure)
        text += f"; {first} and {second} were too close to call"
    return text


def describe_counts(counts):
    """How many faces of a photo were found and answered, as sentences; none where its only face is answered.

    Args:
        counts: as in ``Result.counts``.

    Returns: list of str.
    """
    found, answered, left_out, unsure = (counts[key] for key in ("found", "answered", "left_out", "unsure"))
    told = []
    if left_out:
        others = "1 is left out and may be a fake" if left_out == 1 else f"{left_out} are left out and may be fakes"
        largest = "the largest is answered" if answered == 1 else f"the {answered} largest are answered"
        told.append(f"{found} faces were found; {largest}, {others}")
    elif found > 1:
        told.append(f"{found} faces were found; all are answered")
    if unsure:
        places = "1 place looks" if unsure == 1 else f"{unsure} places look"
        told.append(f"{places} a little like a face, too little for a verdict")
    return told
