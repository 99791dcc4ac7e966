"""Contents of the teacher's sheet: a 45-minute plan around the lessons, with answers computed on the shipped clips."""

from __future__ import annotations

from collections.abc import Mapping

from msa_core.i18n import say
from msa_core.lessons import LESSONS, interval
from msa_core.lessons.contract import Lesson
from msa_core.lessons.handout.blocks import Block, Box, Heading, Paragraph, Points, Table
from msa_core.lessons.handout.notes import notes
from msa_core.lessons.modalities import ordinary, present, score_of
from msa_core.lessons.models import level
from msa_core.predict import Analyser
from msa_core.schema import Utterance
from msa_core.views.parts import signed

CLIPS = (
    "crema_happy.mp4", "crema_angry.mp4", "crema_sad.mp4", "crema_neutral.mp4", "grid_bbaf2n.mp4",
    "latentsync_demo1.mp4", "latentsync_demo2.mp4", "jfk.flac",
)  # fmt: skip
BY_HAND = "jfk.flac"  # two modalities: Shapley values with pencil and paper
OPENING, CLOSING = 1, 4  # minutes before and after the lessons


def build(analyser: Analyser, read: Mapping[str, Utterance]) -> list[Block]:
    """Build the sheet in the active language.

    Args:
        analyser: the loaded models.
        read: the utterances of CLIPS by name.
    """
    blocks: list[Block] = [*head(), Heading(say("Plan")), plan(), Heading(say("Lesson by lesson"))]
    for number, lesson in enumerate(LESSONS, 1):
        blocks += _lesson(number, lesson, analyser, read[lesson.clip])
    end = say("Written by python -m msa_core sheet from the texts of the lessons. Clips: see examples/README.md.")
    return [*blocks, *_by_clip(analyser, read), *_homework(analyser, read[BY_HAND]), Paragraph(end)]


def head() -> list[Block]:
    """Build title, warnings, goals and needs."""
    return [
        Heading(say("Teacher’s sheet: when a modality is missing"), 1),
        Paragraph(
            say(
                "A class of {minutes} minutes with the Learn tab of the Missing-Modality Lab. Every answer on this "
                "sheet was computed by the shipped models on the shipped clips.",
                minutes=minutes(),
            )
        ),
        Box(
            say("Before you start"),
            (
                say("This is a demonstration of a model’s behaviour, not a measure of feelings. Say so at the start."),
                say("Use the shipped clips. Record students only if they ask for it and everyone agrees."),
                say("Never judge or grade a person by a score; some laws restrict inferring emotions in class."),
                say("Most emotions in the clips are acted; the models know only English and few kinds of faces."),
            ),
        ),
        Heading(say("Goals")),
        Paragraph(say("After the class, students can")),
        Points(
            (
                say("explain why a missing modality hurts: information is gone, and what is left is misread;"),
                say("name three ideas that help, and one limit of each: simulate, distil, evaluate before generating;"),
                say("tell missing frames from missing modalities in a table of results;"),
                say(
                    "read an interval of {level}, and explain why one clip proves nothing.",
                    level=f"{level(interval.METHOD):.0%}",
                ),
            )
        ),
        Heading(say("What you need")),
        Points(
            (
                say("Students who know what a neural network and a mean error are; no programming."),
                say("One computer with a projector, or one for every two students; no network after installation."),
                say("Start the page, open the Learn tab and run one lesson before the class."),
            )
        ),
    ]


def minutes() -> int:
    """Return the length of the whole plan."""
    return OPENING + sum(n.minutes for n in notes().values()) + CLOSING


def plan() -> Table:
    """Build the table of minutes, parts, what the teacher says and what students do."""
    said = notes()
    first = (
        OPENING,
        say("Opening"),
        say("A model will judge a person in a clip. First, it is your turn."),
        say("Paper and pencil ready: you will write down numbers from −3 to +3."),
    )
    taught = []
    for i, lesson in enumerate(LESSONS, 1):
        told, do = said[lesson.name], say("Guess, look, try: {try_this}", try_this=lesson.texts.try_this)
        taught.append((told.minutes, f"{i}. {lesson.title}", told.opening, do))
    last = (
        CLOSING,
        say("Closing"),
        say("Which of the three ideas would you use, and what would you have to measure first?"),
        say("Write one sentence on paper and hand it in at the door."),
    )
    rows, at = [], 0
    for length, what, talk, do in [first, *taught, last]:
        rows.append((f"{at}–{at + length}", what, talk, do))
        at += length
    return Table((say("Minutes"), say("Part"), say("You say"), say("Students do")), tuple(rows))


def _lesson(number: int, lesson: Lesson, analyser: Analyser, utterance: Utterance) -> list[Block]:
    """Build one lesson with the answer computed on its own clip."""
    answer, told = lesson.answer(analyser, utterance), notes()[lesson.name]
    assert answer.correct is not None, f"{lesson.name} has no answer on its own clip"
    letters = " · ".join(f"{letter(i)} {choice}" for i, choice in enumerate(lesson.choices))
    code = ", ".join(f"{c.path} ({c.symbol})" for c in lesson.code)
    right = say(
        "Answer on {clip}: {letter}, {choice}.",
        clip=lesson.clip,
        letter=letter(answer.correct),
        choice=lesson.choices[answer.correct],
    )
    return [
        Heading(f"{number}. {lesson.title}", 3),
        Paragraph(f"{lesson.texts.question} {letters}", say("Question.")),
        Paragraph(answer.said, right),
        *_other_clips(lesson),
        Paragraph(told.ask, say("Discussion.")),
        Paragraph(told.expect, say("A good answer.")),
        Paragraph(f"{lesson.texts.idea[-1]} {code}", say("Source and code.")),
    ]


def _other_clips(lesson: Lesson) -> list[Block]:
    """Say on which examples the idea of a lesson holds, and fails or is undecided; nothing without an idea to judge."""
    if not lesson.holds_on:
        return []
    named = {"claim": lesson.texts.claim, "good": lesson.holds_on, "bad": lesson.fails_on or lesson.close_on}
    if lesson.close_on:
        told = say("The idea that {claim} holds on {good} and is too close to call on {bad}.", **named)
    else:
        told = say("The idea that {claim} holds on {good} and fails on {bad}.", **named)
    return [Paragraph(told, say("Two clips."))]


def _by_clip(analyser: Analyser, read: Mapping[str, Utterance]) -> list[Block]:
    """Build the table of right answers by clip and lesson."""
    rows = []
    for name, utterance in read.items():
        found = [lesson.answer(analyser, utterance).correct for lesson in LESSONS]
        rows.append((name, *("–" if c is None else letter(c) for c in found)))
    return [
        Heading(say("The right answer on every clip")),
        Paragraph(
            say(
                "The columns are the numbers of the lessons. A dash: the clip lacks what the lesson needs, or nobody "
                "voted on it."
            )
        ),
        Table((say("Clip"), *(str(i) for i, _ in enumerate(LESSONS, 1))), tuple(rows)),
    ]


def _homework(analyser: Analyser, utterance: Utterance) -> list[Block]:
    """Build the homework with solutions; the first task is a calculation of two Shapley values."""
    there = present(utterance)
    assert len(there) == 2, "the clip for the calculation by hand has two modalities"
    a, b = there
    whole = analyser.predict(utterance, "sdumc")
    only_a, only_b = (score_of(analyser.predict(utterance, "sdumc", [m])) for m in (b, a))
    values = whole.contributions
    by_hand = say(
        "On {clip}, SDUMC scores {a} with {what_a} alone, {b} with {what_b} alone, {both} with both, and {base} with "
        "nothing. Work out both Shapley values by hand.",
        clip=BY_HAND,
        a=signed(only_a),
        what_a=ordinary(a),
        b=signed(only_b),
        what_b=ordinary(b),
        both=signed(score_of(whole)),
        base=signed(values["base"]),
    )
    solutions = say(
        "1: {what_a} {value_a}, {what_b} {value_b}, up to rounding. 2: a constant prediction is right for the larger "
        "class; look at the mean error, and at the correlation, which it does not have. 3: frames, modalities or "
        "samples.",
        what_a=ordinary(a),
        value_a=signed(values[a]),
        what_b=ordinary(b),
        value_b=signed(values[b]),
    )
    tasks = (
        by_hand,
        say(
            "In the Numbers tab, compare the row Constant with the others at a high missing rate. Why can accuracy "
            "look good there although the model knows nothing?"
        ),
        say(
            "Find a published table with a “missing rate”. Which of the three meanings does it have? Quote the "
            "sentence that says so."
        ),
    )
    return [Heading(say("Homework")), Points(tasks, numbered=True), Paragraph(solutions, say("Solutions."))]


def letter(choice: int) -> str:
    """Return the letter of a choice by its index."""
    return chr(ord("A") + choice)
