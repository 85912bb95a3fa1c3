"""How far the pictures of two sets lie apart as sets, seen through a feature network that must be named.

The numbers of two different feature networks, or of different numbers of pictures, must not be compared.
"""

import keras
from keras import ops

NOISE = 1e-6  # of the largest eigenvalue; float32 cannot tell smaller ones from 0


class SetDistance(keras.metrics.Metric):
    """Describes pictures for its sub-classes, which sum up or keep the descriptions.

    Args:
        features: a model or function from images to float32 ``(batch, dimension)``, such as an encoder with pooling.
        feature_name: the network's name; the metric's own ends in it, so that no number is without it.
        dimension: length of a description.

    y_true, y_pred: two batches of as many pictures, as ``features`` takes them; which answers which is of no matter.
    """

    prefix = None

    def __init__(self, features, feature_name, dimension, name=None, **kwargs):
        super().__init__(name=name or f"{self.prefix}_{feature_name}", **kwargs)
        self.features, self.feature_name, self.dimension = features, feature_name, dimension

    def describe(self, images):
        """Descriptions in the metric's dtype, ``(batch, dimension)``."""
        options = {"training": False} if isinstance(self.features, keras.Layer) else {}
        features = self.features(images, **options)
        if len(features.shape) != 2 or features.shape[1] != self.dimension:
            raise ValueError(
                f"features must give (batch, {self.dimension}); {self.feature_name} gave {tuple(features.shape)}. "
                "Pool its maps, or set dimension."
            )
        return ops.cast(features, self.dtype)

    def add_zeros(self, name, shape, dtype=None):
        """A state that starts at 0, in the metric's dtype unless another is given: Keras takes float32 for all."""
        return self.add_weight(shape=shape, name=name, initializer="zeros", dtype=dtype or self.dtype)

    def weights_of(self, images, sample_weight):
        """What each example counts, ``(batch,)``."""
        ones = ops.ones((ops.shape(images)[0],), self.dtype)
        return ones if sample_weight is None else ones * ops.reshape(ops.cast(sample_weight, self.dtype), (-1,))


class FrechetDistance(SetDistance):
    """Frechet distance between the normal distributions of mean and covariance that two sets' features have.

    State: sums of the features and of their products, so it does not matter how the pictures are divided among
    batches and replicas. In float32 the value is good to about 1e-3 of itself; ``dtype="float64"`` is exact where the
    backend has that type. It falls with the number of pictures, most where they are fewer than ``dimension``: state n.

    Source: M. Heusel et al., "GANs Trained by a Two Time-Scale Update Rule", 2017 (there with Inception's features).
    """

    prefix = "fid"

    def __init__(self, features, feature_name, dimension, name=None, **kwargs):
        super().__init__(features, feature_name, dimension, name=name, **kwargs)
        self.counts = self.add_zeros("counts", (2,))
        self.sums = self.add_zeros("sums", (2, dimension))
        self.products = self.add_zeros("products", (2, dimension, dimension))

    def update_state(self, y_true, y_pred, sample_weight=None):
        features = ops.stack([self.describe(y_true), self.describe(y_pred)])
        weight = self.weights_of(y_true, sample_weight)
        weighted = features * weight[None, :, None]
        self.counts.assign_add(ops.stack([ops.sum(weight)] * 2))
        self.sums.assign_add(ops.sum(weighted, axis=1))
        self.products.assign_add(ops.matmul(ops.transpose(weighted, (0, 2, 1)), features))

    def result(self):
        count = ops.convert_to_tensor(self.counts)[:, None]
        means = self.sums / count
        squares = self.products - count[..., None] * means[:, :, None] * means[:, None, :]
        covariances = squares / (count[..., None] - 1.0)
        apart = ops.sum(ops.square(means[0] - means[1]))
        spread = ops.sum(ops.trace(covariances, axis1=1, axis2=2))
        return apart + spread - 2.0 * trace_of_root(covariances[0], covariances[1])


def trace_of_root(first, second):
    """Trace of the square root of the product of two covariances, each ``(d, d)``.

    It is the sum of the singular values of the product of their roots. The textbook's way, the roots of the product's
    eigenvalues, enlarges rounding errors by those roots, to some per cent in float32.
    """
    product = ops.matmul(ops.transpose(root_of(first)), root_of(second))
    return ops.sum(ops.svd(product, compute_uv=False))


def root_of(covariance):
    """A matrix R with ``R R^T = covariance``, ``(d, d)``; what float32 cannot tell from 0 is 0."""
    values, vectors = ops.eigh(covariance)
    values = ops.where(values > NOISE * ops.max(values), values, ops.zeros_like(values))
    return vectors * ops.sqrt(values)


class KernelDistance(SetDistance):
    """Unbiased squared maximum mean discrepancy with the kernel ``(x . y / dimension + 1)^3``; near 0, and as often
    below it as above, for two samples of the same.

    State: all features, because the estimate goes over all pairs of pictures and cannot be had from sums. The order
    and the division into batches do not matter, but all pictures must pass through one replica: under a distribution
    strategy, collect them first.

    Args:
        capacity: how many pictures a set may have. With more, or with fewer than two, the value is not a number.

    A ``sample_weight`` of 0 leaves an example out, any other lets it count once.

    Source: M. Binkowski et al., "Demystifying MMD GANs", 2018; over all pairs instead of subsets.
    """

    prefix = "kid"

    def __init__(self, features, feature_name, dimension, capacity=2048, name=None, **kwargs):
        super().__init__(features, feature_name, dimension, name=name, **kwargs)
        self.capacity = capacity
        self.count = self.add_zeros("count", (), "int32")
        # The last row takes what does not count or has no more room.
        self.kept = self.add_zeros("kept", (2, capacity + 1, dimension))

    def update_state(self, y_true, y_pred, sample_weight=None):
        counts = ops.cast(self.weights_of(y_true, sample_weight) > 0, "int32")
        rows = ops.where(counts > 0, self.count + ops.cumsum(counts) - 1, self.capacity)
        rows = ops.minimum(rows, self.capacity)[:, None]
        sets = [self.describe(y_true), self.describe(y_pred)]
        kept = [ops.scatter_update(self.kept[k], rows, features) for k, features in enumerate(sets)]
        self.kept.assign(ops.stack(kept))
        self.count.assign_add(ops.sum(counts))

    def result(self):
        counts = ops.cast(ops.arange(self.capacity) < self.count, self.dtype)
        total = ops.sum(counts)
        first, second = self.kept[0, :-1], self.kept[1, :-1]
        pairs = counts[:, None] * counts[None]
        others = pairs * (1.0 - ops.eye(self.capacity, dtype=self.dtype))
        within = sum(ops.sum(self.kernel(x, x) * others) for x in (first, second)) / (total * (total - 1.0))
        value = within - 2.0 * ops.sum(self.kernel(first, second) * pairs) / (total * total)
        fits = ops.logical_and(self.count >= 2, self.count <= self.capacity)
        return ops.where(fits, value, float("nan"))

    def kernel(self, x, y):
        """The kernel of all pairs, ``(capacity, capacity)``."""
        return (ops.matmul(x, ops.transpose(y)) / self.dimension + 1.0) ** 3
