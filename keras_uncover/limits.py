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
