"""What an answer is not: the sentences that stand beside every verdict, on screen, in reports and in the docs."""

LIMITS = (
    "This is not proof. A verdict is one model's opinion and can be wrong in either direction.",
    "A recovered face is a model's guess and may show nobody. It is a lead, never evidence of who somebody is.",
    "Only a face that was swapped in is looked for: a portrait generated as a whole, or retouched, counts as genuine.",
    "The model learned from generated portraits and synthesised swaps. On camera photographs, and on swaps made by "
    "face-generating networks, its error rates were not measured.",
)
SWAPS_ONLY = "The verdict says whether a face was swapped in; a portrait generated as a whole counts as genuine."
NO_RATES = "The error rates at this threshold were not measured."
# In the place of a picture that an answer does not have.
NO_DONOR = "no donor: nothing was swapped in, as far as the model can tell"
NO_RESWAP = "no re-swap: there is no donor to swap in again"
NO_FACE = "no face was found, so there is no mask and nothing to recover"
MISSING = "not computed"
