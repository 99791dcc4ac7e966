"""The events of the Analyse tab that answer at once: switches, sliders, words. Nothing is extracted again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from msa_core.errors import MsaError
from msa_core.i18n import known, say, use
from msa_core.page.analyse_inputs import AnalyseComponents, AnalyseInputs
from msa_core.page.components import QUICK, Form, Updates, told
from msa_core.page.services import KEEP_S, Services
from msa_core.page.session import Edit, Visit, predict, rewrite, seen, strike
from msa_core.predict import Analyser
from msa_core.schema import MODALITIES, Utterance
from msa_core.views import answer as answer_view
from msa_core.views import clip as clip_view
from msa_core.views import page_parts
from msa_core.views.parts import method_name


@dataclass(frozen=True)
class Changes:
    """The components that change words, picture and sound of a clip."""

    transcript: gr.Textbox
    as_heard: gr.Button
    use_words: gr.Button
    status: gr.HTML
    blur: gr.Slider
    noise: gr.Slider
    apply: gr.Button


@dataclass(frozen=True)
class Written:
    """Other words for a clip."""

    analyse: AnalyseInputs
    text: str


def parts(places: Mapping[str, Any], panel: answer_view.Panel) -> Updates:
    """Return the updates that put the parts of an answer into their places."""
    return {places[name]: drawn for name, drawn in panel._asdict().items()}


def answer_for(analyser: Analyser, inputs: AnalyseInputs) -> answer_view.Panel:
    """Draw the answer for a clip and its settings, in their language; with everything off, the answer to everything.

    Raises: MsaError when the clip has nothing to answer to.
    """
    with use(inputs.language):
        if inputs.utterance is None:
            message = page_parts.gone(KEEP_S) if inputs.touched else answer_view.WELCOME
            return answer_view.answer(None, message)
        try:
            return answer_view.answer(predict(analyser, inputs.utterance, inputs.settings))
        except MsaError as e:
            everything = analyser.predict(inputs.utterance.original or inputs.utterance, inputs.settings.method)
            return answer_view.answer(None, known(e.message), everything)


def switch(utterance: Utterance, modality: str, language: str, on: bool = True) -> Any:
    """Return the update of a switch for a clip; what the clip lacks cannot be switched."""
    there = utterance.stream(modality).present
    with use(language):
        info: Any = page_parts.state(utterance, modality)
    return gr.update(value=on and there, interactive=there, info=info)


def absent_text_choice(analyser: Analyser, method: str, language: str) -> Any:
    """Return the update of the choice behind a switched-off text: it is for methods that read simulated text."""
    reads = analyser.reads_simulated_text(method)
    with use(language):
        info = "" if reads else say("{method} reads no simulated text", method=method_name(method))
    return gr.update(interactive=reads, info=info)


class Answering:
    """The quick events of the Analyse tab."""

    def __init__(
        self,
        services: Services,
        components: AnalyseComponents,
        changes: Changes,
        answer: Mapping[str, gr.HTML],
        clip: Mapping[str, gr.HTML],
        status: gr.HTML,
    ) -> None:
        """Args: answer: by the fields of `views.answer.Panel`. clip: "clip" and "facts", which no switch changes."""
        self.analyser, self.components, self.changes = services.analyser, components, changes
        self.answer, self.clip, self.status = answer, clip, status

    def wire(self) -> None:
        """Listen to switches, sliders, choices and words."""
        components, changes, form = self.components, self.changes, self.components.form
        switches, rates = components.switches.values(), components.rates.values()
        gr.on(
            [*(s.input for s in switches), *(r.input for r in rates),
             components.absent_text.input, components.method.input],
            *form.event(self.draw), [*self.answer.values()], api_name="predict", trigger_mode="always_last", **QUICK,
        )  # fmt: skip
        gr.on(
            [components.method.input, components.language.input],
            *form.event(self.offer_absent_text), components.absent_text, **QUICK,
        )  # fmt: skip
        outputs = [components.edit, *self.answer.values(), changes.transcript, changes.status, *switches]
        self.answer["said"].strike(
            *form.event(self.strike_words), outputs, api_name="page_strike", trigger_mode="multiple", **QUICK
        )
        written = Form(Written, analyse=form, text=changes.transcript)
        gr.on([changes.use_words.click, changes.transcript.submit], *written.event(self.write), outputs,
              api_name="page_words", **QUICK)  # fmt: skip
        changes.as_heard.click(*form.event(self.take_back), outputs, api_name="page_as_heard", **QUICK)

    def draw(self, inputs: AnalyseInputs) -> Updates:
        """Draw the answer, or say in its place why there is none."""
        try:
            return parts(self.answer, answer_for(self.analyser, inputs))
        except MsaError as e:
            with use(inputs.language):
                return parts(self.answer, answer_view.answer(None, known(e.message)))

    def offer_absent_text(self, inputs: AnalyseInputs) -> Any:
        """Offer what stands in for absent text where the method reads it."""
        return absent_text_choice(self.analyser, inputs.settings.method, inputs.language)

    def redraw(self, inputs: AnalyseInputs) -> Updates:
        """Draw the answer, the clip and the switches again, in another language."""
        updates = {**self.draw(inputs), self.components.absent_text: self.offer_absent_text(inputs)}
        if inputs.visit is None or inputs.utterance is None:
            return {**updates, self.clip["clip"]: "", self.clip["facts"]: "", self.status: ""}
        with use(inputs.language):
            updates[self.clip["clip"]] = clip_view.clip(inputs.visit.utterance)
            updates[self.clip["facts"]] = clip_view.reading(inputs.visit.utterance)
            updates[self.status] = page_parts.finished(inputs.visit.utterance, inputs.visit.seconds)
            states = {m: page_parts.state(inputs.utterance, m) for m in MODALITIES}
        # without their values: a switch may have been pressed since
        return updates | {self.components.switches[m]: gr.update(info=state) for m, state in states.items()}

    def strike_words(self, inputs: AnalyseInputs, event: gr.EventData) -> Updates:
        """Strike out the words that were clicked, or take them back: only the text is encoded again."""
        words = told(event, "words", list)
        return self._change(inputs, lambda visit: strike(self.analyser, visit, inputs.edit, words))

    def write(self, written: Written) -> Updates:
        """Replace the words."""
        return self._change(written.analyse, lambda visit: rewrite(self.analyser, visit, written.text))

    def take_back(self, inputs: AnalyseInputs) -> Updates:
        """Show the words as they were heard."""
        return self._change(inputs, lambda visit: None)

    def _change(self, inputs: AnalyseInputs, make: Callable[[Visit], Edit | None]) -> Updates:
        """Answer for an edited clip; `make` makes the edit and may raise MsaError."""
        edited, transcript, status = self.components.edit, self.changes.transcript, self.changes.status
        with use(inputs.language):
            if inputs.visit is None:
                gone = parts(self.answer, answer_view.answer(None, page_parts.gone(KEEP_S)))
                return {edited: None, status: "", **gone}
            try:
                edit = make(inputs.visit)
            except MsaError as e:
                return {edited: inputs.edit, status: page_parts.failed(e.message)}
        utterance = seen(inputs.visit, edit)
        on = dict(inputs.settings.on)
        if utterance.text.present and not seen(inputs.visit, inputs.edit).text.present:
            on["text"] = True  # words where there were none: they are what was asked for
        on = {m: on[m] and utterance.stream(m).present for m in MODALITIES}
        now = replace(inputs, edit=edit, settings=replace(inputs.settings, on=on))
        return {edited: edit, **self.draw(now), transcript: page_parts.editable(utterance), status: "",
                **self._switches(utterance, now)}  # fmt: skip

    def _switches(self, utterance: Utterance, inputs: AnalyseInputs) -> Updates:
        on, switches = inputs.settings.on, self.components.switches
        return {switches[m]: switch(utterance, m, inputs.language, on[m]) for m in MODALITIES}
