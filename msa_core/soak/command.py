"""Command `soak`: visitors, one after another to know their answers, then all at once; the table of what was found."""

from __future__ import annotations

import os
import platform
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from msa_core.errors import MsaError
from msa_core.soak.server import LOADED, Held, Server, Watch
from msa_core.soak.tab import needs_loopback
from msa_core.soak.visitors import Log, Visitor, can_be_told_apart, visitors
from msa_core.tables import markdown_table

MOST_VISITORS, MOST_MINUTES = 250, 24 * 60.0
REST_S = 30.0  # after the last visitor has left, before the page is looked at
GROWTH = 0.05  # of memory, at most
AT_WORK = 2  # threads that may happen to be at work when they are counted
SHOWN = 5  # errors that the report quotes


@dataclass(frozen=True)
class Soak:
    """What a soak found. start, most, after: what the page held; None of a page that was started elsewhere."""

    n: int
    minutes: float
    load: tuple[float, float]  # of the machine, before the page was started and at the end
    log: Log
    start: Held | None
    most: Held | None
    after: Held | None
    tracebacks: int
    left: int  # files after the page has ended

    @property
    def faults(self) -> list[str]:
        """Sentences about everything that should not be; empty when all is well."""
        found = [f"{count} x {text}" for text, count in Counter(self.log.errors).most_common(SHOWN)]
        found += self.log.mixed_up[:SHOWN]
        if self.tracebacks:
            found.append(f"The page logged {self.tracebacks} tracebacks.")
        if self.left:
            found.append(f"{self.left} files were left when the page had ended.")
        if self.start is not None and self.after is not None:
            for name in ("threads", "descriptors", "files"):
                before, then = getattr(self.start, name), getattr(self.after, name)
                more = AT_WORK if name == "threads" else 0
                found += [f"{name}: {before} before, {then} after."] if then > before + more else []
            if self.after.memory_mb > self.start.memory_mb * (1 + GROWTH):
                found.append(f"memory: {self.start.memory_mb:.0f} MB before, {self.after.memory_mb:.0f} MB after.")
        return found


def soak(n: int, minutes: float, examples: Path, url: str | None = None) -> Soak:
    """Let visitors use the page for some minutes.

    Args:
        n: visitors at once.
        examples: folder with their clips.
        url: of a page on this computer; None starts one.

    Raises: MsaError when the page does not start, or fails a lone visitor.
    """
    if not 1 <= n <= MOST_VISITORS:
        raise MsaError(f"--visitors is {n}; give 1 to {MOST_VISITORS}.")
    if not 0 < minutes <= MOST_MINUTES:
        raise MsaError(f"--minutes is {minutes:g}; give more than 0, at most {MOST_MINUTES:g}.")
    load = _load()
    if url is not None:
        log, _, _, _ = _run(visitors(needs_loopback(url), n, examples), minutes, None)
        return Soak(n, minutes, (load, _load()), log, None, None, None, 0, 0)
    with Server() as server:
        log, start, most, after = _run(visitors(server.url, n, examples), minutes, server)
    tracebacks = server.said.count("Traceback (most recent call last)")
    return Soak(n, minutes, (load, _load()), log, start, most, after, tracebacks, len(server.left))


def _run(
    everybody: list[Visitor], minutes: float, server: Server | None
) -> tuple[Log, Held | None, Held | None, Held | None]:
    for visitor in everybody:
        visitor.learn()
    can_be_told_apart(everybody)
    time.sleep(REST_S)
    log, start = Log(), None if server is None else server.held()
    with _watching(server) as watch:
        end = time.monotonic() + 60 * minutes
        staying = [threading.Thread(target=v.stay, args=(log, lambda: time.monotonic() > end)) for v in everybody]
        for thread in staying:
            thread.start()
        for thread in staying:
            thread.join()
        time.sleep(REST_S)
    most = None if watch is None else watch.most
    return log, start, most, None if server is None else server.held()


@contextmanager
def _watching(server: Server | None) -> Iterator[Watch | None]:
    if server is None:
        yield None
    else:
        with Watch(server) as watch:
            yield watch


def table(found: Soak) -> str:
    """Write what a soak found as Markdown."""
    log = found.log
    said = (
        f"{found.n} visitors at once for {found.minutes:g} minutes, on {platform.system()} with {os.cpu_count()} "
        f"cores; load of the machine before {found.load[0]:.1f}, at the end {found.load[1]:.1f}. {log.checked} answers "
        f"checked, {len(log.mixed_up)} mixed up; {len(log.errors)} errors, {found.tracebacks} tracebacks; {found.left} "
        "files left when the page had ended."
    )
    actions = [
        (action, str(len(s)), *(f"{_share(s, q):.2f}" for q in (0.5, 0.95)), f"{max(s):.2f}")
        for action, s in log.seconds.items()
    ]
    parts = [said, markdown_table(["action", "times", "p50, s", "p95, s", "slowest, s"], actions)]
    if found.start and found.most and found.after:
        held = zip(*(vars(h).items() for h in (found.start, found.most, found.after)), strict=True)
        rows = [(NAMES[name], *(_told(value) for _, value in row)) for row in held for name in [row[0][0]]]
        heads = ["the page holds", "before", "at most", f"{REST_S:.0f} s after"]
        parts.append(markdown_table(heads, rows))
    return "\n\n".join(parts)


NAMES = {
    "memory_mb": "memory, MB",
    "media_mb": "memory of the processes that read media, MB",
    "threads": "threads",
    "descriptors": "descriptors",
    "files": "uploaded files",
    "file_mb": "uploaded files, MB",
}


def _told(value: float) -> str:
    return "not told" if value == LOADED else f"{value:.0f}"


def _share(seconds: list[float], share: float) -> float:
    """Return the time that a share of some times does not exceed."""
    return sorted(seconds)[min(int(share * len(seconds)), len(seconds) - 1)]


def _load() -> float:
    """Return the load of the machine over the last minute; 0 where the system does not tell."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
