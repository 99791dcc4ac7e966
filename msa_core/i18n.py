"""Languages of the page: texts are written in English in the code and looked up in a catalogue, as gettext does.

`say` translates a template and fills it; `known` translates a finished sentence (`errors.Message`) or a fixed text.
The catalogues are `static/LANGUAGE/*.json`: {English: translation}. Nothing else depends on a language: what
`msa_core` computes, stores and returns as JSON is the same in all of them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path

from msa_core.errors import Message, MsaError

STATIC = Path(__file__).resolve().parent / "static"
LANGUAGES = {"en": "English", "zh": "中文"}
ENGLISH = "en"
_FIELD = re.compile(r"\{(\w*)(?:[:!]([^}]*))?\}")
_LOOSE = re.compile("(?<=）) (?=[\u4e00-\u9fff])")  # a full-width bracket brings its own space
_active: ContextVar[str] = ContextVar("language", default=ENGLISH)


def active() -> str:
    """Return the language that `say` and `known` answer in: a key of LANGUAGES."""
    return _active.get()


@contextmanager
def use(language: str) -> Iterator[None]:
    """Answer in `language` inside the block.

    Do not keep it open over a `yield`: a generator may change its thread.

    Raises:
        MsaError: the language is unknown.
    """
    if language not in LANGUAGES:
        raise MsaError(f"Unknown language {language!r}. Choose from: {', '.join(LANGUAGES)}.")
    token = _active.set(language)
    try:
        yield
    finally:
        _active.reset(token)


def say(text: str, /, **values: object) -> str:
    """Translate an English template of `str.format` to the active language and fill it with `values`."""
    return _filled(catalogue(active()).get(text, text), values)


def known(text: str) -> str:
    """Translate a finished English text to the active language.

    Args:
        text: it is looked up as it is; else a message is translated by its template, and so are its values.

    Returns:
        The translation, or `text` unchanged when the catalogue does not have it.
    """
    entries = catalogue(active())
    if text not in entries and isinstance(text, Message) and text.template in entries:
        values = {name: known(v) if isinstance(v, str) else v for name, v in text.values.items()}
        return _filled(entries[text.template], values)
    return entries.get(text, text)


@lru_cache
def catalogue(language: str) -> Mapping[str, str]:
    """Load the catalogue of a language, {English: translation}; that of English is empty.

    Raises:
        MsaError: two files translate one text differently.
    """
    entries: dict[str, str] = {}
    for path in sorted((STATIC / language).glob("*.json")):
        for text, translation in json.loads(path.read_text(encoding="utf-8")).items():
            if entries.setdefault(text, translation) != translation:
                raise MsaError(f"{path.name} translates {text!r} again and differently. Keep one of the two.")
    return entries


def fields(text: str) -> list[str]:
    """List the names of the `{fields}` of a template, sorted."""
    return sorted(m[1] for m in _FIELD.finditer(text))


def _filled(template: str, values: Mapping[str, object]) -> str:
    return _LOOSE.sub("", template.format(**values)) if values else template
