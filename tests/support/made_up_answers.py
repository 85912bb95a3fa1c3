"""Answers about a face of flat colours, made without any network."""

import numpy as np

from keras_uncover.inference.answers import FaceAnswer

SIZE = 32
TARGET, DONOR, RESWAP = (0.0, 1.0, 0.0), (1.0, 0.0, 1.0), (0.0, 1.0, 1.0)


def flat(colour):
    return np.tile(np.float32(colour), (SIZE, SIZE, 1))


def make_answer(verdict="fake", **changes):
    mask = np.zeros((SIZE, SIZE), "float32")
    mask[8:24, 8:24] = 1.0
    values = {
        "face_index": 0,
        "bbox": (10.0, 20.0, 60.0, 80.0),
        "verdict": verdict,
        "p_fake": {"fake": 0.9, "genuine": 0.1, "uncertain": 0.5}.get(verdict),
        "threshold": 0.5,
        "mask_area": 0.25,
        "reswap": {"ssim": 0.9, "residual": 0.05},
        "model": "small",
        "crop": flat((0.5, 0.5, 0.5)),
        "mask": mask,
        "target": flat(TARGET),
        "donor": flat(DONOR),
        "reswap_image": flat(RESWAP),
    }
    if verdict == "no_face":
        return FaceAnswer(verdict="no_face", threshold=0.5, model="small", **changes)
    return FaceAnswer(**{**values, **changes})
