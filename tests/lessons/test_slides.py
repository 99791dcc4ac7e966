"""The slides of a class: what they say, and that the shipped ones are printed from today's lessons."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from msa_core.i18n import LANGUAGES, use
from msa_core.lessons import LESSONS
from msa_core.lessons.handout import slides
from msa_core.schema import Utterance

PAGES = 4 + 2 * len(LESSONS)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_shipped_slides_are_those_of_the_lessons(
    language: str, analyser: Any, read: Mapping[str, Utterance]
) -> None:
    with use(language):
        deck = slides.deck(analyser, read)
    printed = slides.path(language).read_bytes()
    assert printed.endswith(slides.HASH + slides.digest(deck) + b"\n"), "run tests/support/slides.py"
    assert printed.startswith(b"%PDF-") and 100_000 < len(printed) < 1_000_000
    assert len(re.findall(rb"/Type /Page\b", printed)) == len(deck) == PAGES
    assert len(re.findall(rb"/Subtype /Image", printed)) >= len(LESSONS) + 2


def test_every_lesson_asks_before_it_answers(analyser: Any, read: Mapping[str, Utterance]) -> None:
    deck = slides.deck(analyser, read)
    for number, lesson in enumerate(LESSONS):
        asked, answered = deck[2 + 2 * number : 4 + 2 * number]
        right = lesson.answer(analyser, read[lesson.clip]).correct
        assert asked.lines == (lesson.texts.question,) and len(asked.choices) == len(lesson.choices)
        assert answered.lines[0] == asked.choices[right] and answered.last == lesson.texts.take_away  # type: ignore[index]
        assert not asked.picture and answered.picture == lesson.name
    assert {s.picture for s in deck} - {""} == {slides.ANALYSE, slides.NUMBERS, *(x.name for x in LESSONS)}


def test_texts_are_escaped_and_pictures_stand_in_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    monkeypatch.setattr(slides, "pdf", lambda page, browser: seen.append(page) or b"%PDF-")  # type: ignore[func-returns-value]
    deck = [slides.Slide("A <b> & C", ("<i>",), ("A  <u>",), "x", "<s>")]
    assert slides.printed(deck, {"x": b"\xff\xd8"}, "zh", str(Path("none"))).startswith(b"%PDF-%slides ")
    assert "A &lt;b&gt; &amp; C" in seen[0] and 'src="data:image/jpeg;base64,/9g="' in seen[0]
    assert '<html lang="zh">' in seen[0] and not re.search("<[ius]>", seen[0])
