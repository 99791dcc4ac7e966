"""The Analyse tab: a clip, its switches and settings, the answer, and what was seen of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr

from msa_core import degrade
from msa_core.degrade import Degradation
from msa_core.errors import MsaError
from msa_core.i18n import say
from msa_core.page.analyse_inputs import AnalyseComponents, AnalyseInputs
from msa_core.page.answering import Answering, Changes
from msa_core.page.arrival import Arrival
from msa_core.page.clip_column import ClipColumn, clip_column
from msa_core.page.components import HEAVY, Form, Redraw, Updates, Words, html, told, with_a_last_step
from msa_core.page.files import EXAMPLES
from msa_core.page.reading import Reading, ReadingOutputs, Wanted
from msa_core.page.saving import Saving, SavingComponents
from msa_core.page.scripts import script
from msa_core.page.services import KEEP_S, Services, forgetting
from msa_core.page.session import Kept
from msa_core.page.share import Opening
from msa_core.predict import Analyser
from msa_core.schema import MODALITIES
from msa_core.views import page_parts
from msa_core.views.parts import method_name, modality_title


@dataclass(frozen=True)
class NewClip:
    """A clip in the player, with the settings that it is read under."""

    analyse: AnalyseInputs
    playing: str | None


@dataclass(frozen=True)
class DegradationInputs:
    """Blur (percent of the shorter side) and noise (0 is none) for a clip that is read again."""

    analyse: AnalyseInputs
    blur: float
    noise: float


def analyse_tab(
    page: gr.Blocks, services: Services, words: Words, language: gr.Radio, link: gr.HTML
) -> tuple[AnalyseComponents, list[Redraw]]:
    """Build the tab, with an example in it that is answered already.

    Args: link: the line of an address (share.py).

    Returns: the components that other tabs read, and what another language draws again.
    """
    arrival = Arrival.of(services)
    visit = gr.State(None, time_to_live=KEEP_S, delete_callback=forgetting(page, services))
    edit = gr.State(None, time_to_live=KEEP_S)
    example = gr.Textbox(arrival.name, visible="hidden", elem_id="mm-example")
    answer: dict[str, gr.HTML] = {}
    with gr.Row(elem_id="mm-screen"):
        with gr.Column(scale=4, min_width=300, elem_id="mm-left"):
            column = clip_column(words, arrival, answer)
        with gr.Column(scale=9, min_width=300, elem_id="mm-right"):
            absent_text, method = _settings(services.analyser, words)
            switches = _switches(words, arrival)
            answer["flow"] = html(arrival.panel.flow, "mm-flow")
            answer["answer"] = html(arrival.panel.answer, "mm-answer", script("player"))
            answer["ruler"] = html(arrival.panel.ruler, "mm-ruler")
            rates = _rates(words)
            changes = _changes(words, arrival)
            with words.put(gr.Accordion, lambda: {"label": say("Inside the model")}, open=False, elem_id="mm-inside"):
                answer["inside"] = html(arrival.panel.inside)
            with words.put(gr.Accordion, lambda: {"label": say("Details")}, open=False, elem_id="mm-details"):
                answer["details"] = html(arrival.panel.details)
                saves = _saves(words)
                facts = html(arrival.facts, "mm-facts")
            answer["said"] = html(arrival.panel.said, "mm-said", script("strike_words", "analyse"))
            clip = html(arrival.clip, "mm-seen", script("analyse"))
    components = AnalyseComponents(
        services.shipped, visit, example, edit, language, column.spoken, column.any_language, absent_text, method,
        switches, rates, gr.State(False, time_to_live=KEEP_S),
    )  # fmt: skip
    outputs = ReadingOutputs(
        column.video, column.status, visit, example, edit, clip, facts, changes.transcript, changes.status,
        changes.blur, changes.noise, components.linked, answer, switches, rates,
    )  # fmt: skip
    reading = Reading(services, outputs)
    ClipEvents(reading).wire(column, components, changes)
    Opening(reading, components, link).wire()
    answering = Answering(services, components, changes, answer, {"clip": clip, "facts": facts}, column.status)
    answering.wire()
    Saving(services.analyser, column.status).wire(components, saves)
    function, inputs = components.form.event(answering.redraw)
    drawn = [*answer.values(), absent_text, clip, facts, column.status, *switches.values()]
    # the answer once more, for what was switched while everything was redrawn
    latest = Redraw(*components.form.event(answering.draw), [*answer.values()])
    return components, [Redraw(function, inputs, drawn), latest]


class ClipEvents:
    """The events that read a clip: a new one, an example, the same one with blur and noise."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading

    def wire(self, column: ClipColumn, components: AnalyseComponents, changes: Changes) -> None:
        """Listen to the player, the examples and the changes."""
        heavy = {"outputs": self.reading.outputs.components, **HEAVY}
        new = Form(NewClip, analyse=components.form, playing=column.video)
        degradation = Form(DegradationInputs, analyse=components.form, blur=changes.blur, noise=changes.noise)

        def steps(handler: Any) -> Any:
            return with_a_last_step(handler, self.reading.outputs.status)

        video = column.video
        uploaded = gr.on([video.upload, video.stop_recording, column.again.click], *new.event(steps(self.analyse)),
                         api_name="page_analyse", **heavy)  # fmt: skip
        chosen = column.examples.choose(*components.form.event(steps(self.choose)), api_name="page_example", **heavy)
        changes.apply.click(*degradation.event(steps(self.read_again)), api_name="page_reread", **heavy)
        for event in (uploaded, chosen):
            event.then(None, js=script("show_answer"))

    def analyse(self, new: NewClip, request: gr.Request) -> Iterator[Updates]:
        """Read the clip in the player; one that is known already from its file as it came, not degraded."""
        visit, playing = new.analyse.visit, new.playing
        clip = visit.original if visit is not None and playing == visit.clip else playing
        yield from self.reading.read(Wanted(clip, None, playing), new.analyse, request)

    def choose(self, inputs: AnalyseInputs, event: gr.EventData, request: gr.Request) -> Iterator[Updates]:
        """Read an example."""
        name = told(event, "clip", str)
        if name not in page_parts.EXAMPLE_TITLES:
            raise MsaError("There is no example {name}.", name=repr(name))
        path = str(EXAMPLES / name)
        yield {self.reading.outputs.video: path}
        yield from self.reading.read(Wanted(path, None, path), inputs, request)

    def read_again(self, degradation: DegradationInputs, request: gr.Request) -> Iterator[Updates]:
        """Read the visitor's clip again, blurred and with noise."""
        visit = degradation.analyse.visit
        noise_db = degrade.MAX_NOISE_DB - degradation.noise if degradation.noise else None
        how = Degradation(degradation.blur / 100, noise_db)
        inputs = degradation.analyse
        kept = Kept.of(visit, inputs.edit, inputs.settings) if visit else None
        wanted = Wanted(visit.original, how, visit.clip, kept) if visit else Wanted(None, how, None)
        yield from self.reading.read(wanted, degradation.analyse, request)


def _switches(words: Words, arrival: Arrival) -> dict[str, gr.Checkbox]:
    with gr.Row(elem_id="mm-switches"):
        return {
            m: words.put(
                gr.Checkbox, partial(lambda m: {"label": modality_title(m), "info": arrival.state(m)}, m),
                value=arrival.has(m), interactive=arrival.has(m), elem_id=f"mm-{m}", min_width=90,
            )
            for m in MODALITIES
        }  # fmt: skip


def _settings(analyser: Analyser, words: Words) -> tuple[gr.Radio, gr.Dropdown]:
    with gr.Row(elem_id="mm-settings"):
        absent_text = words.put(
            gr.Radio,
            lambda: {
                "label": say("When text is off"),
                "choices": [(say("simulate it from the voice"), "simulated"), (say("use nothing"), "none")],
            },
            value="simulated",
            elem_id="mm-absent-text",
        )
        method = words.put(
            gr.Dropdown,
            lambda: {
                "label": say("Missing-modality model"),
                "choices": [(method_name(m), m) for m in analyser.methods],
            },
            value=analyser.methods[0],
            filterable=False,
            elem_id="mm-method",
        )
    return absent_text, method


def _rates(words: Words) -> dict[str, gr.Slider]:
    with words.put(gr.Accordion, lambda: {"label": say("Drop words or frames")}, open=False,
                   elem_id="mm-drops"), gr.Row(elem_id="mm-rates"):  # fmt: skip
        return {
            m: words.put(
                gr.Slider, partial(lambda m: {"label": page_parts.dropped_title(m)}, m), minimum=0, maximum=90,
                step=10, value=0, elem_id=f"mm-rate-{m}", min_width=150, buttons=[],
            )
            for m in MODALITIES
        }  # fmt: skip


def _changes(words: Words, arrival: Arrival) -> Changes:
    """Build what changes words, picture and sound."""
    with words.put(
        gr.Accordion,
        lambda: {"label": say("Edit, blur, add noise")},
        open=False,
        elem_id="mm-changes",
    ):
        transcript = words.put(
            gr.Textbox, lambda: {"label": say("Edit the words")}, value=arrival.words, lines=2, max_length=2000,
            elem_id="mm-transcript",
        )  # fmt: skip
        with gr.Row():
            heard = words.put(
                gr.Button, lambda: {"value": say("Restore the original words")}, elem_id="mm-heard", size="sm"
            )
            use_words = words.put(
                gr.Button, lambda: {"value": say("Use these words")}, variant="primary", elem_id="mm-use", size="sm"
            )
        status = html("", "mm-text-status")
        with gr.Row():
            blur = words.put(
                gr.Slider, lambda: {"label": say("Blur the picture (percent of its shorter side)")}, minimum=0,
                maximum=100 * degrade.MAX_BLUR, step=0.5, value=0, elem_id="mm-blur", min_width=200, buttons=[],
            )  # fmt: skip
            noise = words.put(
                gr.Slider, lambda: {"label": say("Add noise to the sound (0 is none)")}, minimum=0,
                maximum=degrade.MAX_NOISE_DB - degrade.MIN_NOISE_DB, step=1, value=0, elem_id="mm-noise",
                min_width=200, buttons=[],
            )  # fmt: skip
        apply = words.put(gr.Button, lambda: {"value": say("Apply and read the clip again")}, elem_id="mm-apply")
        words.put(html, lambda: {"value": page_parts.slower()})
    return Changes(transcript, heard, use_words, status, blur, noise, apply)


def _saves(words: Words) -> SavingComponents:
    with gr.Row(elem_id="mm-saves"):
        csv = words.put(gr.Button, lambda: {"value": say("Save CSV")}, elem_id="mm-save-csv", size="sm")
        pictures = words.put(
            gr.Checkbox, lambda: {"label": say("with pictures of the clip")}, value=True, container=False,
            min_width=0, elem_id="mm-pictures",
        )  # fmt: skip
        report = words.put(gr.Button, lambda: {"value": say("Save a report")}, elem_id="mm-save-report", size="sm")
    return SavingComponents(csv, report, pictures)
