"""The photos of faces in the tests' data."""

from pathlib import Path

import numpy as np
from PIL import Image

DATA = Path(__file__).parents[1] / "data"


def portrait(index, size=None):
    image = Image.open(DATA / f"face_{index}.jpg").convert("RGB")
    return np.asarray(image.resize(size, Image.BICUBIC) if size else image)
