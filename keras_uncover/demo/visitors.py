"""What visitors of the demo can make its web server do: no more than the page needs.

Gradio by itself acts on what a visitor says of a file: it opens paths, copies them and fetches addresses, and says
different things of each. Here a path reaches ``Uploads`` unread, uploads get names that nobody can guess, and the parts
of the server that read other files or addresses are closed. ``gr`` is always the module ``gradio``, which
``app.import_gradio`` imports.
"""

import secrets

from keras_uncover.demo.uploads import NotYours

PREFIX = "/gradio_api/"
FILE = "file="
# Parts of Gradio's server that read files or addresses, or write for others to read. The page uses none of them.
CLOSED_ROUTES = (
    "proxy=", "file/", "stream/", "deep_link", "component_server", "custom_component", "process_recording", "vibe",
    "undo-vibe", "dev/",
)
FILE_DATA = {"_type": "gradio.FileData"}


def hide_uploads(gr):
    """Give each upload a folder of its own with a random name.

    Gradio names the folder by the hash of the content. Whoever has a photo could then ask whether somebody else
    uploaded it, and two visitors with the same photo would share a file.
    """
    known = gr.route_utils.GradioUploadFile
    if hasattr(known, "hidden"):
        return

    class HiddenUpload(known):
        hidden = True

        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            self.sha.update(secrets.token_bytes(32))

    gr.route_utils.GradioUploadFile = HiddenUpload


def make_blocks(gr, uploads):
    """A class like ``gradio.Blocks`` that opens no file which a visitor names, and removes uploads of single questions.

    A question without a session, or whose session is the question itself, holds its upload until it is answered.
    """

    class Page(gr.Blocks):
        async def process_api(self, block_fn, inputs, *arguments, session_hash=None, event_id=None, **options):
            known = self.fns[block_fn] if isinstance(block_fn, int) else block_fn
            inputs = [
                name_path(value) if isinstance(block, gr.Image) else only_scalar(value)
                for value, block in zip(inputs, known.inputs)
            ]
            try:
                return await super().process_api(
                    known, inputs, *arguments, session_hash=session_hash, event_id=event_id, **options
                )
            finally:
                if session_hash and session_hash == event_id:
                    uploads.forget(session_hash)

    return Page


def name_path(said):
    """The path that a visitor names, in a form that Gradio passes on and does not act on; None for no photo.

    Args:
        said: anything; a photo is a dict with ``path`` and, as a mark of a file, ``meta``.

    Returns: ``{"path": str}``, empty for what is no such dict; or None.
    """
    if said is None:
        return None
    well = isinstance(said, dict) and isinstance(said.get("path"), str) and said.get("meta") == FILE_DATA
    return {"path": said["path"] if well else ""}


def only_scalar(said):
    """Text or a number as it is, None for all else, in which Gradio would look for files."""
    return said if isinstance(said, (str, int, float)) else None


class ClosedRoutes:
    """A web application (ASGI) in front of Gradio's: it serves the files that ``Uploads`` would read and no others.

    Args:
        app: the application behind.
        uploads: ``Uploads``.
    """

    def __init__(self, app, uploads):
        self.app, self.uploads = app, uploads

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http" or self.is_open(scope["path"]):
            await self.app(scope, receive, send)
            return
        headers = [(b"content-type", b"text/plain; charset=utf-8")]
        await send({"type": "http.response.start", "status": 404, "headers": headers})
        await send({"type": "http.response.body", "body": str(NotYours()).encode()})

    def is_open(self, path):
        """Whether a path of the server may be asked for."""
        if not path.startswith(PREFIX):
            return True
        wanted = path.removeprefix(PREFIX)
        if wanted.startswith(FILE):
            return self.uploads.holds(wanted.removeprefix(FILE))
        return not wanted.startswith(CLOSED_ROUTES)
