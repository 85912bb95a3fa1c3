"""How far a long measurement is, told on stderr: a line a step, and on a terminal a counter inside it."""

import sys
import time
from collections import deque

from keras_uncover.process import tell

CLEAR_LINE = "\r\x1b[K"
BAR = 24  # characters
RECENT = 50  # items whose speed the time left is told from


class Progress:
    """Tells steps with the seconds since the start, and keeps the warnings that a report must carry."""

    def __init__(self):
        self.started, self.warnings = time.monotonic(), []
        self.counts = sys.stderr.isatty()

    def say(self, words, end="\n"):
        """Print a line, in place of a counter."""
        clear = CLEAR_LINE if self.counts else ""
        tell(f"{time.monotonic() - self.started:5.0f} s  {words}", end, clear)

    def warn(self, words):
        """Print a warning and keep it."""
        self.warnings.append(words)
        self.say(f"warning: {words}")

    def follow(self, batches, words):
        """Pass on what is iterated over; a step's line stands when it is done."""
        done = 0
        for done, batch in enumerate(batches, start=1):
            yield batch
            if self.counts:
                self.say(f"{words}: batch {done}", end="")
        self.say(f"{words}: {done} batches")

    def count(self, items, words):
        """Pass on the items of a list; on a terminal a bar tells the time left, elsewhere a line each tenth does.

        The time is told from the last items: those that a resumed run passes over take none.
        """
        times, told = deque([time.monotonic()], RECENT + 1), 0
        for done, item in enumerate(items, start=1):
            yield item
            times.append(time.monotonic())
            left = (times[-1] - times[0]) / (len(times) - 1) * (len(items) - done)
            line = f"{done} of {len(items)} {words}, about {describe_seconds(left)} left"
            if self.counts:
                filled = BAR * done // len(items)
                self.say(f"[{'#' * filled}{'.' * (BAR - filled)}] {line}", end="")
            elif 10 * done // len(items) > told:
                told = 10 * done // len(items)
                self.say(line)
        self.say(f"{len(items)} {words}")


def describe_seconds(seconds):
    """A time as words that are short enough for a counter."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
