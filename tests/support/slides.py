"""Pictures of the page for the slides of a class; run to print the slides that are shipped.

`PYTHONPATH=.:tests/support python tests/support/slides.py` writes examples/teaching/slides*.pdf.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import chromium
from paths import ROOT

from msa_core.i18n import LANGUAGES, use
from msa_core.lessons import LESSONS
from msa_core.lessons.handout import slides

SETTINGS: dict[str, Any] = {
    "width": 1280,
    "height": 720,
    "device_scale_factor": 1.25,
}  # of a visitor who takes pictures


def picture(page: Any, part: str | None = None) -> bytes:
    """Take a JPEG of a part of the page, or of what is in sight."""
    chromium.settled(page)
    place = page if part is None else page.locator(part)
    return place.screenshot(type="jpeg", quality=72)  # type: ignore[no-any-return]


def analyse(page: Any) -> bytes:
    """Take a picture of the Analyse tab with the face switched off, and switch it on again."""
    chromium.switch(page, "#mm-vision input")
    taken = picture(page)
    chromium.switch(page, "#mm-vision input")
    return taken


def lesson(page: Any, name: str) -> bytes:
    """Take a picture of the drawing of an answer that is shown."""
    return picture(page, f"#mm-answer-{name} .mm-drawn")


def numbers(page: Any) -> bytes:
    """Take a picture of the robustness curve of the Numbers tab: its tables are too long for a slide."""
    return picture(page, "#mm-numbers .mm-curves >> nth=0")


def main() -> None:
    """Open the page, answer every lesson, and print the slides in every language."""
    from playwright.sync_api import sync_playwright

    from msa_core.page.build import build, launch
    from msa_core.predict import Analyser

    analyser, examples = Analyser.load(), ROOT / "examples"
    read = {x.clip: analyser.extract(examples / x.clip) for x in LESSONS}
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        blocks = build(analyser)
        _, url, _ = launch(blocks, prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")
        site = SimpleNamespace(url=url, folder=Path(folder))
        browser = playwright.chromium.launch(executable_path=chromium.chromium(), args=chromium.FLAGS)
        for language in LANGUAGES:
            with chromium.visitors(browser, site) as visit, use(language):
                page = visit(**SETTINGS, locale="zh-CN" if language == "zh" else "en-US")
                page.wait_for_timeout(2_000)
                pictures = {slides.ANALYSE: analyse(page)}
                for taught in LESSONS:
                    chromium.open_tab(page, "learn")
                    page.click(f'#mm-overview a[href="#learn/{taught.name}"]')
                    page.click(f"#mm-ask-{taught.name}")
                    page.wait_for_selector(f"#mm-answer-{taught.name} .mm-drawn")
                    pictures[taught.name] = lesson(page, taught.name)
                chromium.open_tab(page, "numbers")
                page.wait_for_selector("#mm-numbers .mm-sheet")
                pictures[slides.NUMBERS] = numbers(page)
                target = slides.path(language)
                target.write_bytes(slides.printed(slides.deck(analyser, read), pictures, language, chromium.chromium()))
                print(target.relative_to(ROOT), f"{target.stat().st_size / 1e3:.0f} kB")
        browser.close()
        blocks.close()


if __name__ == "__main__":
    main()
