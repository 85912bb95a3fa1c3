"""Morphs: extra identities to take faces from, each the mean of two people, with an exact record of its own.

All faces have their textures in one mean frame, so a mix of textures needs no warp, and the mix seen through one
person's uv map is a face in that person's crop: shape, hull and points stay that person's, and the morph's record is as
exact as any other.
"""

import functools

from keras import ops

from keras_uncover.ops.geometry import sample
from keras_uncover.refusals import OptionError
from keras_uncover.swaps.steps import as_is, between, on_rows

DRAWS = 2  # uniform numbers that one morph takes
CHANGED = ("crop", "texture")


def mix_faces(crop, texture, other, uv, hull, draw):
    """Crop and texture of morphs; ``other`` is the texture that is mixed in, .35 to .65 of it by ``draw``."""
    share = between(draw, 0.35, 0.65)[:, None, None, None]
    texture = texture * (1.0 - share) + other * share
    face = sample(texture, uv * texture.shape[1])
    return [crop * (1.0 - hull) + face * hull, texture]


def count_morphs(share, batch):
    """Rows of a batch that are morphs: their share rounded, but one at least where it is not 0."""
    if not 0 <= share <= 1:
        raise OptionError(f"The share of morphs must be in 0 .. 1; received {share}.")
    return max(round(share * batch), 1) if share else 0


def morph_records(records, partners, draws, share=1.0, stage=as_is):
    """Turn some people of a batch into morphs of themselves and a partner.

    The morph's crop is the first person's with the mixed face laid into it, sharp at the hull's edge, because a donor's
    truth is grey beyond it. The record is consistent: within the hull, the crop is exactly the texture read through the
    uv map.

    Args:
        records: dict of float32 arrays as ``make_swaps`` takes them, batch first.
        partners: float32 like ``records["texture"]``: the textures to mix in, row by row.
        draws: float32 ``(batch, DRAWS)``, uniform: which rows, those with the lowest, and how much of the partner.
        share: of the batch, rounded to a fixed number of rows, so that shapes stay static.
        stage: as in ``make_swaps``.

    Returns: dict like ``records``.
    """
    rows, batch = None, draws.shape[0]
    if share != 1:
        if batch is None:
            raise ValueError(
                "Morphs are counted from the size of the batch, which must be static; received shape "
                f"{tuple(draws.shape)}. Batch with drop_remainder=True, or make morphs of all: share=1."
            )
        count = count_morphs(share, batch)
        if not count:
            return records
        rows = ops.cast(ops.argsort(draws[:, 0])[:count], "int32")
    others = [partners, records["uv"], records["hull"], draws[:, 1]]
    mix = stage(functools.partial(on_rows, mix_faces))
    changed = mix([records[key] for key in CHANGED], others, rows)
    return {**records, **dict(zip(CHANGED, changed))}
