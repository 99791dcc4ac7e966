"""The language of the page: the browser's or the one chosen last time at first, any other at a press."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import gradio as gr

from msa_core.i18n import ENGLISH, use
from msa_core.page.components import QUICK, Redraw, Updates, Words
from msa_core.page.scripts import script
from msa_core.page.session import Presence


class Languages:
    """The events that say everything in a language."""

    def __init__(self, presence: Presence, words: Words, language: gr.Radio) -> None:
        self.presence, self.words, self.language = presence, words, language

    def wire(self, page: gr.Blocks, redraws: Iterable[Redraw]) -> None:
        """Listen to the opening of the page and to the choice of a language."""
        words, language = self.words.components, self.language
        opened = page.load(self.begin, language, words, js=script("wanted_language"), **QUICK)
        changed = language.input(self.speak, language, words, js=script("remember_language"), **QUICK)
        for redraw in redraws:
            changed.then(redraw.function, redraw.inputs, redraw.outputs, **QUICK)
            opened = opened.then(self._unless_english(redraw), {language} | redraw.inputs, redraw.outputs, **QUICK)
        opened.then(None, js=script("ready"))

    def begin(self, language: str, request: gr.Request) -> Updates:
        """Open the page in a language; it is built in English."""
        if language == ENGLISH:
            self.presence.speak(request.session_hash, language)
            return {self.language: gr.skip()}
        updates = self.speak(language, request)
        return updates | {self.language: {**updates[self.language], "value": language}}  # it carries words, too

    def speak(self, language: str, request: gr.Request) -> Updates:
        """Say everything in another language."""
        self.presence.speak(request.session_hash, language)
        with use(language):
            return self.words.said()

    def _unless_english(self, redraw: Redraw) -> Any:
        def function(given: Mapping[Any, Any]) -> Updates:
            if given[self.language] == ENGLISH:
                return {redraw.outputs[0]: gr.skip()}
            return redraw.function(given)

        return function
