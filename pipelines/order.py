"""The order of training: a pure function of the seed and the step, so that a run can go on at any step."""

import tensorflow as tf

EVER = 1 << 40  # rounds through the data: as good as without end


def list_numbers(start=0, stop=EVER, parts=1, part=None):
    """Numbers of batches. A step takes ``parts`` of them, of which a host that makes one part makes every such one.

    Args:
        start, stop: steps.
        parts: batches that a step takes.
        part: None for all of them.

    Returns: dataset of int64.
    """
    if part is None:
        return tf.data.Dataset.range(start * parts, stop * parts)
    return tf.data.Dataset.range(start * parts + part, stop * parts, parts)


def shuffle_numbers(count, seed, start=0):
    """Numbers of records without end: in every round everybody once, each round in another order.

    Args:
        count: of records.
        seed: int.
        start: how many to leave out at the beginning. None of them is read: only their numbers are counted.

    Returns: dataset of int64.
    """
    first, left_out = divmod(start, count)

    def one_round(number):
        key = tf.stack([tf.constant(seed, tf.int64), number])
        order = tf.random.experimental.stateless_shuffle(tf.range(count, dtype=tf.int64), seed=key)
        return tf.data.Dataset.from_tensor_slices(order)

    return tf.data.Dataset.range(first, EVER).flat_map(one_round).skip(left_out)
