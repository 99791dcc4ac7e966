"""Lessons on the page: their list, and the card, task, answer and finding of each."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from msa_core.i18n import known, say
from msa_core.lessons.contract import ExperimentResult, Lesson, LessonAnswer
from msa_core.lessons.template import render
from msa_core.views.page_parts import EXAMPLE_TITLES

OPENING_MINUTES = 13  # that the list promises for the first lessons


def overview(lessons: Sequence[Lesson], seen: Collection[str] = (), current: str | None = None) -> str:
    """Draw the list of lessons and what has been answered.

    Args:
        lessons: in order.
        seen: names of answered lessons.
        current: name of the open lesson.
    """
    return render("overview.html", lessons=lessons, seen=seen, current=current, first=_opening(lessons))


def _opening(lessons: Sequence[Lesson]) -> Sequence[Lesson]:
    """Return the first lessons that fit into OPENING_MINUTES."""
    total = 0
    for i, lesson in enumerate(lessons):
        total += lesson.minutes
        if total > OPENING_MINUTES:
            return lessons[:i]
    return lessons


def card(lesson: Lesson, number: int) -> str:
    """Draw the idea of a lesson with its source and its source code, up to the question."""
    return render("card.html", lesson=lesson, texts=lesson.texts, number=number)


def player(lesson: Lesson, clip: str = "") -> str:
    """Draw the player of an example, the lesson's own by default; a control "channel" gives only that channel."""
    alone = any(c.name == "channel" for c in lesson.controls)
    return render("player.html", lesson=lesson, clip=clip or lesson.clip, alone=alone)


def task(lesson: Lesson) -> str:
    """Draw the instruction above the controls."""
    return render("task.html", instruction=lesson.texts.try_this)


def answered(
    lesson: Lesson, answer: LessonAnswer, guess: int | None = None, hall: Mapping[int, int] | None = None
) -> str:
    """Draw the computed answer beside the visitor's guess, an index of `lesson.choices` or None.

    Args:
        hall: how many in the lecture hall guessed each choice, by its index; none where nobody did.
    """
    elsewhere = _elsewhere(lesson, answer.holds)
    return render(
        "answer.html", choices=lesson.choices, answer=answer, guess=guess, hall=hall or {}, elsewhere=elsewhere
    )


def _elsewhere(lesson: Lesson, holds: bool | None) -> str:
    """Name the examples on which it is another way; nothing for a lesson without an idea to judge."""
    if not lesson.holds_on:
        return ""
    told = {"claim": lesson.texts.claim}
    other = lesson.fails_on or lesson.close_on
    told |= {k: known(EXAMPLE_TITLES[clip]) for k, clip in (("good", lesson.holds_on), ("bad", other))}
    if holds is None and lesson.close_on:
        return say(
            "The idea that {claim} holds on “{good}” and is too close to call on “{bad}”: choose one under Example.",
            **told,
        )
    if holds is None:
        return say("The idea that {claim} holds on “{good}” and fails on “{bad}”: choose one under Example.", **told)
    if holds and lesson.close_on:
        return say(
            "On this clip, the idea that {claim} holds. On “{bad}” it is too close to call: choose that under Example "
            "and ask again.",
            **told,
        )
    if holds:
        return say(
            "On this clip, the idea that {claim} holds. On “{bad}” it fails: choose that under Example and ask again.",
            **told,
        )
    return say(
        "On this clip, the idea that {claim} fails. On “{good}” it holds: choose that under Example and ask again.",
        **told,
    )


def counted(guesses: int) -> str:
    """Say how many in the hall have guessed; which way is not said before the answer."""
    return render("counted.html", guesses=guesses)


def found(finding: ExperimentResult, lesson: Lesson | None = None, following: Lesson | None = None) -> str:
    """Draw the result of an experiment.

    Args:
        lesson: what it belongs to: its sentence to take away stands below.
        following: the next lesson, which is linked; after the last one, None, the Numbers tab is.
    """
    return render("finding.html", finding=finding, lesson=lesson, following=following)
