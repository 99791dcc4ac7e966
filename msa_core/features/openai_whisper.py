"""openai-whisper without numba, which compiles an alignment that is not used here: it is loaded when that is called.

Everything in this package that reads speech takes the parts of openai-whisper from here.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from types import ModuleType
from typing import Any

_waiting: list[tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]] = []  # functions to compile, with options


def _jit(*options: Any, **named: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Stand for `numba.jit`: compile a function, with all others that wait, when one of them is called first."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        _waiting.append((function, options, named))

        @wraps(function)
        def later(*args: Any, **kwargs: Any) -> Any:
            _compile()
            return function.__globals__[function.__name__](*args, **kwargs)

        later.py_func = function  # type: ignore[attr-defined]  # as numba names it
        return later

    return decorate


def _compile() -> None:
    """Put the compiled functions where those that wait are: they call one another by their names."""
    import numba

    for function, options, named in _waiting:
        function.__globals__[function.__name__] = numba.jit(*options, **named)(function)
    _waiting.clear()


def _import() -> None:
    """Import openai-whisper; numba is what it is when something else has loaded either of them."""
    if "numba" in sys.modules or "whisper" in sys.modules:
        return
    numba = ModuleType("numba")
    numba.jit = _jit  # type: ignore[attr-defined]
    sys.modules["numba"] = numba
    try:
        import whisper  # noqa: F401
    finally:
        del sys.modules["numba"]


_import()

from whisper import _ALIGNMENT_HEADS, available_models, load_model, transcribe  # noqa: E402
from whisper.audio import log_mel_spectrogram  # noqa: E402
from whisper.decoding import DecodingOptions, DecodingTask, LogitFilter  # noqa: E402
from whisper.model import ModelDimensions, Whisper, disable_sdpa  # noqa: E402
from whisper.timing import median_filter  # noqa: E402
from whisper.tokenizer import LANGUAGES, Tokenizer, get_tokenizer  # noqa: E402

ALIGNMENT_HEADS = _ALIGNMENT_HEADS

__all__ = [
    "ALIGNMENT_HEADS",
    "LANGUAGES",
    "DecodingOptions",
    "DecodingTask",
    "LogitFilter",
    "ModelDimensions",
    "Tokenizer",
    "Whisper",
    "available_models",
    "disable_sdpa",
    "get_tokenizer",
    "load_model",
    "log_mel_spectrogram",
    "median_filter",
    "transcribe",
]
