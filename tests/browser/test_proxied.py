"""The page behind a reverse proxy that serves it below a path and strips the path."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import chromium
import proxy
import pytest
import variants

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = [pytest.mark.browser, pytest.mark.slow]

BY_ITSELF = {"/favicon.ico"}  # a browser asks the root for it before gradio has filled the head


def test_a_clip_is_answered_below_a_path(
    serve: Any, browser: Any, analyser: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = tmp_path / "mine.wav"
    variants.write(mine, wave=variants.sound(), audio="pcm_s16le", sample_format="s16")
    monkeypatch.setenv("GRADIO_ROOT_PATH", "/lab")
    own = serve()
    monkeypatch.delenv("GRADIO_ROOT_PATH")
    with proxy.below(own.url, "/lab") as front:
        site = SimpleNamespace(url=front.url, folder=own.folder)
        with chromium.visitors(browser, site) as visit:  # no other host is asked
            page, faults = visit(), list[str]()
            page.on("pageerror", lambda error: faults.append(str(error)))
            chromium.example(page, chromium.CLIP.name)
            utterance = analyser.extract(str(chromium.CLIP))
            assert chromium.gauges(page) == chromium.expected(analyser.predict(utterance))
            chromium.switch(page, "#mm-text input")
            lost = analyser.predict(utterance, dropped=("text",), text_source="simulated")
            assert chromium.gauges(page) == chromium.expected(lost)
            chromium.clear(page)
            chromium.upload(page, mine)
            chromium.finished(page, mine.name)
            player = "document.querySelector('#mm-clip video, #mm-clip audio')?.readyState > 0"
            chromium.wait_until(lambda: page.evaluate(player), "the player is empty")
            chromium.open_tab(page, "live")
            page.click("[data-live=start]")
            page.wait_for_selector(".mm-live-face", state="visible")
            assert page.evaluate("[...document.images].filter(i => i.complete && !i.naturalWidth).length") == 0
    assert faults == [] and set(front.refused) <= BY_ITSELF
    assert any(p.startswith("/gradio_api/upload?") for p in front.asked)
    assert any(p.startswith("/gradio_api/queue/data") for p in front.asked)  # the stream of answers
    assert any(p.startswith("/live/step?") for p in front.asked)
