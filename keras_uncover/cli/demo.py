"""``keras-uncover demo``: the page that answers for photos, served on this machine."""

import importlib.util
import time
from functools import partial

from keras_uncover.cli.common import DONE, FAILED, WEIGHTS, add_command, add_preset, complain, say, whole
from keras_uncover.demo.listening import bare

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def add(commands):
    """Add the command to the parser of all."""
    parser = add_command(
        commands,
        "demo",
        "serve a page that answers for photos",
        "Serve a page on this machine that answers for photos. It asks nothing of any other machine;\n"
        "photos are removed when the visitor leaves. Needs the extra [demo].",
        "examples:\n  keras-uncover demo\n  keras-uncover demo --port 8000 --preset runs/mine\n"
        "\nexit codes:\n  0    stopped by the server\n"
        "  1    Gradio is not installed, the host is unknown, the port is taken, or the model cannot be loaded\n"
        "  4    weights are missing or altered, or there is no such preset\n  130  stopped with Ctrl-C\n",
    )
    parser.add_argument(
        "--host", default="127.0.0.1", metavar="ADDRESS", help="address to listen at (default: %(default)s)"
    )
    parser.add_argument(
        "--port", type=whole(1, 65535), default=7860, metavar="PORT", help="port to listen at (default: %(default)s)"
    )
    parser.add_argument(
        "--max-mb", type=whole(1, 100), default=20, metavar="N", help="refuse larger files (default: %(default)s MB)"
    )
    add_preset(parser)
    parser.set_defaults(run=run)


def run(arguments):
    """Serve until stopped; returns the exit code."""
    from keras_uncover.backend import check_backend
    from keras_uncover.presets import preset_folder
    from keras_uncover.presets.weights import WeightsError, load_verified

    if importlib.util.find_spec("gradio") is None:
        complain('the demo needs Gradio, which is not installed. Get it: python -m pip install "keras-uncover[demo]"')
        return FAILED
    check_backend()
    try:
        load_verified(preset_folder(arguments.preset))  # Now, not at the first visitor's photo.
    except WeightsError as error:
        complain(error)
        return WEIGHTS
    if bare(arguments.host) not in LOOPBACK:
        say(f"note: {arguments.host} can be reached from other machines; whoever can reach it can ask for answers")
    from keras_uncover.demo.app import load_preset, serve
    from keras_uncover.process import hushed_start

    with hushed_start():
        page = serve(
            partial(load_preset, arguments.preset), arguments.host, arguments.port, max_megabytes=arguments.max_mb,
            block=False,
        )
    say(f"serving at {page.local_url}; Ctrl-C stops it")
    try:
        # Gradio's own ``block_thread`` takes Ctrl-C for a common end and says a word on stdout.
        while page.is_running:
            time.sleep(0.1)
            if page.answers.failure() is not None:
                complain(f"the model could not be loaded: {page.answers.failure()}")
                return FAILED
    finally:
        page.close(verbose=False)
    return DONE
