"""The left column of the Analyse tab: player, recording, the seconds of the clip, examples and their language."""

from __future__ import annotations

from dataclasses import dataclass

import gradio as gr

from msa_core.i18n import say
from msa_core.page.arrival import Arrival
from msa_core.page.components import QUICK, Words, html
from msa_core.page.files import EXAMPLES
from msa_core.page.scripts import script
from msa_core.views import page_parts


@dataclass(frozen=True)
class ClipColumn:
    """The components of the left column."""

    video: gr.Video
    spoken: gr.Radio
    any_language: gr.Checkbox
    examples: gr.HTML
    again: gr.Button
    status: gr.HTML


def clip_column(words: Words, arrival: Arrival, answer: dict[str, gr.HTML]) -> ClipColumn:
    """Build player, camera consent, seconds, examples and steps. The camera can only be chosen after consent.

    Args: answer: gets the part of the answer that belongs to the player.
    """
    video = words.put(
        gr.Video, lambda: {"label": say("Your clip")}, sources=["upload"], show_label=False, elem_id="mm-clip",
        value=arrival.path,
        webcam_options=gr.WebcamOptions(mirror=False), include_audio=True, buttons=[],
    )  # fmt: skip
    words.put(html, lambda: {"value": page_parts.recorder()}, name="mm-recorder", script=script("recording"))
    with gr.Row():
        record = words.put(gr.Button, lambda: {"value": say("Record yourself")}, elem_id="mm-record")
        upload = words.put(gr.Button, lambda: {"value": say("Upload a clip")}, elem_id="mm-upload")
        again = words.put(gr.Button, lambda: {"value": say("Analyse")}, variant="primary", elem_id="mm-analyse")
    upload.click(lambda: gr.Video(sources=["upload"], value=None), None, video, **QUICK)  # the example makes room
    _consent(words, record, video)
    words.put(html, lambda: {"value": page_parts.player_words()}, name="mm-words")
    status = html(arrival.status, "mm-status", script("stale"))
    answer["moments"] = html(arrival.panel.moments, "mm-moments", script("analyse", "seek"))
    examples = words.put(
        html,
        lambda: {"value": page_parts.examples(EXAMPLES)},
        name="mm-examples",
        script=script("choose_example"),
    )
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
    words.put(html, lambda: {"value": page_parts.keys_choice()}, name="mm-keys", script=script("switch_keys"))
    words.put(html, lambda: {"value": page_parts.privacy()}, name="mm-privacy")
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
