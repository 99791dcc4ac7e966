"""Drawings of lessons: what they say, where marks stand, that outside text is escaped."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, ClassVar

import pytest

from msa_core.i18n import LANGUAGES, use
from msa_core.lessons import LESSONS
from msa_core.lessons import drawings as figures
from msa_core.lessons.contract import Code, ExperimentResult, Lesson, LessonAnswer, Texts

CSS = Path(figures.__file__).parent.parent / "static" / "learn.css"
VOID = {"br", "img", "path", "circle", "hr", "input"}


class Bare(Lesson):
    name: ClassVar[str] = "bare"
    clip: ClassVar[str] = "x.mp4"
    minutes: ClassVar[int] = 3
    code: ClassVar[tuple[Code, ...]] = (Code("a/b.py", "f"),)

    def _texts(self) -> Texts:
        return Texts("<b>T</b>", ("one & two", "Source <i>"), "Which <u>?", ("yes <1>", "no"), "Try <s>")


class Balance(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


def balanced(html: str) -> bool:
    parser = Balance()
    parser.feed(html)
    return parser.open == []


def left_of(html: str, css: str) -> float:
    return float(re.search(rf'class="[^"]*\b{css}\b[^"]*" style="left:([\d.]+)%', html)[1])  # type: ignore[index]


def test_every_text_is_escaped() -> None:
    lesson, answer = Bare(), LessonAnswer(0, "<script>", "<p></p>")
    shown = figures.card(lesson, 1) + figures.task(lesson) + figures.overview([lesson])
    shown += (
        figures.answered(lesson, answer)
        + figures.answered(lesson, answer, 1)
        + figures.found(ExperimentResult("<script>"))
    )
    shown += figures.answered(lesson, LessonAnswer(None, "<script>"))
    for tag in ("<b>T", "<i>", "<u>", "<s>", "<1>", "<script"):
        assert tag not in shown
    assert "one &amp; two" in shown and balanced(shown)


@pytest.mark.parametrize(
    ("guess", "start"), [(None, "The answer on this clip"), (0, "As you guessed"), (1, "You guessed “no”;")]
)
def test_the_guess_is_answered(guess: int | None, start: str) -> None:
    html = figures.answered(Bare(), LessonAnswer(0, "Because.", "<i></i>"), guess)
    assert f'<p class="mm-outcome">{start}' in html and "Because." in html and html.endswith("<i></i></div>")
    assert ("mm-right" in html) == (guess == 0)


def test_a_clip_without_an_answer_blames_no_guess() -> None:
    html = figures.answered(Bare(), LessonAnswer(None, "No face."), 1)
    assert "No face." in html and "guessed" not in html and "mm-cannot" in html


def test_overview_counts_and_names_the_first_ten_minutes() -> None:
    html = figures.overview(LESSONS, {"adds", "imagine"}, "breaks")
    assert "The first 5 take 10 minutes" in html and f"2 of {len(LESSONS)} answered" in html
    assert html.count("✓") == 2 and html.count("aria-current") == 1 and 'aria-valuenow="2"' in html
    assert re.search(r'mm-here"><a href="#learn/breaks" aria-current="step"', html)


def test_readings_stand_where_the_scores_are() -> None:
    html = figures.readings([("a", 1.5, -3.0)])
    assert left_of(html, "mm-now-at") == 75.0 and left_of(html, "mm-was") == 0.0
    assert "left:0.0%;width:75.00%" in html and "from −3.00 to +1.50" in html and "ring" in html
    assert "ring" not in figures.readings([("a", 1.5, None)])


def test_steps_follow_each_other() -> None:
    html = figures.steps(0.0, [("text", 1.5, 1.0), ("audio", -3.0, None)], ("start", "end"))
    bars = re.findall(r"left:([\d.]+)%;width:max\(2px,([\d.]+)%\)", html)
    assert bars == [("50.0", "0.00"), ("50.0", "25.00"), ("25.0", "50.00"), ("25.0", "25.00")]
    assert html.count("<small>") == 1 and "mean +1.00" in html and ">−1.50<" in html


def test_interval_and_level_marks() -> None:
    html = figures.interval(0.0, -1.5, 1.5, 2.25, "SDUMC", 0.8)
    assert left_of(html, "mm-range") == 25.0 and left_of(html, "mm-rating") == 87.5 and "mm-outside" in html
    assert "mm-outside" not in figures.interval(0.0, -1.5, 1.5, 1.5, "SDUMC", 0.8)
    assert "mm-rating" not in figures.interval(0.0, -1.5, 1.5, None, "SDUMC", 0.8)
    html = figures.level("Worth", 0.6, 0.5, 0.25)
    assert "width:60.0%" in html and left_of(html, "mm-own-gate") == 25.0
    assert "width:max(2px,50.00%)" in figures.widths([("a", 3.0)])
    even = {"text": 0.5, "audio": 0.25, "vision": 0.25}
    assert ">50 · 50<" in figures.weights(even, even, ("before", "now"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_cards_in_every_language_without_outside_links(language: str) -> None:
    with use(language):
        html = figures.overview(LESSONS)
        html += "".join(figures.card(x, i) + figures.task(x) for i, x in enumerate(LESSONS, 1))
    assert balanced(html) and "http" not in html and html.count("msa_core/") >= len(LESSONS)
    assert "{" not in html and ("动手试试" in html) == (language == "zh")


def test_style_keeps_the_rules() -> None:
    css = CSS.read_text()
    assert not re.search(r":(is|where)\([^)]*,", css) and "@import" not in css and "url(" not in css
    assert not re.search(r"#[0-9a-f]{3,8}\b", css), "colours come from the variables of page.css"
    package = CSS.parent.parent
    places = (Path(figures.__file__), package / "views" / "parts.py", package / "page" / "learn.py")
    source = "".join(path.read_text() for path in places)
    for name in set(re.findall(r"\.(mm-[\w-]+)", css)):
        assert name in source or name in {"mm-by-teacher"}, f"{name} styles nothing"
