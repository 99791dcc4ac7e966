"""The scripts of switches and player in a real browser: keys, the covered picture, the muted sound."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from msa_core.i18n import STATIC, use
from msa_core.page.scripts import script
from msa_core.views import page_parts

pytestmark = pytest.mark.browser
SWITCH = '<div id="mm-{0}" class="block"><label><input type="checkbox" checked><span>{0}</span></label></div>'
PLAYER = '<div class="mirror-wrap" style="width: 320px; height: 180px"><video></video></div>'  # as gradio draws it
MUTED = "document.querySelector('#mm-clip video').muted"
ON = "[...document.querySelectorAll('#mm-switches input')].map(e => e.checked)"


@pytest.fixture
def screen(browser: Any) -> Iterator[Any]:
    """Player, switches, answer and a field, with the scripts, as the page puts them there."""
    css = "".join((STATIC / f"{name}.css").read_text(encoding="utf-8") for name in ("page", "analyse"))
    switches = "".join(SWITCH.format(m) for m in ("text", "audio", "vision"))
    page = browser.new_page(viewport={"width": 800, "height": 600})
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.set_content(
        f'<style>{css}</style><div id="mm-clip">{PLAYER}</div><div id="mm-words">{page_parts.player_words()}</div>'
        f'<div id="mm-keys">{page_parts.keys_choice()}</div>'
        f'<div id="mm-switches">{switches}</div><div id="mm-answer"></div><textarea></textarea><input id="typed">'
    )
    for name, scripts in {"mm-keys": "switch_keys", "mm-answer": "player"}.items():
        page.evaluate(f"(element => {{ {script(scripts)} }})(document.getElementById({json.dumps(name)}))")
    yield page
    page.close()
    assert errors == []


def cover(page: Any) -> list[str]:
    """What is seen in the player's place: the opacity of the picture, and the words over it."""
    return page.evaluate(  # type: ignore[no-any-return]
        """() => [getComputedStyle(document.querySelector('#mm-clip video')).opacity,
            getComputedStyle(document.querySelector('#mm-clip .mirror-wrap'), '::after').content]"""
    )


def test_keys_press_the_switches(screen: Any) -> None:
    for key, wanted in (("1", [False, True, True]), ("3", [False, True, False]), ("1", [True, True, False])):
        screen.keyboard.press(key)
        assert screen.evaluate(ON) == wanted, key
    screen.evaluate("document.querySelector('#mm-audio input').disabled = true")
    for key in ("2", "4", "Control+3", "Alt+3", "Meta+3", "Shift+3"):
        screen.keyboard.press(key)
        assert screen.evaluate(ON) == [True, True, False], key
    for field in ("textarea", "#typed"):
        screen.focus(field)
        screen.keyboard.press("1")
        assert screen.evaluate(ON) == [True, True, False] and screen.input_value(field) == "1"
    screen.evaluate("document.activeElement.blur(), document.querySelector('#mm-switches').style.display = 'none'")
    screen.keyboard.press("1")  # another tab is on show
    assert screen.evaluate(ON) == [True, True, False]


def test_the_switches_say_their_keys_in_both_languages(screen: Any) -> None:
    told = "[...document.querySelectorAll('#mm-switches label')].map(e => e.title)"
    assert screen.evaluate(told) == [f"Key {n} presses it, too" for n in (1, 2, 3)]
    assert screen.get_attribute("#mm-vision input", "aria-keyshortcuts") == "3"
    with use("zh"):
        choice = page_parts.keys_choice()
    screen.evaluate("html => { document.getElementById('mm-keys').innerHTML = html; }", choice)
    screen.wait_for_function(f"{told}[2] === '按 3 键也可切换'")


def test_without_vision_the_picture_is_covered(screen: Any) -> None:
    assert cover(screen) == ["1", "none"]
    screen.uncheck("#mm-vision input")
    assert cover(screen) == ["0", '"the models see no picture"'] and not screen.evaluate(MUTED)
    screen.evaluate(
        """() => { document.querySelector('#mm-vision input').checked = true;  // by an answer: there is no event
            document.querySelector('#mm-answer').innerHTML = '<p>+0.1</p>'; }"""
    )
    screen.wait_for_function("!document.querySelector('#mm-clip').hasAttribute('data-unseen')")
    assert cover(screen) == ["1", "none"]
    screen.evaluate("Object.assign(document.querySelector('#mm-vision input'), {checked: false, disabled: true})")
    screen.evaluate("document.querySelector('#mm-clip video').dispatchEvent(new Event('timeupdate'))")
    assert cover(screen) == ["1", "none"], "a clip without a face is shown: that is the reason"


@pytest.mark.parametrize("muted", [False, True])
def test_without_audio_the_player_is_muted_and_the_visitors_volume_comes_back(screen: Any, muted: bool) -> None:
    screen.evaluate("muted => Object.assign(document.querySelector('#mm-clip video'), {muted, volume: 0.3})", muted)
    screen.uncheck("#mm-audio input")
    assert screen.evaluate(MUTED)
    screen.evaluate("document.querySelector('#mm-clip video').muted = false")
    screen.wait_for_function(MUTED)
    screen.check("#mm-audio input")
    assert screen.evaluate(MUTED) is muted
    assert screen.evaluate("document.querySelector('#mm-clip video').volume") == pytest.approx(0.3)


def test_another_clip_is_seen_and_heard_and_the_camera_stays_as_it_is(screen: Any) -> None:
    for modality in ("audio", "vision"):
        screen.uncheck(f"#mm-{modality} input")
    camera = '<div class="wrap"><video data-testid="webcam-video"></video></div>'
    screen.evaluate("html => { document.getElementById('mm-clip').innerHTML = html; }", camera)
    screen.evaluate("document.querySelector('video').dispatchEvent(new Event('play'))")
    assert not screen.evaluate(MUTED)
    assert screen.evaluate("getComputedStyle(document.querySelector('#mm-clip video')).opacity") == "1"
    screen.evaluate("html => { document.getElementById('mm-clip').innerHTML = html; }", PLAYER)
    screen.evaluate(
        """() => { document.querySelectorAll('#mm-switches input').forEach(e => { e.checked = true; });
            document.querySelector('#mm-answer').innerHTML = '<p>+0.2</p>'; }"""
    )
    screen.wait_for_function("!document.querySelector('#mm-clip').hasAttribute('data-unseen')")
    assert cover(screen) == ["1", "none"] and not screen.evaluate(MUTED)
