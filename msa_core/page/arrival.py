"""What a visitor finds on arrival: an example that was read and answered beforehand, as parts of the page."""

from __future__ import annotations

from dataclasses import dataclass

from msa_core.i18n import say
from msa_core.page.services import Services
from msa_core.page.session import Settings, Visit, predict
from msa_core.schema import MODALITIES, Utterance
from msa_core.views import answer, page_parts
from msa_core.views import clip as clip_view

EXAMPLE = "crema_happy.mp4"  # a glad face and a voice that is not: with the face off the models part


@dataclass(frozen=True)
class Arrival:
    """An example and the answer to it, drawn once for all visitors in English, as the page is built.

    visit: None when no features of the example lie ready: then the page opens empty.
    """

    visit: Visit | None
    panel: answer.Panel

    @staticmethod
    def of(services: Services, name: str = EXAMPLE) -> Arrival:
        """Answer for an example by the first method, with everything switched on."""
        visit, method = services.shipped.visit(name), services.analyser.methods[0]
        if visit is None:
            return Arrival(None, answer.answer(None))
        settings = Settings(dict.fromkeys(MODALITIES, True), dict.fromkeys(MODALITIES, 0.0), "simulated", method)
        return Arrival(visit, answer.answer(predict(services.analyser, visit.utterance, settings)))

    @property
    def utterance(self) -> Utterance | None:
        """The example as it was read."""
        return None if self.visit is None else self.visit.utterance

    @property
    def name(self) -> str:
        """File name of the example, "" without one."""
        return "" if self.visit is None else self.visit.utterance.id

    @property
    def path(self) -> str | None:
        """What the player shows."""
        return None if self.visit is None else self.visit.clip

    @property
    def status(self) -> str:
        """The line that says the example was read."""
        return "" if self.visit is None else page_parts.finished(self.visit.utterance, None)

    @property
    def clip(self) -> str:
        """The frames."""
        return clip_view.clip(self.utterance)

    @property
    def facts(self) -> str:
        """How the example was read."""
        return clip_view.reading(self.utterance)

    @property
    def words(self) -> str:
        """The words, for a text box."""
        return "" if self.visit is None else page_parts.editable(self.visit.utterance)

    def has(self, modality: str) -> bool:
        """Tell whether the example has a modality."""
        return self.visit is not None and self.visit.utterance.stream(modality).present

    def state(self, modality: str) -> str:
        """Describe a modality under its switch, in the active language."""
        return say("no clip yet") if self.visit is None else page_parts.state(self.visit.utterance, modality)
