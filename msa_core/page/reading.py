"""The event that reads a clip: its steps while it works, then everything at once; an error leaves the old answer."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import gradio as gr

from msa_core.degrade import Degradation
from msa_core.errors import MsaError
from msa_core.i18n import use
from msa_core.page.analyse_inputs import AnalyseInputs
from msa_core.page.answering import answer_for, switch
from msa_core.page.components import Updates
from msa_core.page.extraction import extraction
from msa_core.page.files import Claim
from msa_core.page.saving import NO_CLIP
from msa_core.page.services import Services
from msa_core.page.session import Left, Visit
from msa_core.schema import MODALITIES, Utterance
from msa_core.views import clip as clip_view
from msa_core.views import page_parts


@dataclass(frozen=True)
class ReadingOutputs:
    """The components that a reading sets."""

    video: Any
    status: Any
    visit: Any
    edit: Any
    answer: Any
    clip: Any
    transcript: Any
    text_status: Any
    blur: Any
    noise: Any
    switches: dict[str, Any]
    rates: dict[str, Any]

    @property
    def components(self) -> list[Any]:
        """All of them."""
        single = [c for c in vars(self).values() if not isinstance(c, dict)]
        return [*single, *self.switches.values(), *self.rates.values()]


@dataclass(frozen=True)
class Wanted:
    """A clip that is to be read, the degradation to do to it (None: it is a new clip), and what the player shows."""

    clip: str | None
    degradation: Degradation | None
    playing: str | None


class StatusLine:
    """The line under the player; it is said in the language that the visitor has by then."""

    def __init__(self, services: Services, component: Any, session: str | None, begun: str) -> None:
        """Args: begun: the language when the work began."""
        self._presence, self._component, self._session, self._begun = services.presence, component, session, begun

    @property
    def language(self) -> str:
        """The visitor's language now."""
        return self._presence.language(self._session, self._begun)

    def __call__(self, drawing: Callable[..., str], *values: Any) -> Updates:
        """Return the update that shows a drawing."""
        with use(self.language):
            return {self._component: drawing(*values)}

    def failed(self, error: Exception) -> Updates:
        """Return the update that says why a reading failed; what is not the visitor's fault is logged."""
        if isinstance(error, MsaError):
            return self(page_parts.failed, error.message)
        logging.error("analysis failed", exc_info=error)
        return self(page_parts.failed, page_parts.OUR_FAULT)


class Reading:
    """The reading of clips into the Analyse tab."""

    def __init__(self, services: Services, outputs: ReadingOutputs) -> None:
        self.services, self.outputs = services, outputs
        self._extract = extraction(services)

    def read(self, wanted: Wanted, inputs: AnalyseInputs, request: gr.Request) -> Iterator[Updates]:
        """Read a clip and answer for it. The line that says it is done comes last."""
        started, uploads, session = time.perf_counter(), self.services.uploads, request.session_hash
        line = StatusLine(self.services, self.outputs.status, session, inputs.language)
        if not wanted.clip:
            yield line(page_parts.failed, NO_CLIP)
            return
        claims, kept = [(wanted.clip, uploads.claim(wanted.clip))], False
        here = self.services.presence.watch(session)
        try:
            utterance = yield from self._steps(wanted, inputs, here, line)
            playable = uploads.playable(wanted.clip, wanted.degradation)
            claims.append((playable, uploads.claim(playable)))
            here()
            visit = _visit(utterance, claims, session, time.perf_counter() - started)
            drawn, done = self._answer(wanted, inputs.with_new_clip(visit, line.language))
            kept = True
        except Left:
            return
        except Exception as e:
            uploads.release_all(claims)  # before it is said
            yield {**line.failed(e), self.outputs.video: inputs.visit and inputs.visit.clip}
            return
        finally:  # also when gradio closes this generator
            if not kept:
                uploads.release_all(claims)
        if inputs.visit:
            uploads.release_all(inputs.visit.claims)
        yield drawn
        yield done

    def _steps(self, wanted: Wanted, inputs: AnalyseInputs, here: Callable[[], None], line: StatusLine) -> Any:
        """Yield a line a step; return the utterance."""
        assert wanted.clip is not None
        clip, how = self.services.uploads.check(wanted.clip), wanted.degradation or Degradation()
        steps = ["media"]
        yield line(page_parts.working, steps, 0.0)
        for item in self._extract(clip, how, inputs.spoken, here, inputs.any_language):
            if isinstance(item, Utterance):
                return item
            step, share = item
            steps += [step] if step not in steps else []
            yield line(page_parts.working, steps, share)

    def _answer(self, wanted: Wanted, inputs: AnalyseInputs) -> tuple[Updates, Updates]:
        """Return all that a new clip sets, and apart from it the line that says it is done. Raises: MsaError."""
        out, visit = self.outputs, inputs.visit
        assert visit is not None
        utterance = visit.utterance
        drawn: Updates = {out.answer: answer_for(self.services.analyser, inputs)}
        with use(inputs.language):
            drawn[out.clip] = clip_view.clip(utterance)
            done = {out.status: page_parts.finished(utterance, visit.seconds)}
        drawn |= {out.switches[m]: switch(utterance, m, inputs.language) for m in MODALITIES}
        drawn |= {out.visit: visit, out.edit: None}
        drawn |= {out.transcript: page_parts.editable(utterance), out.text_status: ""}
        drawn |= {out.rates[m]: 0 for m in MODALITIES}
        if visit.clip != wanted.playing:
            drawn[out.video] = visit.clip
        if wanted.degradation is None:
            drawn |= {out.blur: 0, out.noise: 0}
        return drawn, done


def _visit(utterance: Utterance, claims: list[Claim], session: str | None, seconds: float) -> Visit:
    (original, original_claim), (playable, claim) = claims
    return Visit(utterance, playable, claim, original, original_claim, session, seconds)
