"""What the browser tests share: Chromium, its fake camera and microphone, pictures of the page."""

from __future__ import annotations

import os
import time
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import numpy as np
import pytest
import variants
from paths import ROOT, TESTS

from msa_core.lessons.handout import printing

ARTEFACTS = TESTS / "artefacts"
EXAMPLES = ROOT / "examples"
CLIP = ROOT / "examples" / "crema_happy.mp4"
FLAGS = (  # local network access: a page that a test makes up is one of the internet to Chromium, and frames ours
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-features=LocalNetworkAccessChecks "
    "--use-fake-device-for-media-stream --use-fake-ui-for-media-stream"
).split()
PATIENCE_MS = 120_000
COUNT_CALLS = """(() => {  // which of gradio's calls a page has sent and not had answered: see idle()
    const calls = window.mmCalls = {asking: 0, open: new Set(), ended: new Set()};
    const send = window.fetch;
    const follow = async answer => {
        const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
        for (let text = '';;) {
            const {done, value} = await reader.read();
            if (done) return;
            const lines = (text + value).split('\\n');
            text = lines.pop();
            for (const line of lines.filter(line => line.startsWith('data:'))) {
                const {msg, event_id} = JSON.parse(line.slice(5));
                if (msg === 'process_completed') { calls.ended.add(event_id); calls.open.delete(event_id); }
            }
        }
    };
    window.fetch = async (...sent) => {
        const path = new URL(sent[0]?.url ?? sent[0], location).pathname;
        const asks = /\\/(queue\\/join|run\\/predict)$/.test(path);
        calls.asking += asks;
        try {
            const answer = await send(...sent);
            if (asks) {  // one of the queue has its number now, any other its whole answer
                const {event_id = null} = await answer.clone().json();
                if (event_id === null) calls.ended.add(calls.ended.size);
                else if (!calls.ended.has(event_id)) calls.open.add(event_id);
            } else if (path.endsWith('/queue/data')) {  // the page closes it when it cancels
                follow(answer.clone()).catch(() => 0).finally(() => calls.open.clear());
            }
            return answer;
        } finally { calls.asking -= asks; }
    };
})()"""
PROMMA = "ProMMA (reconstruction)"


def chromium() -> str:
    found = printing.chromium()
    if found is None and not os.environ.get("CI"):
        pytest.skip("Chromium is not installed")
    assert found, "CI must have Chromium: apt-get install -y chromium-headless-shell"
    return found


def camera(path: Path) -> None:
    """The example's pictures as raw y4m, the only moving picture that a fake camera takes besides mjpeg."""
    import av

    frames = [av.VideoFrame.from_ndarray(image).reformat(format="yuv420p") for _, image in variants.pictures(CLIP)]
    with open(path, "wb") as f:
        f.write(b"YUV4MPEG2 W%d H%d F25:1 Ip A1:1 C420jpeg\n" % (frames[0].width, frames[0].height))
        for frame in frames:
            f.write(b"FRAME\n" + frame.to_ndarray().tobytes())


def microphone(path: Path) -> None:
    samples = (np.clip(variants.sound(CLIP, 48_000), -1, 1) * 32767).astype("<i2")
    with wave.open(str(path), "wb") as f:
        f.setnchannels(1)
        f.setsampwidth(2)
        f.setframerate(48_000)
        f.writeframes(samples.tobytes())


def wait_until(done: Callable[[], bool], otherwise: str, seconds: float = 20) -> None:
    """Wait for something that the server does by itself."""
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.05)


@contextmanager
def visitors(browser: Any, site: Any) -> Iterator[Callable[..., Any]]:
    """Open a page of `site` as new visitors; outside requests fail the test.

    At the end every visitor leaves, and the next test begins when the server has deleted their clips.
    """
    contexts, hosts = list[Any](), set[str]()

    def open_page(
        width: int = 1366, height: int = 900, scheme: str = "light", hash: str = "", script: str = "", **options: Any
    ) -> Any:
        settings = {"permissions": ["camera", "microphone"], "locale": "en-US", **options}
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme, **settings)
        contexts.append(context)
        context.on("request", lambda r: hosts.add(urlparse(r.url).netloc) if r.url.startswith("http") else None)
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.add_init_script(COUNT_CALLS)
        if script:
            page.add_init_script(script)
        page.goto(f"{site.url}?__theme={scheme}{hash}")
        page.wait_for_selector(".mm-examples button", state="attached")
        idle(page)
        return page

    try:
        yield open_page
    finally:
        for context in contexts:
            context.close()
    wait_until(lambda: not stored(site.folder), "clips are left")
    assert hosts <= {urlparse(site.url).netloc}, f"outside requests: {hosts}"


def stored(folder: Path) -> list[str]:
    return [name for _, _, names in os.walk(folder) for name in names]  # the server may be deleting folders meanwhile


class Shared:
    """A page that tests use one after another, as long as each leaves it as it was: `shared()` hands it out.

    What counts is what a visitor can set: fields, tabs, accordions, the language, the window and the theme. A test that
    leaves any of it changed, or that fails, takes its page with it: the next one gets a page just opened. Fields that
    gradio draws when a tab or an accordion is first opened are the test's to put back.
    """

    def __init__(
        self,
        open_page: Callable[[], Any],
        failures: Callable[[], int],
        ready: Callable[[Any], None] = lambda page: None,
    ) -> None:
        """Args: failures: counts failed tests. ready: what is done before each test; it may set fields."""
        self._open, self._failures, self._ready = open_page, failures, ready
        self._page, self._state, self._failed = None, dict[str, Any](), 0

    def __call__(self) -> Any:
        if self._page is not None and self._failed == self._failures():
            self._ready(self._page)
            if self._state.items() <= self._set_now().items():
                return self._page
        if self._page is not None:
            self._page.close()
        self._page, self._failed = self._open(), self._failures()
        self._ready(self._page)
        self._state = self._set_now()
        return self._page

    def _set_now(self) -> dict[str, Any]:
        settled(self._page)
        return self._page.evaluate(  # type: ignore[no-any-return]
            """() => {
                const html = document.documentElement, dark = document.body.classList.contains('dark'), number = {};
                const found = {screen: [innerWidth, innerHeight, html.lang, dark].join()};
                for (const e of document.querySelectorAll('input, textarea, [role=tab], button.label-wrap')) {
                    const name = e.dataset.tabId ?? e.closest('[id^=mm-]')?.id ?? '';
                    const key = `${e.tagName} ${name} ${number[name] = (number[name] ?? 0) + 1}`;
                    const value = e.type === 'file' ? '' : e.value;
                    found[key] = [value, e.checked, e.disabled, e.ariaSelected, e.classList.contains('open')].join();
                }
                return found;
            }"""
        )


def idle(page: Any) -> None:
    """Wait until the page is drawn and no call of it is under way: what it shows then is no answer to come."""
    page.wait_for_function(
        """() => {
            const calls = window.mmCalls;
            if (!calls) return true;  // opened by the test itself
            const busy = calls.asking || calls.open.size || !calls.ended.size;
            calls.quiet = busy ? 0 : (calls.quiet ?? 0) + 1;
            return calls.quiet >= 6;  // an answer may send the next call
        }""",
        polling=25,
    )


def settled(page: Any) -> None:
    """Wait until nothing moves any more: colours fade, too."""
    page.evaluate(
        """() => Promise.race([new Promise(resolve => setTimeout(resolve, 500)), Promise.all(
            document.getAnimations().map(a => a.finished.catch(() => 0))
        ).then(() => new Promise(resolve => requestAnimationFrame(() => requestAnimationFrame(resolve))))])"""
    )


def shown(page: Any, name: str) -> None:
    """Wait until nothing moves any more; with PAGE_PICTURES set, keep a picture of the page."""
    settled(page)
    if os.environ.get("PAGE_PICTURES"):
        ARTEFACTS.mkdir(exist_ok=True)
        page.screenshot(path=str(ARTEFACTS / f"{name}.png"), full_page=True)


def example(page: Any, name: str) -> None:
    """Choose an example and wait for its answer."""
    idle(page)
    forget_finished(page)
    page.click(f'button[data-clip="{name}"]')
    finished(page, name)
    idle(page)


def forget_finished(page: Any) -> None:
    """Mark the line about an earlier reading, which may be of the same clip."""
    page.evaluate("document.querySelector('#mm-status .mm-done')?.setAttribute('data-earlier', '')")


def finished(page: Any, name: str) -> None:
    """Wait for the line that says so: it is set after everything else."""
    page.wait_for_selector(f'.mm-done:not([data-earlier]):has-text("{name}")')


def upload(page: Any, path: Path) -> None:
    idle(page)
    forget_finished(page)
    if page.locator("#mm-clip input[type=file]").count() == 0:  # the player shows a clip
        page.click("#mm-upload")
    page.set_input_files("#mm-clip input[type=file]", str(path))


def clear(page: Any) -> None:
    idle(page)
    page.click('#mm-clip button:is([aria-label="Clear"], [aria-label="清除"])')  # gradio's own, in its languages


def gauges(page: Any) -> list[str]:
    return page.locator(".mm-number").all_inner_texts()


def expected(prediction: Any) -> list[str]:
    from msa_core.views.parts import signed

    keys = ("complete_model_full", "complete_model_left", "missing_model_left")
    return [signed(prediction.scores[k]) for k in keys]


def switch(page: Any, selector: str) -> float:
    """Click and wait until the answer has changed, not only its times, and all its parts are drawn.

    Returns: milliseconds in the browser until the last change.
    """
    idle(page)
    took = float(
        page.evaluate(
            """selector => new Promise((resolve, reject) => {
                const parts = ['#mm-answer', '#mm-ruler', '#mm-said'].map(e => document.querySelector(e));
                const drawn = () => parts.map(part => {
                    const copy = part.cloneNode(true);
                    copy.querySelectorAll('.mm-word').forEach(e => e.removeAttribute('aria-pressed'));  // set at once
                    copy.querySelectorAll('[data-testid=status-tracker]').forEach(e => e.remove());
                    return copy.innerHTML;
                }).join();
                const before = drawn();
                const start = performance.now();
                let quiet;
                const seen = new MutationObserver(() => {
                    if (drawn() === before) return;
                    const took = performance.now() - start;
                    clearTimeout(quiet);
                    quiet = setTimeout(() => { seen.disconnect(); resolve(took); }, 250);
                });
                const all = {subtree: true, childList: true, characterData: true, attributes: true};
                parts.forEach(part => seen.observe(part, all));
                document.querySelector(selector).click();
                setTimeout(() => reject('no answer to ' + selector), 30000);
            })""",
            selector,
        )
    )
    idle(page)
    return took


def choose_method(page: Any, name: str) -> None:
    """Pick a method in the list and wait for its answer."""
    page.click("#mm-method input")
    page.get_by_role("option", name=name).click()
    page.wait_for_selector(f'.mm-mark-ours dt:has-text("{name}")')
    idle(page)


def open_tab(page: Any, name: str) -> None:
    """Press a tab, of the page or of the lessons, by its id."""
    page.click(f'button[role=tab][data-tab-id="{name}"]')


def unfold(page: Any, name: str) -> None:
    """Open an accordion; what gradio kept for its parts it sets a moment after they are drawn, over what was typed."""
    page.click(f"#{name} button")
    page.wait_for_selector(f"#{name} input[type=number]")
    page.wait_for_timeout(500)


def look_inside(page: Any) -> None:
    """Open the part that shows how the method came to its score."""
    page.click("#mm-inside button")
    page.wait_for_selector("#mm-inside .mm-mechanism")


def fold(page: Any, name: str) -> None:
    """Close an accordion that was opened."""
    page.click(f"#{name} button >> nth=0")


def slide(page: Any, selector: str, value: float) -> None:
    """Set a slider as a visitor who types its number."""
    box = page.locator(f"{selector} input[type=number]")
    box.fill(f"{value:g}")
    box.press("Enter")


def download(page: Any, selector: str) -> tuple[str, str]:
    """Press a button that saves: name and text of the file."""
    with page.expect_download() as saved:
        page.click(selector)
    return saved.value.suggested_filename, Path(saved.value.path()).read_text(encoding="utf-8")


def looks(page: Any) -> Iterator[str]:
    """Show an open page as on a wide and a small screen, and for kept pictures on a dark one: the name of each.

    A dark screen has other colours and the same sizes (tests/page/test_dark.py).
    """
    screens = [("light", 1366, 900, False), ("phone", 390, 844, False)]
    if os.environ.get("PAGE_PICTURES"):
        screens.insert(1, ("dark", 1366, 900, True))
    for name, width, height, dark in screens:
        page.set_viewport_size({"width": width, "height": height})
        page.evaluate("dark => document.body.classList.toggle('dark', dark)", dark)
        yield name


def overflow(page: Any) -> list[str]:
    """What sticks out of the window to the right, and text that leaves its card."""
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page scrolls sideways"
    wide = page.evaluate(
        """() => [...document.querySelectorAll('.mm *, #mm-switches *, #mm-changes *, #mm-drops *')]
            .filter(e => e.offsetParent && !e.closest('.mm-strip, .mm-examples, .mm-scroll, .mm-lessons ol'))
            .filter(e => !e.closest('svg, .mm-unseen'))
            .filter(e => e.getBoundingClientRect().right > innerWidth + 1).map(e => e.className)"""
    )
    outside = page.evaluate(
        """() => [...document.querySelectorAll('.mm-card .mm-value, .mm-card .mm-label, .mm-card p')]
            .filter(e => e.offsetParent && !e.closest('.mm-scroll, .mm-unseen'))
            .filter(e => { const r = document.createRange(); r.selectNodeContents(e);
                return r.getBoundingClientRect().right > e.closest('.mm-card').getBoundingClientRect().right; })
            .map(e => e.textContent)"""
    )
    return [*wide, *outside]
