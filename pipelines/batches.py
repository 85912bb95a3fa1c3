"""One batch from records and chance, in keras.ops: the same function in a tf.data pipeline and on an accelerator.

A batch holds synthesised fakes, ready-made fakes and genuine photos, each beside its own fake. The number of rows of
each kind is fixed, so shapes are static.
"""

from keras import ops

from keras_uncover.ops.filters import join_channels
from keras_uncover.swaps import augment as augmentation
from keras_uncover.swaps import morphs, synthesis
from keras_uncover.swaps.synthesis import as_is, neutral_outside
from pipelines.schema import SCALES

SWAP_DRAWS = synthesis.DRAWS + morphs.DRAWS
DRAWS = SWAP_DRAWS + augmentation.DRAWS  # uniform numbers that a row of a batch takes
TRUTHS = ("target", "donor", "donor_hull", "flow")


def make_batch(records, draws, noise, *, config, stage, resynthesise=None):
    """One batch as ``fit`` takes it: ``(input, truths, weights)``.

    Args:
        records: dict of ``made`` (portraits) and ``ready`` (ready-made fakes); a kind without rows is left out.
        draws: float32 ``(rows, DRAWS)``, uniform in [0, 1).
        noise: function of a shape to standard normal numbers, float32; None for batches that are not augmented.
        config: ``BatchConfig``.
        stage, resynthesise: as for ``swaps.synthesis.make_swaps``.
    """
    made = ready = None
    rows = config.rows
    if rows.made:
        some = draws[: rows.made, :SWAP_DRAWS]
        made = synthesise(
            records["made"], some, config.family_shares, config.plain, stage, resynthesise, config.morph_share
        )
    if rows.ready:
        ready = ready_swap(records["ready"])
    swap = join(made, ready, rows)
    if noise is not None:
        swap = augmentation.augment(swap, draws[:, SWAP_DRAWS:], noise(swap["input"].shape), stage)
    batch, label = add_genuine(swap, rows.made_genuine + rows.ready_genuine)
    return to_example(batch, label, config.task, stage)


def synthesise(records, draws, shares, plain, stage, resynthesise=None, morph_share=0.0):
    """Swaps among the portraits of a batch; nobody's photo takes their own face.

    draws: float32 ``(batch, synthesis.DRAWS)``, with morphs ``SWAP_DRAWS``. A morph mixes the donor with the person
    whose face the donor's own photo takes.
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


def to_float(records):
    """A portrait's stored integers to the one range inside: float32 in [0, 1]."""
    floats = {key: ops.cast(records[key], "float32") / scale for key, scale in SCALES.items()}
    return {**floats, "points": records["points"]}


def choose_donors(person):
    """Whose face each row's photo takes: that of the row before, or of the nearest before it that is somebody else's.

    Args:
        person: ``(batch,)``, text or whole numbers that tell people apart.

    Returns: row numbers int ``(batch,)``, and bool ``(batch,)``: False where the whole batch is one person.
    """
    count = person.shape[0]
    rows = ops.arange(count)
    back = (rows[:, None] - rows[None]) % count
    # No function of keras.ops: the operator compares texts, too.
    other = person[:, None] != person[None]
    return ops.argmin(ops.where(other, back, count), axis=1), ops.any(other, axis=1)


def ready_swap(records):
    """Records of ready-made fakes as ``make_swaps`` would return them.

    Their flow is not known. A mask that could not be derived, and a donor who is the target, weigh nothing.
    """
    keys = ("input", "target", "donor", "donor_hull", "mask")
    floats = {key: ops.cast(records[key], "float32") / 255.0 for key in keys}
    count, size = records["input"].shape[:2]
    has_mask = ops.cast(records["has_mask"], "float32")
    return {
        **floats,
        "donor": neutral_outside(floats["donor"], floats["donor_hull"]),
        "mask": floats["mask"] * has_mask[:, None, None, None],
        "flow": ops.zeros((count, size // 4, size // 4, 3)),
        "has_donor": ops.cast(records["target_person"] != records["donor_person"], "float32"),
        "has_mask": has_mask,
        "has_flow": ops.zeros(count),
    }


def join(made, ready, rows):
    """Fakes of both kinds, those first that stand beside their genuine photo."""
    if made is None or ready is None:
        return made or ready
    m, r = rows.made_genuine, rows.ready_genuine
    return {key: ops.concatenate([made[key][:m], ready[key][:r], made[key][m:], ready[key][r:]], 0) for key in ready}


def add_genuine(swap, count):
    """Append the first ``count`` genuine photos to their fakes, post-processed by the same draw."""
    fakes = swap["input"].shape[0]
    label = ops.concatenate([ops.ones(fakes), ops.zeros(count)], 0)

    def append(fake, genuine):
        return ops.concatenate([fake, genuine[:count]], 0)

    batch = {key: append(swap[key], swap[key]) for key in TRUTHS}
    batch["input"] = append(swap["input"], swap["target"])
    batch["mask"] = append(swap["mask"], ops.zeros_like(swap["mask"]))
    # That nothing was replaced is known of every genuine photo; a donor and a flow it has none.
    batch["has_mask"] = append(swap["has_mask"], ops.ones_like(swap["has_mask"]))
    for key in ("has_donor", "has_flow"):
        batch[key] = append(swap[key], ops.zeros_like(swap[key]))
    return batch, label[:, None]


def balance(label):
    """Weights with which genuine photos and fakes weigh the same in a verdict, however many of each there are."""
    fakes, count = ops.sum(label), float(label.shape[0])
    genuine = count - fakes
    both = ops.cast(genuine > 0, "float32")
    weights = 0.5 * count * (label[:, 0] / fakes + (1 - label[:, 0]) / ops.maximum(genuine, 1.0))
    return both * weights + (1 - both)


def to_example(batch, label, task, stage=as_is):
    """Inputs, truths and weights as ``fit`` takes them; truths with a weight a pixel carry it as last channel.

    stage: as for ``swaps.make_swaps``.
    """
    if task == "classify":
        return batch["input"], {"p_fake": label}, {"p_fake": balance(label)}
    truth = {
        "p_fake": label,
        "mask": batch["mask"],
        "target": stage(join_channels)([batch["target"], batch["mask"]]),
        "donor": stage(join_channels)([batch["donor"], batch["donor_hull"]]),
        "flow": batch["flow"],
    }
    truth["seen"] = truth["donor"]
    weights = {
        "p_fake": balance(label),
        "mask": batch["has_mask"],
        "target": ops.ones_like(label[:, 0]),
        "donor": batch["has_donor"],
        "seen": batch["has_donor"],
        "flow": batch["has_donor"] * batch["has_flow"],
    }
    return batch["input"], truth, weights
