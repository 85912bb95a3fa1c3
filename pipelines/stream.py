"""Training batches without tf.data: NumPy reads and draws, keras.ops swaps and augments, compiled, on the accelerator.

It serves the JAX backend, under which ``keras.ops`` cannot stand in a tf.data pipeline, and machines that have a packed
bank and no TensorFlow. A ``BatchConfig`` describes its batches as it does those of ``pipelines.load``, but NumPy draws
chance and order, so the same seed gives other batches.
"""

import functools
import zlib
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np

from keras_uncover.models.autoencoder import load_autoencoder
from keras_uncover.swaps.synthesis import as_is
from pipelines.bank import is_bank, read_bank
from pipelines.batches import DRAWS, make_batch
from pipelines.schema import check_count

AHEAD = 2  # batches that are made before they are asked for


class Synthesis(keras.Model):
    """Records and chance in, a batch out: a model, because Keras compiles a model's step on every backend.

    make: ``make_batch`` with everything but records and chance.
    """

    def __init__(self, make):
        super().__init__(name="synthesis", dtype="float32")
        self.make, self.built = make, True

    def call(self, inputs):
        noise = inputs.get("noise")
        return self.make(inputs["records"], inputs["draws"], None if noise is None else lambda shape: noise)


@functools.lru_cache(8)
def shuffle_round(seed, number, count):
    """The order of one round through the records, int ``(count,)``. seed: tuple of ints; number: of the round."""
    return np.random.default_rng([*seed, number]).permutation(count)


class Source:
    """The records of one data set in memory, by their number and in their order.

    Args:
        data: folder of shards, or a packed bank.
        split, keys: as for ``records.open_records``; the first key is that of a picture.
        seed: tuple of ints.
    """

    def __init__(self, data, split, keys, seed):
        if is_bank(data):
            columns = read_bank(data, split, keys)
        else:
            from pipelines.records import read_table  # Shards are TensorFlow's.

            columns = read_table(data, split, keys)
        self.columns = {key: code_people(value) if key.endswith("person") else value for key, value in columns.items()}
        self.count, *self.shape = self.columns[keys[0]].shape
        self.seed = seed

    def take(self, number, rows, shuffled):
        """The records of batch ``number``, of so many rows: dict of arrays."""
        places = number * rows + np.arange(rows)
        if shuffled:
            rounds = ((divmod(int(place), self.count)) for place in places)
            places = np.array([shuffle_round(self.seed, turn, self.count)[place] for turn, place in rounds])
        return {key: value[places] for key, value in self.columns.items()}


def code_people(names):
    """Names as int32. Two people in four thousand million share a number; these two are then never swapped."""
    texts = [name if isinstance(name, bytes) else str(name).encode() for name in names]
    return np.array([zlib.crc32(text) for text in texts], "uint32").view("int32")


class Stream(keras.utils.PyDataset):
    """Batches by their step, made in a thread of its own a little ahead of training.

    Args:
        config: ``BatchConfig``.
        sources: dict, kind of rows to its ``Source``.
        make: as for ``Synthesis``.
        training, start: as for ``load.load``.
    """

    def __init__(self, config, sources, make, *, training, start):
        super().__init__()
        self.config, self.sources, self.training, self.start = config, sources, training, start
        self.synthesis = Synthesis(make)
        # One thread, so that nothing is compiled twice at the same time. A thread does not know of a distribution that
        # is set for training: its batches are this host's own.
        self.thread, self.coming = ThreadPoolExecutor(1), {}

    @property
    def num_batches(self):
        if self.training:
            return None
        rows, parts = self.config.rows, self.config.parts
        return min(source.count // (getattr(rows, kind) * parts) for kind, source in self.sources.items())

    def __getitem__(self, index):
        last = self.num_batches
        for later in range(index, index + 1 + AHEAD if last is None else min(index + 1 + AHEAD, last)):
            if later not in self.coming:
                self.coming[later] = self.thread.submit(self.make_step, self.start + later)
        return self.coming.pop(index).result()

    def make_step(self, step):
        """The batch of a step: its parts one after the other, or the one part that is made here."""
        parts, part = self.config.parts, self.config.part
        made = [self.make_part(step * parts + each) for each in (range(parts) if part is None else [part])]
        return made[0] if len(made) == 1 else keras.tree.map_structure(lambda *same: np.concatenate(same), *made)

    def make_part(self, number):
        """One part of a batch, by its number in the stream."""
        rng, rows = np.random.Generator(np.random.Philox(key=[self.config.seed, number])), self.config.rows
        records = {
            kind: source.take(number, getattr(rows, kind), self.training) for kind, source in self.sources.items()
        }
        count = rows.made + rows.ready
        inputs = {"records": records, "draws": rng.random((count, DRAWS), "float32")}
        if self.config.augment:
            shape = next(iter(self.sources.values())).shape
            inputs["noise"] = rng.standard_normal((count, *shape), "float32")
        return tuple(self.synthesis.predict_on_batch(inputs))


def stream(config, split, *, training=True, start=0):
    """Batches of swaps and genuine photos, for ``fit`` and ``evaluate``; the arguments are those of ``load.load``.

    Returns: ``keras.utils.PyDataset`` of ``(input, truths, weights)``. All records are held in memory.
    """
    sources = {}
    for kind, (data, keys) in config.sources.items():
        sources[kind] = Source(data, split, keys, (config.seed, 1 if kind == "ready" else 0))
        check_count(data, split, sources[kind].count, getattr(config.rows, kind) * config.parts)
    make = functools.partial(
        make_batch,
        config=config,
        stage=as_is,
        resynthesise=load_autoencoder(config.autoencoder) if config.autoencoder else None,
    )
    return Stream(config, sources, make, training=training, start=start)
