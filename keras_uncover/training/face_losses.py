"""Losses that look through a frozen network, with the gradient flowing through it into the answer.

The networks are folders that ``scripts/convert_embedders.py`` writes. Their weights are no part of what is trained:
a Keras loss hands no variables to the model, and they are marked as not trainable besides. These losses have no
configuration to be saved, as they would have to hold a network: compile anew after loading.
"""

import abc

import keras
from keras import ops

from keras_uncover.backend import own_settings
from keras_uncover.models.efficientnet import FEATURES, build_efficientnet
from keras_uncover.models.face_identity import build_face_mobilenet
from keras_uncover.ops.filters import apply_separable, resize_matrix
from keras_uncover.presets.weights import WeightsError, load_verified, load_weights
from keras_uncover.training.losses import split_weight

BUILDERS = {"face_mobilenet": build_face_mobilenet, "efficientnet": build_efficientnet}
SIZE = 112  # a quarter of the work of 224
FACE_BOX = (0.08, 0.11, 0.92, 0.95)  # holds the hull of the mean face, as the chip of the judge does
WHOLE_BOX = (0.0, 0.0, 1.0, 1.0)
FACES_EVERY = 2  # in training, one example of so many is judged


def load_frozen(folder, size=SIZE):
    """A network for losses from its folder, not trainable.

    Args:
        folder: as ``scripts/convert_embedders.py`` writes it for the MobileNet or the EfficientNet.
        size: pixels of the side that it will be shown.

    Returns: functional Keras model.

    Raises:
        WeightsError: the folder was altered or holds something else; the judge is refused.
    """
    config = load_verified(folder)
    kind = config.get("kind")
    if kind not in BUILDERS:
        raise WeightsError(
            f"A loss may look through {' or '.join(BUILDERS)}, never through the judge.", f"{folder}, with {kind!r}",
            "Convert another network by scripts/convert_embedders.py.",
        )
    model = BUILDERS[kind](size)
    load_weights(model, folder, config)
    model.trainable = False
    return model


class FeatureLoss(keras.losses.Loss, abc.ABC):
    """What the losses below share: cut one fixed box, resize it, look at some of the examples.

    y_true: float32 ``(batch, side, side, 3 or 4)`` in [0, 1], aligned crops of any one side; a fourth channel is a
    weight a pixel in [0, 1]. Where it is 0, the answer's pixels are replaced by the truth's: pixels outside of the
    weight cost nothing, and an empty weight gives a loss of 0.
    y_pred: float32 ``(batch, side, side, 3)``.

    Args:
        size: pixels of the side that the network is shown.
        box: left, top, right and bottom of what it is shown, in shares of the crop.
        every: judge one example of so many: numbers 0, ``every``, twice ``every``... The others get the value 0, and
            the judged values are scaled so that the mean over a batch is theirs. Where each replica's part of a batch
            is a multiple of ``every``, any number of replicas judges the same examples. 1 judges all.
    """

    def __init__(self, size, box, every, name, **kwargs):
        super().__init__(name=name, **kwargs)
        left, top, right, bottom = box
        if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
            raise ValueError(f"box must be left, top, right, bottom in shares of the crop, 0 to 1; received {box}.")
        if every < 1:
            raise ValueError(f"every must be at least 1, which judges all examples; received {every}.")
        self.size, self.box, self.every = size, tuple(box), every

    def call(self, y_true, y_pred):
        y_true, y_pred = ops.cast(y_true, "float32"), ops.cast(y_pred, "float32")
        count = ops.shape(y_pred)[0]
        y_true, y_pred = y_true[:: self.every], y_pred[:: self.every]
        if y_true.shape[-1] == 4:
            y_true, weight = split_weight(y_true)
            y_pred = y_true + weight * (y_pred - y_true)
        return self.spread(self.compare(self.resize(y_true), self.resize(y_pred)), count)

    def spread(self, values, count):
        """The values of the judged examples among ``count``, the others 0; the mean stays that of the judged ones."""
        if self.every == 1:
            return values
        judged = ops.shape(values)[0]
        share = ops.cast(count, "float32") / ops.cast(judged, "float32")
        rows = ops.stack([values * share, *[ops.zeros_like(values)] * (self.every - 1)], axis=-1)
        return ops.reshape(rows, (-1,))[:count]

    def resize(self, images):
        """The box of each crop at the network's size, float32 ``(batch, size, size, 3)``."""
        left, top, right, bottom = self.box
        rows = resize_matrix(images.shape[1], top, bottom, self.size)
        columns = resize_matrix(images.shape[2], left, right, self.size)
        return apply_separable(images, ops.convert_to_tensor(rows[None]), ops.convert_to_tensor(columns[None]))

    @abc.abstractmethod
    def compare(self, truth, answer):
        """One value an example from two batches of resized pictures."""

    def get_config(self):
        """Refuses: a configuration is plain JSON, and this loss would have to hold a network.

        Raises:
            TypeError: always; ``Model.save`` of a model that was compiled with it ends so. Runs save weights alone.
        """
        raise TypeError(
            f"A loss that is saved holds no network; received {type(self).__name__}, which does. Save the model's "
            "weights, and compile anew after loading."
        )


def normalise(features):
    """Vectors along the last axis at unit length; a vector of zeros stays so."""
    return features * ops.rsqrt(ops.sum(features * features, axis=-1, keepdims=True) + 1e-8)


class IdentityLoss(FeatureLoss):
    """One minus the cosine of two faces' descriptors: 0 for the same face, up to 1 where none is negative.

    Args:
        embedder: model from faces ``(batch, size, size, 3)`` in [0, 1] to ``(batch, n)``, as ``load_frozen`` gives it.
        size, box, every: as for ``FeatureLoss``; the box is what an aligned crop shows of the face itself.
    """

    def __init__(self, embedder, size=SIZE, box=FACE_BOX, every=1, name="identity_loss", **kwargs):
        super().__init__(size, box, every, name, **kwargs)
        embedder.trainable = False
        self.embedder = embedder

    def compare(self, truth, answer):
        first, second = (normalise(self.embedder(faces, training=False)) for faces in (truth, answer))
        # Half the squared distance of unit vectors is one minus their cosine, and is exactly 0 for equal ones.
        return 0.5 * ops.sum((first - second) ** 2, axis=-1)


class PerceptualLoss(FeatureLoss):
    """Squared distance of features, each place's at unit length, as the mean over places and layers: 0 .. 4.

    Source: R. Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", 2018, without
    the weights a channel that were learnt there.

    Args:
        network: functional model of pictures in [0, 1], as ``load_frozen`` gives it.
        layers: names of its layers that give maps ``(batch, h, w, channels)``.
        size, box, every: as for ``FeatureLoss``.
    """

    def __init__(
        self, network, layers=tuple(FEATURES[k] for k in (2, 4, 8)), size=SIZE, box=WHOLE_BOX, every=1,
        name="perceptual_loss", **kwargs
    ):
        super().__init__(size, box, every, name, **kwargs)
        network.trainable = False
        outputs = [network.get_layer(layer).output for layer in layers]
        self.features = keras.Model(network.inputs, outputs, trainable=False, name="features")

    def compare(self, truth, answer):
        pairs = zip(*(self.features(images, training=False) for images in (truth, answer)))
        terms = [ops.mean(ops.sum((normalise(a) - normalise(b)) ** 2, axis=-1), axis=(1, 2)) for a, b in pairs]
        return sum(terms) / len(terms)


@own_settings()
def load_face_losses(identity=None, perceptual=None, identity_weight=1.0, every=FACES_EVERY):
    """Pairs of weight and loss for ``losses.task_losses``.

    Args:
        identity, perceptual: folders of the MobileNet and the EfficientNet, or None to do without.
        identity_weight: of the identity loss beside L1 and SSIM.
        every: one example of so many is judged by each; these losses cost most of a step.
    """
    faces = []
    if identity:
        faces.append((identity_weight, IdentityLoss(load_frozen(identity), every=every)))
    if perceptual:
        faces.append((0.5, PerceptualLoss(load_frozen(perceptual), every=every)))
    return faces
