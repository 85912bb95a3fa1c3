"""Training batches without tf.data: NumPy reads and draws, keras.ops swaps and augments, compiled, on the accelerator.

It serves the JAX backend, under which ``keras.ops`` cannot stand in a tf.data pipeline, and a machine that has a packed
bank and no TensorFlow. What ``pipelines.load`` says of the batches holds here, too; but chance and order are drawn by
NumPy, so that the same seed gives other batches.
"""

import functools
import zlib
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np

from keras_uncover.models.autoencoder import load_autoencoder
from pipelines.bank import is_bank, read_bank
from pipelines.batches import DRAWS, choose_shares, count_rows, divide_batch, make_batch
from pipelines.schema import PAIR, PORTRAIT, check_count

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


class Rows:
    """The records of a source by their number, and their order.

    Args:
        data: folder of shards, or a packed bank.
        split, keys: as for ``records.open_records``.
        seed: list of ints.
    """

    def __init__(self, data, split, keys, seed):
        if is_bank(data):
            columns = read_bank(data, split, keys)
        else:
            from pipelines.records import read_table  # Shards are TensorFlow's.

            columns = read_table(data, split, keys)
        self.columns = {key: code_people(value) if key.endswith("person") else value for key, value in columns.items()}
        self.count, self.seed = len(next(iter(columns.values()))), seed
        self.order = functools.lru_cache(4)(self.order)

    def order(self, number):
        """The order of one round through the records."""
        return np.random.default_rng([*self.seed, number]).permutation(self.count)

    def take(self, number, rows, shuffled):
        """The records of batch ``number``, of so many rows."""
        places = number * rows + np.arange(rows)
        if shuffled:
            places = np.array([self.order(int(place) // self.count)[place % self.count] for place in places])
        return {key: value[places] for key, value in self.columns.items()}


def code_people(names):
    """Names as int32: two people in four thousand million have the same one, and are then merely never swapped."""
    texts = [name if isinstance(name, bytes) else str(name).encode() for name in names]
    return np.array([zlib.crc32(text) for text in texts], "uint32").view("int32")


class Stream(keras.utils.PyDataset):
    """Batches by their step, made in a thread of its own a little ahead of training."""

    def __init__(self, sources, rows, make, *, seed, start, parts, part, training, augment):
        super().__init__()
        self.sources, self.rows, self.seed, self.start = sources, rows, seed, start
        self.parts, self.part, self.training, self.augment = parts, part, training, augment
        self.synthesis = Synthesis(make)
        # One thread: what is compiled once is not compiled twice at the same time. Of a distribution that is set for
        # training it knows nothing: its batches are this host's own.
        self.thread, self.coming = ThreadPoolExecutor(1), {}

    @property
    def num_batches(self):
        counts = [source.count // (getattr(self.rows, name) * self.parts) for name, source in self.sources.items()]
        return None if self.training else min(counts)

    def __getitem__(self, index):
        last = self.num_batches
        for later in range(index, index + 1 + AHEAD if last is None else min(index + 1 + AHEAD, last)):
            if later not in self.coming:
                self.coming[later] = self.thread.submit(self.make_step, self.start + later)
        return self.coming.pop(index).result()

    def make_step(self, step):
        """The batch of a step: its parts one after the other, or the one part that is made here."""
        wanted = range(self.parts) if self.part is None else [self.part]
        parts = [self.make_part(step * self.parts + part) for part in wanted]
        return parts[0] if len(parts) == 1 else keras.tree.map_structure(lambda *same: np.concatenate(same), *parts)

    def make_part(self, number):
        rng = np.random.Generator(np.random.Philox(key=[self.seed, number]))
        records = {
            name: source.take(number, getattr(self.rows, name), self.training) for name, source in self.sources.items()
        }
        count = self.rows.made + self.rows.ready
        inputs = {"records": records, "draws": rng.random((count, DRAWS), "float32")}
        if self.augment:
            shape = next(records[name][key].shape for name, key in (("made", "crop"), ("ready", "input"))
                         if name in records)
            inputs["noise"] = rng.standard_normal((count, *shape[1:]), "float32")
        return tuple(self.synthesis.predict_on_batch(inputs))


def stream(
    data, split, batch_size, *, task="reconstruct", training=True, seed=0, start=0, parts=1, part=None, shares=None,
    autoencoder=None, morph_share=0.0, genuine_share=0.25, swap_pairs=None, mix=0.3, augment=True, plain=False,
):
    """Batches of swaps and genuine photos, for ``fit`` and ``evaluate``; the arguments are those of ``load.load``.

    Returns: ``keras.utils.PyDataset`` of ``(input, truths, weights)``. All records are held in memory.
    """
    rows = count_rows(divide_batch(batch_size, parts), genuine_share, mix if swap_pairs else 0.0)
    sources = {}
    if rows.made:
        sources["made"] = Rows(data, split, PORTRAIT, [seed, 0])
    if rows.ready:
        sources["ready"] = Rows(swap_pairs, split, PAIR, [seed, 1])
    for name, source in sources.items():
        check_count(data if name == "made" else swap_pairs, split, source.count, getattr(rows, name) * parts)
    make = functools.partial(
        make_batch,
        rows=rows,
        task=task,
        shares=choose_shares(shares, autoencoder),
        plain=plain,
        stage=lambda function: function,
        resynthesise=load_autoencoder(autoencoder) if autoencoder else None,
        morph_share=morph_share,
    )
    return Stream(sources, rows, make, seed=seed, start=start, parts=parts, part=part, training=training,
                  augment=augment)
