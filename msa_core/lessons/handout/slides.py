"""Slides for a class: question, answer and picture of every lesson, printed to PDF from pictures of the page.

A PDF ends with the hash of the texts that it was printed with.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from msa_core.evaluation import finding, results
from msa_core.i18n import ENGLISH, say
from msa_core.lessons import LESSONS
from msa_core.lessons.contract import Lesson
from msa_core.lessons.handout import content
from msa_core.lessons.handout.blocks import Box
from msa_core.lessons.handout.printing import pdf
from msa_core.lessons.handout.sheet import FOLDER
from msa_core.lessons.template import render
from msa_core.predict import Analyser
from msa_core.schema import Utterance

NAME = "slides"
HASH = b"%slides "  # before the hash at the end of a PDF
ANALYSE, NUMBERS = "analyse", "numbers"  # pictures beside those of the lessons, which have a lesson's name


class Slide(NamedTuple):
    """One slide.

    choices: answers to choose from, with their letters. picture: name of a picture; "" for none. last: a sentence that
    stands apart at the foot.
    """

    title: str
    lines: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    picture: str = ""
    last: str = ""


def path(language: str, folder: Path = FOLDER) -> Path:
    """Name the file of a language's slides."""
    return folder / f"{NAME}{'' if language == ENGLISH else f'.{language}'}.pdf"


def deck(analyser: Analyser, read: Mapping[str, Utterance]) -> list[Slide]:
    """Write the slides in the active language, with answers computed on the lessons' own clips.

    Args:
        analyser: the loaded models.
        read: the utterances of the lessons' clips by file name.
    """
    warnings = next(block for block in content.head() if isinstance(block, Box))
    slides = [
        Slide(say("When a modality is missing"), (say("A class with the Missing-Modality Lab"), *warnings.items)),
        Slide(say("One clip, three switches, two models"), picture=ANALYSE),
    ]
    for number, lesson in enumerate(LESSONS, 1):
        slides += _lesson(number, lesson, analyser, read[lesson.clip])
    found = finding.sentences(results.of("composite"), everything=False)
    question = say("Which of the three ideas would you use, and what would you have to measure first?")
    slides.append(Slide(say("What was measured"), found[:1] if found else (), picture=NUMBERS))
    return [*slides, Slide(say("Closing"), (question,))]


def _lesson(number: int, lesson: Lesson, analyser: Analyser, utterance: Utterance) -> Iterator[Slide]:
    """Write the question of a lesson, and its answer."""
    answer, title = lesson.answer(analyser, utterance), f"{number} · {lesson.title}"
    lettered = tuple(f"{content.letter(i)}  {choice}" for i, choice in enumerate(lesson.choices))
    yield Slide(title, (lesson.texts.question,), lettered)
    assert answer.correct is not None, f"{lesson.name} has no answer on its own clip"
    yield Slide(title, (lettered[answer.correct], answer.said), picture=lesson.name, last=lesson.texts.take_away)


def printed(slides: list[Slide], pictures: Mapping[str, bytes], language: str, browser: str) -> bytes:
    """Print slides to PDF.

    Args:
        pictures: JPEG files by the names that the slides give.
        browser: path of Chromium.

    Raises: MsaError when the browser wrote no PDF.
    """
    shown = {name: f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}" for name, jpeg in pictures.items()}
    page = render("slides.html", slides=slides, pictures=shown, language=language)
    return pdf(page, browser) + HASH + digest(slides) + b"\n"


def digest(slides: list[Slide]) -> bytes:
    """Hash the texts for the end of the PDF."""
    return hashlib.sha256(repr([tuple(slide) for slide in slides]).encode()).hexdigest().encode()
