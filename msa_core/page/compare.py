"""The Compare tab: a clip under every pattern and method, beside a second clip."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import gradio as gr

from msa_core import compare, media
from msa_core.degrade import Degradation
from msa_core.errors import MsaError
from msa_core.i18n import ENGLISH, known, say, use
from msa_core.page.analyse_inputs import AnalyseComponents, AnalyseInputs
from msa_core.page.components import HEAVY, QUICK, Form, Redraw, Updates, Words, html, with_a_last_step
from msa_core.page.extraction import extraction
from msa_core.page.files import is_file
from msa_core.page.reading import StatusLine
from msa_core.page.services import KEEP_S, Services
from msa_core.page.session import Left
from msa_core.schema import Utterance
from msa_core.views import comparison, page_parts


@dataclass(frozen=True)
class CompareInputs:
    """The visitor's clip and the one beside it."""

    analyse: AnalyseInputs
    second: Utterance | None


@dataclass(frozen=True)
class ChosenExample:
    """The example to compare with; "" is none."""

    name: str
    language: str


@dataclass(frozen=True)
class SecondUpload:
    """An uploaded second clip, as gradio hands over a file, the language of its speech, and whether any is used."""

    file: Any
    language: str
    spoken: str
    any_language: bool


def compare_tab(services: Services, words: Words, analyse: AnalyseComponents, tab: gr.Tab) -> tuple[Redraw, Comparing]:
    """Build the tab."""
    second = gr.State(None, time_to_live=KEEP_S)
    with gr.Row(elem_id="mm-compare-choices"):
        example = words.put(
            gr.Dropdown,
            lambda: {
                "label": say("Compare with a second clip"),
                "choices": [(say("none"), ""), *((known(t), n) for n, t in page_parts.EXAMPLE_TITLES.items())],
            },
            value="",
            filterable=False,
            elem_id="mm-second",
        )
        upload = words.put(
            gr.UploadButton, lambda: {"label": say("Upload the second clip")},
            file_types=["video", "audio", *media.SUFFIXES], elem_id="mm-second-upload",
        )  # fmt: skip
    status = html("", "mm-compare-status")
    drawn = html(comparison.empty(), "mm-compare")
    events = Comparing(services, status, second, example, drawn)
    draw = Form(CompareInputs, analyse=analyse.form, second=second).event(events.draw)
    chosen = Form(ChosenExample, name=example, language=analyse.language)
    speech = {"spoken": analyse.spoken, "any_language": analyse.any_language}
    uploaded = Form(SecondUpload, file=upload, language=analyse.language, **speech)
    outputs = [status, second, example]
    tab.select(*draw, drawn, api_name="page_compare", **QUICK)
    upload.upload(
        *uploaded.event(with_a_last_step(events.read, status)),
        outputs,
        preprocess=False,  # gradio's own leaves a file behind
        **HEAVY,
    ).then(*draw, drawn, **QUICK)
    example.input(*chosen.event(with_a_last_step(events.choose, status)), outputs, **HEAVY).then(*draw, drawn, **QUICK)
    return Redraw(*draw, [drawn]), events


class Comparing:
    """The events of the tab."""

    def __init__(
        self, services: Services, status: gr.HTML, second: gr.State, example: gr.Dropdown, drawn: gr.HTML
    ) -> None:
        self.services, self._extract = services, extraction(services)
        self.status, self.second, self.example, self.drawn = status, second, example, drawn

    def draw(self, inputs: CompareInputs) -> Updates:
        """Draw the comparison of the visitor's clip, and of the second one."""
        analyser, utterance = self.services.analyser, inputs.analyse.utterance
        with use(inputs.analyse.language):
            if utterance is None:
                return {self.drawn: comparison.empty()}
            try:
                found = compare.compare(analyser, utterance)
                lost = compare.robustness(analyser, utterance)
                other = None if inputs.second is None else compare.compare(analyser, inputs.second)
            except MsaError as e:
                return {self.drawn: page_parts.failed(e.message)}
            return {self.drawn: comparison.screen(found, lost, other)}

    def choose(self, chosen: ChosenExample, request: gr.Request) -> Iterator[Updates]:
        """Take an example as second clip, or none."""
        if not chosen.name:
            yield {self.status: "", self.second: None}
            return
        shipped = self.services.shipped
        line = StatusLine(self.services, self.status, request.session_hash, chosen.language)
        here = self.services.presence.watch(request.session_hash)
        try:
            found = shipped.known(chosen.name)
            if found is None:
                self.services.rate.take(request)
            steps = iter(()) if found else self._extract(shipped.path(chosen.name), Degradation(), ENGLISH, here)
            for item in steps:
                if isinstance(item, Utterance):
                    found = shipped.keep(chosen.name, item)
                else:
                    yield line(page_parts.working, [item[0]], item[1])
            yield {self.status: "", self.second: found}
        except Left:
            return
        except Exception as e:
            yield line.failed(e)

    def read(self, upload: SecondUpload, request: gr.Request) -> Iterator[Updates]:
        """Read a second clip of the visitor's own, which is deleted as soon as it was read."""
        if not is_file(upload.file):
            yield {self.status: ""}
            return
        uploads, clip = self.services.uploads, upload.file["path"]
        line = StatusLine(self.services, self.status, request.session_hash, upload.language)
        claim = uploads.claim(clip)
        here = self.services.presence.watch(request.session_hash)
        try:
            self.services.rate.take(request)
            checked = uploads.check(clip)
            for item in self._extract(checked, Degradation(), upload.spoken, here, bool(upload.any_language)):
                if isinstance(item, Utterance):
                    uploads.release(clip, claim)
                    # the list shows neither an example nor "none", so that "none" can be chosen again
                    yield {self.status: "", self.second: item, self.example: None}
                    return
                yield line(page_parts.working, [item[0]], item[1])
        except Left:
            return
        except Exception as e:
            uploads.release(clip, claim)
            yield line.failed(e)
        finally:
            uploads.release(clip, claim)
