"""A model for tests on folders of pictures: its score is written in the picture."""

import numpy as np
from PIL import Image

from keras_uncover.inference.answers import FaceAnswer, Result, decide
from keras_uncover.inference.uncoverer import open_photo
from keras_uncover.ops.mesh import mean_mesh

SIDE = 64


def save_picture(path, score, seed=0):
    """A picture of noise whose first pixel tells a score in hundredths; the score 0 stands for no face."""
    pixels = np.random.default_rng(seed).integers(0, 256, (SIDE, SIDE, 3)).astype("uint8")
    pixels[0, 0] = round(100 * score)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


class ToldUncoverer:
    """Stands where an ``Uncoverer`` stands; ``asked`` keeps the names of the files that were answered."""

    name, weights_sha256, threshold, band = "told", "a" * 64, 0.5, (0.4, 0.5)

    def __init__(self):
        self.config, self.asked = {"kind": "classifier"}, []

    def __call__(self, source, max_faces=8):
        assert max_faces == 1
        self.asked.append(source.name)
        file, digest, photo, _ = open_photo(source)
        score = photo[0, 0, 0] / 100
        if not score:
            return Result(file, digest, [FaceAnswer.no_face(0.5, "told")], photo)
        points = np.concatenate([mean_mesh().points, np.zeros((468, 1))], axis=1) * SIDE
        verdict = decide(score, self.threshold, self.band)
        answer = FaceAnswer(
            face_index=0, bbox=(0.0, 0.0, 64.0, 64.0), verdict=verdict, p_fake=score, threshold=0.5, model="told",
            points=points,
        )
        return Result(file, digest, [answer], photo)
