"""One training batch from records and chance, in keras.ops: the same function in a tf.data pipeline and elsewhere."""

from keras import ops

from keras_uncover.refusals import OptionError
from keras_uncover.swaps import augment as augmentation
from keras_uncover.swaps import morphs, synthesis
from keras_uncover.swaps.families import SHARES
from pipelines.mix import add_genuine, choose_donors, join, ready_swap, to_example

SWAP_DRAWS = synthesis.DRAWS + morphs.DRAWS
DRAWS = SWAP_DRAWS + augmentation.DRAWS  # uniform numbers that a row of a batch takes
SCALES = {"crop": 255.0, "texture": 255.0, "hull": 255.0, "uv": 65535.0}  # of what a portrait's record stores


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


def to_float(records):
    """A portrait's stored integers to the one range inside: float32 in [0, 1]."""
    floats = {key: ops.cast(records[key], "float32") / scale for key, scale in SCALES.items()}
    return {**floats, "points": records["points"]}


def synthesise(records, draws, shares, plain, stage, resynthesise=None, morph_share=0.0):
    """Swaps among the portraits of a batch; nobody's photo takes their own face.

    draws: float32 ``(batch, synthesis.DRAWS)``, with morphs ``SWAP_DRAWS``. A morph is mixed of the donor and of whose face
    the donor's own photo takes.
    """
    donor, apart = choose_donors(records["person"])
    images = {key: value for key, value in records.items() if key != "person"}
    floats = stage(to_float)(images)
    donors = {key: ops.take(value, donor, axis=0) for key, value in floats.items()}
    if morph_share:
        partners = ops.take(donors["texture"], donor, axis=0)
        donors = morphs.morph_records(donors, partners, draws[:, synthesis.DRAWS :], morph_share, stage)
    swap = synthesis.make_swaps(floats, donors, draws[:, : synthesis.DRAWS], shares, plain, stage, resynthesise)
    swap["has_donor"] *= ops.cast(apart, "float32")
    count = records["crop"].shape[0]
    return {**swap, "has_mask": ops.ones(count), "has_flow": ops.ones(count)}


def make_batch(records, draws, noise, *, rows, task, shares, plain, stage, resynthesise=None, morph_share=0.0):
    """One batch as ``fit`` takes it: ``(input, truths, weights)``.

    Args:
        records: dict of ``made`` (portraits) and ``ready`` (ready-made fakes), either of which may lack.
        draws: float32 ``(rows, DRAWS)``, uniform in [0, 1).
        noise: function of a shape to standard normal numbers, float32; None for batches that are not augmented.
        rows: ``mix.Rows``.
        task: ``classify`` or ``reconstruct``: which truths are given.
        shares, plain, stage, resynthesise: as for ``swaps.make_swaps``.
        morph_share: as for ``load``.
    """
    made = ready = None
    if rows.made:
        some = draws[: rows.made, :SWAP_DRAWS]
        made = synthesise(records["made"], some, shares, plain, stage, resynthesise, morph_share)
    if rows.ready:
        ready = ready_swap(records["ready"])
    swap = join(made, ready, rows)
    if noise is not None:
        swap = augmentation.augment(swap, draws[:, SWAP_DRAWS:], noise(swap["input"].shape), stage)
    batch, label = add_genuine(swap, rows.made_genuine + rows.ready_genuine)
    return to_example(batch, label, task, stage)
