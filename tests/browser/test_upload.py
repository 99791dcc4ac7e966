"""Files that people have, put into the upload box: the server decides by their content, the browser refuses none."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
import variants
from chromium import CLIP, clear, example, finished, open_tab, upload, wait_until

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = pytest.mark.browser

DROP = """([name, type, data]) => {
  const bytes = Uint8Array.from(atob(data), c => c.charCodeAt(0)), dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([bytes], name, {type}));
  const box = document.querySelector('#mm-clip input[type=file]').parentElement;
  box.dispatchEvent(new DragEvent('drop', {bubbles: true, cancelable: true, dataTransfer}));
}"""
ERRORS = """addEventListener('DOMContentLoaded', () => { window.said = []; new MutationObserver(() => {
  const text = document.body.innerText;
  for (const words of ['not playable', 'Invalid file type']) if (text.includes(words)) window.said.push(words);
}).observe(document.body, {childList: true, subtree: true, characterData: true}); });"""


def small() -> list[Any]:
    return [(t, variants.resized(i, 180)) for t, i in variants.pictures()[:30]]


FILES = {
    "IMG.MOV": lambda p: variants.write(p, small(), variants.sound()[:16_000], video="mpeg4", format="mov"),
    "clip.avi": lambda p: variants.write(p, small(), variants.sound()[:16_000], video="mpeg4", audio="libmp3lame"),
    "clip.wmv": lambda p: variants.write(
        p, small(), variants.sound(rate=44_100)[:44_100], video="wmv2", audio="libmp3lame", rate=44_100
    ),
    "voice.WAV": lambda p: variants.write(
        p, wave=variants.sound(), audio="pcm_s16le", sample_format="s16", format="wav"
    ),
    "voice.m4a": lambda p: variants.write(p, wave=variants.sound(), format="mp4"),
    "clip.unknown": lambda p: p.write_bytes(CLIP.read_bytes()),
}


@pytest.fixture(scope="module")
def shared(share: Any) -> Any:
    def ready(page: Any) -> None:
        example(page, CLIP.name)  # in place of what the last test uploaded
        clear(page)
        page.wait_for_selector("#mm-clip input[type=file]", state="attached")
        page.evaluate("window.said = []")

    return share(ready, script=ERRORS)


@pytest.fixture
def page(shared: Any) -> Any:
    """A page with an empty upload box, which notes gradio's own complaints."""
    return shared()


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_taken_by_its_content(page: Any, tmp_path: Path, name: str) -> None:
    FILES[name](tmp_path / name)
    upload(page, tmp_path / name)
    finished(page, name)
    wait_until(lambda: page.evaluate("document.querySelector('#mm-clip video')?.readyState > 0"), "the player is empty")
    assert page.evaluate("window.said") == []


def test_a_dropped_sound_is_taken(page: Any, tmp_path: Path) -> None:
    FILES["voice.WAV"](tmp_path / "voice.WAV")
    page.evaluate(DROP, ["voice.WAV", "audio/wav", base64.b64encode((tmp_path / "voice.WAV").read_bytes()).decode()])
    finished(page, "voice.WAV")
    assert page.evaluate("window.said") == []


def test_the_dialog_offers_every_file_that_is_read(page: Any) -> None:
    with page.expect_file_chooser():
        page.click("#mm-clip button:has(input[type=file]), #mm-clip :has(> input[type=file])")
    offered = page.get_attribute("#mm-clip input[type=file]", "accept")
    assert {"audio/*", "video/*", ".avi", ".wmv", ".mov", ".wav"} <= set(offered.split(","))
    open_tab(page, "compare")
    assert page.locator("input[type=file][accept*='.wmv']").count() >= 1
