"""The arguments of the named calls, checked in full before a clip is read: one clear line for the first mistake."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from msa_core import edit
from msa_core.clip_reader import SPOKEN
from msa_core.degrade import Degradation
from msa_core.errors import MsaError
from msa_core.i18n import ENGLISH, LANGUAGES
from msa_core.missing import frame_rates, switches


def check(
    methods: Collection[str],
    *,
    dropped: Any = None,
    text_source: Any = "transcript",
    method: Any = "sdumc",
    frame_missing_rate: Any = None,
    transcript: Any = None,
    struck: Any = None,
    blur: Any = 0.0,
    noise_db: Any = None,
    spoken: Any = "en",
    any_language: Any = False,
    language: Any = ENGLISH,
) -> Degradation:
    """Check settings of any type, as a program sent them (docs/api.md).

    Args:
        methods: the loaded ones.

    Returns: The degradation done to the clip.

    Raises: MsaError with the value and what to give instead.
    """
    if dropped is not None and not isinstance(dropped, list | tuple):
        raise MsaError(f"dropped is {dropped!r}; give a list of modalities, such as ['text'].")
    switches(dropped or (), text_source)
    one_of("method", method, methods)
    frame_rates(frame_missing_rate)
    if transcript is not None:
        edit.split(transcript)
    if struck is not None and not (
        isinstance(struck, list | tuple) and all(isinstance(i, int) and not isinstance(i, bool) for i in struck)
    ):
        raise MsaError(f"struck is {struck!r}; give a list of word numbers, counted from 0.")
    one_of("spoken", spoken, SPOKEN)
    if not isinstance(any_language, bool):
        raise MsaError(f"any_language is {any_language!r}; give true or false.")
    one_of("language", language, LANGUAGES)
    for name, value in (("blur", blur), ("noise_db", 0.0 if noise_db is None else noise_db)):
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise MsaError(f"{name} is {value!r}; give a number.")
    return Degradation(float(blur), None if noise_db is None else float(noise_db))


def one_of(name: str, value: Any, choices: Collection[str]) -> str:
    """Return a value of any type when it is one of the choices. Raises: MsaError listing them."""
    if not isinstance(value, str) or value not in choices:
        raise MsaError(f"{name} is {value!r}; choose from: {', '.join(choices)}.")
    return value
