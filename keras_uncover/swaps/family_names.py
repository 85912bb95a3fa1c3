"""The names, numbers and shares of the families of swaps; ``families`` tells what they are. It imports nothing."""

FAMILIES = ("mesh", "affine", "self", "pyramid", "resynth")
MESH, AFFINE, SELF, PYRAMID, RESYNTH = range(len(FAMILIES))
SHARES = {"mesh": 0.4, "affine": 0.15, "self": 0.15, "pyramid": 0.15, "resynth": 0.15}  # of a training batch
DRAWN = (MESH, AFFINE, SELF)  # drawn row by row; the others have a fixed number of rows
