"""The demo: a page on this machine that answers for photos. Nothing is sent anywhere, nothing is kept.

The page is built with Gradio, which is told not to look outside: no share, no analytics, no lookups of a hub, no
history of runs in the browser. Photos that visitors bring lie in a private folder until their session ends.
"""

import atexit
import inspect
import os
import shutil
import sys
import tempfile
from html import escape
from importlib import resources

from keras_uncover.demo.answers import MAX_FACES, Answers, describe, link_report
from keras_uncover.demo.listening import check_address, in_url, without_proxies
from keras_uncover.demo.page import read_style
from keras_uncover.demo.report import title_face
from keras_uncover.demo.uploads import Uploads
from keras_uncover.demo.visitors import ClosedRoutes, hide_uploads, make_blocks
from keras_uncover.images.decode import ImageError
from keras_uncover.inference.records import to_records
from keras_uncover.inference.wording import LIMITS
from keras_uncover.process import use_cache

MAX_MEGABYTES = 20
WAITING = 32  # questions in the queue; later ones are refused until it is shorter
CLEANING = (600, 3600)  # seconds: how often Gradio looks for files that no session end removed, and from which age on
# Without the first of these Gradio asks addresses outside of this machine. It reads them when it is imported.
ENVIRONMENT = {
    "GRADIO_ANALYTICS_ENABLED": "False", "GRADIO_SSR_MODE": "False", "GRADIO_RUN_HISTORY": "False",
    "HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "True", "MPLBACKEND": "Agg",
    # Where these are set otherwise, it serves other files, lets visitors edit the program, or starts other processes.
    "GRADIO_ALLOWED_PATHS": "", "GRADIO_VIBE_MODE": "", "GRADIO_WATCH_DIRS": "", "GRADIO_NUM_WORKERS": "0",
}
SAMPLES = resources.files("keras_uncover") / "data" / "samples"
TITLE = "Was the face in this photo swapped in?"
INTRO = f"""# {TITLE}
Upload or paste a photo, or choose an example. It is answered on the machine that serves this page, sent nowhere, and
removed when you leave. **{LIMITS[0]} {LIMITS[1]}**"""
STATUS = '<div role="status" aria-live="polite">${value}</div>'  # screen readers read out what changes in it
STYLE = """
#ku-status p { font-size: 1.1rem; margin: 4px 0; } #ku-status .ku-refused { font-weight: 700; }
.ku-report a { display: inline-block; padding: 8px 14px; border: 1px solid currentColor; border-radius: 6px; }
"""


def import_gradio(folder):
    """Gradio, told to stay inside this machine and to write into a folder.

    Raises:
        RuntimeError: it was imported before it could be told.
    """
    if "gradio" in sys.modules and any(os.environ.get(name) != value for name, value in ENVIRONMENT.items()):
        raise RuntimeError(
            "Gradio must be imported by the demo itself, which tells it not to look outside; received it imported "
            "already. Import gradio after keras_uncover.demo has served."
        )
    os.environ.update(ENVIRONMENT, GRADIO_TEMP_DIR=os.path.realpath(folder))
    import gradio

    hide_uploads(gradio)
    return gradio


def choose_theme(gr):
    """Fonts that every machine has, and a blue on which white words are legible."""
    return gr.themes.Default(primary_hue="blue", font=["system-ui", "sans-serif"], font_mono=["monospace"])


def build(load, folder, samples=SAMPLES):
    """The page, not yet served.

    Args:
        load: as for ``Answers``.
        folder: an empty folder that uploads are written into.
        samples: folder of example photos.

    Returns: ``gradio.Blocks``.
    """
    gr = import_gradio(folder)
    uploads = Uploads(folder, samples)
    answers = Answers(load, uploads)
    with make_blocks(gr, uploads)(title="keras_uncover", analytics_enabled=False, delete_cache=CLEANING) as page:
        gr.Markdown(INTRO)
        with gr.Row():
            with gr.Column(scale=1, min_width=260):
                photo = gr.Image(label="Photo (JPEG, PNG or WebP)", type="filepath", sources=["upload", "clipboard"],
                                 image_mode=None, height=300, elem_id="ku-photo")
                again = gr.Button("Answer", variant="primary", elem_id="ku-again")
                names = sorted(str(path) for path in samples.glob("*.jpg"))
                gr.Examples(names, photo, cache_examples=False, label="Examples: people who do not exist",
                            api_visibility="private")
            with gr.Column(scale=4, min_width=320):
                status = gr.HTML(html_template=STATUS, elem_id="ku-status")
                with gr.Tabs(visible=False, elem_id="ku-faces") as faces:
                    tabs, pages = zip(*(add_tab(gr, index) for index in range(MAX_FACES)))
                report = gr.HTML()
                with gr.Accordion("As data (JSON)", open=False):
                    data = gr.JSON(show_label=False)
        uploads.open_to_all()  # Gradio copied the examples there.
        connect(gr, page, answers, photo, again, [status, faces, *tabs, *pages, report, data])
        add_endpoints(gr, answers, photo)
    page.answers = answers
    return page


def add_tab(gr, index):
    """A tab for one face, with its page."""
    with gr.Tab(f"Face {index}", id=index, visible=index == 0) as tab:
        return tab, gr.HTML(elem_classes="ku-answer")


def connect(gr, page, answers, photo, again, outputs):
    """Answer when the photo changes or the button is pressed; remove a visitor's photos when they leave."""

    def fill(words, titles=(), shown=(), report="", records=None):
        """Values of all outputs, in their order; the outputs of an earlier photo are cleared."""
        blanks = MAX_FACES - len(titles)
        tabs = [gr.update(label=title, visible=True) for title in titles] + [gr.update(visible=False)] * blanks
        return [words, gr.update(visible=bool(titles), selected=0), *tabs, *shown, *[""] * blanks, report, records]

    def answer(photo, request: gr.Request):
        if photo is None:
            return fill("")
        try:
            result = answers.ask(photo, request.session_hash)
        except ImageError as error:
            return fill(f'<p class="ku-refused">This photo is refused. {escape(str(error))}</p>')
        titles = [title_face(face).capitalize() for face in result.faces]
        sections = answers.show(result)
        report = link_report(answers.report(result, sections), result.file)
        return fill(describe(result), titles, sections, report, to_records(result))

    def leave(request: gr.Request):
        answers.uploads.forget(request.session_hash)

    # Not preprocessed: Gradio would open the photo first, with words of its own.
    gr.on([photo.change, again.click], answer, photo, outputs, preprocess=False, api_visibility="private",
          concurrency_id="model", trigger_mode="always_last", show_progress_on=outputs[0])
    page.unload(leave)


def add_endpoints(gr, answers, photo):
    """The two endpoints for programs: ``/predict`` gives the records, ``/report`` the report as HTML."""

    def ask(photo, request):
        if photo is None:
            raise gr.Error("A photo must be given; received nothing.", print_exception=False)
        try:
            return answers.ask(photo, request.session_hash)
        except ImageError as error:
            raise gr.Error(escape(str(error)), print_exception=False) from error

    def predict(photo, request: gr.Request):
        """Answer for a photo: a list with one record a face, as `keras-uncover predict --json` writes them."""
        return to_records(ask(photo, request))

    def report(photo, request: gr.Request):
        """The report of a photo, as HTML."""
        return answers.report(ask(photo, request))

    for function, output in ((predict, gr.JSON(visible=False)), (report, gr.Textbox(visible=False))):
        hidden = gr.Button(visible=False)
        hidden.click(function, photo, output, preprocess=False, api_name=function.__name__, concurrency_id="model")


def load_preset(preset="small"):
    """The ``Uncoverer`` of a preset that has answered once, so that visitors do not wait for the compilation."""
    from keras_uncover.inference.uncoverer import Uncoverer

    uncoverer = Uncoverer.from_preset(preset)
    for sample in sorted(SAMPLES.glob("*.jpg"))[:1]:
        uncoverer(sample)
    return uncoverer


def serve(load=load_preset, host="127.0.0.1", port=None, samples=SAMPLES, max_megabytes=MAX_MEGABYTES, block=True):
    """Serve the page.

    Args:
        load: function without arguments that gives an ``Uncoverer``; called in a thread of its own.
        host: address to listen at; None for Gradio's own rule, which a Space needs: ``GRADIO_SERVER_NAME``, else this
            machine alone.
        port: port; None for the first free one from 7860 on.
        samples: folder of example photos.
        max_megabytes: larger files are refused.
        block: whether to return only when the server is stopped.

    Returns: the ``gradio.Blocks`` that is served; ``local_url`` is where, ``close()`` ends it.

    Raises:
        OSError: it cannot be served there; nothing is left running.
    """
    if host is not None and port is not None:
        check_address(host, port)
    use_cache()
    folder = tempfile.mkdtemp(prefix="keras_uncover_demo_")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    page = build(load, folder, samples)
    page.queue(max_size=WAITING, default_concurrency_limit=1, api_open=True)
    try:
        launch(page, host, port, max_megabytes)
    except Exception as error:  # Gradio raises several types, Exception itself among them.
        page.close(verbose=False)
        raise OSError(f"The demo could not be served: {error}") from error
    page.answers.start()
    if block:
        page.block_thread()
    return page


def launch(page, host, port, max_megabytes):
    """Let Gradio serve a page, without sharing, monitoring or proxies."""
    gr = sys.modules["gradio"]
    # The oldest supported Gradio has no such option.
    history = {"run_history": False} if "run_history" in inspect.signature(page.launch).parameters else {}
    guard = gr.routes.fastapi.middleware.Middleware(ClosedRoutes, uploads=page.answers.uploads)
    with without_proxies():
        page.launch(
            server_name=None if host is None else in_url(host), server_port=port, share=False, quiet=True,
            prevent_thread_lock=True, ssr_mode=False, enable_monitoring=False, mcp_server=False, **history,
            show_error=True, footer_links=["api"], max_file_size=f"{max_megabytes}mb", css=STYLE + read_style(),
            theme=choose_theme(gr), app_kwargs={"middleware": [guard]},
        )
