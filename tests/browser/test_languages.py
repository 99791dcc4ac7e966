"""The page in English and Chinese: by the browser's language, by choice, without losing the analysis."""

from __future__ import annotations

import re
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest
from chromium import (
    CLIP,
    PATIENCE_MS,
    clear,
    example,
    finished,
    gauges,
    open_tab,
    overflow,
    shown,
    switch,
    upload,
    wait_until,
)

from msa_core.lessons import LESSONS
from msa_core.page.session import Shipped

pytestmark = pytest.mark.browser
TABS = ("analyse", "compare", "learn", "numbers", "about")
ENGLISH = re.compile(r"(?:\b[a-z]{2,}\b[ ,]+){3,}[a-z]{2,}", re.I)  # four English words in a row
NAMES = re.compile(  # what stays as it is in every language
    r"Missing-Modality Lab|Late fusion|"
    r"Correlation-Decoupled Knowledge Distillation|CMU-MOSI|CMU-MOSEI|Use via API|Built with Gradio|Settings|"
    r"IEEE Transactions on Affective Computing|SIL Open Font License|"
    r"Noto Sans CJK|Cao, Cooper.*?Verma|Cooke, Barker.*?Shao|Lei et al|"
    r"Don.t[^.]{1,40}check[^.]{1,4}it|Don.t forget a jacket|bin blue at f two now"
)


def english(page: Any, part: str) -> list[str]:
    """Runs of English words in the visible text of a part of the page."""
    text = page.inner_text(part)
    return [m[0] for m in ENGLISH.finditer(NAMES.sub("·", text))]


@pytest.fixture(scope="module")
def shared_chinese(share: Any) -> Any:
    def ready(page: Any) -> None:
        page.wait_for_function("() => /[一-龥]/.test(document.querySelector('#mm-head')?.innerText)")
        example(page, CLIP.name)

    return share(ready, locale="zh-CN")


@pytest.fixture
def chinese(shared_chinese: Any) -> Any:
    """A page in a Chinese browser with the example just read, shared by tests that leave its settings as they were."""
    return shared_chinese()


def test_a_chinese_browser_sees_chinese(chinese: Any) -> None:
    page = chinese
    assert page.evaluate("document.documentElement.lang").startswith("zh")
    for tab in TABS:
        open_tab(page, tab)
        label = page.inner_text(f'button[role=tab][data-tab-id="{tab}"] >> nth=0')
        assert re.search(r"[一-龥]", label), label
    open_tab(page, "analyse")
    switch(page, "#mm-text input")
    shown(page, "zh-analyse")
    assert re.search(r"[一-龥]", page.inner_text(".mm-verdict"))
    for tab in TABS:
        open_tab(page, tab)
        if tab == "compare":
            page.wait_for_selector("#mm-compare table", state="attached")
        if tab == "learn":
            page.click(f"#mm-ask-{LESSONS[0].name}")
            page.wait_for_selector(f"#mm-answer-{LESSONS[0].name} .mm")
        shown(page, f"zh-{tab}")
        try:  # what depends on the language is drawn again a moment after the words
            wait_until(lambda: english(page, "main") == [], tab)
        except AssertionError:
            assert english(page, "main") == [], tab
    open_tab(page, "analyse")


def test_the_language_is_changed_without_losing_the_answer(visit: Any) -> None:
    page = visit()
    example(page, CLIP.name)
    switch(page, "#mm-vision input")
    before, english_text = gauges(page), page.inner_text(".mm-verdict")
    page.get_by_label("中文").check()
    page.wait_for_function("() => /[一-龥]/.test(document.querySelector('.mm-verdict').innerText)")
    assert gauges(page) == before and not page.is_checked("#mm-vision input")
    assert re.search(r"[一-龥]", page.inner_text("#mm-analyse"))
    page.reload()
    page.wait_for_function("() => /[一-龥]/.test(document.querySelector('#mm-head')?.innerText)")
    page.locator("#mm-language").get_by_label("English").check()
    page.wait_for_function("() => !/[一-龥]/.test(document.querySelector('#mm-head')?.innerText)")
    example(page, CLIP.name)
    switch(page, "#mm-vision input")
    assert page.inner_text(".mm-verdict") == english_text


def test_chinese_fits_a_phone(chinese: Any) -> None:
    page = chinese
    page.set_viewport_size({"width": 390, "height": 844})
    for tab in TABS:
        open_tab(page, tab)
        shown(page, f"zh-phone-{tab}")
        assert overflow(page) == [], tab
    open_tab(page, "analyse")
    page.set_viewport_size({"width": 1366, "height": 900})


def test_chinese_errors_are_chinese(chinese: Any, tmp_path: Any) -> None:
    page = chinese
    bad = tmp_path / "broken.mp4"
    bad.write_bytes(b"not a video " * 100)
    clear(page)
    upload(page, bad)
    page.get_by_role("alert").wait_for()
    line = page.get_by_role("alert").inner_text()
    assert re.search(r"[一-龥]", line) and "broken.mp4" in line


def to_chinese(page: Any, part: str) -> None:
    """Choose Chinese; `part`, which is there already, is redrawn when this returns."""
    page.get_by_label("中文").check()
    page.wait_for_function("part => /[一-龥]/.test(document.querySelector(part)?.innerText)", arg=part)


def test_a_reading_answers_in_the_language_chosen_meanwhile(
    visit: Any, analyser: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    begun, go_on, extract = threading.Event(), threading.Event(), analyser.extract

    def slow(path: str, **options: Any) -> Any:
        utterance = extract(path, **options)
        begun.set()
        while not go_on.wait(0.2):
            options["progress"]("vision", 0.9)
        return utterance

    monkeypatch.setattr(analyser, "extract", slow)
    page = visit()
    clear(page)
    upload(page, Path(shutil.copy(CLIP, tmp_path / "mine.mp4")))
    try:
        assert begun.wait(PATIENCE_MS / 1000)
        to_chinese(page, "#mm-answer .mm-verdict")
        page.wait_for_function("() => /[一-龥]/.test(document.querySelector('#mm-status .mm-now')?.innerText)")
    finally:
        go_on.set()
    finished(page, "mine.mp4")
    for part in ("#mm-status", "#mm-switches", ".mm-verdict", "#mm-answer", "#mm-seen"):
        assert re.search(r"[一-龥]", page.inner_text(part)) and english(page, part) == [], part


def test_a_lesson_answers_in_the_language_chosen_while_its_clip_is_read(
    visit: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on, utterance = threading.Event(), threading.Event(), Shipped.utterance

    def slow(shipped: Shipped, name: str) -> Any:
        begun.set()
        go_on.wait(PATIENCE_MS / 1000)
        return utterance(shipped, name)

    monkeypatch.setattr(Shipped, "utterance", slow)
    page, lesson = visit(hash="#learn"), LESSONS[0].name
    page.click(f"#mm-ask-{lesson}")
    try:
        assert begun.wait(PATIENCE_MS / 1000)
        to_chinese(page, "#mm-overview .mm-hint")
    finally:
        go_on.set()
    page.wait_for_selector(f"#mm-answer-{lesson} .mm")
    page.wait_for_selector(f"#mm-finding-{lesson} .mm")
    for part in ("#mm-overview", f"#mm-answer-{lesson}", f"#mm-finding-{lesson}"):
        assert re.search(r"[一-龥]", page.inner_text(part)) and english(page, part) == [], part
