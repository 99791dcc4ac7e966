"""Lessons on the page: their list, card, answer and finding, and the small drawings that they share."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

from msa_core.i18n import say
from msa_core.schema import MODALITIES, SCORE_LIMIT
from msa_core.views.parts import icon, percent, row, signed, span, tone

if TYPE_CHECKING:
    from msa_core.lessons.contract import ExperimentResult, Lesson, LessonAnswer


def overview(lessons: Sequence[Lesson], seen: Collection[str] = (), current: str | None = None) -> str:
    """The list of lessons with what has been answered. seen: names of answered lessons; current: of the open one."""
    items = ""
    for i, lesson in enumerate(lessons, 1):
        done, here = lesson.name in seen, lesson.name == current
        mark = f'<b aria-label="{say("answered")}">✓</b>' if done else f"<b>{i}</b>"
        css = " ".join(["mm-done-lesson"] * done + ["mm-here"] * here)
        now = ' aria-current="step"' if here else ""
        items += (
            f'<li class="{css}"><a href="#learn/{lesson.name}"{now}>{mark}<span>{escape(lesson.title)}'
            f"<small>{say('{n} min', n=lesson.minutes)}</small></span></a></li>"
        )
    n = sum(lesson.name in seen for lesson in lessons)
    first = lessons[: _opening(lessons)]
    hint = say(
        "The first {count} take {minutes} minutes: why a missing modality hurts, and three ideas against it. {done} of "
        "{all} answered.",
        count=len(first),
        minutes=sum(lesson.minutes for lesson in first),
        done=n,
        all=len(lessons),
    )
    bar = (
        f'<div class="mm-progress" role="progressbar" aria-valuemin="0" aria-valuemax="{len(lessons)}" '
        f'aria-valuenow="{n}" aria-label="{say("Lessons answered")}"><i style="width:{percent(n, 0, len(lessons))}%">'
        "</i></div>"
    )
    return f'<nav class="mm mm-lessons"><p class="mm-hint">{hint}</p>{bar}<ol>{items}</ol></nav>'


def _opening(lessons: Sequence[Lesson], minutes: int = 10) -> int:
    """How many lessons, from the first, fit into ten minutes."""
    total = 0
    for i, lesson in enumerate(lessons):
        total += lesson.minutes
        if total > minutes:
            return i
    return len(lessons)


def card(lesson: Lesson, number: int) -> str:
    """The idea of a lesson with its source and its code, up to the question."""
    texts = lesson.texts
    *paragraphs, source = texts.idea
    said = "".join(f"<p>{escape(p)}</p>" for p in paragraphs)
    code = "".join(f"<li><code>{escape(c.path)}</code> <span>{escape(c.symbol)}</span></li>" for c in lesson.code)
    minutes = say("{n} min", n=lesson.minutes)
    return (
        f'<article class="mm mm-card mm-lesson"><header><b>{number}</b><h2>{escape(texts.title)}</h2>'
        f"<small>{minutes}</small></header>"
        f'<div class="mm-idea">{said}</div><footer><p class="mm-hint">{escape(source)}</p>'
        f'<details class="mm-code"><summary>{say("Where it stands in the code")}</summary><ul>{code}</ul></details>'
        f"</footer></article>"
    )


def task(lesson: Lesson) -> str:
    """What to try, above the controls."""
    return f'<div class="mm mm-question"><h3>{say("Now try")}</h3><p>{escape(lesson.texts.try_this)}</p></div>'


def answered(lesson: Lesson, answer: LessonAnswer, guess: int | None = None) -> str:
    """The computed answer and what it says about the visitor's guess: an index of `lesson.choices`, or None."""
    if answer.correct is None:
        return f'<div class="mm mm-reveal mm-cannot" role="status"><p>{escape(answer.said)}</p></div>'
    right = lesson.choices[answer.correct]
    if guess is None:
        css, verdict = "", say("The answer on this clip: {right}.", right=right)
    elif guess == answer.correct:
        css, verdict = "mm-right", say("As you guessed: {right}.", right=right)
    else:
        css = "mm-other"
        verdict = say("You guessed “{guess}”; on this clip it is “{right}”.", guess=lesson.choices[guess], right=right)
    return (
        f'<div class="mm mm-reveal {css}" role="status"><p class="mm-outcome">{escape(verdict)}</p>'
        f"<p>{escape(answer.said)}</p>{answer.html}</div>"
    )


def found(finding: ExperimentResult) -> str:
    """What came of trying."""
    css = "mm-reveal" if finding.html else "mm-reveal mm-cannot"
    said = f'<p aria-live="polite">{escape(finding.said)}</p>'
    return f'<div class="mm {css} mm-finding" role="status">{finding.html}{said}</div>'


def readings(rows: Sequence[tuple[str, float, float | None]], legend: bool = True) -> str:
    """Scores on the scale from -3 to 3, one line each: (label, score, score it moved from or None)."""
    lines = "".join(_reading(label, score, before) for label, score, before in rows)
    ends = '<div class="mm-axis mm-reading-axis" aria-hidden="true"><span>−3</span><span>0</span><span>+3</span></div>'
    moved = legend and any(before is not None for *_, before in rows)
    note = f'<p class="mm-hint mm-key">{say("ring: with everything · dot: now")}</p>' if moved else ""
    return f'<div class="mm-chart mm-readings">{lines}</div>{ends}{note}'


def _reading(label: str, score: float, before: float | None) -> str:
    told, marks = signed(score), ""
    if before is not None:
        told = say("from {before} to {now}", before=signed(before), now=signed(score))
        a, b = sorted((percent(before), percent(score)))
        marks = f'<i class="mm-went" style="left:{a}%;width:{b - a:.2f}%"></i>'
        marks += f'<i class="mm-was" style="left:{percent(before)}%"></i>'
    marks += f'<i class="mm-now-at mm-{tone(score)}" style="left:{percent(score)}%"></i>'
    track = f'<span role="img" aria-label="{escape(told)}" title="{escape(told)}">{marks}</span>'
    return row(escape(label), track, signed(score), "mm-reading")


def steps(start: float, moves: Sequence[tuple[str, float, float | None]], labels: tuple[str, str]) -> str:
    """A staircase from `start`: (modality, its move, its move on average or None). labels: of start and end."""
    level = start
    lines = row(escape(labels[0]), span(0.0, level, "mm-plain"), signed(level), "mm-first")
    for modality, move, average in moves:
        name = f"{icon(modality)}{escape(modality_name(modality))}"
        note = "" if average is None else f"<small>{escape(say('mean {value}', value=signed(average)))}</small>"
        lines += row(name, span(level, level + move, f"mm-{tone(move)}"), f"{signed(move)}{note}", "mm-noted")
        level += move
    lines += row(escape(labels[1]), span(0.0, level, f"mm-{tone(level)}"), signed(level), "mm-sum")
    return f'<div class="mm-chart">{lines}</div>'


def modality_name(modality: str) -> str:
    """A modality's name on the page."""
    return {"text": say("Text"), "audio": say("Audio"), "vision": say("Vision")}[modality]


def weights(before: Mapping[str, float], now: Mapping[str, float], names: tuple[str, str]) -> str:
    """Shares of the three modalities, two bars each; names: what the two rows of bars are."""
    lines = ""
    for m in MODALITIES:
        told = f"{names[0]} {before[m]:.0%}, {names[1]} {now[m]:.0%}"
        bars = f'<i class="mm-by-teacher" style="width:{percent(before[m], 0, 1)}%"></i>'
        bars += f'<i class="mm-by-student" style="width:{percent(now[m], 0, 1)}%"></i>'
        bars = f'<span class="mm-three" role="img" aria-label="{escape(told)}" title="{escape(told)}">{bars}</span>'
        label = f"{icon(m)}{escape(modality_name(m))}"
        lines += row(label, bars, f"{100 * before[m]:.0f} · {100 * now[m]:.0f}", "mm-flat mm-pairs")
    items = "".join(
        f'<li><b class="{css}"></b>{escape(name)}</li>'
        for css, name in zip(("mm-by-teacher", "mm-by-student"), names, strict=True)
    )
    return f'<ul class="mm-legend">{items}</ul><div class="mm-chart">{lines}</div>'


def level(label: str, value: float, threshold: float, own: float) -> str:
    """A share on a track with the visitor's threshold and the model's own."""
    told = say("worth {value}, threshold {threshold}", value=f"{value:.2f}", threshold=f"{threshold:.2f}")
    marks = f'<i class="mm-bar mm-weight" style="left:0;width:{percent(value, 0, 1)}%"></i>'
    marks += f'<i class="mm-gate mm-own-gate" style="left:{percent(own, 0, 1)}%"></i>'
    marks += f'<i class="mm-gate" style="left:{percent(threshold, 0, 1)}%"></i>'
    track = f'<span role="img" aria-label="{escape(told)}" title="{escape(told)}">{marks}</span>'
    key = f'<p class="mm-hint mm-key">{say("solid line: your threshold · dashed: the model’s own")}</p>'
    return f'<div class="mm-chart">{row(escape(label), track, f"{value:.2f}", "mm-flat mm-gated")}</div>{key}'


def interval(score: float, low: float, high: float, rating: float | None, name: str, level: float) -> str:
    """A score with its interval on the scale, and the visitor's own rating. level: 0 to 1, what the interval holds."""
    told = say("score {score}, interval {low} to {high}", score=signed(score), low=signed(low), high=signed(high))
    marks = f'<i class="mm-range" style="left:{percent(low)}%;width:{percent(high) - percent(low):.2f}%"></i>'
    marks += f'<i class="mm-now-at mm-{tone(score)}" style="left:{percent(score)}%"></i>'
    if rating is not None:
        inside = "" if low <= rating <= high else " mm-outside"
        marks += f'<i class="mm-rating{inside}" style="left:{percent(rating)}%"></i>'
    track = f'<span role="img" aria-label="{escape(told)}" title="{escape(told)}">{marks}</span>'
    line = row(escape(name), track, signed(score), "mm-reading mm-ranged")
    ends = '<div class="mm-axis mm-reading-axis" aria-hidden="true"><span>−3</span><span>0</span><span>+3</span></div>'
    share = f"{level:.0%}"
    key = (
        say("bar: {level} interval · dot: score · diamond: your rating", level=share)
        if rating is not None
        else say("bar: {level} interval · dot: score", level=share)
    )
    return f'<div class="mm-chart mm-readings">{line}</div>{ends}<p class="mm-hint mm-key">{key}</p>'


def widths(rows: Sequence[tuple[str, float]], chosen: int | None = None) -> str:
    """Widths of intervals on a common axis; one is marked."""
    lines = ""
    for i, (label, width) in enumerate(rows):
        css = "mm-weight" if i == chosen else "mm-plain"
        lines += row(escape(label), span(0.0, width, css, 0.0, 2 * SCORE_LIMIT), f"{width:.2f}", "mm-flat")
    return f'<div class="mm-chart">{lines}</div>'
