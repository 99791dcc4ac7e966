"""Present mode for a projector, the view for a frame of another page, and the keys that may be turned off."""

from __future__ import annotations

from typing import Any

import pytest
from accessibility import findings
from chromium import CLIP, example, expected, gauges, open_tab, overflow, shown

pytestmark = pytest.mark.browser

CHROME = ("#mm-top", "footer", "#mm-tabs > .tab-wrapper", "#mm-settings", "#mm-drops", "#mm-changes", "#mm-details",
          "#mm-examples", "#mm-spoken", "#mm-record", "#mm-seen")  # fmt: skip
SMALL = """() => {
    const found = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const text = walker.currentNode, e = text.parentElement, range = document.createRange();
        range.selectNodeContents(text);
        const {width, height} = range.getBoundingClientRect();
        if (!text.textContent.trim() || width < 2 || height < 2 || e.closest('.mm-unseen, .mm-tab-name')) continue;
        if (!e.checkVisibility({opacityProperty: true, visibilityProperty: true})) continue;
        const scale = e.closest('svg') ? e.getScreenCTM().a : e.currentCSSZoom ?? 1;
        const size = parseFloat(getComputedStyle(e).fontSize) * scale;
        if (size < 19.9) found.push(`${size.toFixed(1)} ${text.textContent.trim()}`);
    }
    return found;
}"""


def visible(page: Any, places: Any) -> list[str]:
    return [place for place in places if page.locator(place).first.is_visible()]


@pytest.mark.parametrize(("scheme", "width", "height"), [("light", 1366, 768), ("dark", 1920, 1080)])
def test_present_mode_is_large_and_bare(visit: Any, scheme: str, width: int, height: int) -> None:
    page = visit(width, height, scheme, hash=f"&present&clip={CLIP.name}&off=vision")
    page.wait_for_selector("#mm-vision input:not(:checked)")
    shown(page, f"{scheme}-present")
    assert page.evaluate(SMALL) == [] and visible(page, CHROME) == []
    wanted = ("#mm-switches", "#mm-clip video", ".mm-verdict", "#mm-ruler", ".mm-said", ".mm-time", "#mm-leave button")
    assert visible(page, wanted) == list(wanted)
    assert overflow(page) == [] and findings(page) == []
    page.keyboard.press("Escape")
    page.wait_for_selector("#mm-top", state="visible")
    assert page.locator("#mm-leave button").is_hidden()
    for tab in ("compare", "numbers"):
        open_tab(page, tab)
        page.click("#mm-present")
        page.wait_for_selector("#mm-top", state="hidden")
        page.wait_for_timeout(300)
        shown(page, f"{scheme}-present-{tab}")
        assert page.evaluate(SMALL) == [] and visible(page, CHROME) == [], tab
        page.click("#mm-leave button")
        page.wait_for_selector("#mm-top", state="visible")


def test_the_view_for_a_frame_is_the_answer_alone(visit: Any, analyser: Any) -> None:
    page = visit(900, 560, hash="&embed&off=vision&lang=en")
    page.wait_for_selector("#mm-vision input:not(:checked)")
    shown(page, "light-embed")
    assert gauges(page) == expected(analyser.predict(analyser.extract(str(CLIP)), dropped=["vision"]))
    assert visible(page, (*CHROME, "#mm-inside", "#mm-details", ".mm-heard", ".mm-time", "#mm-leave button")) == []
    wanted = ("#mm-switches", "#mm-clip video", ".mm-verdict", "#mm-ruler", ".mm-said", ".mm-whole-page")
    assert visible(page, wanted) == list(wanted) and overflow(page) == []
    with page.expect_popup() as opened:
        page.click(".mm-whole-page")
    assert "embed" not in opened.value.url and "off=vision" in opened.value.url


def test_the_keys_can_be_turned_off_and_stay_so(visit: Any) -> None:
    page = visit()
    example(page, CLIP.name)
    page.wait_for_selector('#mm-vision input[aria-keyshortcuts="3"]')
    page.uncheck("#mm-keys input")
    page.focus("#mm-record")
    page.keyboard.press("3")
    page.wait_for_timeout(300)
    assert page.is_checked("#mm-vision input")
    assert page.get_attribute("#mm-vision input", "aria-keyshortcuts") is None
    page.reload()
    page.wait_for_selector("#mm-keys input:not(:checked)")
    example(page, CLIP.name)
    page.keyboard.press("3")
    page.wait_for_timeout(300)
    assert page.is_checked("#mm-vision input")
    page.check("#mm-keys input")
    page.keyboard.press("3")
    page.wait_for_selector("#mm-vision input:not(:checked)")


@pytest.mark.parametrize(("width", "height"), [(1366, 768), (1280, 720)])
def test_a_lesson_begins_on_the_first_screen_of_a_projector(visit: Any, width: int, height: int) -> None:
    page = visit(width, height, hash="&present&tab=learn&lesson=interval")
    page.wait_for_selector("#mm-lesson-interval", state="visible")
    top, cards = page.evaluate(
        """() => [document.querySelector('#mm-lesson-interval').getBoundingClientRect().top,
            [...document.querySelectorAll('#mm-overview a, #mm-overview a *')]
                .map(e => e.clientWidth - e.scrollWidth)]"""
    )
    assert top < 0.7 * height and min(cards) >= 0
