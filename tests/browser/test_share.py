"""Links to what a visitor sees: copied, opened as they were, and nothing of one's own clip in them."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import chromium
import proxy
import pytest
from chromium import CLIP, choose_method, clear, expected, finished, gauges, idle, open_tab, shown, switch, upload

from msa_core.evaluation import results
from msa_core.lessons import LESSONS
from msa_core.views import numbers
from msa_core.views.page_parts import EXAMPLE_TITLES

pytestmark = pytest.mark.browser

BLOCKED = """
navigator.clipboard.writeText = async () => { throw new DOMException('denied', 'NotAllowedError'); };
document.execCommand = () => false;
"""


def copied(page: Any) -> tuple[str, str]:
    """Press the button: the link, and what is said."""
    page.evaluate("document.querySelector('.mm-link-said').textContent = ''")
    page.click("#mm-copy-link")
    page.wait_for_selector(".mm-link-said:not(:empty)")
    return page.input_value(".mm-shared input"), page.inner_text(".mm-link-said")


def query(url: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}


def test_a_link_is_copied_and_opens_what_was_seen(visit: Any, site: Any, analyser: Any) -> None:
    page, utterance = visit(permissions=["clipboard-read", "clipboard-write"]), analyser.extract(str(CLIP))
    before = len(site.extractions)
    chromium.example(page, CLIP.name)
    choose_method(page, "CorrKD")
    switch(page, "#mm-vision input")
    switch(page, '.mm-word[data-word="0"]')
    link, said = copied(page)
    shown(page, "light-link")
    assert said == "Link copied." and page.evaluate("navigator.clipboard.readText()") == link
    assert link.startswith(site.url)
    assert query(link) == {"clip": CLIP.name, "method": "corrkd", "off": "vision", "struck": "0", "lang": "en"}
    seen = gauges(page)
    edited = analyser.edit(utterance, None, [0])
    assert seen == expected(analyser.predict(edited, "corrkd", ["vision"]))
    page.goto(f"{link}&off=text&method=x&blur=%3Cimg+src=x+onerror=window.hacked=1%3E")  # the first of a name counts
    page.wait_for_selector("#mm-vision input:not(:checked)")
    assert gauges(page) == seen and not page.is_checked("#mm-vision input") and page.is_checked("#mm-text input")
    assert page.locator('.mm-word[data-word="0"][aria-pressed=true]').count() == 1
    assert len(site.extractions) == before  # an example in a link is not read either
    page.wait_for_function("!document.querySelector('#mm-link-line').innerText.includes('being opened')")
    assert page.inner_text("#mm-link-line").strip() == (
        "blur is '<img src=x onerror=window.hacked=1>' in the address, "
        "which is not known and was ignored; known: 0 ... 0.1."
    )
    assert page.evaluate("window.hacked") is None and query(copied(page)[0]) == query(link)


def test_words_of_a_link_stay_where_one_cannot_be_struck_out(visit: Any) -> None:
    page = visit(hash=f"&clip={CLIP.name}&words=I+am+so+happy&struck=0,99")
    page.wait_for_selector("#mm-status .mm-failed")
    assert "There is no word 99; the clip has 4." in page.inner_text("#mm-status")
    assert page.locator(".mm-word").all_inner_texts() == ["I", "am", "so", "happy"]


def test_with_everything_off_the_answer_to_everything_stays(visit: Any, analyser: Any) -> None:
    whole = analyser.predict(analyser.extract(str(CLIP))).scores["complete_model_full"]
    page = visit(hash=f"&clip={CLIP.name}&off=text,audio,vision")
    page.wait_for_selector("#mm-vision input:not(:checked)")
    idle(page)
    shown(page, "light-everything-off")
    said = page.inner_text("#mm-answer")
    assert "Nothing is left to analyse: switch on at least one of text, audio, vision." in said
    assert [page.inner_text(f".mm-mark-{m} strong") for m in ("full", "left", "ours")] == [f"{whole:+.2f}", "–", "–"]


def test_a_link_opens_a_tab_and_a_language(visit: Any) -> None:
    page = visit(script=BLOCKED, hash=f"&clip={CLIP.name}&tab=compare&lang=zh")
    page.wait_for_selector("#mm-compare table", state="attached")
    assert page.inner_text("button[role=tab].selected") == "对比"
    open_tab(page, "learn")
    page.click(f'#mm-overview a[href="#learn/{LESSONS[2].name}"]')
    page.wait_for_selector(f"#mm-lesson-{LESSONS[2].name}", state="visible")
    link, said = copied(page)
    assert query(link)["lesson"] == LESSONS[2].name and query(link)["tab"] == "learn" and query(link)["lang"] == "zh"
    assert "Ctrl+C" in said  # the clipboard is blocked: the link is selected
    assert page.evaluate("(f => f.value.slice(f.selectionStart, f.selectionEnd))(document.activeElement)") == link
    page.goto(link.replace("lang=zh", "lang=en"))
    page.wait_for_selector(f"#mm-lesson-{LESSONS[2].name}", state="visible")
    page.wait_for_selector('button[role=tab].selected:has-text("Learn")')


def choose(page: Any, name: str, text: str) -> None:
    page.click(f"#mm-{name} input")
    page.get_by_role("option", name=text, exact=True).click()


CHOSEN = {
    "corpus": numbers.CORPORA["mosi"],
    "protocol": results.PROTOCOLS["frames"],
    "metric": results.METRICS["acc7"],
    "rows": numbers.ROWS["all"],
}


def test_choices_of_other_tabs_are_copied_and_opened(visit: Any) -> None:
    page = visit()
    open_tab(page, "compare")
    choose(page, "second", "Voice only")
    page.wait_for_selector("#mm-compare .mm-two-clips")
    compared = page.inner_text("#mm-compare")
    open_tab(page, "learn")
    choose(page, "which", EXAMPLE_TITLES["crema_sad.mp4"])
    player = f"#mm-player-{LESSONS[0].name}"
    page.wait_for_selector(f'{player} [src*="crema_sad.mp4"]', state="attached")
    open_tab(page, "numbers")
    for name, text in CHOSEN.items():
        choose(page, name, text)
    page.wait_for_function("document.querySelector('#mm-numbers').innerText.includes('Acc-7 when this share of')")
    idle(page)
    drawn = page.inner_text("#mm-numbers")
    link, _ = copied(page)
    held = {"second": "jfk.flac", "lesson_clip": "crema_sad.mp4", "corpus": "mosi", "protocol": "frames"}
    held |= {"metric": "acc7", "rows": "all", "tab": "numbers"}
    assert query(link) == {"clip": CLIP.name, "method": "sdumc", "lang": "en", **held}
    page.goto(f"{link}&missing=smell")
    page.wait_for_function("text => document.querySelector('#mm-numbers')?.innerText === text", arg=drawn)
    shown(page, "light-link-numbers")
    assert {name: page.input_value(f"#mm-{name} input") for name in CHOSEN} == CHOSEN
    assert "missing is 'smell' in the address" in page.inner_text("#mm-link-line")
    open_tab(page, "learn")
    page.wait_for_selector(f'{player} [src*="crema_sad.mp4"]', state="attached")
    assert page.input_value("#mm-which input") == EXAMPLE_TITLES["crema_sad.mp4"]
    open_tab(page, "compare")
    page.wait_for_selector("#mm-compare .mm-two-clips")
    page.wait_for_function("text => document.querySelector('#mm-compare').innerText === text", arg=compared)
    assert page.input_value("#mm-second input") == "Voice only"
    assert query(copied(page)[0]) == query(link) | {"tab": "compare"}


def test_a_link_with_a_second_clip_and_a_tab_opens_both(visit: Any) -> None:
    page = visit(hash="&tab=compare&second=jfk.flac&lang=zh")
    page.wait_for_selector("#mm-compare .mm-two-clips:has-text('jfk.flac')")
    assert page.inner_text("#mm-link-line").strip() == "" and "片段" in page.inner_text("#mm-compare")


def test_a_second_clip_of_ones_own_is_left_out_of_a_link(visit: Any, tmp_path: Path) -> None:
    page, mine = visit(), tmp_path / "me.mp4"
    shutil.copy(CLIP, mine)
    open_tab(page, "compare")
    with page.expect_file_chooser() as found:
        page.click("#mm-second-upload")
    found.value.set_files(mine)
    page.wait_for_selector("#mm-compare .mm-two-clips:has-text('me.mp4')")
    link, said = copied(page)
    assert query(link) == {"clip": CLIP.name, "method": "sdumc", "tab": "compare", "lang": "en"}
    assert "Your own second clip is never part of a link: Compare opens without it." in said


def test_a_link_holds_nothing_of_ones_own_clip(visit: Any, analyser: Any, tmp_path: Path) -> None:
    page, mine = visit(), tmp_path / "me at home.mp4"
    shutil.copy(CLIP, mine)
    upload(page, mine)
    finished(page, "me")
    switch(page, "#mm-text input")
    link, said = copied(page)
    assert query(link) == {"method": "sdumc", "off": "text", "lang": "en"}
    assert "Your own clip is never part of a link" in said
    clear(page)
    page.goto(link)
    page.wait_for_selector("#mm-link-line:has-text('names no clip')")
    page.wait_for_selector("#mm-text input:not(:checked)")
    assert gauges(page) == expected(analyser.predict(analyser.extract(str(CLIP)), dropped=["text"]))  # the one on show
    chromium.example(page, "crema_sad.mp4")
    assert not page.is_checked("#mm-text input") and page.is_checked("#mm-audio input")


@pytest.mark.slow
def test_a_link_names_the_address_in_front_of_a_proxy(serve: Any, browser: Any, monkeypatch: Any) -> None:
    monkeypatch.setenv("GRADIO_ROOT_PATH", "/lab")
    own = serve()
    monkeypatch.delenv("GRADIO_ROOT_PATH")
    with proxy.below(own.url, "/lab") as front:
        site = SimpleNamespace(url=front.url, folder=own.folder)
        with chromium.visitors(browser, site) as visit:
            page = visit(hash=f"&clip={CLIP.name}&off=audio")
            page.wait_for_selector("#mm-audio input:not(:checked)")
            link, _ = copied(page)
            assert link.startswith(front.url) and query(link)["off"] == "audio"
