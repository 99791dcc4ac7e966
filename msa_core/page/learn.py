"""The Learn tab. Every lesson: the idea, a guess, the computed answer, something to try."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr

from msa_core import lessons
from msa_core.errors import MsaError
from msa_core.i18n import active, known, say, use
from msa_core.lessons import drawings
from msa_core.lessons.handout import sheet
from msa_core.page.analyse_inputs import AnalyseComponents, AnalyseInputs
from msa_core.page.components import HEAVY, QUICK, Form, Redraw, Updates, Words, html
from msa_core.page.services import KEEP_S, Services
from msa_core.schema import Utterance
from msa_core.views import page_parts


@dataclass(frozen=True)
class LessonInputs:
    """The visitor's values on one lesson.

    whose: "own" for the visitor's clip, "example" for the lesson's. answered: names of the lessons that were asked.
    guess: index of a choice. tried: the controls' values by name.
    """

    analyse: AnalyseInputs
    whose: str
    answered: list[str]
    guess: int | None
    tried: Mapping[str, Any]


@dataclass(frozen=True)
class LessonScreen:
    """The components of one lesson."""

    lesson: lessons.Lesson
    guess: gr.Radio
    ask: gr.Button
    answer: gr.HTML
    controls: dict[str, Any]
    finding: gr.HTML


def learn_tab(services: Services, words: Words, analyse: AnalyseComponents) -> Redraw:
    """Build the tab."""
    answered = gr.State([], time_to_live=KEEP_S)
    overview = html(drawings.overview(lessons.LESSONS, (), lessons.LESSONS[0].name), "mm-overview")
    whose = _choices(words)
    with gr.Tabs(elem_id="mm-lessons"):
        screens = [_lesson(words, number, lesson) for number, lesson in enumerate(lessons.LESSONS, 1)]
    forms = {
        screen.lesson.name: Form(
            LessonInputs, analyse=analyse.form, whose=whose, answered=answered, guess=screen.guess,
            tried=screen.controls,
        )
        for screen in screens
    }  # fmt: skip
    taught = {s.lesson.name: Teaching(services, s, answered, overview) for s in screens}
    for name, teaching in taught.items():
        teaching.wire(forms[name])

    def redraw(**inputs: LessonInputs) -> Updates:
        first = next(iter(inputs.values()))
        with use(first.analyse.language):
            updates: Updates = {overview: drawings.overview(lessons.LESSONS, first.answered)}
        for name, teaching in taught.items():
            updates |= teaching.redraw(inputs[name])
        return updates

    every = Form(redraw, **forms)
    return Redraw(every.read, every.components, [overview, *(h for s in screens for h in (s.answer, s.finding))])


class Teaching:
    """The events of one lesson."""

    def __init__(self, services: Services, screen: LessonScreen, answered: gr.State, overview: gr.HTML) -> None:
        self.services, self.screen, self.lesson = services, screen, screen.lesson
        self.answered, self.overview = answered, overview

    def wire(self, form: Form[LessonInputs]) -> None:
        """Listen to the button and to what can be tried."""
        screen = self.screen
        screen.ask.click(*form.event(self.ask), [screen.answer, screen.finding, self.answered, self.overview], **HEAVY)
        gr.on([c.input for c in screen.controls.values()], *form.event(self.try_out), screen.finding,
              trigger_mode="always_last", **QUICK)  # fmt: skip

    def ask(self, inputs: LessonInputs, request: gr.Request) -> Updates:
        """Answer the lesson's question and try it out once."""
        answered, name = inputs.answered, self.lesson.name
        answered = answered if name in answered else [*answered, name]
        language = self._once_read(inputs, request)
        with use(language):
            listed = drawings.overview(lessons.LESSONS, answered, name)
            drawn = self._drawn(inputs)
        return {**drawn, self.answered: answered, self.overview: listed}

    def try_out(self, inputs: LessonInputs, request: gr.Request) -> str:
        """Draw what the controls do."""
        with use(self._once_read(inputs, request)):
            return self._finding(inputs)

    def redraw(self, inputs: LessonInputs) -> Updates:
        """Draw answer and finding again in another language; nothing before the question was asked."""
        if self.lesson.name not in inputs.answered:
            return {self.screen.answer: "", self.screen.finding: ""}
        with use(inputs.analyse.language):
            return self._drawn(inputs)

    def _drawn(self, inputs: LessonInputs) -> Updates:
        return {self.screen.answer: self._answer(inputs), self.screen.finding: self._finding(inputs)}

    def _answer(self, inputs: LessonInputs) -> str:
        try:
            answer = self.lesson.answer(self.services.analyser, self._clip(inputs))
            return drawings.answered(self.lesson, answer, inputs.guess)
        except MsaError as e:
            return page_parts.failed(e.message)

    def _finding(self, inputs: LessonInputs) -> str:
        try:
            clip = self._clip(inputs)
            return drawings.found(self.lesson.experiment(self.services.analyser, clip, **inputs.tried))
        except MsaError as e:
            return page_parts.failed(e.message)

    def _clip(self, inputs: LessonInputs) -> Utterance:
        """Return the clip that the lesson is on. Raises: MsaError when the visitor has none."""
        if inputs.whose != "own":
            return self.services.shipped.utterance(self.lesson.clip)
        if inputs.analyse.utterance is None:
            raise MsaError("There is no clip of yours yet: open Analyse and record, upload or choose one first.")
        return inputs.analyse.utterance

    def _once_read(self, inputs: LessonInputs, request: gr.Request) -> str:
        """Return the visitor's language when the clip is there: reading it takes seconds."""
        with suppress(MsaError):  # the drawings say it
            self._clip(inputs)
        return self.services.presence.language(request.session_hash, inputs.analyse.language)


def _choices(words: Words) -> gr.Radio:
    """Build the choice of a clip, and the teacher's sheets."""
    with gr.Row(elem_id="mm-learn-choices"):
        whose = words.put(
            gr.Radio,
            lambda: {
                "label": say("Clip of the lessons"),
                "choices": [(say("the example of each lesson"), "example"), (say("your own clip"), "own")],
            },
            value="example",
            elem_id="mm-whose",
        )
        for kind, title in (("pdf", "Teacher's sheet (PDF)"), ("md", "Teacher's sheet (Markdown)")):
            words.put(gr.Button, partial(_sheet, kind, title), elem_id=f"mm-sheet-{kind}", scale=0, min_width=220,
                      link_target="_self")  # fmt: skip
    return whose  # type: ignore[no-any-return]


def _sheet(kind: str, title: str) -> dict[str, Any]:
    return {"value": known(title), "link": f"teaching/{sheet.path(active(), kind).name}"}


def _lesson(words: Words, number: int, lesson: lessons.Lesson) -> LessonScreen:
    """Build one lesson in a tab of its own."""
    with (
        words.put(gr.Tab, lambda: {"label": f"{number} · {lesson.title}"}, id=lesson.name),
        gr.Row(elem_classes="mm-lesson-row"),
    ):
        with gr.Column(scale=5, min_width=300):
            words.put(html, lambda: {"value": drawings.card(lesson, number)}, name=f"mm-lesson-{lesson.name}")
        with gr.Column(scale=6, min_width=300):
            guess = words.put(
                gr.Radio,
                lambda: {"label": lesson.texts.question, "choices": [(c, i) for i, c in enumerate(lesson.choices)]},
                elem_id=f"mm-guess-{lesson.name}",
                elem_classes="mm-guess",
            )
            ask = words.put(
                gr.Button, lambda: {"value": say("Show the answer")}, variant="primary", elem_id=f"mm-ask-{lesson.name}"
            )
            answer = html("", f"mm-answer-{lesson.name}")
            words.put(html, lambda: {"value": drawings.task(lesson)})
            with gr.Row(elem_classes="mm-trial"):
                controls = dict(_controls(words, lesson))
            finding = html("", f"mm-finding-{lesson.name}")
    return LessonScreen(lesson, guess, ask, answer, controls, finding)


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
