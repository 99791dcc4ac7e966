"""Visitors of a soak: each with a clip of his own, whose answers he knows from when he was there alone."""

from __future__ import annotations

import random
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path

import httpx

from msa_core import media
from msa_core.errors import MsaError
from msa_core.schema import MODALITIES
from msa_core.soak.tab import Refused, Tab

OPEN, UPLOAD, ANALYSE, SWITCH = "open the page", "upload", "analyse", "switch"
DRAWN = ("mm-answer", "mm-ruler", "mm-said", "mm-seen")  # what must be the visitor's own, to the letter
THINK_S = (0.5, 3.0)  # between two actions
PATTERNS = [gone for n in (1, 2) for gone in combinations(MODALITIES, n)]
Answers = dict[tuple[str, ...], tuple[str, ...]]  # modalities that are off -> what was drawn


@dataclass(frozen=True)
class Clip:
    """A visitor's own copy of an example: no other file has its name and its bytes."""

    name: str
    data: bytes

    @staticmethod
    def of(example: Path, number: int) -> Clip:
        """Copy an example; an mp4 gets a box at its end that players skip."""
        tail = f"visitor {number}".encode()
        box = struct.pack(">I", 8 + len(tail)) + b"free" + tail if example.suffix == ".mp4" else b""
        return Clip(f"visitor {number} {example.name}", example.read_bytes() + box)


@dataclass
class Log:
    """What happened, from all visitors."""

    seconds: dict[str, list[float]] = field(default_factory=dict)  # by action
    errors: list[str] = field(default_factory=list)
    mixed_up: list[str] = field(default_factory=list)
    checked: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def timed(self, action: str) -> Iterator[None]:
        """Note how long an action takes that succeeds."""
        began = time.perf_counter()
        yield
        with self._lock:
            self.seconds.setdefault(action, []).append(time.perf_counter() - began)

    def error(self, text: str) -> None:
        """Note that an action failed."""
        with self._lock:
            self.errors.append(text)

    def check(self, own: bool, text: str) -> None:
        """Note whether an answer was the visitor's own."""
        with self._lock:
            self.checked += 1
            self.mixed_up += [] if own else [text]


class Visitor:
    """One visitor, who comes, uploads the clip, reads its answer, switches modalities, leaves, and comes again."""

    def __init__(self, url: str, number: int, example: Path) -> None:
        """Args: number: from 1, below 254; the visitor's address is made of it."""
        self._url, self._address = url, f"192.0.2.{number}"  # of a network for examples
        self.clip, self._random = Clip.of(example, number), random.Random(number)
        self.known: Answers = {}

    def learn(self) -> None:
        """Note the answers of the page while nobody else is there. Raises: MsaError when the page fails."""
        log = Log()
        with Tab(self._url, self._address) as tab:
            self._read(tab, log)
            self.known = {(): _drawn(tab)}
            for gone in PATTERNS:
                self._switch(tab, gone, log)
                self.known[gone] = _drawn(tab)

    def stay(self, log: Log, ended: Callable[[], bool]) -> None:
        """Visit the page until the time is over; what fails is noted, and the visitor comes again."""
        while not ended():
            try:
                self._visit(log, ended)
            except (Refused, httpx.HTTPError) as e:
                log.error(f"{type(e).__name__}: {e}"[:300])
                self._think()

    def _visit(self, log: Log, ended: Callable[[], bool]) -> None:
        with log.timed(OPEN):
            tab = Tab(self._url, self._address)
        with tab:
            self._think()
            self._read(tab, log)
            self._check(tab, (), log)
            for gone in self._random.sample(PATTERNS, len(PATTERNS)):
                if ended():
                    return
                self._think()
                self._switch(tab, gone, log)
                self._check(tab, gone, log)

    def _read(self, tab: Tab, log: Log) -> None:
        with log.timed(UPLOAD):
            file = tab.upload(self.clip.name, self.clip.data)
        tab.set({"mm-clip": file})
        with log.timed(ANALYSE):
            tab.run("page_analyse")
        if self.clip.name not in tab.value("mm-status"):
            raise Refused(f"{self.clip.name}: {tab.value('mm-status')}")

    def _switch(self, tab: Tab, gone: tuple[str, ...], log: Log) -> None:
        """Switch modalities off; those that the clip lacks are off already."""
        tab.set({f"mm-{m}": m not in gone for m in MODALITIES})
        with log.timed(SWITCH):
            tab.run("predict")

    def _check(self, tab: Tab, gone: tuple[str, ...], log: Log) -> None:
        wrong = [n for n, a, b in zip(DRAWN, _drawn(tab), self.known[gone], strict=True) if a != b]
        log.check(not wrong, f"{self.clip.name} without {gone or 'nothing'}: {', '.join(wrong)} is not its own")

    def _think(self) -> None:
        time.sleep(self._random.uniform(*THINK_S))


def visitors(url: str, n: int, examples: Path) -> list[Visitor]:
    """Return visitors whose clips are the examples in turn, first of all a different one each."""
    clips = sorted(path for path in examples.iterdir() if path.suffix in media.SUFFIXES)
    if not clips:
        raise MsaError(f"There are no clips in {examples}.")
    return [Visitor(url, k + 1, clips[k % len(clips)]) for k in range(n)]


def can_be_told_apart(all_visitors: list[Visitor]) -> None:
    """Check that no two different examples have the same answer. Raises: MsaError."""
    seen: dict[tuple[tuple[str, ...], tuple[str, ...]], str] = {}
    for visitor in all_visitors:
        example = visitor.clip.name.split(" ", 2)[2]
        for gone, drawn in visitor.known.items():
            other = seen.setdefault((gone, drawn), example)
            if other != example:
                raise MsaError(f"{example} and {other} look alike without {gone}: a mixed-up answer would not be seen.")


def _drawn(tab: Tab) -> tuple[str, ...]:
    return tuple(str(tab.value(name)) for name in DRAWN)
