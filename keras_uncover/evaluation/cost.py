"""Time and memory that an answer takes on this machine."""

import statistics
import time

import numpy as np

BATCH = 16
REPEATS = 15


def time_calls(function, repeats=REPEATS):
    """Median milliseconds of a call, the first, which compiles, left out."""
    function()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        function()
        times.append(1000 * (time.perf_counter() - started))
    return statistics.median(times)


def peak_memory():
    """The most memory that this process held so far, in MB, or None where the system does not tell."""
    try:
        import resource
    except ImportError:  # not a POSIX system
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


def measure_cost(uncoverer, crops):
    """Parameters, time and memory of the network on aligned crops; finding faces is not in it.

    Args:
        uncoverer: ``Uncoverer``.
        crops: uint8 ``(n, size, size, 3)``.

    Returns: dict of ``parameters``; ``ms``, a crop answered alone; ``ms_in_batch``, one of ``batch``; ``peak_mb`` of
    the process up to here, libraries included.
    """
    many = np.resize(crops, (BATCH, *crops.shape[1:]))
    return {
        "parameters": int(uncoverer.model.count_params()),
        "ms": time_calls(lambda: uncoverer.predict(many[:1])),
        "ms_in_batch": time_calls(lambda: uncoverer.predict(many), 5) / BATCH,
        "batch": BATCH,
        "peak_mb": peak_memory(),
    }
