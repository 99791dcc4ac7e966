"""Links to what a visitor sees: made and copied at a press, and opened when an address names a state."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from msa_core import degrade
from msa_core.i18n import say, use
from msa_core.page import links
from msa_core.page.analyse_inputs import AnalyseComponents, AnalyseInputs
from msa_core.page.answering import absent_text_choice
from msa_core.page.compare import ChosenExample, Comparing
from msa_core.page.components import HEAVY, QUICK, Choices, Form, Redraw, Updates, Words, html, told, with_a_last_step
from msa_core.page.files import EXAMPLES
from msa_core.page.links import Link
from msa_core.page.reading import Reading, Wanted
from msa_core.page.scripts import script
from msa_core.page.services import Services
from msa_core.page.session import Kept
from msa_core.schema import MODALITIES, Utterance
from msa_core.views import link_lines


@dataclass(frozen=True)
class LinkParts:
    """The button that copies a link, and the line that says what an address asked for; it has the event `arrive`."""

    copy: gr.Button
    line: gr.HTML


def link_parts(words: Words) -> LinkParts:
    """Build the button; `link_place` builds what is below it."""
    copy = words.put(gr.Button, lambda: {"value": say("Copy link")}, elem_id="mm-copy-link", size="sm", scale=0)
    return LinkParts(copy, html("", "mm-link-line", script("open_link"), render=False))


def link_place(words: Words, parts: LinkParts) -> None:
    """Build the field that a copied link is shown in, and the line of an address."""
    words.put(html, lambda: {"value": link_lines.link_field()}, name="mm-link", script=script("link_field"))
    parts.line.render()


@dataclass(frozen=True)
class Seen:
    """What a visitor sees: on Analyse, Compare's second clip, and the choices of the other tabs (`links.choices`)."""

    analyse: AnalyseInputs
    second: Utterance | None
    chosen: Mapping[str, str | None]


class Sharing:
    """The event of the button."""

    def __init__(self) -> None:
        self.link = gr.JSON(visible="hidden")

    def wire(self, parts: LinkParts, components: AnalyseComponents, others: Others) -> None:
        """Listen to the button; the browser adds its own address, the open tab and the language."""
        seen = Form(Seen, analyse=components.form, second=others.comparing.second, chosen=others.lists)
        copied = parts.copy.click(*seen.event(self.share), self.link, **QUICK)
        copied.then(None, [self.link, components.language], None, js=script("copy_link"))

    def share(self, seen: Seen) -> list[Any]:
        """Return the query of a link, and which clips of the visitor's own had to be left out: "own", "second"."""
        visit = seen.analyse.visit
        own = visit is not None and not links.example_of(visit)
        second = seen.second is not None and not seen.chosen[links.SECOND]
        left_out = [name for name, out in (("own", own), ("second", second)) if out]
        return [links.write(links.link_of(seen.analyse, seen.chosen)), left_out]


class Others:
    """The event of an address that names choices of Compare, Learn and Numbers."""

    def __init__(self, services: Services, comparing: Comparing, choices: Sequence[Choices]) -> None:
        """Args: choices: of Learn and Numbers."""
        self.services, self.comparing, self.choices = services, comparing, choices

    @property
    def lists(self) -> dict[str, gr.Dropdown]:
        """The lists of all tabs by their parameter."""
        one = {links.SECOND: self.comparing.example}
        return one | {name: chosen for choices in self.choices for name, chosen in choices.lists.items()}

    def wire(self, line: gr.HTML, components: AnalyseComponents, compare: Redraw) -> None:
        """Listen to the script of an address, once its example is answered.

        Args:
            line: of an address; it has the events `arrived`, and `restore` where there is something to choose.
            components: of Analyse.
            compare: draws the comparison of what was set.
        """
        own = self.comparing
        outputs = [own.status, own.second, *self.lists.values(), *(o for c in self.choices for o in c.outputs)]
        restored = line.restore(*components.form.event(with_a_last_step(self.restore, own.status)), outputs, **HEAVY)
        for event in (line.arrived, restored.then):
            event(compare.function, compare.inputs, compare.outputs, **QUICK)

    def restore(self, inputs: AnalyseInputs, event: gr.EventData, request: gr.Request) -> Iterator[Updates]:
        """Choose what an address asks for; what is not known of it was said when its example was answered."""
        chosen = links.read(told(event, "query", str), self.services.analyser.methods)[0].chosen
        language = self.services.presence.language(request.session_hash, inputs.language)
        for choices in self.choices:
            if given := {name: chosen[name] for name in choices.lists if name in chosen}:
                values = {name: component.value for name, component in choices.lists.items()} | given
                yield {choices.lists[name]: value for name, value in given.items()} | choices.draw(values, language)
        if second := chosen.get(links.SECOND):
            yield {self.comparing.example: second}
            yield from self.comparing.choose(ChosenExample(second, language), request)


class Opening:
    """The event of an address that names a state."""

    def __init__(self, reading: Reading, components: AnalyseComponents, line: gr.HTML) -> None:
        """Args: line: says what was not known, in any tab."""
        self.reading, self.components, self.line = reading, components, line
        self.analyser, self.presence = reading.services.analyser, reading.services.presence

    def wire(self) -> None:
        """Listen to the script that finds parameters in the address, once the page is in its language."""
        c, out = self.components, self.reading.outputs
        opened = self.line.arrive(
            *c.form.event(with_a_last_step(self.open, out.status)),
            [*out.components, c.method, c.absent_text, c.spoken, c.any_language, self.line],
            **HEAVY,
        )
        opened.then(None, js=script("show_answer")).then(None, js=script("arrived"))

    def open(self, inputs: AnalyseInputs, event: gr.EventData, request: gr.Request) -> Iterator[Updates]:
        """Set what an address asks for, and read its example."""
        link, unknown = links.read(told(event, "query", str), self.analyser.methods)
        kept = link.kept(self.analyser.methods[0])
        now = replace(inputs, settings=kept.settings, spoken=link.spoken, any_language=link.any_language)

        def line(waiting: bool) -> Updates:
            with use(self.presence.language(request.session_hash, inputs.language)):
                return {self.line: link_lines.link_line(unknown, waiting, link.sets_analysis and not link.clip)}

        out, path = self.reading.outputs, str(EXAMPLES / link.clip)
        if not link.sets_analysis:
            yield line(waiting=False)
        elif not link.clip:
            drawn = self._set(now) | self._switches(now) | self._on_show(now, kept, request)
            yield drawn | {self.components.linked: True} | line(waiting=False)
        else:
            wanted = Wanted(path, None if link.degradation.none else link.degradation, path, kept)
            waiting = self.reading.read_beforehand(wanted, now) is None
            yield self._set(now) | self._degraded(link) | {out.video: path} | line(waiting)
            yield from self.reading.read(wanted, now, request)
            yield line(waiting=False)

    def _on_show(self, now: AnalyseInputs, kept: Kept, request: gr.Request) -> Updates:
        """Return the update that answers for the example on show with what the address asks for."""
        name = self.reading.services.shipped.named(now.visit.clip if now.visit else None)
        language = self.presence.language(request.session_hash, now.language)
        return self.reading.example(name, replace(now, language=language), kept) or {}

    def _set(self, now: AnalyseInputs) -> Updates:
        """Return the update of the choices."""
        c, settings = self.components, now.settings
        choice = absent_text_choice(self.analyser, settings.method, now.language)
        return {
            c.method: settings.method,
            c.absent_text: {**choice, "value": settings.absent_text},
            c.spoken: now.spoken,
            c.any_language: now.any_language,
        }

    def _switches(self, now: AnalyseInputs) -> Updates:
        """Return the update of switches and sliders, of a page without a clip."""
        c, settings = self.components, now.settings
        switches: Updates = {c.switches[m]: settings.on[m] for m in MODALITIES}
        return switches | {c.rates[m]: round(100 * settings.rates[m]) for m in MODALITIES}

    def _degraded(self, link: Link) -> Updates:
        """Return the update of the sliders of blur and noise."""
        out, noise = self.reading.outputs, link.degradation.noise_db
        return {
            out.blur: 100 * link.degradation.blur,
            out.noise: 0 if noise is None else degrade.MAX_NOISE_DB - noise,
        }
