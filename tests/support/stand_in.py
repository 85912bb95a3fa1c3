"""A stand-in for ``Uncoverer`` in tests of the command line and the demo.

It reads photos through the real gate and its verdict follows from the photo's brightness, so what the command line must
do with each verdict is known without any weights.
"""

import hashlib
import os

import numpy as np
from PIL import Image

from keras_uncover.images.decode import decode_image, read_bytes
from keras_uncover.inference.answers import FaceAnswer, Result, decide

SIZE = 32
FAKE, GENUINE, EMPTY = 230, 25, 0


class ByBrightness:
    """p_fake is the mean of the photo over 255; black is no face; twice as wide as high is two faces."""

    weights_sha256, band = "ab" * 32, None

    def __init__(self, threshold=None, config=None):
        self.threshold = 0.5 if threshold is None else threshold
        self.config = config or {}

    def __call__(self, photo, max_faces=8):
        data = read_bytes(photo)
        pixels = decode_image(data)
        faces = 2 if pixels.shape[1] == 2 * pixels.shape[0] else 1
        answers = [self.face(pixels, index) for index in range(min(faces, max_faces))]
        found = 0 if answers[0].verdict == "no_face" else faces
        return Result(photo, hashlib.sha256(data).hexdigest(), answers, pixels, found)

    def face(self, pixels, index):
        p_fake = float(pixels.mean() / 255)
        if p_fake == 0:
            return FaceAnswer.no_face(self.threshold, "tiny", ["a caution"])
        pictures = {name: np.full((SIZE, SIZE, 3), 0.5, "float32") for name in ("crop", "target", "donor")}
        return FaceAnswer(
            face_index=index, bbox=(1.0, 2.0, 30.0, 40.0), verdict=decide(p_fake, self.threshold), p_fake=p_fake,
            threshold=self.threshold, mask_area=0.25, reswap={"ssim": 0.9, "residual": 0.05}, model="tiny",
            warnings=["a caution"], seconds=0.5, mask=np.full((SIZE, SIZE), 0.25, "float32"),
            reswap_image=np.full((SIZE, SIZE, 3), 0.75, "float32"), place=np.float32([[16, 0, 8], [0, 16, 8]]),
            **pictures,
        )


def photo(name, level=FAKE, size=(64, 64)):
    """Save a plain photo of one brightness; returns its name."""
    os.makedirs(os.path.dirname(name) or ".", exist_ok=True)
    Image.new("RGB", size, (level,) * 3).save(name)
    return name
