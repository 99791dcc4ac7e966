"""What visitors do to a page: refuse the camera, close the tab, click twice, go back, come two at a time."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from chromium import (
    CLIP,
    EXAMPLES,
    example,
    expected,
    finished,
    forget_finished,
    gauges,
    open_tab,
    stored,
    switch,
    upload,
    wait_until,
)

pytestmark = pytest.mark.browser
REFUSED = """navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('no', 'NotAllowedError'));"""
NO_MICROPHONE = """{const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = wanted => wanted.audio
  ? Promise.reject(new DOMException('none', 'NotFoundError')) : open(wanted);}"""


def record(page: Any) -> None:
    page.click("#mm-record")
    page.click("#mm-agree")
    page.get_by_text("Click to Access Webcam").click()


def test_a_refused_camera_is_said_and_the_rest_works(visit: Any) -> None:
    page = visit(script=REFUSED)
    record(page)
    page.get_by_role("alert").wait_for()
    assert "upload" in page.get_by_role("alert").inner_text().lower()
    example(page, CLIP.name)


def test_without_a_microphone_the_picture_is_recorded(visit: Any) -> None:
    page = visit(script=NO_MICROPHONE)
    record(page)
    page.get_by_role("alert").wait_for()
    assert "microphone" in page.get_by_role("alert").inner_text().lower()
    page.get_by_label("Start recording").or_(page.get_by_text("Record", exact=True)).first.click()
    page.wait_for_timeout(2500)
    forget_finished(page)
    page.get_by_label("Stop recording").or_(page.get_by_text("Stop", exact=True)).first.click()
    page.wait_for_selector(".mm-done:not([data-earlier]), .mm-failed")
    assert page.locator(".mm-failed").count() == 0, page.inner_text("#mm-status")
    assert page.is_disabled("#mm-audio input") and page.is_enabled("#mm-vision input")


def test_a_tab_closed_during_the_analysis_stops_it(visit: Any, site: Any, analyser: Any, tmp_path: Any) -> None:
    page, other = visit(), visit()
    mine = tmp_path / "long.mp4"
    mine.write_bytes((EXAMPLES / "latentsync_demo1.mp4").read_bytes())
    upload(page, mine)
    page.wait_for_selector(".mm-now")
    page.close()
    example(other, CLIP.name)
    wait_until(lambda: not any(n.startswith("long") for n in stored(site.folder)), "the clip of a closed tab is left")
    assert gauges(other) == expected(analyser.predict(analyser.extract(str(CLIP))))


def test_a_double_click_answers_once(visit: Any, site: Any) -> None:
    page = visit()
    before = len(site.extractions)
    page.dblclick(f'button[data-clip="{CLIP.name}"]')
    finished(page, CLIP.name)
    page.wait_for_timeout(1500)
    whole = gauges(page)
    page.dblclick("#mm-text input")
    page.wait_for_function(
        "was => [...document.querySelectorAll('.mm-number')].map(e => e.textContent).join() === was.join()", arg=whole
    )
    assert page.is_checked("#mm-text input") and len(site.extractions) == before


def test_the_back_button_goes_back_through_the_tabs_and_back_to_the_page(visit: Any, site: Any) -> None:
    page = visit()
    example(page, CLIP.name)
    before = gauges(page)
    open_tab(page, "numbers")
    page.wait_for_selector("#mm-numbers", state="visible")
    open_tab(page, "about")
    page.go_back()
    page.wait_for_selector("#mm-numbers", state="visible")
    page.go_back()
    page.wait_for_selector("#mm-answer", state="visible")
    assert gauges(page) == before
    page.goto("about:blank")
    page.go_back()
    page.wait_for_selector(".mm-examples button")
    example(page, CLIP.name)
    switch(page, "#mm-text input")
    assert gauges(page) != before


def test_two_visitors_at_once_are_not_mixed(visit: Any, analyser: Any) -> None:
    one, two = visit(), visit()
    one.click('button[data-clip="crema_sad.mp4"]')
    two.click(f'button[data-clip="{CLIP.name}"]')
    finished(one, "crema_sad.mp4")
    finished(two, CLIP.name)
    sad, happy = (analyser.extract(str(EXAMPLES / n)) for n in ("crema_sad.mp4", CLIP.name))
    assert gauges(one) == expected(analyser.predict(sad)) and gauges(two) == expected(analyser.predict(happy))
    switch(one, "#mm-text input")
    assert gauges(two) == expected(analyser.predict(happy))
    assert gauges(one) == expected(analyser.predict(sad, dropped=["text"], text_source="simulated"))
    assert threading.active_count() < 60
