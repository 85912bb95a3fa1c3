"""Answers without a network: the baselines that a network's answer is measured against.

All are given the true mask and the true landmarks, which a network has to find. Those of ``TRAINED`` also need the
faces of training people.
"""

import cv2
import numpy as np
from keras import ops

from keras_uncover.ops.geometry import sample
from keras_uncover.ops.mesh import mirror_points
from keras_uncover.ops.texture import texture_table, unwrap_texture
from keras_uncover.refusals import DataError
from keras_uncover.swaps.synthesis import neutral_outside

PENALTIES = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)  # on kernels whose mean diagonal is 1 a block
HELD_OUT = 1 / 6  # of the people, to choose by

TARGET = ("copy", "mean_face", "mean_texture", "ridge", "ridge_landmarks", "nearest_face", "inpainting")
DONOR = ("masked_copy", "unwarped_copy", "mean_face")
TRAINED = ("mean_face", "mean_texture", "ridge", "ridge_landmarks", "nearest_face")
COARSE = 16  # pixels a side at which what is outside of a face is compared, and textures while penalties are chosen
LANDMARK_SCALES = (1.0, 2.0, 4.0, 8.0)  # of the landmarks against the pixels; what fits held-out people best is taken


def reduce_to(images, side):
    """Area means: ``(n, s, s, c)`` to ``(n, side, side, c)``, ``s`` a multiple of ``side``."""
    step = images.shape[1] // side
    return images.reshape(len(images), side, step, side, step, -1).mean((2, 4))


class TrainFaces:
    """Faces of training people, and what is learnt of them: means and regressions.

    Args:
        records: dict of ``crop`` and ``texture`` uint8 ``(n, s, s, 3)``, ``hull`` uint8 ``(n, s, s, 1)``, ``points``
            float32 ``(n, 468, 3)``, three people at least.
        seed: of the people whose textures the penalties are chosen by.
    """

    def __init__(self, records, seed=0):
        crops, hulls = records["crop"] / np.float32(255), records["hull"] / np.float32(255)
        textures = records["texture"] / np.float32(255)
        self.size, self.crop = crops.shape[1], symmetric_mean(crops)
        self.donor, self.texture = symmetric_mean(neutral_outside(crops, hulls)), symmetric_mean(textures)
        self.differences = textures - self.texture
        points = records["points"][..., :2]
        self.outside = self.look_outside(crops, hulls)
        # Twice as many faces: everybody and their mirror image.
        pixels = np.concatenate([self.outside, self.look_outside(crops[:, :, ::-1], hulls[:, :, ::-1])])
        shape = np.concatenate([points, mirror_points(points)]).reshape(len(pixels), -1)
        coarse = reduce_to(textures, COARSE)
        coarse = np.concatenate([coarse, coarse[:, :, ::-1]]).reshape(len(pixels), -1)
        people = np.tile(np.arange(len(crops)), 2)
        self.ridges = {
            "ridge": Ridge(pixels, shape, coarse, people, seed=seed),
            "ridge_landmarks": Ridge(pixels, shape, coarse, people, LANDMARK_SCALES, seed),
        }

    def fits(self):
        """What was chosen for each regression, and its error on held-out people over that of the mean texture."""
        return {
            name: {"penalty": ridge.penalty, "landmark_scale": ridge.scale, "error_over_mean": ridge.error}
            for name, ridge in self.ridges.items()
        }

    def look_outside(self, crops, hulls):
        """What is seen outside of faces, less the mean and coarsely: float32 ``(n, features)``."""
        return reduce_to((crops - self.crop) * (1.0 - hulls), COARSE).reshape(len(crops), -1)

    def predict_textures(self, name, crops, hulls, points):
        """Textures that a regression expects: float32 ``(m, s, s, 3)`` in [0, 1]."""
        weights = self.ridges[name].weigh(self.look_outside(crops, hulls), points[..., :2].reshape(len(points), -1))
        # One product for everybody and their mirror images, which are turned only now.
        both = np.concatenate(np.split(weights, 2, axis=1)) @ self.differences.reshape(len(self.differences), -1)
        own, mirrored = np.split(both.reshape(-1, *self.texture.shape), 2)
        return np.clip(own + mirrored[:, :, ::-1] + self.texture, 0.0, 1.0)

    def nearest_textures(self, crops, hulls):
        """Textures of the people who look most alike outside of their faces: float32 ``(m, s, s, 3)``."""
        seen = self.look_outside(crops, hulls)
        apart = ((seen[:, None] - self.outside[None]) ** 2).sum(-1)
        return self.differences[apart.argmin(1)] + self.texture


def symmetric_mean(images):
    """The mean of pictures and their mirror images, float32."""
    mean = images.mean(0, dtype="float64")
    return ((mean + mean[:, ::-1]) / 2).astype("float32")


def target_baselines(swap, faces=None):
    """Guesses at the target.

    Args:
        swap: a batch as ``pipelines.fixed_swaps.fixed_swaps`` yields it, float32 NumPy arrays.
        faces: ``TrainFaces``, or None: what needs them is None then.

    Returns: dict of the names in ``TARGET``, float32 ``(n, s, s, 3)`` in [0, 1], or None.
    """
    known = (swap["input"], swap["hull"], swap["points"])
    pictures = dict.fromkeys(TARGET)
    pictures["copy"] = swap["input"]
    pictures["inpainting"] = inpaint(swap["input"], swap["mask"])
    if faces is not None:
        count = len(swap["input"])
        pictures["mean_face"] = lay_in(swap, np.repeat(faces.crop[None], count, axis=0))
        pictures["mean_texture"] = lay_in(swap, put_on(np.repeat(faces.texture[None], count, axis=0), swap["uv"]))
        pictures["nearest_face"] = lay_in(swap, put_on(faces.nearest_textures(*known[:2]), swap["uv"]))
        for name in faces.ridges:
            pictures[name] = lay_in(swap, put_on(faces.predict_textures(name, *known), swap["uv"]))
    return pictures


def donor_baselines(swap, faces=None):
    """Guesses at the donor, as ``target_baselines``: a dict of the names in ``DONOR``."""
    points = swap["points"][..., :2] * swap["input"].shape[1]
    stack = np.concatenate([swap["input"], swap["mask"]], axis=-1)
    size = stack.shape[1]
    unwarped = ops.convert_to_numpy(unwrap_texture(stack, points, size))
    mask = unwarped[..., 3:] * texture_table(size)[2]
    return {
        "masked_copy": neutral_outside(swap["input"], swap["mask"]),
        "unwarped_copy": neutral_outside(unwarped[..., :3], mask),
        "mean_face": None if faces is None else np.repeat(faces.donor[None], len(stack), axis=0),
    }


def put_on(textures, uv):
    """Textures in the shape that a uv map ``(n, s, s, 2)`` says."""
    return ops.convert_to_numpy(sample(textures, uv * textures.shape[1]))


def lay_in(swap, faces):
    """Faces inside the true mask, the input around them."""
    return swap["input"] * (1.0 - swap["mask"]) + faces * swap["mask"]


def inpaint(images, masks):
    """Classical inpainting of the masked region from its border.

    Source: A. Telea, "An Image Inpainting Technique Based on the Fast Marching Method", 2004, as in OpenCV.
    """
    holes = (masks[..., 0] > 0.01).astype("uint8")
    pixels = np.round(np.clip(images, 0.0, 1.0) * 255).astype("uint8")
    filled = [cv2.inpaint(picture, hole, 3, cv2.INPAINT_TELEA) for picture, hole in zip(pixels, holes)]
    return np.stack(filled) / np.float32(255)


class Ridge:
    """Ridge regression in its dual form: weighs training examples so that their weighted targets answer for a new one.

    The penalty is chosen on a part of the people.

    Features come in two blocks, each centred and scaled to a mean square length of 1, so that a penalty means the
    same for any number of them; the second block is then scaled by one of ``scales``.

    Args:
        first, second: float32 ``(n, f)``, features.
        targets: float32 ``(n, p)``: what is predicted, as coarse as it may be to choose the penalty by.
        groups: int ``(n,)``: whose each row is, such as a person's and their mirror image's. The penalty is chosen by
            the first row of each alone, by groups held out.
        scales: of the second block, to choose from; ``(0,)`` leaves it out.
        seed: of the choice of held-out groups.

    Attributes:
        scale, penalty: those with the least squared error on the held-out groups.
        error: that error over the one of the mean target.
    """

    def __init__(self, first, second, targets, groups, scales=(0.0,), seed=0):
        self.centres = first.mean(0), second.mean(0)
        blocks = [block - centre for block, centre in zip((first, second), self.centres)]
        self.lengths = [np.sqrt((block**2).sum(1).mean()) + 1e-12 for block in blocks]
        self.blocks = [block / length for block, length in zip(blocks, self.lengths)]
        kernels = [block @ block.T for block in self.blocks]
        _, rows = np.unique(groups, return_index=True)
        held, square = hold_out(len(rows), seed), np.ix_(rows, rows)
        found = [
            (*choose_penalty(kernels[0][square] + s * s * kernels[1][square], targets[rows], held), s) for s in scales
        ]
        self.error, self.penalty, self.scale = min(found)
        kernel = kernels[0] + self.scale**2 * kernels[1]
        self.inverse = np.linalg.inv(kernel + self.penalty * np.eye(len(kernel)))

    def weigh(self, first, second):
        """What each training example counts: ``(m, n)``, to be multiplied with targets less their mean."""
        blocks = [(x - c) / l for x, c, l in zip((first, second), self.centres, self.lengths)]
        cross = self.blocks[0] @ blocks[0].T + self.scale**2 * (self.blocks[1] @ blocks[1].T)
        return (self.inverse @ cross).T.astype("float32")


def hold_out(count, seed):
    """Which of ``count`` people are held out: bool ``(count,)``, one sixth and at least one."""
    if count < 3:
        raise DataError(f"A regression whose penalty is chosen needs three people at least; received {count}.")
    drawn = np.random.default_rng(seed).permutation(count)
    return np.isin(np.arange(count), drawn[: max(1, round(count * HELD_OUT))])


def choose_penalty(kernel, targets, held):
    """The best of ``PENALTIES`` on held-out rows: its squared error over that of the mean, and the penalty."""
    mean = targets[~held].mean(0)
    known, truth = targets[~held] - mean, targets[held] - mean
    fitted, cross = kernel[~held][:, ~held], kernel[~held][:, held]
    unit = np.eye(len(fitted), dtype=fitted.dtype)
    errors = [
        np.mean((np.linalg.solve(fitted + penalty * unit, cross).T @ known - truth) ** 2) for penalty in PENALTIES
    ]
    best = int(np.argmin(errors))
    return float(errors[best] / max(np.mean(truth**2), 1e-12)), PENALTIES[best]
