"""The page's languages: every text is written in English in the code and looked up here, as gettext does.

`say` translates a template and fills it; `known` translates a finished English sentence (a reason, an error) by
finding the template it was made from. The catalogues are `static/LANGUAGE/*.json`: {English: translation}. Nothing
else depends on a language: what `msa_core` computes, stores and returns as JSON is the same in all of them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path

from msa_core.errors import MsaError

STATIC = Path(__file__).resolve().parent / "static"
LANGUAGES = {"en": "English", "zh": "中文"}
ENGLISH = "en"
_FIELD = re.compile(r"\{(\w*)(?:[:!]([^}]*))?\}")
_LOOSE = re.compile("(?<=）) (?=[\u4e00-\u9fff])")  # a full-width bracket brings its own space
_WORDS = 4  # letters that a template must have besides its fields: less would match almost any sentence
_active: ContextVar[str] = ContextVar("language", default=ENGLISH)


def active() -> str:
    """The language that `say` and `known` answer in: a key of LANGUAGES."""
    return _active.get()


@contextmanager
def use(language: str) -> Iterator[None]:
    """Answer in `language` inside the block. Do not keep it open over a `yield`: a generator may change its thread.

    Raises: MsaError for an unknown language.
    """
    if language not in LANGUAGES:
        raise MsaError(f"Unknown language {language!r}. Choose from: {', '.join(LANGUAGES)}.")
    token = _active.set(language)
    try:
        yield
    finally:
        _active.reset(token)


def say(text: str, /, **values: object) -> str:
    """`text`, an English template of `str.format`, in the active language, filled with `values`."""
    template = catalogue(active()).get(text, text)
    return _LOOSE.sub("", template.format(**values)) if values else template


def known(text: str) -> str:
    """A finished English sentence in the active language, or unchanged when no template of the catalogue made it."""
    entries = catalogue(active())
    if text in entries or not entries:
        return entries.get(text, text)
    for pattern, translation in _templates(active()):
        if found := pattern.fullmatch(text):
            return translation.format(**{name: known(value) for name, value in found.groupdict().items()})
    return text


@lru_cache
def catalogue(language: str) -> Mapping[str, str]:
    """{English: translation}; empty for English. Raises: MsaError when two files translate one text differently."""
    entries: dict[str, str] = {}
    for path in sorted((STATIC / language).glob("*.json")):
        for text, translation in json.loads(path.read_text(encoding="utf-8")).items():
            if entries.setdefault(text, translation) != translation:
                raise MsaError(f"{path.name} translates {text!r} again and differently. Keep one of the two.")
    return entries


def fields(text: str) -> list[str]:
    """Names of the `{fields}` of a template, sorted."""
    return sorted(m[1] for m in _FIELD.finditer(text))


@lru_cache
def _templates(language: str) -> list[tuple[re.Pattern[str], str]]:
    """Templates with fields, the longest fixed text first, as patterns of the sentences that they make."""
    entries = [(t, x) for t, x in catalogue(language).items() if fields(t) and all(fields(t))]
    found = []
    for text, translation in sorted(entries, key=lambda e: -len(_FIELD.sub("", e[0]))):
        parts, at, seen = [], 0, set()
        for m in _FIELD.finditer(text):
            parts.append(re.escape(text[at : m.start()]))
            what = r"[-+−]?[\d.,]+" if m[2] else ".+?"  # a format is given to numbers only
            parts.append(f"(?P={m[1]})" if m[1] in seen else f"(?P<{m[1]}>{what})")
            seen.add(m[1])
            at = m.end()
        if sum(c.isalpha() for c in _FIELD.sub("", text)) >= _WORDS:
            found.append((re.compile("".join(parts) + re.escape(text[at:]), re.S), _plain(translation)))
    return found


def _plain(template: str) -> str:
    """The template without format specifications: the values of a finished sentence are text."""
    return _FIELD.sub(lambda m: f"{{{m[1]}}}", template)
