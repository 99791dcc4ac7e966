"""The page as a visitor finds it: an example is answered already, everything is in one view, nothing jumps."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path
from typing import Any

import pytest
from chromium import (
    CLIP,
    EXAMPLES,
    PROMMA,
    choose_method,
    expected,
    finished,
    gauges,
    idle,
    looks,
    overflow,
    shown,
    switch,
    upload,
)

pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = pytest.mark.browser

IN_SIGHT = (
    "#mm-switches",
    "#mm-method",
    "#mm-ruler",
    "#mm-clip video",
    "#mm-moments",
    ".mm-said",
    "#mm-drops",
    "#mm-inside",
)
SHIFTS = """window.shifts = [];
    new PerformanceObserver(list => window.shifts.push(...list.getEntries()))
        .observe({type: 'layout-shift', buffered: true});"""
SHIFTED = "shifts.filter(s => !s.hadRecentInput).reduce((sum, s) => sum + s.value, 0)"
MOST_SHIFT = 0.05


def marks(page: Any) -> dict[str, float]:
    """Where the marks on the bar of the ruler stand, as scores, when they have stopped."""
    shown(page, "moved")
    return page.evaluate(  # type: ignore[no-any-return]
        """() => {
            const bar = document.querySelector('.mm-scale rect').getBoundingClientRect(), found = {};
            for (const mark of document.querySelectorAll('.mm-scale .mm-at:not(.mm-hidden)')) {
                const place = mark.getBoundingClientRect();
                const kind = mark.className.baseVal.match(/mm-mark-(\\w+)/)[1];
                found[kind] = 6 * ((place.left + place.right) / 2 - bar.left) / bar.width - 3;
            }
            return found;
        }"""
    )


def test_the_first_answer_needs_no_click_and_switches_move_the_right_marks(
    visit: Any, site: Any, analyser: Any
) -> None:
    page, utterance = visit(), analyser.extract(str(CLIP))
    before = len(site.extractions)
    whole, lost = analyser.predict(utterance), analyser.predict(utterance, dropped=["vision"])
    assert gauges(page) == expected(whole) and page.is_enabled("#mm-vision input")
    assert page.evaluate("document.querySelector('#mm-clip video').src").endswith(CLIP.name)
    arrived = marks(page)
    assert arrived["people"] == pytest.approx(utterance.people["both"].mean, abs=0.05)
    switch(page, "#mm-vision input")
    assert gauges(page) == expected(lost)
    moved = marks(page)
    assert moved["people"] == pytest.approx(utterance.people["voice"].mean, abs=0.05)
    assert moved["full"] == pytest.approx(arrived["full"], abs=0.02)
    for kind, key in (("left", "complete_model_left"), ("ours", "missing_model_left")):
        assert moved[kind] == pytest.approx(lost.scores[key], abs=0.05) != pytest.approx(arrived[kind], abs=0.3)
    for title, method in (("CorrKD", "corrkd"), (PROMMA, "promma")):
        choose_method(page, title)
        assert gauges(page) == expected(analyser.predict(utterance, method, ["vision"]))
    for modality, dropped in (("vision", []), ("text", ["text"])):
        switch(page, f"#mm-{modality} input")
        assert gauges(page) == expected(analyser.predict(utterance, "promma", dropped))
    switch(page, '.mm-word[data-word="0"]')
    assert len(site.extractions) == before


@pytest.mark.parametrize(("width", "height"), [(1366, 768), (1280, 720)])
def test_everything_is_in_one_view(visit: Any, width: int, height: int) -> None:
    page = visit(width, height)
    switch(page, "#mm-vision input")
    shown(page, f"view-{width}")
    places = page.evaluate(
        """names => names.map(n => { const r = document.querySelector(n).getBoundingClientRect();
            return [n, r.top >= 0 && r.bottom <= innerHeight && r.height > 20]; })""",
        list(IN_SIGHT),
    )
    assert [name for name, seen in places if not seen] == []
    assert overflow(page) == [] and page.evaluate("scrollY") == 0


def test_on_a_phone_switches_and_ruler_stay_in_sight(visit: Any) -> None:
    page = visit(390, 844)
    page.evaluate("document.querySelector('#mm-seen').scrollIntoView({block: 'end'})")
    shown(page, "phone-sticky")
    switches, ruler = (page.locator(s).bounding_box() for s in ("#mm-switches", "#mm-ruler"))
    assert switches["y"] <= 0 < switches["y"] + switches["height"] <= ruler["y"] + 1
    assert ruler["y"] + ruler["height"] < 844 / 2
    was = gauges(page)
    switch(page, "#mm-vision input")
    assert gauges(page) != was and page.locator("#mm-ruler").bounding_box()["y"] == ruler["y"]


def test_names_and_numbers_on_the_ruler_do_not_overlap(visit: Any) -> None:
    page = visit()
    switch(page, "#mm-vision input")
    for look in looks(page):
        shown(page, f"{look}-ruler")
        boxes = page.evaluate(
            """() => [...document.querySelectorAll('.mm-mark-row > *')].map(e => {
                const r = e.getBoundingClientRect(); return [r.left, r.right, r.top, r.bottom]; })"""
        )
        for one, other in itertools.combinations(boxes, 2):
            beside = one[1] <= other[0] + 1 or other[1] <= one[0] + 1
            assert beside or one[3] <= other[2] + 1 or other[3] <= one[2] + 1, look


@pytest.mark.parametrize("method", ["sdumc", "promma"])
@pytest.mark.parametrize(
    ("width", "height", "look"),
    [(1366, 768, ""), (1920, 1080, ""), (900, 560, "&embed"), (1366, 768, "&present"), (390, 844, "")],
)
def test_no_text_on_the_ruler_is_cut_off(visit: Any, width: int, height: int, look: str, method: str) -> None:
    setting = f"&clip=crema_sad.mp4&method={method}&off=text&drop=audio:50,vision:50"
    page = visit(width, height, hash=setting + look)
    page.wait_for_selector("#mm-text input:not(:checked)")
    idle(page)
    shown(page, f"{width}{look[1:]}-{method}-ruler")
    texts = page.evaluate(
        """() => [...document.querySelectorAll('.mm-mark-row dt > *, .mm-mark-value > *')]
            .filter(e => e.getClientRects().length).map(e => [e.textContent, e.clientWidth - e.scrollWidth,
                e.closest('.mm-mark-row').getBoundingClientRect().bottom - e.getBoundingClientRect().bottom])"""
    )
    assert [text for text, wide, high in texts if wide < 0 or high < -0.5] == []
    told = [text for text, *_ in texts]
    assert any("50% of the voice + face dropped" in text for text in told)
    assert any("calibrated without dropped frames" in text for text in told) or width == 390


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_a_tablet_has_room_for_the_ruler_the_flow_and_what_was_heard(visit: Any, locale: str) -> None:
    page = visit(768, 1024, hash="&clip=crema_happy.mp4&method=promma&off=vision", locale=locale)
    page.wait_for_selector("#mm-vision input:not(:checked)")
    idle(page)
    for width in (768, 900, 1024, 1366):
        page.set_viewport_size({"width": width, "height": 1024})
        page.wait_for_timeout(300)
        shown(page, f"{width}-{locale}-tablet")
        assert (
            page.evaluate("document.querySelector('#mm-ruler .mm-mark-line svg').getBoundingClientRect().width") > 150
        ), width
        wide = page.evaluate(
            """() => [...document.querySelectorAll('.mm-facts b, .mm-facts dt')]
                .filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.textContent)"""
        )
        boxes = page.evaluate(
            """() => [...document.querySelectorAll('.mm-flow small, .mm-flow .mm-adds, .mm-flow .mm-into')]
                .filter(e => e.getClientRects().length).map(e => {
                    const r = e.getBoundingClientRect(); return [r.left, r.right, r.top, r.bottom]; })"""
        )
        apart = [
            one[1] <= other[0] + 1 or other[1] <= one[0] + 1 or one[3] <= other[2] + 4 or other[3] <= one[2] + 4
            for one, other in itertools.combinations(boxes, 2)
        ]
        assert wide == [] and all(apart), (width, wide, boxes)


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
@pytest.mark.parametrize(("width", "height"), [(1366, 768), (1280, 720), (390, 844)])
def test_nothing_jumps_on_arrival_or_at_a_switch(visit: Any, locale: str, width: int, height: int) -> None:
    page = visit(width, height, locale=locale, script=SHIFTS)
    page.wait_for_timeout(3000)
    arrived = page.evaluate(SHIFTED)
    switch(page, "#mm-vision input")
    page.wait_for_timeout(1000)
    print(f"\nlayout shift on arrival {arrived:.3f}, with a switch {page.evaluate(SHIFTED):.3f}")
    assert arrived < MOST_SHIFT and page.evaluate(SHIFTED) - arrived < MOST_SHIFT


def test_the_example_makes_room_for_a_clip_of_ones_own(visit: Any, tmp_path: Path, analyser: Any) -> None:
    page = visit()
    arrived = gauges(page)
    upload(page, Path(shutil.copy(EXAMPLES / "crema_angry.mp4", tmp_path / "mine.mp4")))
    finished(page, "mine.mp4")
    own = expected(analyser.predict(analyser.extract(str(EXAMPLES / "crema_angry.mp4"))))
    assert gauges(page) == own != arrived
    page.reload()
    page.wait_for_selector(".mm-number")
    assert gauges(page) == arrived
