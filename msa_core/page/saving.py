"""The files that a visitor saves: made in the browser from what the event returns, the server writes none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from html import escape

import gradio as gr

from msa_core.errors import MsaError
from msa_core.i18n import known, use
from msa_core.page.analyse_inputs import AnalyseComponents, AnalyseInputs
from msa_core.page.components import QUICK, Form
from msa_core.page.scripts import script
from msa_core.page.session import predict
from msa_core.predict import Analyser
from msa_core.schema import Utterance
from msa_core.views import prediction_csv, report

NO_CLIP = "There is no clip yet: record, upload or choose one first."


@dataclass(frozen=True)
class ReportInputs:
    """A clip with its settings, and whether its pictures belong into the report."""

    analyse: AnalyseInputs
    with_pictures: bool


class Saving:
    """The events behind the buttons that save; gradio names a call after its function, so none may be called `csv`."""

    def __init__(self, analyser: Analyser) -> None:
        self.analyser = analyser

    def wire(self, components: AnalyseComponents, csv: gr.Button, report: gr.Button, pictures: gr.Checkbox) -> None:
        """Listen to the buttons."""
        file, save = gr.JSON(visible="hidden"), script("save_file")
        reported = Form(ReportInputs, analyse=components.form, with_pictures=pictures)
        csv.click(*components.form.event(self.save_csv), file, **QUICK).then(None, file, None, js=save)
        report.click(*reported.event(self.save_report), file, **QUICK).then(None, file, None, js=save)

    def save_csv(self, inputs: AnalyseInputs) -> list[str] | None:
        """Return the prediction as a CSV file."""
        return self._file(
            inputs,
            "prediction.csv",
            "text/csv",
            lambda utterance: prediction_csv.as_csv(predict(self.analyser, utterance, inputs.settings)),
        )

    def save_report(self, inputs: ReportInputs) -> list[str] | None:
        """Return the report on one page as an HTML file."""
        settings = inputs.analyse.settings

        def draw(utterance: Utterance) -> str:
            by_method = {
                m: predict(self.analyser, utterance, replace(settings, method=m)) for m in self.analyser.methods
            }
            return report.report_html(utterance, by_method, settings.method, with_pictures=inputs.with_pictures)

        return self._file(inputs.analyse, "missing-modality-report.html", "text/html", draw)

    def _file(self, inputs: AnalyseInputs, name: str, mime: str, make: Callable[[Utterance], str]) -> list[str] | None:
        """Return name, media type and text of a file; None when it cannot be made, which is said."""
        with use(inputs.language):
            try:
                if inputs.utterance is None:
                    raise MsaError(NO_CLIP)
                return [name, mime, make(inputs.utterance)]
            except MsaError as e:
                gr.Warning(escape(known(e.message)))  # gradio draws it as HTML
                return None
