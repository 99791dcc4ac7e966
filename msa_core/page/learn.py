"""The Learn tab. Every lesson: the idea, a guess, the computed answer, something to try."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr

from msa_core import lessons
from msa_core.errors import MsaError
from msa_core.i18n import active, known, say, use
from msa_core.lessons import drawings
from msa_core.lessons.handout import sheet, slides
from msa_core.page import hall as hall_module
from msa_core.page import scripts
from msa_core.page.analyse_inputs import AnalyseComponents, AnalyseInputs
from msa_core.page.components import HEAVY, QUICK, Choices, Form, Redraw, Updates, Words, html
from msa_core.page.links import LESSON_CLIP
from msa_core.page.services import KEEP_S, Services
from msa_core.schema import Utterance
from msa_core.views import page_parts

TO_SAVE = {"pdf": "Teacher's sheet (PDF)", "md": "Teacher's sheet (Markdown)", "slides": "Slides (PDF)"}


@dataclass(frozen=True)
class LessonInputs:
    """The visitor's values on one lesson.

    whose: "own" for the visitor's clip, "example" for one of ours. which: file of the example, "" for the lesson's own.
    hall: code of the lecture hall, "" for none. answered: names of the lessons that were asked. guess: index of a
    choice. tried: the controls' values by name.
    """

    analyse: AnalyseInputs
    whose: str
    which: str
    hall: str
    answered: list[str]
    guess: int | None
    tried: Mapping[str, Any]


@dataclass(frozen=True)
class LessonScreen:
    """The components of one lesson."""

    lesson: lessons.Lesson
    player: gr.HTML
    guess: gr.Radio
    counted: gr.HTML
    ask: gr.Button
    answer: gr.HTML
    controls: dict[str, Any]
    finding: gr.HTML


def learn_tab(services: Services, words: Words, analyse: AnalyseComponents) -> tuple[Redraw, Choices]:
    """Build the tab."""
    answered = gr.State([], time_to_live=KEEP_S)
    overview = html(drawings.overview(lessons.LESSONS, (), lessons.LESSONS[0].name), "mm-overview")
    whose, which, hall = _choices(words)
    with gr.Tabs(elem_id="mm-lessons"):
        screens = [_lesson(words, number, lesson) for number, lesson in enumerate(lessons.LESSONS, 1)]
    forms = {
        screen.lesson.name: Form(
            LessonInputs, analyse=analyse.form, whose=whose, which=which, hall=hall, answered=answered,
            guess=screen.guess, tried=screen.controls,
        )
        for screen in screens
    }  # fmt: skip
    taught = {s.lesson.name: Teaching(services, s, answered, overview) for s in screens}
    for name, teaching in taught.items():
        teaching.wire(forms[name])
    chosen = Form(lambda **v: _players(screens, **v), which=which, language=analyse.language)
    which.input(chosen.read, chosen.components, [s.player for s in screens], **QUICK)

    def redraw(inputs: Mapping[str, LessonInputs], shown: Mapping[str, Mapping[str, str]]) -> Updates:
        first = next(iter(inputs.values()))
        with use(first.analyse.language):
            updates: Updates = {overview: drawings.overview(lessons.LESSONS, first.answered)}
            updates |= _players(screens, first.which, first.analyse.language)
        for name, teaching in taught.items():
            updates |= teaching.redraw(inputs[name], **shown[name])
        return updates

    shown = {s.lesson.name: {"answer": s.answer, "finding": s.finding, "counted": s.counted} for s in screens}
    every = Form(redraw, inputs=forms, shown=shown)
    drawn = [overview, *(h for s in screens for h in (s.player, s.counted, s.answer, s.finding))]
    choices = Choices(
        {LESSON_CLIP: which},
        [s.player for s in screens],
        lambda values, language: _players(screens, values[LESSON_CLIP], language),
    )
    return Redraw(every.read, every.components, drawn), choices


def _players(screens: Sequence[LessonScreen], which: str, language: str) -> Updates:
    """Draw the players of all lessons with an example."""
    with use(language):
        return {s.player: drawings.player(s.lesson, which) for s in screens}


class Teaching:
    """The events of one lesson."""

    def __init__(self, services: Services, screen: LessonScreen, answered: gr.State, overview: gr.HTML) -> None:
        self.services, self.screen, self.lesson = services, screen, screen.lesson
        self.answered, self.overview = answered, overview

    def wire(self, form: Form[LessonInputs]) -> None:
        """Listen to the button and to what can be tried."""
        screen = self.screen
        screen.guess.input(*form.event(self.guess), screen.counted, trigger_mode="always_last", **QUICK)
        screen.ask.click(*form.event(self.ask), [screen.answer, screen.finding, self.answered, self.overview], **HEAVY)
        gr.on([c.input for c in screen.controls.values()], *form.event(self.try_out), screen.finding,
              trigger_mode="always_last", **QUICK)  # fmt: skip

    def guess(self, inputs: LessonInputs, request: gr.Request) -> str:
        """Count a guess in the hall, if the visitor is in one."""
        halls, name = self.services.halls, self.lesson.name
        if inputs.guess is not None:
            halls.guess(inputs.hall, name, request.session_hash or "", inputs.guess)
        with use(inputs.analyse.language):
            return drawings.counted(halls.counts(inputs.hall, name).total())

    def ask(self, inputs: LessonInputs, request: gr.Request) -> Updates:
        """Answer the lesson's question and try it out once."""
        answered, name = inputs.answered, self.lesson.name
        with use(self._once_read(inputs, request)):
            answer, known_now = self._answer(inputs)
            if known_now and name not in answered:
                answered = [*answered, name]
            listed = drawings.overview(lessons.LESSONS, answered, name)
            drawn: Updates = {self.screen.answer: answer, self.screen.finding: self._finding(inputs)}
        return {**drawn, self.answered: answered, self.overview: listed}

    def try_out(self, inputs: LessonInputs, request: gr.Request) -> str:
        """Draw what the controls do."""
        with use(self._once_read(inputs, request)):
            return self._finding(inputs)

    def redraw(self, inputs: LessonInputs, answer: str, finding: str, counted: str) -> Updates:
        """Draw again in another language what is shown, and leave the rest: an answer may be on its way to it.

        Args: answer, finding, counted: what is shown there; empty for nothing.
        """
        screen = self.screen
        with use(inputs.analyse.language):
            updates: Updates = {screen.counted: ""} if counted else {}
            updates |= {screen.answer: self._answer(inputs)[0]} if answer else {}
            return updates | ({screen.finding: self._finding(inputs)} if finding else {})

    def _answer(self, inputs: LessonInputs) -> tuple[str, bool]:
        """Draw the answer, and tell whether the clip allowed one."""
        try:
            answer = self.lesson.answer(self.services.analyser, self._clip(inputs))
            hall = self.services.halls.counts(inputs.hall, self.lesson.name)
            return drawings.answered(self.lesson, answer, inputs.guess, hall), answer.correct is not None
        except MsaError as e:
            return page_parts.failed(e.message), False

    def _finding(self, inputs: LessonInputs) -> str:
        try:
            clip = self._clip(inputs)
            found = self.lesson.experiment(self.services.analyser, clip, **inputs.tried)
            return drawings.found(found, self.lesson, self._following())
        except MsaError as e:
            return page_parts.failed(e.message)

    def _following(self) -> lessons.Lesson | None:
        """Return the next lesson; None after the last one."""
        after = lessons.LESSONS.index(self.lesson) + 1
        return lessons.LESSONS[after] if after < len(lessons.LESSONS) else None

    def _clip(self, inputs: LessonInputs) -> Utterance:
        """Return the clip that the lesson is on. Raises: MsaError when the visitor has none."""
        if inputs.whose != "own":
            if inputs.which and inputs.which not in page_parts.EXAMPLE_TITLES:
                raise MsaError("There is no example {name}.", name=repr(inputs.which))
            return self.services.shipped.utterance(inputs.which or self.lesson.clip)
        if inputs.analyse.utterance is None:
            raise MsaError("You have no clip yet: open Analyse and record, upload or choose one first.")
        return inputs.analyse.utterance

    def _once_read(self, inputs: LessonInputs, request: gr.Request) -> str:
        """Return the visitor's language when the clip is there: reading it takes seconds."""
        with suppress(MsaError):  # the drawings say it
            self._clip(inputs)
        return self.services.presence.language(request.session_hash, inputs.analyse.language)


def _choices(words: Words) -> tuple[gr.Radio, gr.Dropdown, gr.Textbox]:
    """Build the choice of a clip, the code of a lecture hall, and the teacher's sheets."""
    with gr.Row(elem_id="mm-learn-choices"):
        whose = words.put(
            gr.Radio,
            lambda: {
                "label": say("Clip of the lessons"),
                "choices": [(say("the example of each lesson"), "example"), (say("your own clip"), "own")],
            },
            value="example",
            elem_id="mm-whose",
            min_width=240,
        )
        titles = page_parts.EXAMPLE_TITLES
        which = words.put(
            gr.Dropdown,
            lambda: {
                "label": say("Example"),
                "choices": [
                    (say("the one of each lesson"), ""),
                    *((known(title), name) for name, title in titles.items()),
                ],
            },
            value="",
            filterable=False,
            elem_id="mm-which",
            min_width=150,
        )
        hall = words.put(
            gr.Textbox,
            lambda: {
                "label": say("Code of the hall"),
                "info": say("Guesses under one code are counted together, in memory only, for two hours."),
                "placeholder": say("none"),
            },
            max_length=hall_module.LONGEST,
            elem_id="mm-hall",
            min_width=180,
        )
        for kind, title in TO_SAVE.items():
            words.put(
                gr.Button,
                partial(_sheet, kind, title),
                elem_id=f"mm-sheet-{kind}",
                scale=0,
                min_width=130,
                size="sm",
                link_target="_self",
            )
    return whose, which, hall


def _sheet(kind: str, title: str) -> dict[str, Any]:
    file = slides.path(active()) if kind == "slides" else sheet.path(active(), kind)
    return {"value": known(title), "link": f"teaching/{file.name}"}


def _lesson(words: Words, number: int, lesson: lessons.Lesson) -> LessonScreen:
    """Build one lesson in a tab of its own."""
    with (
        words.put(gr.Tab, lambda: {"label": f"{number} · {lesson.title}"}, id=lesson.name),
        gr.Row(elem_classes="mm-lesson-row"),
    ):
        with gr.Column(scale=5, min_width=300):
            words.put(html, lambda: {"value": drawings.card(lesson, number)}, name=f"mm-lesson-{lesson.name}")
        with gr.Column(scale=6, min_width=300):
            player = words.put(
                partial(html, script=scripts.script("lesson_player")),
                lambda: {"value": drawings.player(lesson)},
                name=f"mm-player-{lesson.name}",
            )
            guess = words.put(
                gr.Radio,
                lambda: {"label": lesson.texts.question, "choices": [(c, i) for i, c in enumerate(lesson.choices)]},
                elem_id=f"mm-guess-{lesson.name}",
                elem_classes="mm-guess",
            )
            ask = words.put(
                gr.Button, lambda: {"value": say("Show the answer")}, variant="primary", elem_id=f"mm-ask-{lesson.name}"
            )
            counted = html("", f"mm-counted-{lesson.name}")
            answer = html("", f"mm-answer-{lesson.name}")
            words.put(html, lambda: {"value": drawings.task(lesson)})
            with gr.Row(elem_classes="mm-trial"):
                controls = dict(_controls(words, lesson))
            finding = html("", f"mm-finding-{lesson.name}")
    return LessonScreen(lesson, player, guess, counted, ask, answer, controls, finding)


def _controls(words: Words, lesson: lessons.Lesson) -> Iterator[tuple[str, Any]]:
    """Build the components of what can be tried, each with its name."""
    for at, control in enumerate(lesson.controls):
        place = f"mm-try-{lesson.name}-{control.name}"
        if control.kind == "slider":
            component = words.put(
                gr.Slider, partial(lambda at: {"label": lesson.controls[at].label}, at), minimum=control.low,
                maximum=control.high, step=control.step, value=control.start, elem_id=place, buttons=[],
            )  # fmt: skip
        else:
            component = words.put(
                gr.Radio,
                partial(lambda at: {"label": lesson.controls[at].label, "choices": [*lesson.controls[at].options]}, at),
                value=control.start,
                elem_id=place,
            )
        yield control.name, component
