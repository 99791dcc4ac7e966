"""Drawings of lessons: what they say, where marks stand, that outside text is escaped."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, ClassVar

import pytest

from msa_core.i18n import LANGUAGES, use
from msa_core.lessons import LESSONS, charts, drawings
from msa_core.lessons.contract import Code, ExperimentResult, Lesson, LessonAnswer, Texts

PACKAGE = Path(drawings.__file__).parent.parent
CSS = PACKAGE / "static" / "learn.css"
VOID = {"br", "img", "path", "circle", "hr", "input"}


class Bare(Lesson):
    name: ClassVar[str] = "bare"
    clip: ClassVar[str] = "x.mp4"
    minutes: ClassVar[int] = 3
    code: ClassVar[tuple[Code, ...]] = (Code("a/b.py", "f"),)

    def _texts(self) -> Texts:
        return Texts("<b>T</b>", ("one & two", "Source <i>"), "Which <u>?", ("yes <1>", "no"), "Try <s>", "Keep <i>")


class Parsed(HTMLParser):
    """Elements with their attributes, the text that is shown, and whether every tag is closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def role(self, role: str) -> list[dict[str, str | None]]:
        return [a for _, a in self.elements if a.get("role") == role]


def balanced(html: str) -> bool:
    return Parsed(html).open == []


def left_of(html: str, css: str) -> float:
    return float(re.search(rf'class="[^"]*\b{css}\b[^"]*" style="left:([\d.]+)%', html)[1])  # type: ignore[index]


def test_every_text_is_escaped() -> None:
    lesson, answer = Bare(), LessonAnswer(0, "<script>", "<p></p>")
    shown = drawings.card(lesson, 1) + drawings.task(lesson) + drawings.overview([lesson])
    shown += (
        drawings.answered(lesson, answer)
        + drawings.answered(lesson, answer, 1)
        + drawings.found(ExperimentResult("<script>"), lesson, lesson)
    )
    shown += drawings.answered(lesson, LessonAnswer(None, "<script>"))
    for tag in ("<b>T<", "<i>", "<u>", "<s>", "<1>", "<script"):
        assert tag not in shown
    assert "one &amp; two" in shown and balanced(shown)


def test_a_lesson_ends_with_what_to_take_away_and_the_next_one() -> None:
    for lesson, following in zip(LESSONS, [*LESSONS[1:], None], strict=True):
        shown = drawings.found(ExperimentResult("Found."), lesson, following)
        link, title = ("learn/" + following.name, following.title) if following else ("numbers", "what was measured")
        assert lesson.texts.take_away in Parsed(shown).text and f'href="#{link}"' in shown and title in shown
    assert "mm-take" not in drawings.found(ExperimentResult("Found."))


@pytest.mark.parametrize(
    ("guess", "start"), [(None, "The answer on this clip"), (0, "You guessed right"), (1, "You guessed “no”;")]
)
def test_the_guess_is_answered(guess: int | None, start: str) -> None:
    html = drawings.answered(Bare(), LessonAnswer(0, "Because.", "<i></i>"), guess)
    shown = Parsed(html)
    assert shown.text.startswith(start) and shown.text.endswith("Because.") and len(shown.role("status")) == 1
    assert "i" in [tag for tag, _ in shown.elements], "the drawing of the answer is there"
    assert ("mm-right" in html) == (guess == 0)


def test_a_clip_without_an_answer_blames_no_guess() -> None:
    html = drawings.answered(Bare(), LessonAnswer(None, "No face."), 1)
    assert "No face." in html and "guessed" not in html and "mm-cannot" in html


def test_overview_counts_and_names_the_first_ten_minutes() -> None:
    html = drawings.overview(LESSONS, {"adds", "imagine"}, "breaks")
    assert "The first 6 lessons take 13 minutes" in html and f"2 of {len(LESSONS)} answered" in html
    shown = Parsed(html)
    assert html.count("✓") == 2 and [bar["aria-valuenow"] for bar in shown.role("progressbar")] == ["2"]
    assert [a["href"] for tag, a in shown.elements if "aria-current" in a] == ["#learn/breaks"]


def test_readings_stand_where_the_scores_are() -> None:
    html = charts.readings([("a", 1.5, -3.0)])
    assert left_of(html, "mm-now-at") == 75.0 and left_of(html, "mm-was") == 0.0
    assert "left:0.0%;width:75.00%" in html and "from −3.00 to +1.50" in html and "ring" in html
    assert "ring" not in charts.readings([("a", 1.5, None)])


def test_steps_follow_each_other() -> None:
    html = charts.steps(0.0, [("text", 1.5, 1.0), ("audio", -3.0, None)], ("start", "end"))
    bars = re.findall(r"left:([\d.]+)%;width:max\(2px,([\d.]+)%\)", html)
    assert bars == [("50.0", "0.00"), ("50.0", "25.00"), ("25.0", "50.00"), ("25.0", "25.00")]
    assert html.count("<small>") == 1 and "mean +1.00" in html and ">−1.50<" in html


def test_interval_and_level_marks() -> None:
    html = charts.interval(0.0, -1.5, 1.5, 2.25, "SDUMC", 0.8)
    assert left_of(html, "mm-range") == 25.0 and left_of(html, "mm-rating") == 87.5 and "mm-outside" in html
    assert "mm-outside" not in charts.interval(0.0, -1.5, 1.5, 1.5, "SDUMC", 0.8)
    assert "mm-rating" not in charts.interval(0.0, -1.5, 1.5, None, "SDUMC", 0.8)
    html = charts.level("Worth", 0.6, 0.5, 0.25)
    assert "width:60.0%" in html and left_of(html, "mm-own-gate") == 25.0
    assert "width:max(2px,50.00%)" in charts.widths([("a", 3.0)])
    even = {"text": 0.5, "audio": 0.25, "vision": 0.25}
    assert ">50 · 50<" in charts.weights(even, even, ("before", "now"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_cards_in_every_language_without_outside_links(language: str) -> None:
    with use(language):
        html = drawings.overview(LESSONS)
        html += "".join(drawings.card(x, i) + drawings.task(x) for i, x in enumerate(LESSONS, 1))
    assert balanced(html) and "http" not in html and html.count("msa_core/") >= len(LESSONS)
    assert "{" not in html and ("动手试试" in html) == (language == "zh")


def test_style_keeps_the_rules() -> None:
    css = CSS.read_text()
    assert not re.search(r":(is|where)\([^)]*,", css) and "@import" not in css and "url(" not in css
    assert not re.search(r"#[0-9a-f]{3,8}\b", css), "colours come from the variables of page.css"
    places = [*PACKAGE.rglob("*.py"), *PACKAGE.rglob("templates/*.html")]
    source = "".join(path.read_text() for path in places)
    for name in set(re.findall(r"\.(mm-[\w-]+)", css)):
        assert name in source, f"{name} styles nothing"


def test_the_hall_stands_on_the_answer() -> None:
    html = drawings.answered(Bare(), LessonAnswer(1, "Because."), 0, {0: 1, 1: 3})
    assert "In the hall: 4 guesses" in html and re.findall(r"--share:([\d.]+)%", html)[:2] == ["25.0", "75.0"]
    assert html.count('class="mm-hall-right"') == 1
    assert "In the hall" not in drawings.answered(Bare(), LessonAnswer(1, "Because."), 0)
    assert drawings.counted(0) == "" and "first guess" in drawings.counted(1) and "7 guesses" in drawings.counted(7)


def test_a_player_plays_another_example() -> None:
    assert 'src="example/jfk.flac"' in drawings.player(LESSONS[0], "jfk.flac")
    assert f'src="example/{LESSONS[0].clip}"' in drawings.player(LESSONS[0])
