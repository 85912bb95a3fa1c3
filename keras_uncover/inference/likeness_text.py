"""What a ranking is worth, in words: whom the mark of the judge mistakes for whom."""

from keras_uncover.faces.identity import SAME_PERSON
from keras_uncover.inference.answers import VERDICT_WORDS

NO_LEAD = "A ranking is a lead and no identification: the nearest is named even where nobody in the gallery is shown."
OTHER_PHOTOS = (
    "These rates hold for other pictures of the same moment of {n_people} people, the {split} split; with photos taken "
    "on other days, and between relatives, more are mistaken. They differ between groups of people by age, sex and "
    "skin, which was not measured."
)
UNMEASURED = "The mark's error rates were not measured with these weights."
ROLES = ("target", "donor")
WITHOUT = {
    "target": "no target was recovered in which a face is seen",
    "donor": "no donor was recovered in which a face is seen",
    "genuine": "no donor: nothing was swapped in, as far as the model can tell",
}


def share(entry):
    """A measured rate as text."""
    low, high = (100 * end for end in entry["interval"])
    return f"{100 * entry['value']:.1f} % ({low:.1f} to {high:.1f})"


def describe_judge(measured):
    """The judge's error rates at its own mark, or that there are none.

    Args:
        measured: entry of its configuration: ``split``, ``n_people``, ``others_within`` and ``own_beyond``, each
            ``{"value", "interval", "n"}``; or None.
    """
    if measured is None:
        return UNMEASURED
    return (
        f"Between photos, {share(measured['others_within'])} of the pairs of different people are within the mark of "
        f"{SAME_PERSON:g}, and {share(measured['own_beyond'])} of another picture of the same person beyond it. "
        + OTHER_PHOTOS.format(**measured)
    )


def describe_recovered(measured, role):
    """The same for recovered faces, which are guesses, or that it was not measured.

    Args:
        measured: entry ``recovered`` of the preset's configuration or of an evaluation: from role to
            ``{"own_within", "others_within"}``; or None.
        role: ``"target"`` or ``"donor"``.
    """
    found = (measured or {}).get(role)
    if found is None:
        return f"Recovered {role}: {UNMEASURED[0].lower()}{UNMEASURED[1:]}"
    return (
        f"Recovered {role}: on the {measured['split']} people, {share(found['own_within'])} were within the mark of "
        f"their own person's photo, and so were {share(found['others_within'])} of the pairs with other people's"
    )


def recovered_rates(report, weights_sha256):
    """What an evaluation says of recovered faces at the judge's mark, for a preset's configuration.

    Args:
        report: as ``evaluate_keras.py --json`` writes it.
        weights_sha256: hash of the preset's weights.

    Returns: dict of ``split``, ``n_people``, ``weights_sha256`` and, by role, ``own_within`` and ``others_within``;
        None where the evaluation is one of other weights or has no such numbers.
    """
    if report.get("weights_sha256") != weights_sha256:
        return None
    rates = {
        role: {name: report[role][f"{name}_mark"] for name in ("own_within", "others_within")}
        for role in ROLES if "own_within_mark" in (report.get(role) or {})
    }
    said = {name: report[name] for name in ("split", "n_people", "weights_sha256")}
    return {**said, **rates} if rates else None


def describe_match(record):
    """Lines of text for the record of ``keras-uncover match``."""
    yield f"{record['file']}: {record['verdict'].replace('_', ' ').upper()}, {VERDICT_WORDS[record['verdict']]}"
    for role in ROLES:
        found = record[role]
        if found is None:
            key = "genuine" if role == "donor" and record["verdict"] == "genuine" else role
            yield f"recovered {role}: {WITHOUT[key]}"
            continue
        yield f"nearest to the recovered {role}:"
        for entry in found:
            mark = "within the same-person mark" if entry["same_person"] else "beyond the mark"
            yield f"  {entry['rank']}. {entry['file']}  distance {entry['distance']:.3f}, {mark}"
    yield from record["notes"]
