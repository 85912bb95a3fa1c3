"""What the steps of a synthesis share: scaled uniform numbers, the stage they run in, and work on some rows only."""

from keras import ops


def as_is(function):
    """The stage that changes nothing."""
    return function


def between(draws, low, high):
    """Uniform numbers in [0, 1) stretched to [low, high)."""
    return low + (high - low) * draws


def on_rows(function, arrays, others, rows):
    """Change some rows of arrays and leave the rest, so that a costly step runs on the rows that need it alone.

    Args:
        function: takes the rows of ``arrays`` and then those of ``others``; returns a list like ``arrays``.
        arrays: list of arrays, batch first.
        others: list of arrays, batch first, that are only read.
        rows: int32 ``(n,)``, all different; None for all.

    Returns: list like ``arrays``.
    """
    if rows is None:
        return list(function(*arrays, *others))
    changed = function(*(ops.take(value, rows, axis=0) for value in (*arrays, *others)))
    index = ops.expand_dims(rows, -1)
    return [ops.scatter_update(old, index, new) for old, new in zip(arrays, changed)]
