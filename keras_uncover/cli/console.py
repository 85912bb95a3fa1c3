"""Words for the person at the terminal, on stderr."""

import sys
import time
from collections import Counter

from keras_uncover.escapes import escape
from keras_uncover.inference.wording import VERDICT_WORDS, describe_counts, describe_rates, format_score
from keras_uncover.process import tell
from keras_uncover.terminal import BAR, CLEAR_LINE, describe_seconds


class Console:
    """Tells about a run as it goes.

    Args:
        total: number of photos; a bar with the time left is shown where there are several and stderr is a terminal.
        talks: whether answers are told; where they go to stdout or a file as data, only refusals are.
    """

    def __init__(self, total, talks):
        self.total, self.talks = total, talks
        self.counts, self.since = total > 1 and sys.stderr.isatty(), None
        self.told, self.verdicts, self.left_out = set(), Counter(), 0

    def say(self, text):
        """Print a line in place of the counter."""
        tell(escape(text), clear=CLEAR_LINE if self.counts else "")

    def count(self, done):
        """Show that ``done`` photos are answered, and how long the others may take.

        The first photo is not what the time is told from: it took the compilation.
        """
        if not self.counts or done == self.total:
            return
        now = time.monotonic()
        self.since = now if done <= 1 else self.since
        left = ""
        if done > 1:
            left = f", about {describe_seconds((now - self.since) / (done - 1) * (self.total - done))} left"
        filled = BAR * done // self.total
        bar = f"[{'#' * filled}{'.' * (BAR - filled)}]"
        tell(f"{bar} {done} of {self.total} photos{left}", end="", clear=CLEAR_LINE)

    def refuse(self, photo, error):
        """Tell that a photo was refused, and why."""
        self.say(f"{photo}: refused. {error}")

    def tell(self, record):
        """Tell one face's record; each warning once in a run."""
        self.verdicts[record["verdict"]] += 1
        if not record["face_index"]:  # once a photo
            self.left_out += record["faces"]["left_out"]
        if not self.talks:
            return
        for line in describe(record):
            self.say(line)
        for warning in record["warnings"]:
            if warning not in self.told:
                self.say(f"  note: {warning}")
        self.told.update(record["warnings"])

    def finish(self, refused):
        """Sum up a run of several photos, or one with refusals."""
        if self.total > 1 or refused:
            counts = sorted(self.verdicts.items())
            faces = ", ".join(f"{count} {verdict.replace('_', ' ')}" for verdict, count in counts)
            answered = f"{self.total - refused} of {self.total} photos answered"
            left_out = f", {self.left_out} faces left out" if self.left_out else ""
            self.say(f"{answered}{f' ({faces})' if faces else ''}, {refused} refused{left_out}")


def describe(record):
    """Lines of text for one face's record; with the first face, how many there are."""
    verdict, index = record["verdict"], record["face_index"]
    place = "" if index is None else f" face {index}"
    score = ""
    if record["p_fake"] is not None:
        score = f" (p_fake {format_score(record['p_fake'], record['threshold'])}, threshold {record['threshold']:g})"
    lines = [f"{record['file']}{place}: {verdict.replace('_', ' ').upper()}, {VERDICT_WORDS[verdict]}{score}"]
    if not index:
        lines += [f"  {words}" for words in describe_counts(record["faces"])]
    if record["error_rates"] is not None:
        lines.append(f"  {describe_rates(record['error_rates'])}")
    if verdict in ("fake", "uncertain") and record["mask_area"] is not None:
        lines.append(f"  the mask covers {100 * record['mask_area']:.1f} % of the crop")
    written = [path for path in record["outputs"].values() if path is not None]
    if written:
        lines.append(f"  wrote {', '.join(written)}")
    return lines
