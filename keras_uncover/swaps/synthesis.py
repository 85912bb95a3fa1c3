"""Face swaps made by the batch, with exact truth: one gather a swap, in keras.ops.

The same function runs inside ``Dataset.map``, on the accelerator and in the re-swap check. It draws nothing itself:
its randomness is passed in as uniform numbers, so a batch of swaps is a pure function of its records and its draws.

``families.py`` says what kinds there are and which rows are of which, ``pasting.py`` what is pasted, ``regions.py``
where, ``blending.py`` how, and ``flows.py`` where the donor can then be seen.
"""

import functools
import typing

from keras import ops

from keras_uncover.swaps.blending import draw_strength, paste, paste_bands, soften
from keras_uncover.swaps.families import FAMILIES, PYRAMID, RESYNTH, SELF, cast_batch
from keras_uncover.swaps.flows import true_flow
from keras_uncover.swaps.pasting import COLOUR_DRAWS, JITTER_DRAWS, donor_pixels, recolour
from keras_uncover.swaps.regions import ELASTIC_DRAWS, SHAPE_DRAWS, shape_mask
from keras_uncover.swaps.steps import as_is, on_rows

__all__ = ["DRAWS", "FAMILIES", "GREY", "PLAIN_DRAWS", "as_is", "make_swaps", "neutral_outside"]

GREY = 0.5  # the colour outside of a donor's face
PLAIN = 7  # fields of ``Draws`` that a plain swap takes


class Draws(typing.NamedTuple):
    """Uniform numbers by what they decide, in the order of the columns; the last two are None for a plain swap.

    float32 ``(batch,)``, or ``(batch, n)`` where one number is not enough. Published numbers depend on the order:
    append, never insert.
    """

    family: object
    jitter: object
    shape: object
    colour: object
    softness: object
    strength: object
    lot: object
    histogram: object = None
    elastic: object = None


WIDTHS = Draws(1, JITTER_DRAWS, SHAPE_DRAWS, COLOUR_DRAWS, 1, 2, 1, 1, ELASTIC_DRAWS)
PLAIN_DRAWS, DRAWS = sum(WIDTHS[:PLAIN]), sum(WIDTHS)  # columns that a plain swap takes, and any swap


def name_draws(draws, plain):
    """The columns of the draws as ``Draws``."""
    wanted = (PLAIN_DRAWS, DRAWS) if plain else (DRAWS,)
    if draws.shape[-1] not in wanted:
        raise ValueError(
            f"draws must have {' or '.join(map(str, wanted))} columns; received shape {tuple(draws.shape)}."
        )
    parts, start = [], 0
    for width in WIDTHS[:PLAIN] if plain else WIDTHS:
        parts.append(draws[:, start] if width == 1 else draws[:, start : start + width])
        start += width
    return Draws(*parts)


def neutral_outside(crop, hull):
    """A donor's truth: the face on grey. crop ``(..., 3)``, hull ``(..., 1)``, float32 in [0, 1]."""
    return crop * hull + GREY * (1.0 - hull)


def paste_families(target, pixels, mask, strength, cover, rows):
    """The fakes: pasted pixels in the target's crop, blended as the family of each row does. rows: of a ``Cast``."""
    everything = [target, pixels, mask, strength, cover]
    if PYRAMID not in rows:
        return paste(*everything[:4])
    if rows[PYRAMID] is None:
        return paste_bands(*everything)

    def paste_again(_, *others):
        return [paste_bands(*others)]

    return on_rows(paste_again, [paste(*everything[:4])], everything, rows[PYRAMID])[0]


def paint_again(fake, target, rows, resynthesise):
    """Let an autoencoder paint the whole crops of ``resynth`` again, and in the same way their genuine photos."""
    if RESYNTH not in rows:
        return fake, target

    def paint(fake, target):
        return ops.split(resynthesise(ops.concatenate([fake, target], axis=0)), 2)

    return on_rows(paint, [fake, target], [], rows[RESYNTH])


def finish(target, pixels, mask, strength, cover, rows, resynthesise):
    """Fake and genuine photo. One step, so that rows are replaced in place, without a copy."""
    fake = paste_families(target, pixels, mask, strength, cover, rows)
    return paint_again(fake, target, rows, resynthesise)


def make_swaps(target, donor, draws, shares, plain=False, stage=as_is, resynthesise=None):
    """Swap the faces of a batch.

    Example, two crops of noise that are taken for mean faces and get each other's face:

        >>> import numpy as np
        >>> from keras_uncover.ops.mesh import mean_mesh
        >>> from keras_uncover.ops.texture import unwrap_texture, uv_map
        >>> from keras_uncover.swaps.synthesis import PLAIN_DRAWS, make_swaps
        >>> rng = np.random.default_rng(0)
        >>> points = np.pad(mean_mesh().points, ((0, 0), (0, 1)))
        >>> uv, hull = (np.asarray(part) for part in uv_map(points, 64))
        >>> face = {name: np.stack([part, part]) for name, part in (("points", points), ("uv", uv), ("hull", hull))}
        >>> crop = rng.random((2, 64, 64, 3), "float32")
        >>> target = {**face, "crop": crop, "texture": np.asarray(unwrap_texture(crop, 64 * face["points"], 64))}
        >>> donor = {name: part[::-1].copy() for name, part in target.items()}
        >>> draws = rng.random((2, PLAIN_DRAWS), "float32")
        >>> made = make_swaps(target, donor, draws, {"mesh": 1.0}, plain=True)
        >>> fake, mask = np.asarray(made["input"]), np.asarray(made["mask"])
        >>> fake.shape, mask.shape, bool(np.all((fake == crop)[mask[..., 0] == 0]))
        ((2, 64, 64, 3), (2, 64, 64, 1), True)

    Args:
        target, donor: dicts of float32 arrays, one record a row: ``crop`` and ``texture`` ``(batch, size, size, 3)``,
            ``uv`` ``(batch, size, size, 2)``, ``hull`` ``(batch, size, size, 1)``, ``points`` ``(batch, 468, 3)`` in
            unit coordinates of the crop.
        draws: float32 ``(batch, DRAWS)``, uniform in [0, 1); for plain swaps the first ``PLAIN_DRAWS`` are enough.
        shares: dict, family name to its share of the batch.
        plain: full-strength swaps of the whole face with a narrow feather, coloured by mean and deviation or not at
            all: the headline of an evaluation.
        stage: wraps every step, for instance to compile each separately. In one program, XLA computes a value that
            several steps read once for each of them, and a batch takes twice as long on a CPU.
        resynthesise: function of float32 ``(n, size, size, 3)`` in [0, 1] that paints crops again; needed where
            ``resynth`` has a share.

    Returns: dict of float32 arrays: ``input`` (the fake), ``target``, ``donor`` ``(batch, size, size, 3)``;
    ``mask`` ``(batch, size, size, 1)``, the region before strength; ``donor_hull``; ``flow``
    ``(batch, size / 4, size / 4, 3)``; ``has_donor`` and ``strength`` ``(batch,)``; ``family`` int32 ``(batch,)``.
    ``target`` is the genuine photo as it would be after what happened to the whole fake: for ``resynth`` it passed
    through the autoencoder, too, so that it can stand beside its fake as a genuine photo.
    """
    drawn = name_draws(draws, plain)
    cast = cast_batch(drawn.family, drawn.lot, shares)
    if RESYNTH in cast.rows and resynthesise is None:
        raise ValueError(
            "Swaps of the family resynth pass through an autoencoder; received resynthesise=None. Give one, such as "
            'keras_uncover.models.autoencoder.load_autoencoder("autoencoder"), or leave resynth out of the shares.'
        )
    family, crop = cast.family, target["crop"]
    pixels, cover = donor_pixels(target, donor, family, drawn.jitter, stage)
    mask = stage(shape_mask)(target["hull"], cover, target["uv"], drawn.shape, drawn.elastic)
    pixels = recolour(pixels, crop, mask, family, drawn.colour, drawn.histogram, stage)
    pixels = soften(pixels, drawn.softness, stage)
    strength = ops.ones_like(drawn.lot) if plain else draw_strength(drawn.strength)
    last = stage(functools.partial(finish, resynthesise=resynthesise))
    fake, genuine = last(crop, pixels, mask, strength, cover, cast.rows)
    return {
        "input": fake,
        "target": genuine,
        "donor": stage(neutral_outside)(donor["crop"], donor["hull"]),
        "mask": mask,
        "donor_hull": donor["hull"],
        "flow": stage(functools.partial(true_flow, size=crop.shape[1] // 4))(target, donor, family),
        "has_donor": ops.cast(ops.not_equal(family, SELF), "float32"),
        "strength": strength,
        "family": family,
    }
