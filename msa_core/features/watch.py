"""Progress of the reading of a clip: its steps, the seconds each takes, and a caller who ends the work."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from concurrent.futures import wait as wait_for
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")
StepProgress = Callable[[str, float], None]  # step, share of the work that is done
BEGINS = {"media": 0.0, "speech": 0.05, "text": 0.6, "voice": 0.7, "faces": 0.75}  # of a talking clip of 10 s
POLL_S = 0.25  # between two calls of a progress within a step


class Stopped(Exception):
    """End of the thread that reads faces, when the other thread has failed or was interrupted."""


class Watch:
    """Progress for a caller, who ends the work by raising an exception when it is told."""

    def __init__(self, progress: StepProgress | None) -> None:
        self._progress, self._told_s = progress, 0.0
        self.stopped = threading.Event()

    def begin(self, step: str) -> None:
        """Announce that a step begins."""
        if self._progress is not None:
            self._told_s = time.monotonic()
            self._progress(step, BEGINS[step])

    def look(self, step: str) -> None:
        """Announce that a step goes on, every POLL_S at most."""
        if time.monotonic() - self._told_s >= POLL_S:
            self.begin(step)


def result(seeing: Future[T], watch: Watch) -> T:
    """Wait for the faces, keeping the caller informed."""
    while not wait_for([seeing], POLL_S).done:
        watch.look("faces")
    return seeing.result()


@contextmanager
def step(name: str, timings: dict[str, float], watch: Watch | None = None) -> Iterator[None]:
    """Announce a step and add the seconds that it takes to `timings`."""
    if watch is not None:
        watch.begin(name)
    start = time.perf_counter()
    try:
        yield
    finally:
        timings[name] += time.perf_counter() - start
