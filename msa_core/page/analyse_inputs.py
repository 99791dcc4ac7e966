"""The inputs of the Analyse tab: its components, and their values in an event."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

import gradio as gr

from msa_core.page.components import Form
from msa_core.page.session import Edit, Kept, Settings, Shipped, Visit, seen
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
    linked: bool = False  # an address set the switches and sliders for the first clip that is read

    @staticmethod
    def of(
        shipped: Shipped,
        visit: Visit | None,
        example: str,
        edit: Edit | None,
        language: str,
        spoken: str,
        any_language: bool,
        absent_text: str,
        method: str,
        switches: Mapping[str, bool],
        rates: Mapping[str, float | None],
        linked: bool = False,
    ) -> AnalyseInputs:
        """Build the inputs from the components' values; rates are in percent there.

        A visitor without a clip has the example that is on show; of an example nothing but its name is kept.
        """
        visit = visit or shipped.visit(example)
        on = {m: bool(switches[m]) for m in MODALITIES}
        shares = {m: float(rates[m] or 0) / 100 for m in MODALITIES}
        settings = Settings(on, shares, absent_text, method)
        return AnalyseInputs(visit, edit, language, spoken, settings, bool(any_language), bool(linked))

    @property
    def utterance(self) -> Utterance | None:
        """The visitor's clip as it is now, or None."""
        return None if self.visit is None else seen(self.visit, self.edit)

    @property
    def touched(self) -> bool:
        """Whether something is switched off or dropped."""
        return not all(self.settings.on.values()) or any(self.settings.rates.values())

    def with_new_clip(
        self, visit: Visit, language: str, edit: Edit | None = None, kept: Kept | None = None
    ) -> AnalyseInputs:
        """Return these inputs with a clip that was just read.

        Everything it has is switched on and nothing is dropped, unless settings are kept.
        """
        settings = replace(self.settings, on=dict.fromkeys(MODALITIES, True), rates=dict.fromkeys(MODALITIES, 0.0))
        settings = settings if kept is None else kept.settings
        on = {m: settings.on[m] and seen(visit, edit).stream(m).present for m in MODALITIES}
        now = replace(settings, on=settings.on if kept is None else on)
        return replace(self, visit=visit, edit=edit, language=language, settings=now)


@dataclass(frozen=True)
class AnalyseComponents:
    """The components of the Analyse tab that events read, also those of other tabs."""

    shipped: Shipped
    visit: gr.State
    example: gr.Textbox  # its name, kept by the browser
    edit: gr.State
    language: gr.Radio
    spoken: gr.Radio
    any_language: gr.Checkbox
    absent_text: gr.Radio
    method: gr.Dropdown
    switches: dict[str, gr.Checkbox]
    rates: dict[str, gr.Slider]
    linked: gr.State

    @property
    def form(self) -> Form[AnalyseInputs]:
        """All of them as the inputs of an event."""
        fields = {name: field for name, field in vars(self).items() if name != "shipped"}
        return Form(partial(AnalyseInputs.of, self.shipped), **fields)
