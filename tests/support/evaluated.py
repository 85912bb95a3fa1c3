"""Stand-ins for tests of the evaluation: a judge that can be computed in the head, and models that answer as told."""

import numpy as np

from keras_uncover.evaluation.gallery import Gallery
from keras_uncover.evaluation.scoring import Bench
from keras_uncover.ops.mesh import mean_mesh

SIZE = 32


class CoarseJudge:
    """Describes a crop by its 4 x 4 mean colours, wherever the points lie."""

    def describe(self, images, points):
        assert len(images) == len(points) and images.min() >= 0 and images.max() <= 1
        side = images.shape[1] // 4
        return images.reshape(len(images), 4, side, 4, side, 3).mean((2, 4)).reshape(len(images), -1)


class Answers:
    """Stands where an ``Uncoverer`` stands; ``answer(crops)`` gives its dict."""

    size, name = SIZE, "told"

    def __init__(self, answer):
        self.predict = answer


def make_people(count=4, seed=0):
    """People of 32 px whose crops are symmetric noise of 8 px, so that a mirror image is the same picture."""
    half = np.random.default_rng(seed).integers(40, 216, (count, 4, 2, 3))
    crops = np.concatenate([half, half[:, :, ::-1]], axis=2).repeat(8, axis=1).repeat(8, axis=2).astype("uint8")
    hull = np.zeros((count, SIZE, SIZE, 1), "uint8")
    hull[:, 8:24, 8:24] = 255
    points = np.concatenate([mean_mesh().points, np.zeros((468, 1))], axis=1).astype("float32")
    return {
        "crop": crops, "texture": crops, "hull": hull, "points": np.repeat(points[None], count, axis=0),
        "person": np.array([f"p{k}" for k in range(count)]),
    }


def make_swap(people, with_donor=True):
    """Everybody's inner square replaced by the next one's, somewhat darker, or by their own inverted."""
    crops, mask = people["crop"] / np.float32(255), people["hull"] / np.float32(255)
    count = len(crops)
    donor = np.roll(np.arange(count), -1) if with_donor else np.arange(count)
    pasted = 0.9 * crops[donor] if with_donor else 1 - crops
    places = (np.stack(np.meshgrid(np.arange(SIZE), np.arange(SIZE)), -1) + np.float32(0.5)) / SIZE
    return {
        "input": crops * (1 - mask) + pasted * mask, "target": crops, "donor": crops[donor] * mask + 0.5 * (1 - mask),
        "mask": mask, "hull": mask, "donor_hull": mask, "uv": np.repeat(places[None].astype("float32"), count, axis=0),
        "points": people["points"], "donor_points": people["points"], "person": people["person"],
        "donor_person": people["person"][donor], "has_donor": np.full(count, float(with_donor)),
    }


def make_bench(people, faces=None):
    """Judge and gallery of the people."""
    return Bench(CoarseJudge(), Gallery(people, CoarseJudge()), faces)


def truthful(swap):
    """A model that answers the truth."""
    return Answers(lambda crops: {
        "p_fake": np.full(len(crops), 0.9), "mask": swap["mask"][..., 0], "target": swap["target"],
        "donor": swap["donor"],
    })


def copying(swap):
    """A model that answers with its input."""
    def answer(crops):
        return {
            "p_fake": np.full(len(crops), 0.1), "mask": np.zeros(crops.shape[:3]), "target": crops,
            "donor": crops * swap["mask"] + 0.5 * (1 - swap["mask"]),
        }

    return Answers(answer)
