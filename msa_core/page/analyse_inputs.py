"""The inputs of the Analyse tab: its components, and their values in an event."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import gradio as gr

from msa_core.page.components import Form
from msa_core.page.session import Edit, Settings, Visit, seen
from msa_core.schema import MODALITIES, Utterance


@dataclass(frozen=True)
class AnalyseInputs:
    """The values of `AnalyseComponents` in an event."""

    visit: Visit | None
    edit: Edit | None
    language: str
    spoken: str
    settings: Settings
    any_language: bool = False

    @staticmethod
    def of(
        visit: Visit | None,
        edit: Edit | None,
        language: str,
        spoken: str,
        any_language: bool,
        absent_text: str,
        method: str,
        switches: Mapping[str, bool],
        rates: Mapping[str, float | None],
    ) -> AnalyseInputs:
        """Build the inputs from the components' values; rates are in percent there."""
        on = {m: bool(switches[m]) for m in MODALITIES}
        shares = {m: float(rates[m] or 0) / 100 for m in MODALITIES}
        settings = Settings(on, shares, absent_text, method)
        return AnalyseInputs(visit, edit, language, spoken, settings, bool(any_language))

    @property
    def utterance(self) -> Utterance | None:
        """The visitor's clip as it is now, or None."""
        return None if self.visit is None else seen(self.visit, self.edit)

    @property
    def touched(self) -> bool:
        """Whether something is switched off or dropped."""
        return not all(self.settings.on.values()) or any(self.settings.rates.values())

    def with_new_clip(self, visit: Visit, language: str) -> AnalyseInputs:
        """Return these inputs with a clip that was just read: everything it has is switched on, nothing is dropped."""
        settings = replace(self.settings, on=dict.fromkeys(MODALITIES, True), rates=dict.fromkeys(MODALITIES, 0.0))
        return replace(self, visit=visit, edit=None, language=language, settings=settings)


@dataclass(frozen=True)
class AnalyseComponents:
    """The components of the Analyse tab that events read, also those of other tabs."""

    visit: gr.State
    edit: gr.State
    language: gr.Radio
    spoken: gr.Radio
    any_language: gr.Checkbox
    absent_text: gr.Radio
    method: gr.Dropdown
    switches: dict[str, gr.Checkbox]
    rates: dict[str, gr.Slider]

    @property
    def form(self) -> Form[AnalyseInputs]:
        """All of them as the inputs of an event."""
        return Form(AnalyseInputs.of, **vars(self))
