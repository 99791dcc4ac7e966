"""The script of the Analyse screen in a real browser: playhead, current second and word, attention, seeking."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from predictions import prediction, utterance

from msa_core.i18n import STATIC
from msa_core.page.scripts import script
from msa_core.views import answer as figures
from msa_core.views import clip

pytestmark = pytest.mark.browser
PLAY = """at => { const video = document.querySelector('#mm-clip video');
    Object.defineProperty(video, 'currentTime', {value: at, writable: true, configurable: true});
    video.play = () => Promise.resolve();
    video.dispatchEvent(new Event('timeupdate')); }"""


def answer(**changes: Any) -> str:
    return figures.answer(prediction(frames_s=(0.2, 0.4), **changes))


@pytest.fixture
def screen(browser: Any) -> Iterator[Any]:
    """The answer and the clip beside a video, each with the script, as the page puts them there."""
    css = "".join((STATIC / f"{name}.css").read_text(encoding="utf-8") for name in ("page", "analyse"))
    parts = f'<div id="mm-answer">{answer()}</div><div id="mm-seen">{clip.clip(utterance())}</div>'
    page = browser.new_page(viewport={"width": 1000, "height": 900})
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.set_content(f'<style>{css}</style><div id="mm-clip"><video></video></div>{parts}')
    for name in ("mm-answer", "mm-seen"):
        page.evaluate(f"(element => {{ {script('analyse')} }})(document.getElementById({json.dumps(name)}))")
    yield page
    page.close()
    assert errors == []


def share(page: Any) -> str:
    return page.evaluate("document.querySelector('.mm-playhead').style.getPropertyValue('--at')")  # type: ignore[no-any-return]


def current(page: Any) -> list[str]:
    return page.locator(".mm-word.mm-current").all_inner_texts()  # type: ignore[no-any-return]


def test_the_playhead_and_the_words_follow_the_video(screen: Any) -> None:
    screen.evaluate(PLAY, 1.2)
    assert share(screen) == "0.6000" and current(screen) == ["jacket"]
    screen.wait_for_timeout(350)
    box, lanes = (screen.locator(s).first.bounding_box() for s in (".mm-playhead", ".mm-lane-body"))
    assert box["x"] + 1 == pytest.approx(lanes["x"] + 0.6 * lanes["width"], abs=1.5)
    screen.evaluate(PLAY, 0.3)
    assert share(screen) == "0.1500" and current(screen) == ["don't"]
    assert screen.locator(".mm-scores .mm-current").get_attribute("data-seek") == "0.00"


def test_it_survives_another_answer_and_another_video(screen: Any) -> None:
    screen.evaluate(PLAY, 1.2)
    screen.evaluate("html => { document.getElementById('mm-answer').innerHTML = html; }", answer(duration_s=4.0))
    screen.wait_for_function("document.querySelector('.mm-playhead').style.getPropertyValue('--at') === '0.3000'")
    assert current(screen) == ["jacket"]
    screen.evaluate("document.getElementById('mm-clip').innerHTML = '<p><video></video></p>'")
    screen.evaluate(PLAY, 2.0)
    assert share(screen) == "0.5000" and current(screen) == []


def test_a_click_goes_to_a_moment_and_a_word_does_not(screen: Any) -> None:
    screen.evaluate(PLAY, 0.0)
    lane = screen.locator(".mm-lanes[data-length] .mm-lane-body").nth(2)
    box = lane.bounding_box()
    lane.click(position={"x": 0.75 * box["width"], "y": 8})
    now = "document.querySelector('#mm-clip video').currentTime"
    assert screen.evaluate(now) == pytest.approx(1.5, abs=0.02)
    screen.locator(".mm-strip figure").nth(1).click()
    assert screen.evaluate(now) == 0.4
    screen.locator(".mm-word").nth(2).click()
    assert screen.evaluate(now) == 0.4


def test_frames_show_the_attention_of_the_answer(screen: Any) -> None:
    def told() -> list[str]:
        return screen.locator(".mm-share small").all_inner_texts()  # type: ignore[no-any-return]

    assert told() == ["0%", "100%"]
    blind = dict(prediction().mechanism) | {"attention": {}}
    screen.evaluate("html => { document.getElementById('mm-answer').innerHTML = html; }", answer(mechanism=blind))
    screen.wait_for_function("document.querySelector('.mm-share small').textContent === ''")
    assert told() == ["", ""]


def test_words_are_reached_by_keyboard(screen: Any) -> None:
    pressed: list[str] = []
    screen.expose_function("pressed", lambda number: pressed.append(number))
    screen.evaluate("document.addEventListener('click', e => e.target.dataset.word && pressed(e.target.dataset.word))")
    screen.focus(".mm-word")
    screen.keyboard.press("Tab")
    screen.keyboard.press("Space")
    screen.wait_for_timeout(100)
    assert pressed == ["1"]
