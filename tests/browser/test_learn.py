"""The Learn tab in a real Chromium: guess first, then the computed answer, then something to try."""

from __future__ import annotations

from typing import Any

import pytest
from chromium import CLIP, EXAMPLES, example, looks, open_tab, overflow, shown, slide

from msa_core.lessons import LESSONS

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
    page = visit()
    for lesson in LESSONS:
        open_lesson(page, lesson.name)
        assert page.locator(f"#mm-answer-{lesson.name} .mm").count() == 0, "a guess comes first"
        page.locator(f"#mm-guess-{lesson.name} input").first.check()
        said = ask(page, lesson.name)
        computed = lesson.answer(analyser, analyser.extract(str(EXAMPLES / lesson.clip)))
        assert computed.said in said and lesson.choices[computed.correct] in said, lesson.name
        finding = f"#mm-finding-{lesson.name} .mm"  # gradio counts the seconds of a pending answer beside it
        assert page.locator(finding).count() == 1
        for look in looks(page):
            shown(page, f"{look}-learn-{lesson.name}")
            assert overflow(page) == [], (look, lesson.name)
        before = page.inner_html(finding)
        try_something(page, lesson)
        page.wait_for_function(
            "([place, before]) => document.querySelector(place).innerHTML !== before", arg=[finding, before]
        )


def test_lessons_on_the_visitors_own_clip(visit: Any, analyser: Any) -> None:
    page = visit()
    lesson = LESSONS[0]
    open_lesson(page, lesson.name)
    page.locator("#mm-whose input").nth(1).check()
    page.click(f"#mm-ask-{lesson.name}")
    page.wait_for_selector(f"#mm-answer-{lesson.name} .mm-failed")
    assert "no clip of yours yet" in page.inner_text(f"#mm-answer-{lesson.name}")
    open_tab(page, "analyse")
    example(page, CLIP.name)
    open_lesson(page, lesson.name)
    page.click(f"#mm-ask-{lesson.name}")
    computed = lesson.answer(analyser, analyser.extract(str(CLIP)))
    page.wait_for_function(
        "([place, said]) => document.querySelector(place).innerText.includes(said)",
        arg=[f"#mm-answer-{lesson.name}", computed.said],
    )


def test_a_lesson_has_its_own_address_and_the_teachers_sheet_is_there(visit: Any, tmp_path: Any) -> None:
    page = visit(hash=f"#learn/{LESSONS[2].name}")
    page.wait_for_selector(f"#mm-lesson-{LESSONS[2].name}", state="visible")
    for kind, start in (("pdf", b"%PDF"), ("md", b"#")):
        with page.expect_download() as saved:
            page.click(f"#mm-sheet-{kind}")
        assert saved.value.suggested_filename == f"teachers-sheet.{kind}"
        saved.value.save_as(tmp_path / kind)
        assert (tmp_path / kind).read_bytes().startswith(start)
