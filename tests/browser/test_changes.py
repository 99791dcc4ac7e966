"""The page in a real Chromium: words struck out and rewritten, frames dropped, blur and noise, files to save."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import threading
from typing import Any

import pytest
from chromium import (
    CLIP,
    download,
    example,
    expected,
    finished,
    fold,
    forget_finished,
    gauges,
    shown,
    slide,
    stored,
    switch,
    unfold,
    wait_until,
)

from msa_core.degrade import Degradation

pytestmark = pytest.mark.browser
NASTY = '<img src=x onerror="window.hacked=1"> wonderful'


def settled(page: Any, numbers: list[str]) -> None:
    """Wait until the three marks say this."""
    page.wait_for_function(
        "wanted => [...document.querySelectorAll('.mm-number')].map(e => e.textContent).join() === wanted.join()",
        arg=numbers,
    )


def test_a_word_is_struck_out_and_taken_back(answered: Any, site: Any, analyser: Any) -> None:
    page = answered
    utterance, before = analyser.extract(str(CLIP)), len(site.extractions)
    whole = gauges(page)
    switch(page, '.mm-word[data-word="0"]')
    assert gauges(page) == expected(analyser.predict(analyser.edit(utterance, struck=[0]))) != whole
    assert page.get_attribute('.mm-word[data-word="0"]', "aria-pressed") == "true"
    page.focus('.mm-word[data-word="1"]')
    page.keyboard.press("Enter")
    settled(page, expected(analyser.predict(analyser.edit(utterance, struck=[0, 1]))))
    page.click('.mm-word[data-word="0"]')
    settled(page, expected(analyser.predict(analyser.edit(utterance, struck=[1]))))
    page.click('.mm-word[data-word="1"]')
    settled(page, whole)
    assert len(site.extractions) == before


def test_words_struck_while_one_is_being_answered_count_too(answered: Any, analyser: Any) -> None:
    page = answered
    utterance, asked = analyser.extract(str(CLIP)), list[Any]()

    def hold_the_first(route: Any) -> None:
        asked.append(route)
        if len(asked) > 1:
            route.continue_()

    page.route("**/run/**", hold_the_first)
    for word in (0, 1, 2, 1):  # one clicked twice meanwhile stays as it was
        page.click(f'.mm-word[data-word="{word}"]')
    pressed = [b.get_attribute("aria-pressed") for b in page.locator(".mm-word").all()]
    assert pressed[:3] == ["true", "false", "true"]  # what was clicked shows at once
    page.wait_for_timeout(300)
    assert len(asked) == 1
    asked[0].continue_()
    settled(page, expected(analyser.predict(analyser.edit(utterance, struck=[0, 2]))))
    page.click('.mm-word[data-word="1"]')
    settled(page, expected(analyser.predict(analyser.edit(utterance, struck=[0, 1, 2]))))
    page.unroute("**/run/**")


def test_other_words_are_read_and_taken_back(answered: Any, site: Any, analyser: Any) -> None:
    page = answered
    utterance, before, whole = analyser.extract(str(CLIP)), len(site.extractions), gauges(page)
    unfold(page, "mm-changes")
    text = page.input_value("#mm-transcript textarea")
    assert text.split() == [w.text for w in utterance.words]
    page.fill("#mm-transcript textarea", "This is wonderful, I love it")
    page.click("#mm-use")
    settled(page, expected(analyser.predict(analyser.edit(utterance, "This is wonderful, I love it"))))
    assert gauges(page) != whole and "wonderful" in page.inner_text(".mm-said")
    page.fill("#mm-transcript textarea", NASTY)
    page.click("#mm-use")
    settled(page, expected(analyser.predict(analyser.edit(utterance, NASTY))))
    assert page.evaluate("window.hacked") is None and page.locator("img[src=x]").count() == 0
    page.click("#mm-heard")
    settled(page, whole)
    assert len(site.extractions) == before
    fold(page, "mm-changes")


def test_dropped_frames_change_the_answer_at_once(answered: Any, site: Any, analyser: Any) -> None:
    page = answered
    utterance, before, whole = analyser.extract(str(CLIP)), len(site.extractions), gauges(page)
    unfold(page, "mm-drops")
    slide(page, "#mm-rate-audio", 50)
    settled(page, expected(analyser.predict(utterance, frame_missing_rate={"audio": 0.5})))
    slide(page, "#mm-rate-text", 90)
    settled(page, expected(analyser.predict(utterance, frame_missing_rate={"audio": 0.5, "text": 0.9})))
    slide(page, "#mm-rate-audio", 0)
    slide(page, "#mm-rate-text", 0)
    settled(page, whole)
    assert len(site.extractions) == before
    fold(page, "mm-drops")


def test_blur_and_noise_are_in_the_media_and_read_again(answered: Any, site: Any, analyser: Any) -> None:
    page = answered
    before = len(site.extractions)
    unfold(page, "mm-changes")
    slide(page, "#mm-blur", 4)
    slide(page, "#mm-noise", 30)
    page.click("#mm-apply")
    damaged = analyser.extract(str(CLIP), degradation=Degradation(0.04, 0.0))
    assert len(site.extractions) in (before + 1, before + 2)
    settled(page, expected(analyser.predict(damaged)))
    page.click("#mm-details button")
    notes = page.inner_text(".mm-notes")
    fold(page, "mm-details")
    assert all(note in notes for note in damaged.notes) and len(damaged.notes) >= 2
    assert len([n for n in stored(site.folder) if n.endswith(".mp4")]) == 1, "what the models got can be played"
    page.click("#mm-analyse")  # the clip as it came, not the worse copy that the player shows
    settled(page, expected(analyser.predict(analyser.extract(str(CLIP)))))
    assert stored(site.folder) == [] and CLIP.name in page.evaluate("document.querySelector('#mm-clip video').src")
    slide(page, "#mm-blur", 4)
    page.click("#mm-apply")
    settled(page, expected(analyser.predict(analyser.extract(str(CLIP), degradation=Degradation(0.04)))))
    slide(page, "#mm-blur", 0)
    slide(page, "#mm-noise", 0)
    page.click("#mm-apply")
    settled(page, expected(analyser.predict(analyser.extract(str(CLIP)))))
    fold(page, "mm-changes")


def test_what_is_set_while_a_reading_ends_stays(visit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Gradio sets the last step's values again when an event has ended, on a busy machine long after."""
    from gradio import route_utils

    answer, told, ended = route_utils.call_process_api, threading.Event(), threading.Event()

    async def slowly(**given: Any) -> Any:
        response = await answer(**given)
        if given["fn"].api_name == "page_example" and not response["is_generating"]:
            while not told.is_set():
                await asyncio.sleep(0.05)
            ended.set()
        return response

    monkeypatch.setattr(route_utils, "call_process_api", slowly)
    page = visit()
    forget_finished(page)
    page.click(f'button[data-clip="{CLIP.name}"]')
    finished(page, CLIP.name)  # it says so, and is still under way
    unfold(page, "mm-changes")
    slide(page, "#mm-blur", 4)
    with_text = gauges(page)
    page.click("#mm-text input")
    wait_until(lambda: gauges(page) != with_text, "no answer without text")
    page.locator("#mm-language").get_by_label("中文").check()
    page.wait_for_selector("#mm-status :text('秒')")
    status, without_text = page.inner_text("#mm-status"), gauges(page)
    told.set()
    assert ended.wait(30)
    page.wait_for_timeout(1000)
    assert page.input_value("#mm-blur input[type=number]") == "4" and not page.is_checked("#mm-text input")
    assert gauges(page) == without_text and page.inner_text("#mm-status") == status


def test_files_are_saved_as_shown(answered: Any, site: Any, analyser: Any) -> None:
    page = answered
    switch(page, "#mm-vision input")
    own = analyser.predict(analyser.extract(str(CLIP)), dropped=["vision"])
    page.click("#mm-details button")
    name, text = download(page, 'a[download="prediction.json"]')
    assert name == "prediction.json" and json.loads(text)["scores"] == pytest.approx(own.scores, abs=1e-4)
    name, text = download(page, "#mm-save-csv")
    rows = list(csv.reader(io.StringIO(text)))
    assert name == "prediction.csv" and len(rows) > 20
    assert any(f"{own.scores['missing_model_left']:.3f}"[:5] in ",".join(r) for r in rows)
    name, text = download(page, "#mm-save-report")
    assert name.endswith(".html") and text.startswith("<!doctype html>") and "not a measure of feelings" in text
    assert CLIP.name in text and "ProMMA (reconstruction)" in text and "http" not in text.split("<body")[1]
    assert [n for n in stored(site.folder) if n.endswith((".html", ".csv", ".json"))] == []
    assert "<img" not in text  # vision is off: no face is printed
    switch(page, "#mm-vision input")
    assert download(page, "#mm-save-report")[1].count("<img") >= 3
    page.uncheck("#mm-pictures input")
    assert "<img" not in download(page, "#mm-save-report")[1]
    page.check("#mm-pictures input")
    fold(page, "mm-details")


def test_the_speech_of_a_clip_is_chosen(answered: Any, analyser: Any, monkeypatch: Any) -> None:
    page, asked, extract = answered, [], analyser.extract

    def listening(path: str, **options: Any) -> Any:
        asked.append((options["spoken"], options["any_language"]))
        return extract(path, **{**options, "spoken": "en", "any_language": False})

    monkeypatch.setattr(analyser, "extract", listening)
    page.get_by_label("Chinese").check()
    example(page, CLIP.name)
    page.get_by_label("English").last.check()
    page.get_by_label("Use the words even if they sound like another language").check()
    forget_finished(page)
    page.click("#mm-analyse")
    for _ in range(300):
        if len(asked) == 2:
            break
        page.wait_for_timeout(100)
    assert asked == [("zh", False), ("en", True)]
    finished(page, CLIP.name)
    page.get_by_label("Use the words even if they sound like another language").uncheck()


def test_the_playhead_follows_the_video(answered: Any) -> None:
    page = answered
    page.evaluate("document.querySelector('#mm-clip video').currentTime = 1.2")
    page.wait_for_function(
        """() => { const head = document.querySelector('#mm-moments .mm-playhead'), lanes = head.parentElement;
            const at = (head.getBoundingClientRect().left - lanes.getBoundingClientRect().left);
            return getComputedStyle(head).opacity > 0 && at > 20; }"""
    )
    shown(page, "light-playhead")
    page.locator("#mm-moments .mm-scores [data-seek]").nth(0).click()
    page.wait_for_function("document.querySelector('#mm-clip video').currentTime < 1.1")
