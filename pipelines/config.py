"""What a batch is made of: the one configuration that both loaders take, without TensorFlow and without Keras."""

import dataclasses
from typing import NamedTuple

from keras_uncover.refusals import OptionError
from keras_uncover.swaps.family_names import SHARES
from pipelines.schema import PAIR, PORTRAIT

TASKS = ("classify", "reconstruct")


class Rows(NamedTuple):
    """Rows of a batch: synthesised and ready-made fakes, and how many genuine photos stand beside each kind."""

    made: int
    ready: int
    made_genuine: int
    ready_genuine: int


@dataclasses.dataclass(frozen=True)
class BatchConfig:
    """What the batches of a run are made of, for ``load.load`` (tf.data) and ``stream.stream`` (NumPy and JAX).

    Attributes:
        shards: folder written by ``python -m pipelines.portraits``, or a bank packed from it. It is not read where
            ``mix`` is 1.
        batch_size: examples a batch, fakes and genuine photos together.
        task: ``classify`` or ``reconstruct``: which truths are given.
        seed: of order, swaps and augmentation.
        parts: number of parts that a batch is made of, each of ``batch_size / parts`` examples with their own donors.
        part: make only this part of each batch, as one of several hosts does; None makes all.
        shares: dict, swap family to its share. None mixes all families, ``resynth`` only with an autoencoder.
        autoencoder: preset or folder for the family ``resynth``; the preset ``"autoencoder"`` ships. None for none.
        morph_share: share of the donors that are morphs of two people, in [0, 1].
        genuine_share: share of genuine photos in a batch, at most one half. Each stands beside its own fake.
        swap_pairs: folder written by ``python -m pipelines.swap_pairs``, or a bank packed from it, whose ready-made
            fakes are mixed in. None for none.
        mix: share of ready-made fakes among the fakes, the same in every batch; 0 without ``swap_pairs``.
        augment: whether to post-process and transform; a genuine photo and its fake get the same draw.
        plain: whether to swap whole faces at full strength only.

    Raises:
        OptionError: no batch can be made of these.
    """

    shards: str
    batch_size: int
    task: str = "reconstruct"
    seed: int = 0
    parts: int = 1
    part: int | None = None
    shares: dict | None = None
    autoencoder: str | None = None
    morph_share: float = 0.0
    genuine_share: float = 0.25
    swap_pairs: str | None = None
    mix: float = 0.3
    augment: bool = True
    plain: bool = False

    def __post_init__(self):
        if self.task not in TASKS:
            raise OptionError(f"task must be one of {TASKS}; received {self.task!r}.")
        self.rows, self.family_shares  # noqa: B018, each refuses what it cannot be made of

    @property
    def rows(self):
        """``Rows`` of one part of a batch."""
        examples = divide_batch(self.batch_size, self.parts)
        return count_rows(examples, self.genuine_share, self.mix if self.swap_pairs else 0.0)

    @property
    def family_shares(self):
        """Shares of the families that are made."""
        return choose_shares(self.shares, self.autoencoder)

    @property
    def sources(self):
        """What is read: dict, kind of rows (``made``, ``ready``) to its folder or bank and the keys of a record."""
        kinds = {"made": (self.shards, PORTRAIT), "ready": (self.swap_pairs, PAIR)}
        return {kind: source for kind, source in kinds.items() if getattr(self.rows, kind)}


def divide_batch(batch_size, parts):
    """Number of examples of one part of a batch."""
    if parts < 1 or batch_size % parts:
        raise OptionError(f"A batch must be divisible into its parts; received batch_size={batch_size}, parts={parts}.")
    return batch_size // parts


def count_rows(batch_size, genuine_share, mix=0.0):
    """Divide a batch into its kinds of rows.

    Args:
        batch_size: examples of one part of a batch.
        genuine_share: share of genuine photos, which stand beside fakes of both kinds alike.
        mix: share of ready-made fakes among the fakes.

    Returns: ``Rows``.
    """
    genuine = round(batch_size * genuine_share)
    fakes = batch_size - genuine
    if not 0 <= genuine <= fakes or fakes < 2:
        raise OptionError(
            "A batch needs at least two fakes and no more genuine photos than fakes; received "
            f"batch_size={batch_size}, genuine_share={genuine_share}: {fakes} fakes, {genuine} genuine."
        )
    ready, ready_genuine = round(fakes * mix), round(genuine * mix)
    rows = Rows(fakes - ready, ready, genuine - ready_genuine, ready_genuine)
    if not 0 <= mix <= 1 or rows.made == 1 or (mix > 0 and ready == 0):
        raise OptionError(
            "mix must be in 0 .. 1 and leave one ready-made fake at least, and two synthesised ones or none; received "
            f"mix={mix}: {ready} ready-made and {rows.made} synthesised of {fakes} fakes."
        )
    return rows


def choose_shares(shares, autoencoder):
    """Shares of the families, by default ``SHARES``, without ``resynth`` where there is no autoencoder."""
    if shares is None:
        return {name: share for name, share in SHARES.items() if autoencoder or name != "resynth"}
    if shares.get("resynth") and not autoencoder:
        raise OptionError(
            "Swaps of the family resynth pass through an autoencoder; received shares with resynth and "
            f'autoencoder={autoencoder!r}. Give autoencoder="autoencoder", or leave resynth out of the shares.'
        )
    return shares
