"""The event that reads a clip: its steps while it works, then everything at once; an error leaves the old answer."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from msa_core.degrade import Degradation
from msa_core.errors import MsaError
from msa_core.i18n import known, use
from msa_core.page.analyse_inputs import AnalyseInputs
from msa_core.page.answering import answer_for, parts, switch
from msa_core.page.components import Updates
from msa_core.page.extraction import extraction
from msa_core.page.files import Claim
from msa_core.page.saving import NO_CLIP
from msa_core.page.services import Services
from msa_core.page.session import Edit, Kept, Left, Visit, edit_again, seen
from msa_core.schema import MODALITIES, Utterance
from msa_core.views import answer as answer_view
from msa_core.views import clip as clip_view
from msa_core.views import page_parts


@dataclass(frozen=True)
class ReadingOutputs:
    """The components that a reading sets."""

    video: Any
    status: Any
    visit: Any
    example: Any
    edit: Any
    clip: Any
    facts: Any
    transcript: Any
    text_status: Any
    blur: Any
    noise: Any
    linked: Any
    answer: dict[str, Any]  # by the fields of `views.answer.Panel`
    switches: dict[str, Any]
    rates: dict[str, Any]

    @property
    def components(self) -> list[Any]:
        """All of them."""
        single = [c for c in vars(self).values() if not isinstance(c, dict)]
        return [*single, *self.answer.values(), *self.switches.values(), *self.rates.values()]


@dataclass(frozen=True)
class Wanted:
    """A clip that is to be read.

    degradation: done to it; None where blur and noise begin at nothing. playing: what the player shows. kept: settings
    and words that hold for it, too; None for those of a new clip.
    """

    clip: str | None
    degradation: Degradation | None
    playing: str | None
    kept: Kept | None = None


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

    def example(self, name: str, inputs: AnalyseInputs, kept: Kept) -> Updates | None:
        """Return all that shows an example with settings and words, at once; None when it was not read beforehand."""
        visit = self.services.shipped.visit(name)
        if visit is None:
            return None
        drawn, done = self._answer(Wanted(visit.clip, None, visit.clip, kept), inputs, visit, inputs.language)
        return drawn | done

    def read(self, wanted: Wanted, inputs: AnalyseInputs, request: gr.Request) -> Iterator[Updates]:
        """Read a clip and answer for it, at once if it was read beforehand; the line that says it is done is last."""
        started, uploads, session = time.perf_counter(), self.services.uploads, request.session_hash
        line = StatusLine(self.services, self.outputs.status, session, inputs.language)
        if not wanted.clip:
            yield line(page_parts.failed, NO_CLIP)
            return
        visit = self.read_beforehand(wanted, inputs)
        claims = [] if visit else [(wanted.clip, uploads.claim(wanted.clip))]
        here, kept = self.services.presence.watch(session), False
        try:
            if visit is None:
                self.services.rate.take(request)
                utterance = yield from self._steps(wanted, inputs, here, line)
                playable = uploads.playable(wanted.clip, wanted.degradation)
                claims.append((playable, uploads.claim(playable)))
                here()
                visit = _visit(utterance, claims, session, time.perf_counter() - started, wanted, inputs)
            drawn, done = self._answer(wanted, inputs, visit, line.language)
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
        yield drawn if claims else {**drawn, self.outputs.status: ""}
        yield done

    def read_beforehand(self, wanted: Wanted, inputs: AnalyseInputs) -> Visit | None:
        """Look up an example that is to be read in the way it was read beforehand."""
        plain = wanted.degradation is None or wanted.degradation.none
        if not plain or inputs.spoken != "en" or inputs.any_language:
            return None
        return self.services.shipped.visit(self.services.shipped.named(wanted.clip))

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

    def _answer(self, wanted: Wanted, before: AnalyseInputs, visit: Visit, language: str) -> tuple[Updates, Updates]:
        """Return all that a new clip sets, and apart from it the line that says it is done. Raises: MsaError."""
        out, analyser, shared = self.outputs, self.services.analyser, visit.seconds is None
        kept = wanted.kept or (Kept(before.settings) if before.linked else None)
        edit, said = self._edited(visit, kept, language)
        inputs = before.with_new_clip(visit, language, edit, kept)
        utterance, settings = seen(visit, edit), inputs.settings
        drawn: Updates = {out.visit: None if shared else visit, out.edit: edit, out.linked: False}
        drawn[out.example] = self.services.shipped.named(visit.clip) if shared else ""
        with use(language):
            drawn |= {out.clip: clip_view.clip(visit.utterance), out.facts: clip_view.reading(visit.utterance)}
            done = {out.status: said or page_parts.finished(visit.utterance, visit.seconds)}
        try:
            drawn |= parts(out.answer, answer_for(analyser, inputs))
        except MsaError as e:  # with what is kept nothing may be left, which is no fault of the clip
            if kept is None:
                raise
            with use(language):
                drawn |= parts(out.answer, answer_view.answer(None, known(e.message)))
        drawn |= {out.switches[m]: switch(utterance, m, language, settings.on[m]) for m in MODALITIES}
        drawn |= {out.transcript: page_parts.editable(utterance), out.text_status: said}
        drawn |= {out.rates[m]: round(100 * settings.rates[m]) for m in MODALITIES}
        if visit.clip != wanted.playing:
            drawn[out.video] = visit.clip
        if wanted.degradation is None:
            drawn |= {out.blur: 0, out.noise: 0}
        return drawn, done

    def _edited(self, visit: Visit, kept: Kept | None, language: str) -> tuple[Edit | None, str]:
        """Return the clip with the words that are kept, and the drawing that says why not all are; "" if they are.

        Words that cannot be struck out stay, beside those that were typed.
        """
        analyser = self.services.analyser
        if kept is None:
            return None, ""
        try:
            return edit_again(analyser, visit, kept), ""
        except MsaError as e:
            with use(language):
                said = page_parts.failed(e.message)
        try:
            return edit_again(analyser, visit, replace(kept, struck=frozenset())), said
        except MsaError:
            return None, said


def _visit(
    utterance: Utterance,
    claims: list[Claim],
    session: str | None,
    seconds: float,
    wanted: Wanted,
    inputs: AnalyseInputs,
) -> Visit:
    (original, original_claim), (playable, claim) = claims
    how = wanted.degradation or Degradation()
    return Visit(
        utterance, playable, claim, original, original_claim, session, seconds, how, inputs.spoken, inputs.any_language
    )
