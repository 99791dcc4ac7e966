"""Readings of the shipped examples, shared by all tests: each is read once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from paths import EXAMPLES

from msa_core.config import MediaLimits
from msa_core.degrade import Degradation

PLAIN = (None, False, "en", MediaLimits(), MediaLimits.command_line(), Degradation())  # what asks for nothing else


class Readings:
    """`Analyser.extract` that remembers the shipped examples as they are, and what it was asked to read."""

    def __init__(self, extract: Callable[..., Any]) -> None:
        self.paths: list[str] = []
        self._extract, self._known, self._lock = extract, dict[Path, Any](), threading.Lock()

    def __call__(self, path: str | Path, *limits: Any, **options: Any) -> Any:
        """See `Analyser.extract`."""
        self.paths.append(str(path))
        asked = [*limits[:1], *limits[2:], *(v for k, v in options.items() if k != "progress")]  # the second: progress
        if Path(path).parent != EXAMPLES or any(v not in PLAIN for v in asked):
            return self._extract(path, *limits, **options)
        with self._lock:
            if Path(path) not in self._known:
                self._known[Path(path)] = self._extract(path, *limits, **options)
        return self._known[Path(path)]
