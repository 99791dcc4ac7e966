"""A connection that is lost for a while: nothing is asked of the server meanwhile, and the clip stays."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import chromium
import pytest
from chromium import CLIP, finished, gauges, idle, shown, switch, upload

pytestmark = pytest.mark.browser
RELOADED_S = 6  # gradio would have loaded the page anew by then


def test_a_press_without_a_connection_loses_no_clip(browser: Any, site: Any, tmp_path: Any) -> None:
    context = browser.new_context(locale="en-US")
    try:
        page = context.new_page()
        page.set_default_timeout(chromium.PATIENCE_MS)
        page.add_init_script(chromium.COUNT_CALLS)
        page.goto(f"http://lab.localhost:{urlsplit(site.url).port}/")
        page.wait_for_selector(".mm-examples button", state="attached")
        idle(page)
        mine = tmp_path / "mine.mp4"
        mine.write_bytes(CLIP.read_bytes())
        upload(page, mine)
        finished(page, "mine.mp4")
        before = gauges(page)
        context.set_offline(True)
        page.wait_for_selector('.mm-notice:has-text("Your clip is still here")')
        page.click("#mm-vision input", force=True, no_wait_after=True)
        page.locator("#mm-vision input").press("Space")
        shown(page, "light-offline")
        page.wait_for_timeout(1000 * RELOADED_S)
        assert page.is_checked("#mm-vision input")
        context.set_offline(False)
        page.wait_for_selector(".mm-notice", state="hidden")
        page.wait_for_timeout(1000 * RELOADED_S)
        assert gauges(page) == before
        switch(page, "#mm-vision input")
        idle(page)
        assert gauges(page) != before and not page.is_checked("#mm-vision input")
    finally:
        context.close()
    chromium.wait_until(lambda: not chromium.stored(site.folder), "clips are left")


def test_the_computer_that_the_page_runs_on_needs_no_connection(visit: Any) -> None:
    page = visit()
    page.evaluate("dispatchEvent(new Event('offline'))")
    assert page.is_hidden(".mm-notice")
