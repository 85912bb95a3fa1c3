"""Take the README's picture of the demo: the page with the answer for an example, by the preset that ships.

    python -m scripts.take_screenshot docs/demo.jpg

Needs the extras [demo] and [browser], and Chromium on the PATH. Look at the picture before you keep it.
"""

import argparse
import shutil
import sys
from functools import partial
from pathlib import Path

from keras_uncover.escapes import Parser, for_stdout
from keras_uncover.overwriting import check_or_exit
from keras_uncover.refusals import end_in_words


def parse_arguments(arguments=None):
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", help="JPEG to write")
    parser.add_argument("--preset", default="small")
    parser.add_argument("--overwrite", action="store_true", help="replace files that are there")
    options = parser.parse_args(arguments)
    check_or_exit(parser, [options.picture], options.overwrite)
    return options


if __name__ == "__main__":
    parse_arguments()  # Answers --help, or refuses the command line, before Keras is loaded, which takes seconds.

from keras_uncover.demo.app import load_preset, serve  # noqa: E402

ROOT = Path(__file__).parents[1]
PHOTO = ROOT / "examples" / "fake_1.jpg"
WIDTH, HEIGHT, QUALITY = 1440, 1000, 82
MINUTES = 5 * 60_000  # milliseconds that loading and compiling may take


def take(path, preset):
    """Serve the demo, give it the photo, and save the page."""
    # Only now: Gradio, which this may import, must first be told not to look outside.
    page = serve(partial(load_preset, preset), port=None, block=False)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        switches = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=switches)
        view = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        view.set_default_timeout(MINUTES)
        view.goto(page.local_url)
        view.locator("#ku-photo input[type=file]").set_input_files(PHOTO)
        view.locator("section.ku:visible").wait_for()
        view.wait_for_function("[...document.images].every(image => image.complete)")
        view.screenshot(path=path, full_page=True, quality=QUALITY, type="jpeg")
        browser.close()
    page.close(verbose=False)


def main(arguments=None):
    options = parse_arguments(arguments)
    take(options.picture, options.preset)
    print(for_stdout(f"{options.picture}: written; look at it"))


if __name__ == "__main__":
    sys.exit(end_in_words("take_screenshot", main))
