"""The state of one browser tab: its clip, its edit and its settings, and what they ask of the models."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from msa_core import prepared
from msa_core.degrade import Degradation
from msa_core.errors import MsaError
from msa_core.predict import Analyser
from msa_core.schema import MODALITIES, Prediction, Utterance


class Left(Exception):
    """The visitor closed the tab: whatever is being computed for it may stop."""


@dataclass(frozen=True)
class Visit:
    """An extracted clip, the file behind its preview and the claim on it, and the session it belongs to.

    original, original_claim: the clip as it came, which blur and noise start from; `clip` is what the player shows.
    Of an example that was read beforehand the claims are empty, there is no session, and `seconds` is None.
    degradation, spoken, any_language: how it was read.
    """

    utterance: Utterance
    clip: str
    claim: str
    original: str
    original_claim: str
    session: str | None
    seconds: float | None  # that reading it took
    degradation: Degradation = Degradation()
    spoken: str = "en"
    any_language: bool = False

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


@dataclass(frozen=True)
class Kept:
    """Settings and words that hold for the next reading of a clip.

    transcript: the typed words, or None. struck: words that are struck out. heard: the words that `struck` counts when
    none were typed; None for whatever is heard.
    """

    settings: Settings
    transcript: str | None = None
    struck: frozenset[int] = frozenset()
    heard: tuple[str, ...] | None = None

    @staticmethod
    def of(visit: Visit, edit: Edit | None, settings: Settings) -> Kept:
        """Return what a visitor has set for a clip; what it lacks is not switched off by anybody."""
        now, heard = _current(visit, edit), tuple(w.text for w in visit.utterance.words)
        on = {m: settings.on[m] or not now.utterance.stream(m).present for m in MODALITIES}
        return Kept(replace(settings, on=on), now.transcript, now.struck, heard)


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


def edit_again(analyser: Analyser, visit: Visit, kept: Kept) -> Edit | None:
    """Change the words of a clip as those of another reading were changed; None where nothing was.

    Raises: MsaError when the text cannot be used, or when other words are heard now than those that were struck out.
    """
    if kept.transcript is None and kept.struck and kept.heard is not None:
        if kept.heard != tuple(w.text for w in visit.utterance.words):
            raise MsaError("Other words are heard now: those that you struck out are back.")
    edit = rewrite(analyser, visit, kept.transcript)
    return strike(analyser, visit, edit, sorted(kept.struck)) if kept.struck else edit


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
    """The example clips as utterances: read beforehand, or once when first asked for; they belong to nobody."""

    def __init__(self, folder: Path, extract: Callable[[str], Utterance]) -> None:
        """Args: folder: where the clips lie. extract: reads one, given its path."""
        self._folder, self._extract = folder, extract
        self._found: dict[str, Utterance] = {}
        self._visits: dict[str, Visit] = {}
        self._lock = threading.Lock()

    def visit(self, name: str) -> Visit | None:
        """Return an example that was read beforehand as the clip of a visitor, one for all; None for any other name."""
        if not isinstance(name, str):
            return None
        if name not in self._visits:
            path = self._folder / name
            if not self._has(name):
                return None
            with self._lock:
                utterance = self._found.get(name) or prepared.utterance(path)
                if utterance is None:
                    return None
                self._found[name] = utterance
                clip = str(path)
                self._visits.setdefault(name, Visit(utterance, clip, "", clip, "", None, None))
        return self._visits[name]

    def named(self, clip: str | None) -> str:
        """Return the name of an example by its path; "" for any other file."""
        path = Path(clip or "")
        return path.name if path.parent == self._folder else ""

    def utterance(self, name: str) -> Utterance:
        """Return an example by its file name; those that were read wait for nobody.

        Raises: MsaError when there is none of that name.
        """
        path = self.path(name)
        if name not in self._found and self.visit(name) is None:
            with self._lock:
                self._found[name] = self._found.get(name) or self._extract(path)
        return self._found[name]

    def path(self, name: str) -> str:
        """Return where an example lies. Raises: MsaError when there is none of that name."""
        if not isinstance(name, str) or not self._has(name):
            raise MsaError("There is no example {name}.", name=repr(name))
        return str(self._folder / name)

    def _has(self, name: str) -> bool:
        """Tell whether a file lies in the folder, whatever a visitor gives for a name."""
        return any(path.name == name and path.is_file() for path in self._folder.iterdir())

    def known(self, name: str) -> Utterance | None:
        """Return an example that was read beforehand or is read by now, or None."""
        return self._found.get(name) if self.visit(name) is None else self._visits[name].utterance

    def keep(self, name: str, utterance: Utterance) -> Utterance:
        """Keep an example that was read step by step, unless another reading was first; return the one that is kept."""
        return self._found.setdefault(name, utterance)
