"""The Learn tab in a real Chromium: guess first, then the computed answer, then something to try."""

from __future__ import annotations

import re
from typing import Any

import chromium
import pytest
import slides
from chromium import CLIP, EXAMPLES, example, looks, open_tab, overflow, settled, shown, slide

from msa_core.lessons import LESSONS
from msa_core.lessons.handout import slides as handout
from msa_core.views.page_parts import EXAMPLE_TITLES

pytestmark = pytest.mark.browser


def open_lesson(page: Any, name: str) -> None:
    open_tab(page, "learn")
    page.click(f'#mm-overview a[href="#learn/{name}"]')
    page.wait_for_selector(f"#mm-lesson-{name}", state="visible")


def ask(page: Any, name: str) -> str:
    page.click(f"#mm-ask-{name}")
    page.wait_for_selector(f"#mm-answer-{name} .mm")
    return page.inner_text(f"#mm-answer-{name}")


def try_something(page: Any, lesson: Any) -> None:
    """Move the lesson's first control away from where it starts."""
    control = lesson.controls[0]
    place = f"#mm-try-{lesson.name}-{control.name}"
    if control.kind == "slider":
        slide(page, place, control.high if control.start != control.high else control.low)
    else:
        at = [v for _, v in control.options].index(control.start)
        page.locator(f"{place} input").nth((at + 1) % len(control.options)).check()


def test_every_answer_is_the_computed_one_and_fits_and_can_be_tried(visit: Any, analyser: Any) -> None:
    page, pictures = visit(), dict[str, bytes]()
    open_tab(page, "learn")
    page.click(f'#mm-overview a[href="#learn/{LESSONS[0].name}"]')
    for lesson, following in zip(LESSONS, [*LESSONS[1:], None], strict=True):
        page.wait_for_selector(f"#mm-lesson-{lesson.name}", state="visible")
        assert page.locator(f"#mm-answer-{lesson.name} .mm").count() == 0, "a guess comes first"
        page.locator(f"#mm-guess-{lesson.name} input").first.check()
        said = ask(page, lesson.name)
        computed = lesson.answer(analyser, analyser.extract(str(EXAMPLES / lesson.clip)))
        assert computed.said in said and lesson.choices[computed.correct] in said, lesson.name
        finding = f"#mm-finding-{lesson.name} .mm-finding"  # gradio counts the seconds of a pending answer beside it
        assert page.locator(finding).count() == 1
        for look in looks(page):
            shown(page, f"{look}-learn-{lesson.name}")
            assert overflow(page) == [], (look, lesson.name)
        pictures[lesson.name] = slides.lesson(page, lesson.name)
        before = page.inner_html(finding)
        try_something(page, lesson)
        page.wait_for_function(
            "([place, before]) => document.querySelector(place).innerHTML !== before", arg=[finding, before]
        )
        assert lesson.texts.take_away in page.inner_text(f"#mm-finding-{lesson.name} .mm-take")
        page.click(f"#mm-finding-{lesson.name} .mm-take a")
        page.wait_for_function(
            "hash => location.hash === hash", arg=f"#learn/{following.name}" if following else "#numbers"
        )
    page.wait_for_selector("#mm-numbers .mm-sheet", state="visible")
    pictures |= {handout.NUMBERS: slides.numbers(page)}
    open_tab(page, "analyse")
    pictures |= {handout.ANALYSE: slides.analyse(page)}
    deck = handout.deck(analyser, {lesson.clip: analyser.extract(str(EXAMPLES / lesson.clip)) for lesson in LESSONS})
    printed = handout.printed(deck, pictures, "en", chromium.chromium())
    assert printed.startswith(b"%PDF-") and printed.count(b"/Subtype /Image") >= len(pictures)


def test_lessons_on_the_visitors_own_clip(visit: Any, analyser: Any) -> None:
    page = visit()
    lesson = LESSONS[1]
    open_lesson(page, lesson.name)
    page.locator("#mm-whose input").nth(1).check()
    for name in (CLIP.name, "crema_angry.mp4"):  # what Analyse shows on arrival, and another one
        page.click(f"#mm-ask-{lesson.name}")
        computed = lesson.answer(analyser, analyser.extract(str(EXAMPLES / name)))
        page.wait_for_function(
            "([place, said]) => document.querySelector(place).innerText.includes(said)",
            arg=[f"#mm-answer-{lesson.name}", computed.said],
        )
        open_tab(page, "analyse")
        example(page, "crema_angry.mp4")
        open_lesson(page, lesson.name)


def test_a_lesson_has_its_own_address_and_the_teachers_sheet_is_there(visit: Any, tmp_path: Any) -> None:
    page = visit(hash=f"#learn/{LESSONS[2].name}")
    page.wait_for_selector(f"#mm-lesson-{LESSONS[2].name}", state="visible")
    for kind, start in (("pdf", b"%PDF"), ("md", b"#"), ("slides", b"%PDF")):
        with page.expect_download() as saved:
            page.click(f"#mm-sheet-{kind}")
        assert saved.value.suggested_filename == ("slides.pdf" if kind == "slides" else f"teachers-sheet.{kind}")
        saved.value.save_as(tmp_path / kind)
        assert (tmp_path / kind).read_bytes().startswith(start)


def player(page: Any, name: str) -> dict[str, Any]:
    """What the player of a lesson shows: its file, whether its picture is covered and its sound is off."""
    return page.evaluate(  # type: ignore[no-any-return]
        """name => {
            const figure = document.querySelector(`#mm-player-${name} figure`), video = figure.querySelector('video');
            const cover = figure.querySelector('p');
            return {clip: (video.getAttribute('src') ?? '').split('/').pop(), muted: video.muted,
                covered: !!cover && getComputedStyle(cover).display !== 'none', ready: video.readyState > 0};
        }""",
        name,
    )


def test_every_lesson_plays_its_clip_and_the_first_gives_one_channel(visit: Any) -> None:
    page = visit()
    open_lesson(page, "adds")
    page.wait_for_function("document.querySelector('#mm-player-adds video').readyState > 0")
    clip = next(lesson.clip for lesson in LESSONS if lesson.name == "adds")
    assert player(page, "adds") == {"clip": clip, "muted": False, "covered": False, "ready": True}
    open_lesson(page, "people")
    page.wait_for_function("document.querySelector('#mm-player-people video').readyState > 0")
    for choice, muted, covered in ((0, False, True), (1, True, False), (2, False, False)):
        page.locator("#mm-try-people-channel input").nth(choice).check()
        page.wait_for_timeout(200)
        found = player(page, "people")
        assert (found["muted"], found["covered"]) == (muted, covered), choice
    page.locator("#mm-whose input").nth(1).check()
    own = "document.querySelector('#mm-player-people video').currentSrc"
    page.wait_for_function(
        f"!{own}.includes('/example/') && {own} === document.querySelector('#mm-clip video').currentSrc"
    )
    page.locator("#mm-whose input").nth(0).check()
    page.wait_for_function(f"{own}.includes('/example/')")


def test_examples_are_played_from_an_address_without_a_place(visit: Any) -> None:
    page = visit()
    for name, status in (("crema_happy.mp4", 200), ("votes.csv", 404), ("none.mp4", 404), ("..%2Fapp.py", 404)):
        got = page.request.get(re.split("[?#]", page.url)[0].rstrip("/") + f"/example/{name}")
        assert got.status == status, name


def test_back_goes_back_through_lessons_and_tabs(visit: Any) -> None:
    page = visit()
    for lesson in LESSONS[:2]:
        open_lesson(page, lesson.name)
    page.go_back()
    page.wait_for_selector(f"#mm-lesson-{LESSONS[0].name}", state="visible")
    page.wait_for_selector(f'#mm-overview a[href="#learn/{LESSONS[0].name}"][aria-current]')
    page.go_back()
    page.wait_for_selector("#mm-switches", state="visible")


def test_lessons_opened_in_a_hurry_are_one_step_each(visit: Any) -> None:
    page, (first, second, third) = visit(), [lesson.name for lesson in LESSONS[:3]]
    open_lesson(page, first)
    steps = page.evaluate("history.length")
    page.evaluate(
        """async names => {
            for (const name of names) {
                document.querySelector(`#mm-overview a[href='#learn/${name}']`).click();
                await new Promise(resolve => setTimeout(resolve, 170));
            }
        }""",
        [second, third],
    )
    page.wait_for_selector(f"#mm-lesson-{third}", state="visible")
    page.wait_for_timeout(300)  # a press of the page's own could still follow
    assert page.evaluate("[history.length, location.hash]") == [steps + 2, f"#learn/{third}"]


def test_the_guesses_of_a_hall_are_counted_together(visit: Any) -> None:
    lesson, pages = LESSONS[0], [visit(), visit()]
    for number, page in enumerate(pages):
        open_lesson(page, lesson.name)
        page.fill("#mm-hall input, #mm-hall textarea", "msa 42" if number else "MSA42")
        page.locator("#mm-hall input, #mm-hall textarea").press("Tab")
        page.locator(f"#mm-guess-{lesson.name} input").nth(number).check()
        page.wait_for_selector(f"#mm-counted-{lesson.name} .mm-counted")
    assert "2 guesses" in pages[1].inner_text(f"#mm-counted-{lesson.name}")
    pages[0].click(f"#mm-ask-{lesson.name}")
    pages[0].wait_for_selector(f"#mm-answer-{lesson.name} .mm-hall")
    votes = pages[0].locator(f"#mm-answer-{lesson.name} .mm-hall b").all_inner_texts()
    assert votes[:2] == ["1", "1"] and set(votes[2:]) == {"0"}
    shown(pages[0], "light-hall")


def test_every_lesson_takes_another_example(visit: Any, analyser: Any) -> None:
    page, lesson = visit(), LESSONS[1]
    open_lesson(page, lesson.name)
    page.click("#mm-which input")
    page.get_by_role("option", name="Acted angry").click()
    page.wait_for_function(
        "name => document.querySelector(`#mm-player-${name} video`).src.endsWith('crema_angry.mp4')", arg=lesson.name
    )
    page.click(f"#mm-ask-{lesson.name}")
    computed = lesson.answer(analyser, analyser.extract(str(EXAMPLES / "crema_angry.mp4")))
    page.wait_for_function(
        "([place, said]) => document.querySelector(place).innerText.includes(said)",
        arg=[f"#mm-answer-{lesson.name}", computed.said],
    )


def choose_example(page: Any, title: str) -> None:
    page.click("#mm-which input")
    page.get_by_role("option", name=title, exact=True).click()


def test_the_other_clip_that_an_answer_names_turns_it_round(visit: Any, analyser: Any) -> None:
    page, lesson = visit(), next(x for x in LESSONS if x.name == "imagine")
    open_lesson(page, lesson.name)
    title = EXAMPLE_TITLES[lesson.fails_on]
    assert f"holds. On “{title}” it fails" in ask(page, lesson.name)
    choose_example(page, title)
    page.click(f"#mm-ask-{lesson.name}")
    page.wait_for_selector(f"#mm-answer-{lesson.name} .mm-elsewhere:has-text('“{EXAMPLE_TITLES[lesson.holds_on]}”')")
    computed = lesson.answer(analyser, analyser.extract(str(EXAMPLES / lesson.fails_on)))
    assert computed.said in page.inner_text(f"#mm-answer-{lesson.name}")


def test_on_a_phone_the_arrow_of_the_examples_stands_beside_their_names(visit: Any) -> None:
    page = visit(390, 844)
    open_tab(page, "learn")
    page.wait_for_selector("#mm-which input")
    for language in ("English", "中文"):
        page.locator("#mm-language").get_by_label(language).check()
        settled(page)
        left, right, arrow, wanted, width = page.evaluate(
            """() => {
                const field = document.querySelector('#mm-which input'), style = getComputedStyle(field);
                const box = field.getBoundingClientRect();
                const arrow = document.querySelector('#mm-which .icon-wrap').getBoundingClientRect();
                return [box.left, box.right - parseFloat(style.paddingRight), arrow.left, field.scrollWidth,
                    field.clientWidth];
            }"""
        )
        assert left < right <= arrow and wanted <= width, language
    shown(page, "phone-example")
