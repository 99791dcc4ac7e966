"""The script of the recorder in a real browser: seconds on show, the end at the limit, the names of its button."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from msa_core.i18n import STATIC, use
from msa_core.page.scripts import script
from msa_core.views import page_parts

pytestmark = pytest.mark.browser
RECORDER = """() => {  // as gradio draws it: the button's name is always the same, its title says whether it runs
    const clip = document.getElementById('mm-clip'), draw = () => { button.innerHTML = `<i title="${state()}"></i>`; };
    clip.innerHTML = '<button class="capture-button" aria-label="start recording"></button>';
    const button = clip.firstChild, state = () => (window.runs ? 'stop' : 'start') + ' recording';
    window.runs = false, window.presses = 0;
    button.addEventListener('click', () => { window.runs = !window.runs; window.presses += 1; draw(); });
    draw(); }"""


@pytest.fixture
def screen(browser: Any) -> Iterator[Any]:
    """A recorder as gradio's, with the script and a limit of one second."""
    css = "".join((STATIC / f"{name}.css").read_text(encoding="utf-8") for name in ("page", "analyse"))
    page = browser.new_page(viewport={"width": 400, "height": 300})
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    parts = f'<div id="mm-clip"></div><div id="mm-recorder">{page_parts.recorder(1.0)}</div>'
    page.set_content(f'<style>{css}</style><div id="mm-left">{parts}</div>')
    page.evaluate(f"(element => {{ {script('recording')} }})(document.getElementById({json.dumps('mm-recorder')}))")
    page.evaluate(RECORDER)
    yield page
    page.close()
    assert errors == []


def test_the_button_says_what_it_does(screen: Any) -> None:
    screen.get_by_role("button", name="Start recording").click()
    screen.get_by_role("button", name="Stop recording", exact=True).click()
    screen.get_by_role("button", name="Start recording", exact=True).wait_for()
    assert not screen.is_visible(".mm-timer")


def test_a_recording_ends_at_the_limit_and_the_next_one_begins_at_zero(screen: Any) -> None:
    for presses in (2, 4):
        screen.get_by_role("button", name="Start recording").click()
        screen.wait_for_selector(".mm-timer:text('Recording: 0 of 1 s')")
        screen.wait_for_function("!window.runs")
        screen.wait_for_selector(".mm-timer", state="hidden")
        assert screen.evaluate("window.presses") == presses


def test_a_recording_that_is_stopped_is_not_begun_again_at_the_limit(screen: Any) -> None:
    screen.click(".capture-button")
    screen.click(".capture-button")
    screen.wait_for_timeout(1400)
    assert screen.evaluate("[window.presses, window.runs]") == [2, False]


def test_the_limit_is_that_of_the_page_in_both_languages() -> None:
    assert 'data-limit="60"' in page_parts.recorder() and "after 60 seconds the recording stops" in page_parts.consent()
    with use("zh"):
        assert "正在录制：# / 60 秒" in page_parts.recorder() and "满 60 秒" in page_parts.consent()
