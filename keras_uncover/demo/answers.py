"""What the demo's page shows for a photo: one model for all visitors, and the answer as HTML."""

import base64
import threading
from concurrent.futures import Future
from html import escape
from pathlib import Path

from keras_uncover.demo.page import show_face
from keras_uncover.demo.report import title_face, write_report
from keras_uncover.inference.scores import measured_scores
from keras_uncover.inference.wording import VERDICT_WORDS, describe_counts

MAX_FACES = 8


class Answers:
    """What the page asks: one model, which answers one photo at a time and loads while the page is served already.

    Args:
        load: function without arguments that gives an ``Uncoverer``.
        uploads: ``Uploads``, which say what a visitor may have read.
    """

    def __init__(self, load, uploads):
        self.load, self.uploads = load, uploads
        self.lock, self.loading = threading.Lock(), Future()

    def start(self):
        """Begin to load, in a thread of its own."""
        threading.Thread(target=self.fill, name="keras_uncover_demo_load").start()

    def fill(self):
        """Load; ``loading`` gets the ``Uncoverer`` or the error."""
        try:
            self.loading.set_result(self.load())
        except BaseException as error:  # noqa: BLE001, whoever waits is told
            self.loading.set_exception(error)

    def failure(self):
        """The error that loading ended with; None while the model loads and when it is loaded."""
        return self.loading.exception() if self.loading.done() else None

    def ask(self, photo, session):
        """The ``Result`` of a photo; its ``file`` is the name of the upload, without folders.

        Args:
            photo: ``{"path": ...}`` as ``visitors.name_path`` leaves it.
            session: that of the visitor, or None.

        Raises: ImageError.
        """
        data = self.uploads.read(photo["path"], session)
        uncoverer = self.loading.result()
        with self.lock:
            result = uncoverer(data, max_faces=MAX_FACES)
        result.file = Path(photo["path"]).name
        return result

    def show(self, result):
        """HTML of each face."""
        uncoverer = self.loading.result()
        scores = measured_scores(uncoverer.config)
        return [show_face(result.photo, answer, scores, uncoverer.band) for answer in result.faces]

    def report(self, result, sections=None):
        """The report as HTML. sections: what ``show`` gave for the result; None draws them."""
        sections = self.show(result) if sections is None else sections
        return write_report(result, sections, self.loading.result().weights_sha256)


def describe(result):
    """The answer in one line a face, and how many faces there are, for the part that screen readers read out."""
    lines = [f"{title_face(answer)}, {VERDICT_WORDS[answer.verdict]}" for answer in result.faces]
    lines += [f"{words[0].upper()}{words[1:]}." for words in describe_counts(result.counts)]
    return "".join(f"<p>{escape(line)}</p>" for line in lines)


def link_report(html, name):
    """A link that holds the report itself, so that no file of it is written here."""
    data = base64.b64encode(html.encode("utf-8")).decode("ascii")
    file = escape(f"{Path(name).stem}_report.html")
    return f'<p class="ku-report"><a download="{file}" href="data:text/html;base64,{data}">Download the report</a></p>'
