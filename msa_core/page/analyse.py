"""The Analyse tab: a clip, its switches and settings, the answer, and what was seen of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr

from msa_core import degrade
from msa_core.degrade import Degradation
from msa_core.i18n import say
from msa_core.page.analyse_inputs import AnalyseComponents, AnalyseInputs
from msa_core.page.answering import Answering, Changes
from msa_core.page.components import HEAVY, QUICK, Form, Redraw, Updates, Words, html, with_a_last_step
from msa_core.page.files import EXAMPLES
from msa_core.page.reading import Reading, ReadingOutputs, Wanted
from msa_core.page.saving import Saving, SavingComponents
from msa_core.page.scripts import script
from msa_core.page.services import KEEP_S, Services, forgetting
from msa_core.predict import Analyser
from msa_core.schema import MODALITIES
from msa_core.views import answer as answer_view
from msa_core.views import page_parts
from msa_core.views.parts import method_name, modality_title


@dataclass(frozen=True)
class ClipColumn:
    """The components of the left column."""

    video: gr.Video
    spoken: gr.Radio
    any_language: gr.Checkbox
    examples: gr.HTML
    again: gr.Button
    status: gr.HTML


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
    page: gr.Blocks, services: Services, words: Words, language: gr.Radio
) -> tuple[AnalyseComponents, Redraw]:
    """Build the tab. Returns: the components that other tabs read, and what another language draws again."""
    visit = gr.State(None, time_to_live=KEEP_S, delete_callback=forgetting(page, services))
    edit = gr.State(None, time_to_live=KEEP_S)
    with gr.Row(elem_id="mm-screen"):
        with gr.Column(scale=4, min_width=300, elem_id="mm-left"):
            column = _clip_column(words)
        with gr.Column(scale=9, min_width=300, elem_id="mm-right"):
            switches = _switches(words)
            absent_text, method = _settings(services.analyser, words)
            rates = _rates(words)
            components = AnalyseComponents(
                visit, edit, language, column.spoken, column.any_language, absent_text, method, switches, rates
            )
            changes = _changes(words)
            answer = html(answer_view.answer(None), "mm-answer", script("strike_words", "analyse", "player"))
            saves = _saves(words)
            clip = html("", "mm-seen", script("analyse"))
    outputs = ReadingOutputs(
        column.video, column.status, visit, edit, answer, clip, changes.transcript, changes.status, changes.blur,
        changes.noise, switches, rates,
    )  # fmt: skip
    ClipEvents(Reading(services, outputs)).wire(column, components, changes)
    answering = Answering(services, components, changes, answer, clip, column.status)
    answering.wire()
    Saving(services.analyser, column.status).wire(components, saves)
    function, inputs = components.form.event(answering.redraw)
    return components, Redraw(function, inputs, [answer, absent_text, clip, column.status, *switches.values()])


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
        if event.clip not in page_parts.EXAMPLE_TITLES:
            raise gr.Error(f"There is no example {event.clip!r}.")
        path = str(EXAMPLES / event.clip)
        yield {self.reading.outputs.video: path}
        yield from self.reading.read(Wanted(path, None, path), inputs, request)

    def read_again(self, degradation: DegradationInputs, request: gr.Request) -> Iterator[Updates]:
        """Read the visitor's clip again, blurred and with noise."""
        visit = degradation.analyse.visit
        noise_db = degrade.MAX_NOISE_DB - degradation.noise if degradation.noise else None
        how = Degradation(degradation.blur / 100, noise_db)
        wanted = Wanted(visit.original, how, visit.clip) if visit else Wanted(None, how, None)
        yield from self.reading.read(wanted, degradation.analyse, request)


def _clip_column(words: Words) -> ClipColumn:
    """Build player, camera consent, examples and steps. The camera can only be chosen after consent."""
    video = words.put(
        gr.Video, lambda: {"label": say("Your clip")}, sources=["upload"], show_label=False, elem_id="mm-clip",
        webcam_options=gr.WebcamOptions(mirror=False), include_audio=True, buttons=[],
    )  # fmt: skip
    words.put(html, lambda: {"value": page_parts.recorder()}, name="mm-recorder", script=script("recording"))
    with gr.Row():
        record = words.put(gr.Button, lambda: {"value": say("Record yourself")}, elem_id="mm-record")
        again = words.put(gr.Button, lambda: {"value": say("Analyse")}, variant="primary", elem_id="mm-analyse")
    _consent(words, record, video)
    words.put(html, lambda: {"value": page_parts.player_words()}, name="mm-words", script=script("switch_keys"))
    status = html("", "mm-status")
    spoken = words.put(
        gr.Radio,
        lambda: {
            "label": say("Speech in the clip"),
            "choices": [(say("English"), "en"), (say("Chinese"), "zh")],
        },
        value="en",
        elem_id="mm-spoken",
    )
    any_language = words.put(
        gr.Checkbox,
        lambda: {"label": say("Use the words even if they sound like another language")},
        value=False,
        container=False,
        elem_id="mm-any-language",
    )
    examples = words.put(
        html,
        lambda: {"value": page_parts.examples(EXAMPLES)},
        name="mm-examples",
        script=script("choose_example"),
    )
    words.put(html, lambda: {"value": page_parts.privacy()})
    return ClipColumn(video, spoken, any_language, examples, again, status)


def _consent(words: Words, record: gr.Button, video: gr.Video) -> None:
    with gr.Column(visible=False, elem_id="mm-consent") as consent:
        words.put(html, lambda: {"value": page_parts.consent()})
        with gr.Row():
            no = words.put(gr.Button, lambda: {"value": say("Not now")}, elem_id="mm-refuse")
            yes = words.put(gr.Button, lambda: {"value": say("I agree, go on")}, variant="primary", elem_id="mm-agree")
    record.click(lambda: gr.Column(visible=True), None, consent, **QUICK)
    no.click(lambda: gr.Column(visible=False), None, consent, **QUICK)
    yes.click(
        lambda: (gr.Column(visible=False), gr.Video(sources=["webcam", "upload"], value=None)),
        None,
        [consent, video],
        **QUICK,
    )


def _switches(words: Words) -> dict[str, gr.Checkbox]:
    with gr.Row(elem_id="mm-switches"):
        return {
            m: words.put(
                gr.Checkbox, partial(lambda m: {"label": modality_title(m), "info": say("no clip yet")}, m),
                value=True, interactive=False, elem_id=f"mm-{m}", min_width=90,
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
    with words.put(gr.Accordion, lambda: {"label": say("Drop some of the words, the voice or the face")}, open=False,
                   elem_id="mm-drops"), gr.Row(elem_id="mm-rates"):  # fmt: skip
        return {
            m: words.put(
                gr.Slider, partial(lambda m: {"label": page_parts.dropped_title(m)}, m), minimum=0, maximum=90,
                step=10, value=0, elem_id=f"mm-rate-{m}", min_width=150, buttons=[],
            )
            for m in MODALITIES
        }  # fmt: skip


def _changes(words: Words) -> Changes:
    """Build what changes words, picture and sound."""
    with words.put(
        gr.Accordion,
        lambda: {"label": say("Change the words, blur the picture, add noise")},
        open=False,
        elem_id="mm-changes",
    ):
        transcript = words.put(
            gr.Textbox, lambda: {"label": say("Edit the words")}, lines=2, max_length=2000, elem_id="mm-transcript"
        )
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
