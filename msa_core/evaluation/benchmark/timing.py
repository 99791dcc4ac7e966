"""Time work beside its reference: turns by turns in one process, wall and processor time, medians with quartiles."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

Work = Callable[[], object]
NANO = 1e-9


@dataclass(frozen=True)
class Spread:
    """Median and quartiles of some repetitions."""

    median: float
    low: float
    high: float

    @staticmethod
    def of(values: Sequence[float]) -> Spread:
        """Compute the spread of at least one value."""
        low, median, high = np.percentile(values, (25, 50, 75))
        return Spread(float(median), float(low), float(high))


@dataclass(frozen=True)
class Times:
    """Seconds of every repetition of some work: by the clock on the wall, and of the processor."""

    wall_s: tuple[float, ...]
    cpu_s: tuple[float, ...]


def interleaved(works: Mapping[str, Work], repeats: int) -> dict[str, Times]:
    """Time several works in turns, after one run of each that does not count, so that all see the same machine.

    Every second round runs backwards: what is first in one is last in the next.

    Args:
        works: by name.
        repeats: rounds, at least 1.
    """
    for work in works.values():
        work()
    wall: dict[str, list[float]] = {name: [] for name in works}
    cpu: dict[str, list[float]] = {name: [] for name in works}
    for number in range(repeats):
        for name in list(works)[:: 1 if number % 2 == 0 else -1]:
            before, start = cpu_s(), time.perf_counter()
            works[name]()
            wall[name].append(time.perf_counter() - start)
            cpu[name].append(cpu_s() - before)
    return {name: Times(tuple(wall[name]), tuple(cpu[name])) for name in works}


def cpu_s() -> float:
    """Sum the processor time in s of this process, of its children that ended, and on Linux of those that live."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + ended.ru_utime + ended.ru_stime + sum(map(_cpu_of, descendants(os.getpid())))


def descendants(pid: int) -> list[int]:
    """List the living children of a process and theirs; none where the system has no /proc."""
    found: list[int] = []
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):  # a thread that has just ended
            for child in map(int, file.read_text().split()):
                found += [child, *descendants(child)]
    return found


def peak_bytes(pid: int) -> int:
    """Read the peak memory in bytes of a living process of Linux; 0 when it cannot be read."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return 1024 * int(line.split()[1])
    return 0


def _cpu_of(pid: int) -> float:
    """Read the processor time in s of a living process of Linux, all its threads; 0 when it has just ended."""
    total = 0
    for file in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        with suppress(OSError, ValueError, IndexError):
            total += int(file.read_text().split()[0])
    return NANO * total
