"""The page inside another page: a browser that keeps nothing for it, and a frame that belongs to no site."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import chromium
import pytest
import variants

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = pytest.mark.browser

FAULTS = """
window.mmFaults = [];
addEventListener('error', event => window.mmFaults.push(String(event.message)));
addEventListener('unhandledrejection', event => window.mmFaults.push(String(event.reason)));
"""
NOTHING_KEPT = f"""
for (const name of ['localStorage', 'sessionStorage'])
    Object.defineProperty(window, name, {{get() {{ throw new DOMException('denied', 'SecurityError'); }}}});
{FAULTS}
"""
KEPT = """[() => localStorage, () => sessionStorage, () => document.cookie, () => caches.keys].map(read => {
    try { read(); return 'kept'; } catch (error) { return error.name; }
})"""
COURSE = "http://course.localhost/"  # the page around the frame; the server names it in MSA_EMBEDDERS
SANDBOX = '<iframe sandbox="allow-scripts allow-forms allow-popups allow-downloads" width=1300 height=800 src="%s">'
SPACE = SANDBOX.replace('sandbox="', 'allow="camera; microphone" sandbox="allow-same-origin ')  # as on Hugging Face


def test_a_browser_that_keeps_nothing(visit: Any) -> None:
    page = visit(script=NOTHING_KEPT)
    page.get_by_label("中文").click()
    page.wait_for_selector('button[role=tab]:has-text("对比")')
    assert page.evaluate("window.mmFaults") == []


@pytest.fixture
def framed(browser: Any, site: Any) -> Iterator[Callable[..., tuple[Any, Any]]]:
    """`framed(url)`: the frame of another page that shows `url` and may not be of its origin; and its window."""
    context = browser.new_context(viewport={"width": 1366, "height": 900}, locale="en-US")

    def show(url: str, frame: str = SANDBOX) -> tuple[Any, Any]:
        page = context.new_page()
        page.set_default_timeout(chromium.PATIENCE_MS)
        page.add_init_script(FAULTS)
        page.route(COURSE, lambda route: route.fulfill(body=frame % url, content_type="text/html"))
        page.goto(COURSE)
        return page.frames[1], page

    yield show
    context.close()
    chromium.wait_until(lambda: not chromium.stored(site.folder), "clips are left")


@pytest.mark.slow
def test_a_sandboxed_frame_answers(framed: Any, site: Any, analyser: Any, tmp_path: Path) -> None:
    mine = tmp_path / "mine.wav"
    variants.write(mine, wave=variants.sound(), audio="pcm_s16le", sample_format="s16")
    page, _ = framed(site.url.replace("127.0.0.1", "lab.localhost"))  # a name, as a server on the web has
    page.wait_for_selector(".mm-examples button", state="attached")
    assert page.evaluate("origin") == "null" and "kept" not in page.evaluate(KEPT)
    page.get_by_label("中文").click()
    page.wait_for_selector('button[role=tab]:has-text("对比")')
    page.get_by_label("English").first.click()
    page.wait_for_selector('button[role=tab]:has-text("Compare")')
    chromium.example(page, chromium.CLIP.name)
    utterance = analyser.extract(str(chromium.CLIP))
    page.click("#mm-text input")
    lost = chromium.expected(analyser.predict(utterance, dropped=("text",), text_source="simulated"))
    chromium.wait_until(lambda: chromium.gauges(page) == lost, "the switch is not answered")  # a language still arrives
    chromium.clear(page)
    chromium.upload(page, mine)
    chromium.finished(page, mine.name)
    faults = page.evaluate("window.mmFaults")
    assert [f for f in faults if "Failed to construct 'Worker'" not in f] == []  # gradio's tool that cuts a clip


@pytest.mark.slow
def test_the_camera_goes_live_in_the_frame_of_a_space(framed: Any, site: Any) -> None:
    page, window = framed(site.url.replace("127.0.0.1", "lab.localhost"), SPACE)
    window.context.grant_permissions(["camera", "microphone"])
    page.wait_for_selector(".mm-examples button", state="attached")
    chromium.open_tab(page, "live")
    page.click("[data-live=start]")
    page.wait_for_selector('.mm-live-caption:has-text("forget")')
    page.wait_for_selector(".mm-live-face", state="visible")
    page.click("[data-live=stop]")
    page.wait_for_selector('.mm-live-status:has-text("Nothing was kept")')


@pytest.mark.slow
def test_a_page_of_one_s_own_machine_opens_in_no_sandboxed_frame(framed: Any, site: Any) -> None:
    """Any site could hold such a frame; gradio gives the page of a local address to local origins only."""
    page, window = framed("about:blank")
    with window.expect_event("console", lambda m: "'null' has been blocked by CORS policy" in m.text):
        page.goto(site.url)
    assert page.locator(".mm-examples").count() == 0


def test_a_page_that_is_not_named_cannot_frame_it(framed: Any, site: Any) -> None:
    _, window = framed("about:blank")
    window.route("http://other.localhost/", lambda r: r.fulfill(body=SANDBOX % site.url, content_type="text/html"))
    with window.expect_event("console", lambda m: "frame-ancestors" in m.text):
        window.goto("http://other.localhost/")
    assert window.frames[1].locator(".mm-examples").count() == 0
