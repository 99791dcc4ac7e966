"""The state of one browser tab: its clip, its edit and its settings, and what they ask of the models."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from msa_core.errors import MsaError
from msa_core.predict import Analyser
from msa_core.schema import MODALITIES, Prediction, Utterance


class Left(Exception):
    """The visitor closed the tab: whatever is being computed for it may stop."""


@dataclass(frozen=True)
class Visit:
    """An extracted clip, the file behind its preview and the claim on it, and the session it belongs to.

    original, original_claim: the clip as it came, which blur and noise start from; `clip` is what the player shows.
    """

    utterance: Utterance
    clip: str
    claim: str
    original: str
    original_claim: str
    session: str | None
    seconds: float  # that reading it took

    @property
    def claims(self) -> list[tuple[str, str]]:
        """Both files, each with the claim on it."""
        return [(self.clip, self.claim), (self.original, self.original_claim)]


@dataclass(frozen=True)
class Edit:
    """Words as the visitor changed them: of which clip, the new text (None: as heard), the words struck out."""

    of: Utterance
    utterance: Utterance
    transcript: str | None = None
    struck: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Settings:
    """The values of the switches, sliders and choices.

    on: modalities that are switched on. rates: share of dropped frames per modality, 0 to 0.9. absent_text:
    "simulated" or "none", what stands in for text that is off. method: a name of `Analyser.methods`.
    """

    on: Mapping[str, bool]
    rates: Mapping[str, float]
    absent_text: str
    method: str


def seen(visit: Visit, edit: Edit | None) -> Utterance:
    """Return the visitor's clip with the words as they are now."""
    return visit.utterance if edit is None or edit.of is not visit.utterance else edit.utterance


def predict(analyser: Analyser, utterance: Utterance, settings: Settings) -> Prediction:
    """Predict under these settings. Raises: MsaError when nothing is left."""
    dropped = [m for m in MODALITIES if not settings.on[m] and utterance.stream(m).present]
    source = "transcript" if settings.on["text"] and utterance.text.present else settings.absent_text
    rates = {m: r for m, r in settings.rates.items() if r > 0 and settings.on[m] and utterance.stream(m).present}
    return analyser.predict(utterance, settings.method, dropped, source, rates)


def strike(analyser: Analyser, visit: Visit, edit: Edit | None, words: Sequence[int]) -> Edit:
    """Strike words out, or take back those that were. Raises: MsaError for a word that is not there."""
    now = _current(visit, edit)
    for word in words:
        if type(word) is not int or not 0 <= word < len(now.utterance.words):
            there = len(now.utterance.words)
            raise MsaError("There is no word {word}; the clip has {n}. Choose one that is shown.", word=word, n=there)
    struck = now.struck ^ set(words)
    return Edit(visit.utterance, analyser.edit(visit.utterance, now.transcript, struck), now.transcript, struck)


def rewrite(analyser: Analyser, visit: Visit, transcript: str | None) -> Edit | None:
    """Replace the words; None takes back what was heard. Raises: MsaError when the text cannot be used."""
    if transcript is None:
        return None
    return Edit(visit.utterance, analyser.edit(visit.utterance, transcript), transcript)


def _current(visit: Visit, edit: Edit | None) -> Edit:
    return Edit(visit.utterance, visit.utterance) if edit is None or edit.of is not visit.utterance else edit


class Presence:
    """The tabs that something is computed for.

    Work for a tab that was closed stops at its next step, and is answered in the language that its tab has by then.
    """

    def __init__(self) -> None:
        self._gone: dict[str, threading.Event] = {}
        self._languages: dict[str, str] = {}
        self._lock = threading.Lock()

    def watch(self, session: str | None) -> Callable[[], None]:
        """Return a check that raises `Left` once the tab of `session` is closed."""
        if session is None:
            return lambda: None
        with self._lock:
            gone = self._gone.setdefault(session, threading.Event())

        def check() -> None:
            if gone.is_set():
                raise Left

        return check

    def speak(self, session: str | None, language: str) -> None:
        """Remember the language of the tab of `session`."""
        if session is not None:
            with self._lock:
                self._languages[session] = language

    def language(self, session: str | None, begun: str) -> str:
        """Return the language of a tab now.

        Args: begun: the one that it had when the work began, for a tab that never said.
        """
        return self._languages.get(session or "", begun)

    def leave(self, session: str | None) -> None:
        """Stop what is computed for the tab of `session`, which was closed."""
        with self._lock:
            self._languages.pop(session or "", None)
            gone = self._gone.pop(session or "", None)
        if gone is not None:
            gone.set()


class Shipped:
    """The example clips as utterances, each read once when it is first asked for; they belong to nobody."""

    def __init__(self, folder: Path, extract: Callable[[str], Utterance]) -> None:
        """Args: folder: where the clips lie. extract: reads one, given its path."""
        self._folder, self._extract = folder, extract
        self._found: dict[str, Utterance] = {}
        self._lock = threading.Lock()

    def utterance(self, name: str) -> Utterance:
        """Return an example by its file name; those that were read wait for nobody.

        Raises: MsaError when there is none of that name.
        """
        path = self._folder / str(name)
        if not isinstance(name, str) or path.name != name or not path.is_file():
            raise MsaError("There is no example {name}.", name=repr(name))
        if name not in self._found:
            with self._lock:
                self._found[name] = self._found.get(name) or self._extract(str(path))
        return self._found[name]
