"""The teacher's sheet: a 45-minute plan around the lessons, with answers computed on the shipped clips.

One source, written as Markdown and printed to PDF by Chromium, in every language. A PDF ends with the hash of the
Markdown that it was printed from.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from msa_core import config
from msa_core.errors import MsaError
from msa_core.i18n import ENGLISH, LANGUAGES, say, use
from msa_core.lessons import LESSONS, interval
from msa_core.lessons.contract import Lesson, needs, ordinary, parts, score_of
from msa_core.lessons.handout import fonts
from msa_core.lessons.handout.blocks import Block, Box, Heading, Paragraph, Points, Table, bold, markdown, page
from msa_core.lessons.handout.notes import notes
from msa_core.lessons.models import level
from msa_core.predict import Analyser
from msa_core.schema import Utterance
from msa_core.views.parts import signed

FOLDER = config.shipped("examples") / "teaching"
NAME = "teachers-sheet"
CLIPS = (
    "crema_happy.mp4", "crema_angry.mp4", "crema_sad.mp4", "crema_neutral.mp4", "grid_bbaf2n.mp4",
    "latentsync_demo1.mp4", "latentsync_demo2.mp4", "jfk.flac",
)  # fmt: skip
BY_HAND = "jfk.flac"  # two modalities: Shapley values with pencil and paper
OPENING, CLOSING = 4, 4  # minutes before and after the lessons
LIST_MARKS = "•◦▪0123456789."  # that a browser draws itself
HASH = b"%sheet "  # before the hash at the end of a PDF
CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "chrome")


def path(language: str, ending: str, folder: Path = FOLDER) -> Path:
    """Where the sheet of a language stands; ending: "md" or "pdf"."""
    return folder / f"{NAME}{'' if language == ENGLISH else f'.{language}'}.{ending}"


def command(folder: Path = FOLDER, device: str | None = None) -> Iterator[str]:
    """Write the sheets; yields a line for each file. Raises: MsaError when the clips or the folder are not there."""
    analyser = Analyser.load(device)
    read = utterances(analyser)
    folder.mkdir(parents=True, exist_ok=True)
    for language in LANGUAGES:
        with use(language):
            blocks = build(analyser, read)
        text = markdown(blocks)
        path(language, "md", folder).write_text(text, encoding="utf-8")
        yield str(path(language, "md", folder))
        try:
            printed = pdf(page(blocks, language, fonts.faces(text + LIST_MARKS, bold(blocks), language)))
        except MsaError as e:
            yield f"The PDF was left as it is: {e}"
            continue
        path(language, "pdf", folder).write_bytes(printed + HASH + digest(text) + b"\n")
        yield str(path(language, "pdf", folder))


def utterances(analyser: Analyser) -> dict[str, Utterance]:
    """The shipped clips, read. Raises: MsaError."""
    return {name: analyser.extract(FOLDER.parent / name) for name in CLIPS}


def digest(text: str) -> bytes:
    """What a PDF says about the Markdown that it was printed from."""
    return hashlib.sha256(text.encode()).hexdigest().encode()


def pdf(html: str) -> bytes:
    """A page printed by Chromium. Raises: MsaError when there is none or it printed nothing."""
    chromium = next((p for p in map(shutil.which, (os.environ.get("CHROMIUM", ""), *CHROMIUM)) if p), None)
    if chromium is None:
        raise MsaError("No Chromium was found. Install Chromium or set CHROMIUM.")
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "sheet.html", Path(folder) / "sheet.pdf"
        source.write_text(html, encoding="utf-8")
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer", f"--print-to-pdf={target}"]
        done = subprocess.run([chromium, *flags, source.as_uri()], capture_output=True, text=True, timeout=120)
        if not target.is_file():
            last = done.stderr.strip().splitlines()[-1:] or ["no message"]
            raise MsaError(f"Chromium printed nothing ({last[0]}). Update Chromium, or set CHROMIUM to another one.")
        return target.read_bytes()


def build(analyser: Analyser, read: Mapping[str, Utterance]) -> list[Block]:
    """The sheet in the active language. read: the utterances of CLIPS by name."""
    blocks: list[Block] = [*_head(), Heading(say("Plan")), _plan(), Heading(say("Lesson by lesson"))]
    for number, lesson in enumerate(LESSONS, 1):
        blocks += _lesson(number, lesson, analyser, read[lesson.clip])
    return [*blocks, *_by_clip(analyser, read), *_homework(analyser, read[BY_HAND]), *_end()]


def _head() -> list[Block]:
    return [
        Heading(say("Teacher’s sheet: when a modality is missing"), 1),
        Paragraph(
            say(
                "A lesson of {minutes} minutes with the Learn tab of the Missing-Modality Lab. Every answer on "
                "this sheet was computed by the shipped models on the shipped clips.",
                minutes=minutes(),
            )
        ),
        Box(
            say("Before anything else"),
            (
                say("A demonstration of a model’s behaviour, not a measure of feelings. Say so at the beginning."),
                say("Use the shipped clips. Record students only if they ask for it and everybody agrees."),
                say("Never judge or grade a person by a score; several laws restrict inferring emotions in class."),
                say("The emotions in the clips are acted; the models know English speech and few kinds of faces."),
            ),
        ),
        Heading(say("Goals")),
        Paragraph(say("After the lesson students can")),
        Points(
            (
                say("say why a missing modality hurts: information is gone, and what is left is read wrongly;"),
                say("name three ideas against it and one limit of each: imagine, distil, evaluate before generating;"),
                say("tell missing frames from missing modalities in a table of results;"),
                say(
                    "read an interval of {level}, and say why one clip proves nothing.",
                    level=f"{level(interval.METHOD):.0%}",
                ),
            )
        ),
        Heading(say("What you need")),
        Points(
            (
                say("Students who know what a neural network is and what a mean error is; no programming."),
                say("One computer with a projector, or one for two students; after installation no network is needed."),
                say("Start the page, open the Learn tab and run one lesson once before the class."),
            )
        ),
    ]


def minutes() -> int:
    """Length of the whole plan."""
    return OPENING + sum(n.minutes for n in notes().values()) + CLOSING


def _plan() -> Table:
    said = notes()
    first = [
        (
            OPENING,
            say("Opening"),
            say("Play crema_happy.mp4 without sound, then sound without picture."),
            say("Write down a number from −3 to +3 each time, then compare."),
        )
    ]
    taught = []
    for i, lesson in enumerate(LESSONS, 1):
        told, do = said[lesson.name], say("Guess, look, try: {try_this}", try_this=lesson.texts.try_this)
        taught.append((told.minutes, f"{i}. {lesson.title}", told.opening, do))
    last = [
        (
            CLOSING,
            say("Closing"),
            say("Which of the three ideas would you use, and what would you have to measure first?"),
            say("One sentence each, on paper: it is the ticket to leave."),
        )
    ]
    rows, at = [], 0
    for length, what, talk, do in [*first, *taught, *last]:
        rows.append((f"{at}–{at + length}", what, talk, do))
        at += length
    return Table((say("Minutes"), say("Part"), say("You say"), say("Students do")), tuple(rows))


def _lesson(number: int, lesson: Lesson, analyser: Analyser, utterance: Utterance) -> list[Block]:
    answer, told = lesson.answer(analyser, utterance), notes()[lesson.name]
    assert answer.correct is not None, f"{lesson.name} has no answer on its own clip"
    letters = " · ".join(f"{chr(65 + i)} {choice}" for i, choice in enumerate(lesson.choices))
    code = ", ".join(f"{c.path} ({c.symbol})" for c in lesson.code)
    return [
        Heading(f"{number}. {lesson.title}", 3),
        Paragraph(f"{lesson.texts.question} {letters}", say("Question.")),
        Paragraph(
            answer.said,
            say(
                "Answer on {clip}: {letter}, {choice}.",
                clip=lesson.clip,
                letter=chr(65 + answer.correct),
                choice=lesson.choices[answer.correct],
            ),
        ),
        Paragraph(told.ask, say("To discuss.")),
        Paragraph(told.expect, say("Expect.")),
        Paragraph(f"{lesson.texts.idea[-1]} {code}", say("Source and code.")),
    ]


def _by_clip(analyser: Analyser, read: Mapping[str, Utterance]) -> list[Block]:
    rows = []
    for name, utterance in read.items():
        found = [lesson.answer(analyser, utterance).correct for lesson in LESSONS]
        rows.append((name, *("–" if c is None else chr(65 + c) for c in found)))
    return [
        Heading(say("The right letter on every clip")),
        Paragraph(say("Columns are the lessons by number. A dash: the clip lacks what the lesson needs.")),
        Table((say("Clip"), *(str(i) for i, _ in enumerate(LESSONS, 1))), tuple(rows)),
    ]


def _homework(analyser: Analyser, utterance: Utterance) -> list[Block]:
    """Tasks, one of them with numbers: Shapley values of two modalities."""
    a, b = needs(utterance, at_least=2)[:2]
    whole = analyser.predict(utterance, "sdumc")
    others = [m for m in parts(utterance) if m not in (a, b)]
    assert not others, "the clip for the calculation by hand has two modalities"
    only_a, only_b = (score_of(analyser.predict(utterance, "sdumc", [m])) for m in (b, a))
    values = whole.contributions
    return [
        Heading(say("Homework")),
        Points(
            (
                say(
                    "On {clip} SDUMC says {a} with {what_a} alone, {b} with {what_b} alone, {both} with both, and "
                    "{base} with nothing. Work out both Shapley values by hand.",
                    clip=BY_HAND,
                    a=signed(only_a),
                    what_a=ordinary(a),
                    b=signed(only_b),
                    what_b=ordinary(b),
                    both=signed(score_of(whole)),
                    base=signed(values["base"]),
                ),
                say(
                    "In the Numbers tab compare the row Constant with the others at a high missing rate. Why can "
                    "accuracy look fine there although nothing is known?"
                ),
                say(
                    "Find a published table with a “missing rate”. Which of the three meanings has it? Quote the "
                    "sentence."
                ),
            ),
            numbered=True,
        ),
        Paragraph(
            say(
                "1: {what_a} {value_a}, {what_b} {value_b}, up to rounding. 2: a constant answer is right for the "
                "larger class; look at the mean error and at the correlation, which it does not have. 3: frames, "
                "modalities or samples.",
                what_a=ordinary(a),
                value_a=signed(values[a]),
                what_b=ordinary(b),
                value_b=signed(values[b]),
            ),
            say("Solutions."),
        ),
    ]


def _end() -> list[Block]:
    return [
        Paragraph(
            say(
                "Written by python -m msa_core sheet from the texts of the lessons. Clips: see examples/README.md. "
                "The PDF embeds parts of Noto Sans CJK (SIL Open Font License 1.1)."
            )
        )
    ]
