"""The page under its own security headers: nothing that it does is refused by the browser."""

from __future__ import annotations

from typing import Any

import chromium
import pytest

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = pytest.mark.browser


def test_an_analysis_breaks_no_policy(visit: Any, analyser: Any) -> None:
    page, said = visit(), list[str]()
    page.on("console", lambda m: said.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda e: said.append(str(e)))
    page.reload()
    page.wait_for_selector(".mm-examples button", state="attached")
    assert page.evaluate("(async () => (await fetch('config')).headers.get('content-security-policy'))()")
    chromium.example(page, chromium.CLIP.name)
    utterance = analyser.extract(str(chromium.CLIP))
    assert chromium.gauges(page) == chromium.expected(analyser.predict(utterance))
    player = "document.querySelector('#mm-clip video')?.readyState > 0"
    chromium.wait_until(lambda: page.evaluate(player), "the player is empty")
    chromium.switch(page, "#mm-text input")
    chromium.open_tab(page, "live")
    page.click("[data-live=start]")
    page.wait_for_selector(".mm-live-face", state="visible")
    for tab in ("compare", "learn", "numbers", "about"):
        chromium.open_tab(page, tab)
        page.wait_for_timeout(300)
    assert said == []
