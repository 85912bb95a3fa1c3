"""The families of swaps: their names, and which rows of a batch belong to which.

``mesh``: the donor's texture through the target's uv map; the target keeps its shape.
``affine``: the donor's crop moved by the best affine transform; the donor keeps its shape.
``self``: the target's own texture, displaced and recoloured; there is no donor to recover.
``pyramid``: ``mesh``, blended band by band (``blending.py``): no seam, and brightness changes gradually at the edge.
``resynth``: ``mesh``, after which the whole crop passes through an autoencoder, and so does its genuine photo.

The first three cost the same and are drawn row by row. The last two cost more, so they get a fixed number of rows,
rounded from their share: shapes stay static, and the costly steps run on these rows only. *Which* rows they get is
drawn, so that rows whose genuine photo is in the batch, too, are taken as often as other rows.

How to add a family:

1. in ``family_names.py`` append its name to ``FAMILIES``, give it a number and a share, and name it in ``DRAWN`` unless
   it costs more;
2. where it does not read the donor's texture through the target's uv map, say in ``SOURCES`` of ``pasting.py`` what it
   reads;
3. where its donor keeps its own shape, as in ``affine``, say so in ``donor_pixels`` and ``true_flow`` (``flows.py``);
4. where it costs more, give it rows in ``draw_lots`` and its work in ``finish`` (``synthesis.py``).

Published numbers depend on the order of the families and of the draws: append, never insert.
"""

import collections

import numpy as np
from keras import ops

from keras_uncover.refusals import OptionError
from keras_uncover.swaps.family_names import AFFINE, DRAWN, FAMILIES, MESH, PYRAMID, RESYNTH, SELF, SHARES

__all__ = [
    "AFFINE", "DRAWN", "FAMILIES", "MESH", "PYRAMID", "RESYNTH", "SELF", "SHARES", "Cast", "cast_batch", "check_shares",
    "choose_family", "count_rows", "draw_lots", "leave_out",
]

Cast = collections.namedtuple("Cast", "family rows")
Cast.__doc__ = """The family of every row of a batch.

family: int32 ``(batch,)``. rows: dict that holds ``PYRAMID`` and ``RESYNTH`` if any row is of that family: their row
numbers, int32 ``(n,)``, ``n`` static, or None where all rows are.
"""


def check_shares(shares):
    """Shares of all families as a NumPy array, or ValueError."""
    parts = np.asarray([shares.get(name, 0.0) for name in FAMILIES], "float32")
    if not set(shares) <= set(FAMILIES) or not parts.sum() > 0 or (parts < 0).any():
        raise OptionError(
            f"Family shares must be for {FAMILIES}, none negative and at least one positive; received {shares}."
        )
    return parts / parts.sum()


def leave_out(names):
    """``SHARES`` without some families, or None, which stands for all of them, where no name is given."""
    kept = {name: share for name, share in SHARES.items() if name not in names}
    if not kept:
        raise OptionError(f"One family at least must be left; received {', '.join(names)} to leave out.")
    return kept if names else None


def choose_family(draw, shares):
    """Family number by cumulated shares. draw: float32 ``(batch,)``; returns int32 ``(batch,)``."""
    edges = np.cumsum(check_shares(shares))[:-1]
    return ops.sum(ops.cast(draw[:, None] >= edges[None], "int32"), axis=-1)


def count_rows(shares, batch):
    """Rows of ``pyramid`` and of ``resynth`` among ``batch``: their shares rounded, but one at least where not 0."""
    parts = check_shares(shares)[[PYRAMID, RESYNTH]]
    drawn = check_shares(shares)[list(DRAWN)].sum() > 0
    counts = [max(round(float(part) * batch), 1) if part > 0 else 0 for part in parts]
    while sum(counts) > batch - int(drawn):
        counts[int(np.argmax(counts))] -= 1
    if not drawn:
        counts[int(np.argmax(parts))] += batch - sum(counts)
    return counts


def cast_batch(draws, lots, shares):
    """Give every row of a batch its family.

    Args:
        draws: float32 ``(batch,)``, uniform: the family of rows that are drawn.
        lots: float32 ``(batch,)``, uniform: the rows with the lowest lots are ``resynth``, the next ones ``pyramid``.
        shares: dict, family name to its share.

    Returns: ``Cast``.

    Raises:
        ValueError: shares that make no sense; a batch whose size is not known while the graph is built, unless one
            family has all of it.
    """
    parts = check_shares(shares)
    if parts.max() == 1.0:
        whole = int(np.argmax(parts))
        return Cast(ops.full_like(draws, whole, dtype="int32"), {} if whole in DRAWN else {whole: None})
    if not parts[[PYRAMID, RESYNTH]].any():
        return Cast(choose_family(draws, shares), {})
    if draws.shape[0] is None:
        raise ValueError(
            "Rows of pyramid and resynth are counted from the size of the batch, which must be static; received shape "
            f"{tuple(draws.shape)}. Batch with drop_remainder=True, or give one family all of the batch."
        )
    return draw_lots(draws, lots, shares, *count_rows(shares, draws.shape[0]))


def draw_lots(draws, lots, shares, pyramid, resynth):
    """``cast_batch`` with so many rows of ``pyramid`` and ``resynth``."""
    drawn = {name: share for name, share in shares.items() if FAMILIES.index(name) in DRAWN}
    family = choose_family(draws, drawn) if any(drawn.values()) else ops.full_like(draws, PYRAMID, dtype="int32")
    order = ops.cast(ops.argsort(lots), "int32")
    rank = ops.argsort(order)
    family = ops.where(rank < resynth + pyramid, PYRAMID, family)
    family = ops.where(rank < resynth, RESYNTH, family)
    rows = {PYRAMID: order[resynth : resynth + pyramid], RESYNTH: order[:resynth]}
    counts = {PYRAMID: pyramid, RESYNTH: resynth}
    return Cast(family, {name: value for name, value in rows.items() if counts[name]})
