"""The files that a visitor saves: made in the browser from what the event returns, the server writes none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from html import escape

import gradio as gr

from msa_core.errors import MsaError
from msa_core.i18n import known, use
from msa_core.page.analyse_inputs import AnalyseComponents, AnalyseInputs
from msa_core.page.components import QUICK, Form, Updates
from msa_core.page.scripts import script
from msa_core.page.session import predict
from msa_core.predict import Analyser
from msa_core.schema import Utterance
from msa_core.views import page_parts, prediction_csv, report

NO_CLIP = "You have no clip yet: record, upload or choose one first."


@dataclass(frozen=True)
class ReportInputs:
    """A clip with its settings, and whether its pictures belong into the report."""

    analyse: AnalyseInputs
    with_pictures: bool


@dataclass(frozen=True)
class SavingComponents:
    """The buttons that save, and whether pictures belong into a report."""

    csv: gr.Button
    report: gr.Button
    pictures: gr.Checkbox


class Saving:
    """The events behind the buttons that save; gradio names a call after its function, so none may be called `csv`."""

    def __init__(self, analyser: Analyser, status: gr.HTML) -> None:
        """Args: status: the line that says why there is nothing to save."""
        self.analyser, self.status = analyser, status
        self.file = gr.JSON(visible="hidden")

    def wire(self, components: AnalyseComponents, saves: SavingComponents) -> None:
        """Listen to the buttons."""
        reported = Form(ReportInputs, analyse=components.form, with_pictures=saves.pictures)
        outputs, save = [self.file, self.status], script("save_file")
        for button, event in (
            (saves.csv, components.form.event(self.save_csv)),
            (saves.report, reported.event(self.save_report)),
        ):
            button.click(*event, outputs, **QUICK).then(None, self.file, None, js=save)

    def save_csv(self, inputs: AnalyseInputs) -> Updates:
        """Hand out the prediction as a CSV file."""
        return self._file(
            inputs,
            "prediction.csv",
            "text/csv",
            lambda utterance: prediction_csv.as_csv(predict(self.analyser, utterance, inputs.settings)),
        )

    def save_report(self, inputs: ReportInputs) -> Updates:
        """Hand out the report on one page as an HTML file."""
        settings = inputs.analyse.settings

        def draw(utterance: Utterance) -> str:
            by_method = {
                m: predict(self.analyser, utterance, replace(settings, method=m)) for m in self.analyser.methods
            }
            return report.report_html(utterance, by_method, settings.method, with_pictures=inputs.with_pictures)

        return self._file(inputs.analyse, "missing-modality-report.html", "text/html", draw)

    def _file(self, inputs: AnalyseInputs, name: str, mime: str, make: Callable[[Utterance], str]) -> Updates:
        """Set name, media type and text of a file; None when it cannot be made, which the status line says."""
        with use(inputs.language):
            try:
                if inputs.visit is None or inputs.utterance is None:
                    raise MsaError(NO_CLIP)
                said = page_parts.finished(inputs.visit.utterance, inputs.visit.seconds)
                return {self.file: [name, mime, make(inputs.utterance)], self.status: said}
            except MsaError as e:
                gr.Warning(escape(known(e.message)))  # as HTML; on a phone the status line is out of sight
                return {self.file: None, self.status: page_parts.failed(e.message)}
