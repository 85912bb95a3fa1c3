"""The gallery: which of all measured people the judge finds nearest to a recovered face."""

import numpy as np
from keras import ops

from keras_uncover.faces.identity import SAME_PERSON, distance
from keras_uncover.ops.mesh import mirror_points
from keras_uncover.swaps.augment import apply_colour, apply_jpeg, draw_colour
from keras_uncover.swaps.steps import between
from keras_uncover.swaps.synthesis import neutral_outside

QUALITY = (50.0, 90.0)  # of the JPEG that a reference photo has been through


def reference_photos(people, seed):
    """Another picture of everybody: mirrored, recoloured and re-encoded, because there is one photo a person.

    A real gallery would hold other photos of the same people; ranks in it would be lower.

    Args:
        people: dict of ``crop`` uint8 ``(n, s, s, 3)``, ``hull`` uint8 ``(n, s, s, 1)``, ``points`` ``(n, 468, 3)``.

    Returns: crops float32 ``(n, s, s, 3)`` in [0, 1], hulls float32 ``(n, s, s, 1)``, points ``(n, 468, 3)``.
    """
    rng = np.random.default_rng([seed, 31])
    count = len(people["crop"])
    crops = people["crop"][:, :, ::-1] / np.float32(255)
    crops = apply_colour(crops, draw_colour(rng.random((count, 5), "float32")))
    crops = ops.convert_to_numpy(apply_jpeg(crops, between(rng.random(count, "float32"), *QUALITY)))
    return crops, people["hull"][:, :, ::-1] / np.float32(255), mirror_points(people["points"])


class Gallery:
    """Descriptors of one reference photo a person: whole for targets, the face on grey for donors.

    Args:
        people: as for ``reference_photos``, with ``person``.
        judge: anything with ``describe(images, points)``.
        seed: of colour and quality.
    """

    def __init__(self, people, judge, seed=0):
        crops, hulls, points = reference_photos(people, seed)
        self.place = {name: place for place, name in enumerate(people["person"])}
        self.features = {
            "target": judge.describe(crops, points),
            "donor": judge.describe(neutral_outside(crops, hulls), points),
        }

    def distance_to(self, role, features, names):
        """Distance of descriptors ``(n, d)`` to the reference photos of people, ``(n,)``."""
        return distance(features, self.features[role][[self.place[name] for name in names]])

    def within_mark(self, role, features, names):
        """How descriptors compare by the judge's own same-person threshold.

        Returns: float ``(n,)`` whether each is within the threshold of the right person, and float ``(n,)`` of what
        share of all others.
        """
        near = distance(features[:, None], self.features[role][None]) < SAME_PERSON
        own = near[np.arange(len(features)), [self.place[name] for name in names]]
        return own.astype(float), (near.sum(1) - own) / max(near.shape[1] - 1, 1)

    def rank_first(self, role, features, names):
        """Whether the right person is the nearest in the gallery to each descriptor: bool ``(n,)``."""
        everybody = distance(features[:, None], self.features[role][None])
        return everybody.argmin(1) == np.array([self.place[name] for name in names])
