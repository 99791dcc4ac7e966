"""Halls: the guesses of the people in one lecture, counted under a code that they share.

Guesses stay in memory only, and a hall is forgotten when nobody has guessed there for two hours. A tab has one guess a
lesson, the latest one.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

MOST_HALLS = 200  # the one without guesses for longest makes room
MOST_GUESSES = 2000  # of a hall and lesson
KEEP_S = 2 * 3600.0  # since the last guess
LONGEST = 16  # letters and digits of a code


@dataclass
class Hall:
    """The guesses of a hall: by lesson, the choice of each tab."""

    used_s: float
    guesses: dict[str, dict[str, int]] = field(default_factory=dict)


class Halls:
    """All halls of a page."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Args: clock: in s."""
        self._clock = clock
        self._halls: dict[str, Hall] = {}
        self._lock = threading.Lock()

    def guess(self, code: str, lesson: str, tab: str, choice: int) -> None:
        """Count the guess of a tab instead of its earlier one; without a code nothing is counted."""
        name = tidy(code)
        if not name:
            return
        with self._lock:
            self._sweep()
            if name not in self._halls and len(self._halls) >= MOST_HALLS:
                del self._halls[min(self._halls, key=lambda n: self._halls[n].used_s)]
            hall = self._halls.setdefault(name, Hall(self._clock()))
            hall.used_s = self._clock()
            guesses = hall.guesses.setdefault(lesson, {})
            if tab in guesses or len(guesses) < MOST_GUESSES:
                guesses[tab] = choice

    def counts(self, code: str, lesson: str) -> Counter[int]:
        """Return how many tabs of a hall guessed each choice of a lesson."""
        with self._lock:
            self._sweep()
            hall = self._halls.get(tidy(code))
            return Counter(hall.guesses.get(lesson, {}).values()) if hall else Counter()

    def _sweep(self) -> None:
        """Forget the halls that nobody uses any more."""
        late = self._clock() - KEEP_S
        for name in [n for n, hall in self._halls.items() if hall.used_s < late]:
            del self._halls[name]


def tidy(code: str) -> str:
    """Keep the letters and digits of a code, as capitals: how it was typed makes no difference."""
    return "".join(c for c in str(code) if c.isalnum())[:LONGEST].upper()
