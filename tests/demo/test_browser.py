"""The demo as a person meets it, in Chromium: mouse, keyboard, a narrow screen, bad files, and no request outside."""

import base64
import os
import shutil
import time
from pathlib import Path
from urllib.parse import urlparse

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore")]

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
# Chromium itself must not look outside either, so that what is seen there is the page's.
SWITCHES = (
    "--no-sandbox --disable-gpu --disable-background-networking --no-first-run --disable-component-update "
    "--disable-sync --disable-default-apps"
).split() + ["--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1"]
SLOW = 60_000  # milliseconds that anything may take here


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    from served import served

    with served(tmp_path_factory.mktemp("demo"), max_megabytes=1) as page:
        yield page


@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("no chromium on the PATH")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=SWITCHES)
        yield browser
        browser.close()


@pytest.fixture
def visit(demo, browser):
    """Opens the page; afterwards no request may have gone outside and no script may have failed."""
    opened, asked, failed = [], [], []

    def go(width=1280, height=1000):
        context = browser.new_context(viewport={"width": width, "height": height}, reduced_motion="reduce")
        opened.append(context)
        page = context.new_page()
        page.set_default_timeout(SLOW)
        page.on("request", lambda request: asked.append(request.url))
        page.on("websocket", lambda socket: asked.append(socket.url))
        page.on("pageerror", lambda error: failed.append(str(error)))
        page.goto(demo.local_url)
        page.get_by_role("button", name="Answer").wait_for()
        return page

    yield go
    for context in opened:
        context.close()
    places = [(urlparse(url).scheme, urlparse(url).hostname) for url in asked]
    outside = [place for place in places if place[0] not in ("data", "blob") and place[1] != "127.0.0.1"]
    assert asked and outside == []
    assert failed == []


def bring(page, path):
    """Give a file to the page as a person does; returns the part that tells the answer."""
    page.locator("#ku-photo input[type=file]").set_input_files(path)
    return page.locator("#ku-status").get_by_role("status")


def make(tmp_path, name, level=230, size=(64, 64)):
    from stand_in import photo

    return photo(str(tmp_path / name), level, size)


def wait_for(locator, words):
    from playwright.sync_api import expect

    expect(locator).to_contain_text(words, timeout=SLOW)


def keep(page, name):
    """A screenshot for people to look at, where ``SCREENSHOTS`` names a folder."""
    if os.environ.get("SCREENSHOTS"):
        page.screenshot(path=os.path.join(os.environ["SCREENSHOTS"], f"{name}.png"), full_page=True)


def test_an_upload_is_answered_with_words_pictures_data_and_a_report(visit, tmp_path):
    page = visit()
    wait_for(bring(page, make(tmp_path, "a.png")), "Face 0: fake, the model says that this face was swapped in")
    section = page.locator("section.ku:visible")
    assert section.locator("img").count() == 8
    # Waits for each, and raises where one is broken.
    section.locator("img").evaluate_all("images => Promise.all(images.map(image => image.decode())).then(() => null)")
    for words in ("FAKE", "This is not proof", "may show nobody", "Recovered donor", "Re-swap check"):
        assert words in section.inner_text()
    keep(page, "answer")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download the report").click()
    assert download.value.suggested_filename == "a_report.html"
    html = open(download.value.path(), encoding="utf-8").read()
    assert "SHA-256 of the photo" in html and "a.png" in html
    page.get_by_role("button", name="As data (JSON)").click()
    page.get_by_text("p_fake").last.wait_for()


def test_a_genuine_photo_names_no_donor_and_a_photo_without_a_face_shows_none(visit, tmp_path):
    page = visit()
    wait_for(bring(page, make(tmp_path, "g.png", 25)), "Face 0: genuine")
    section = page.locator("section.ku:visible")
    assert "no donor: nothing was swapped in" in section.inner_text()
    page.get_by_label("Clear").or_(page.get_by_label("Remove Image")).first.click()
    page.locator("section.ku:visible").wait_for(state="hidden")
    wait_for(bring(page, make(tmp_path, "n.png", 0)), "no face")
    assert "NO FACE" in page.locator("section.ku:visible").inner_text()


def test_the_slider_moves_by_keyboard_and_shows_more_of_the_input(visit, tmp_path):
    page = visit()
    wait_for(bring(page, make(tmp_path, "a.png")), "fake")
    slider = page.locator("section.ku:visible").get_by_role("slider")
    slider.focus()
    for _ in range(10):
        page.keyboard.press("ArrowRight")
    assert slider.input_value() == "60"
    clipped = page.locator("section.ku:visible .ku-after").evaluate("image => getComputedStyle(image).clipPath")
    assert "60%" in clipped
    page.keyboard.press("Home")
    assert slider.input_value() == "0"


def test_several_faces_have_tabs_that_arrow_keys_reach(visit, tmp_path):
    page = visit()
    wait_for(bring(page, make(tmp_path, "two.png", size=(128, 64))), "Face 1: fake")
    tabs = page.get_by_role("tab")
    assert [tab.inner_text() for tab in tabs.all() if tab.is_visible()] == ["Face 0: fake", "Face 1: fake"]
    page.get_by_role("tab", name="Face 1: fake").focus()
    page.keyboard.press("Enter")
    wait_for(page.locator("section.ku:visible"), "face 1, the one judged here")
    wait_for(bring_again(page, make(tmp_path, "one.png")), "Face 0: fake")
    page.get_by_role("tab", name="Face 1").wait_for(state="hidden")
    assert "face 0, the one judged here" in page.locator("section.ku:visible").inner_text()


def bring_again(page, path):
    """Replace the photo by another."""
    page.get_by_label("Clear").or_(page.get_by_label("Remove Image")).first.click()
    return bring(page, path)


def test_a_bad_file_is_refused_in_words_and_takes_the_old_answer_away(visit, tmp_path):
    page = visit()
    wait_for(bring(page, make(tmp_path, "a.png")), "fake")
    bad = tmp_path / "bad.jpg"
    bad.write_text("not a photo")
    wait_for(bring_again(page, str(bad)), "This photo is refused. An image is JPEG, PNG or WebP")
    assert page.locator("section.ku:visible").count() == 0
    keep(page, "refused")


def test_too_large_a_file_is_told(visit, tmp_path):
    page = visit()
    large = tmp_path / "large.png"
    large.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(1_200_000))
    bring(page, str(large))
    page.get_by_text("maximum").first.wait_for()


def test_an_example_is_answered_by_keyboard_alone(visit):
    page = visit()
    for _ in range(40):
        page.keyboard.press("Tab")
        focused = page.evaluate("document.activeElement.closest('.gallery, .gallery-item, [class*=gallery]') !== null")
        if focused:
            break
    assert focused, "the example is reached by Tab"
    page.keyboard.press("Enter")
    wait_for(page.locator("#ku-status").get_by_role("status"), "Face 0: fake")
    page.get_by_role("button", name="Answer").focus()
    page.keyboard.press("Enter")
    wait_for(page.locator("#ku-status").get_by_role("status"), "Face 0: fake")


@pytest.mark.parametrize("width", [360, 820])
def test_a_narrow_screen_needs_no_sideways_scrolling(visit, tmp_path, width):
    page = visit(width, 800)
    wait_for(bring(page, make(tmp_path, "a.png")), "fake")
    page.locator("section.ku:visible .ku-verdict").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    boxes = [panel.bounding_box() for panel in page.locator("section.ku:visible .ku-panel").all()]
    assert all(box["x"] >= 0 and box["x"] + box["width"] <= width for box in boxes)
    keep(page, f"narrow_{width}")


def test_what_was_brought_is_removed_when_the_visitor_leaves(visit, tmp_path):
    page = visit()
    wait_for(bring(page, make(tmp_path, "leaving.png", 200)), "fake")
    folder = Path(os.environ["GRADIO_TEMP_DIR"])
    assert list(folder.rglob("leaving.png"))
    page.context.close()
    for _ in range(200):
        if not list(folder.rglob("leaving.png")):
            return
        time.sleep(0.1)
    raise AssertionError(f"still there: {list(folder.rglob('leaving.png'))}")


def test_a_photo_can_be_pasted(visit, tmp_path):
    page = visit()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_label("Paste from clipboard").or_(page.get_by_label("clipboard")).first.wait_for()
    data = base64.b64encode(Path(make(tmp_path, "a.png")).read_bytes()).decode()
    page.evaluate(
        """async (data) => {
            const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
            await navigator.clipboard.write([new ClipboardItem({"image/png": new Blob([bytes], {type: "image/png"})})]);
        }""",
        data,
    )
    page.get_by_label("Paste from clipboard").or_(page.get_by_label("clipboard")).first.click()
    wait_for(page.locator("#ku-status"), "Face 0: fake")
